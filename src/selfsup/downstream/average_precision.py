"""Average precision of boxes as COCO counts it: AP at overlaps from .5 to .95, over pictures, class by class.

Matching and interpolation follow cocodataset.org/#detection-eval (Lin and others, ECCV 2014, arXiv 1405.0312): in each picture boxes of a
class are taken from the surest to the least sure, at most 100, and each takes the free true box it overlaps most; precision is made to
fall with recall, and averaged over 101 recalls. The tests compare with pycocotools.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from selfsup.data.coco import UNKNOWN, Objects

OVERLAPS = np.linspace(0.5, 0.95, 10)
"""Intersections over unions at which a box counts as found."""

RECALLS = np.linspace(0, 1, 101)

MOST = 100
"""Boxes of a class in a picture that are judged, the surest first."""


@dataclass(frozen=True)
class Boxes:
    """What was found in one picture: boxes in shares of it, how sure each is, and its class."""

    boxes: Float[np.ndarray, "n 4"]
    scores: Float[np.ndarray, "n"]
    classes: Int[np.ndarray, "n"]


@dataclass(frozen=True)
class Matches:
    """All boxes of one class, the surest first: in which picture each is, whether it is right at each overlap, and whether it counts.

    `wanted` counts the true boxes of each picture.
    """

    picture: Int[np.ndarray, "n"]
    right: Bool[np.ndarray, "T n"]
    ignored: Bool[np.ndarray, "T n"]
    wanted: Int[np.ndarray, "N"]

    def average_precision(self, pictures: Bool[np.ndarray, "N"] | None = None) -> Float[np.ndarray, "T"]:
        """Average precision at each overlap, on some of the pictures; not a number where nothing was to be found in them."""
        wanted = int(self.wanted.sum() if pictures is None else self.wanted[pictures].sum())
        if wanted == 0:
            return np.full(len(OVERLAPS), np.nan)
        inside = slice(None) if pictures is None else pictures[self.picture]
        right, counted = self.right[:, inside], ~self.ignored[:, inside]
        hits, calls = np.cumsum(right & counted, axis=1), np.cumsum(counted, axis=1)
        precision = hits / np.maximum(calls, 1)
        precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        result = np.zeros(len(OVERLAPS))
        for place, (row, found) in enumerate(zip(precision, hits / wanted, strict=True)):
            first = np.searchsorted(found, RECALLS, side="left")
            result[place] = np.append(row, 0.0)[first].mean()
        return result


def match(found: Sequence[Boxes], truth: Sequence[Objects], classes: int) -> list[Matches]:
    """What was right among what was found, class by class; `found` and `truth` are of the same pictures."""
    return [_match_class(found, truth, number) for number in range(classes)]


def _match_class(found: Sequence[Boxes], truth: Sequence[Objects], number: int) -> Matches:
    pictures, scores, right, ignored, wanted = [], [], [], [], []
    for row, (said, true) in enumerate(zip(found, truth, strict=True)):
        own, mine = (true.classes == number) | (true.classes == UNKNOWN), np.flatnonzero(said.classes == number)
        mine = mine[np.argsort(-said.scores[mine], kind="stable")][:MOST]
        wanted.append(int((own & ~true.crowd).sum()))
        hit, passed = _match_picture(said.boxes[mine], true.boxes[own], true.crowd[own])
        pictures.append(np.full(len(mine), row))
        scores.append(said.scores[mine])
        right.append(hit)
        ignored.append(passed)
    order = np.argsort(-np.concatenate(scores), kind="stable")
    every = (np.concatenate(pictures)[order], np.concatenate(right, axis=1)[:, order], np.concatenate(ignored, axis=1)[:, order])
    return Matches(*every, np.array(wanted, dtype=np.int64))


def _match_picture(
    boxes: Float[np.ndarray, "n 4"], true: Float[np.ndarray, "m 4"], crowd: Bool[np.ndarray, "m"]
) -> tuple[Bool[np.ndarray, "T n"], Bool[np.ndarray, "T n"]]:
    """Which boxes, the surest first, are right at each overlap, and which lie in a crowd and do not count."""
    shares = overlaps(boxes, true, crowd)
    right = np.zeros((len(OVERLAPS), len(boxes)), dtype=bool)
    ignored = np.zeros_like(right)
    for place, least in enumerate(OVERLAPS):
        free = ~crowd
        for row in range(len(boxes)):
            best = _last_largest(np.where(free, shares[row], -1.0), least)
            if best is not None:
                right[place, row], free[best] = True, False
            elif _last_largest(np.where(crowd, shares[row], -1.0), least) is not None:
                ignored[place, row] = True
    return right, ignored


def _last_largest(values: Float[np.ndarray, "m"], least: float) -> int | None:
    """The place of the largest value, the last of equals, if it is at least `least`."""
    if not len(values):
        return None
    place = len(values) - 1 - int(values[::-1].argmax())
    return place if values[place] >= min(least, 1 - 1e-10) else None


def overlaps(boxes: Float[np.ndarray, "n 4"], true: Float[np.ndarray, "m 4"], crowd: Bool[np.ndarray, "m"]) -> Float[np.ndarray, "n m"]:
    """Intersection over union of every two boxes; over the found box alone where the true one is a crowd, of which it may be a part."""
    low, high = np.maximum(boxes[:, None, :2], true[None, :, :2]), np.minimum(boxes[:, None, 2:], true[None, :, 2:])
    shared = (high - low).clip(min=0).prod(axis=2)
    own, theirs = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)[:, None], (true[:, 2:] - true[:, :2]).prod(axis=1)[None]
    union = np.where(crowd[None], own, own + theirs - shared)
    return np.asarray(shared / np.maximum(union, 1e-12))


def mean_average_precision(matches: Sequence[Matches], pictures: Bool[np.ndarray, "N"] | None = None) -> dict[str, float]:
    """ "AP" over all overlaps, and "AP50", means over the classes there is something of."""
    table = np.stack([one.average_precision(pictures) for one in matches])
    table = table[~np.isnan(table).any(axis=1)]
    if not len(table):
        return {"AP": float("nan"), "AP50": float("nan")}
    return {"AP": float(table.mean()), "AP50": float(table[:, 0].mean())}
