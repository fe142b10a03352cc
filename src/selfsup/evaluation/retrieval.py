"""Retrieval: how often what is sought is among the nearest by cosine. Features are dense or sparse; nothing is fitted.

A hit at k means that fewer than k items that were not sought are as near as the nearest that was. So what is equally near counts against
the embedding, whatever the order of items, and an embedding that has collapsed to a point finds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped

from selfsup.evaluation.intervals import Interval, Sample, mean_interval
from selfsup.evaluation.sparse import Rows, cosines

KS = (1, 5, 10)

HUBS = 10
"""Neighbours over which the margin's local density is a mean. Conneau et al., ICLR 2018, arXiv 1710.04087, section 2.3."""

CHUNK = 2**24
"""Similarities held in memory at once."""


@dataclass(frozen=True)
class Recall:
    """The share of queries with a hit at k, over `queries` of them, and the share that blind choice would have."""

    k: int
    recall: Interval
    chance: float
    queries: int


def ranks(
    queries: Rows,
    gallery: Rows,
    *,
    sought: Shaped[np.ndarray, "n"],
    keys: Shaped[np.ndarray, "m"],
    own: Int[np.ndarray, "n"] | None = None,
    density: Float[np.ndarray, "m"] | None = None,
) -> Int[np.ndarray, "n"]:
    """How many items of the gallery that are not sought are at least as near to each query as the nearest that is; m where none is sought.

    Items whose key equals what a query seeks are sought. `own` is the query's own place in the gallery, which is left out. `density` is
    taken off the similarities (`densities` gives it, for the margin criterion).
    """
    _, numbers = np.unique(np.concatenate([sought, keys]), return_inverse=True)
    wanted, known = torch.from_numpy(numbers[: len(sought)]), torch.from_numpy(numbers[len(sought) :])
    found, start = [], 0
    for near in cosines(queries, gallery, rows=max(1, CHUNK // gallery.shape[0])):
        rows = torch.arange(start, start + len(near))
        if density is not None:
            near = near - torch.from_numpy(density).float()
        match = wanted[rows, None] == known
        if own is not None:
            mine = torch.from_numpy(own)[rows, None]
            near, match = near.scatter(1, mine, -torch.inf), match.scatter(1, mine, False)
        best = near.masked_fill(~match, -torch.inf).amax(1, keepdim=True)
        before = ((near >= best) & ~match).sum(1)
        found.append(torch.where(match.any(1), before, gallery.shape[0]))
        start += len(near)
    return np.asarray(torch.cat(found).numpy())


def densities(gallery: Rows, queries: Rows) -> Float[np.ndarray, "m"]:
    """Half the mean cosine of each item of the gallery to its nearest queries: what hubs, near to everything, are to lose."""
    parts = []
    for near in cosines(gallery, queries, rows=max(1, CHUNK // queries.shape[0])):
        parts.append(near.topk(min(HUBS, near.shape[1]), dim=1).values.mean(1) / 2)
    return np.asarray(torch.cat(parts).numpy())


def chances(sought: Int[np.ndarray, "n"], candidates: int, *, k: int) -> Float[np.ndarray, "n"]:
    """The chance that k of the candidates, drawn blindly, hold one of so many sought ones."""
    missed = np.ones(len(sought))
    for drawn in range(min(k, candidates)):
        missed *= np.maximum(candidates - sought - drawn, 0) / (candidates - drawn)
    return 1 - missed


def label_recall(
    features: Rows,
    targets: Int[np.ndarray, "n"],
    *,
    queries: Int[np.ndarray, "q"],
    gallery: Int[np.ndarray, "g"],
    groups: Shaped[np.ndarray, "q"] | None = None,
    ks: Sequence[int] = KS,
) -> list[Recall]:
    """Whether one of the k nearest items of the gallery has the query's label. A query that is in the gallery is not its own neighbour.

    Queries whose label no other item has are left out. Raises ValueError if none is left.
    """
    place = np.full(len(targets), -1)
    place[gallery] = np.arange(len(gallery))
    inside = place[queries] >= 0
    sought = np.bincount(targets[gallery], minlength=int(targets.max()) + 1)[targets[queries]] - inside
    some = sought > 0
    if not some.any():
        raise ValueError("no item has the label of another: expected two items of a class, to find one from the other.")
    found = np.empty(len(queries), dtype=np.int64)
    for own in (False, True):
        part = np.flatnonzero(inside == own)
        if len(part):
            rows = queries[part]
            mine = place[rows] if own else None
            found[part] = ranks(features[rows], features[gallery], sought=targets[rows], keys=targets[gallery], own=mine)
    sample = Sample(np.full(int(some.sum()), 1 / some.sum()), None if groups is None else groups[some])
    expected = {k: np.where(inside, chances(sought, len(gallery) - 1, k=k), chances(sought, len(gallery), k=k)) for k in ks}
    return [
        Recall(k, mean_interval((found[some] < k)[None, None].astype(float), sample), float(expected[k][some].mean()), int(some.sum()))
        for k in ks
    ]
