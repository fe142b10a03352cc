"""Segmentation: a linear probe on the positions of a backbone's maps says which class each pixel is of, learned from few masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int, UInt8

from selfsup.data.masks import VOID, Masks, read_masks
from selfsup.downstream.asking import Outcome, asked_for, written
from selfsup.downstream.comparing import Cell, UseEntry
from selfsup.downstream.maps import Kept
from selfsup.downstream.networks import Contender, contenders
from selfsup.downstream.pixels import PixelProbe, fit_pixels
from selfsup.downstream.results import Part, UseScores
from selfsup.downstream.samples import SHOWN, save_pictures
from selfsup.downstream.scored import Metric, Scored
from selfsup.downstream.seeing import kept_maps
from selfsup.downstream.trial import Labelled, Trial, primary_labelled, set_trial
from selfsup.downstream.words import use_notes
from selfsup.embedding import PictureReading
from selfsup.evaluation.runs import Runs
from selfsup.progress import progress

METRICS = (Metric("mIoU"), Metric("pixel accuracy"))

TOGETHER = 32


def evaluate_segmentation(
    runs: Runs,
    data: Any = None,
    *,
    masks: str | Path,
    labelled: Sequence[Labelled] = (10, 50, "all"),
    draws: int = 3,
    baselines: bool | Sequence[str] = True,
    groups: Any = None,
    seed: int = 0,
    out: str | Path | None = None,
) -> UseScores:
    """Score runs by how well a linear probe on their maps tells the class of each pixel: mean intersection over union, pixel accuracy.

    `masks` is a folder with a PNG for each picture (pixels are class numbers; 255 is void, but a class where all masks are of 0 and 255) or
    a COCO file with polygons. The probe is a logistic regression on the levels of a frozen backbone side by side, its scores are enlarged
    to pixels of the size the network sees. `labelled` says from how many pictures with masks it learns, drawn `draws` times from those the
    runs did not hold out. `baselines` are "pixels" and "untrained". Writes segmentation.json and segmentation.npz (pictures and masks, for
    the report) into `out` and into each run. Raises ValueError for masks, splits or settings that cannot be scored.
    """
    asked = asked_for(runs, data, labelled=labelled, baselines=baselines, out=out, boxes=False)
    reading = asked.reading
    assert isinstance(reading, PictureReading)
    truth = read_masks(masks, reading.ids, side=asked.runs[0].size, aspects=reading.store.aspects.double().numpy())
    has = np.array([one is not None for one in truth.masks])
    of: dict[str, Any] = {"runs": asked.runs, "counts": asked.counts, "draws": draws, "seed": seed, "groups": groups}
    trial = set_trial(reading, labelled=has, drawable=has, **of)
    primary: Cell = ("linear", primary_labelled(asked.counts))
    said, entries = dict[str, np.ndarray](), list[UseEntry]()
    with progress("scoring") as told:
        for one in contenders(asked.runs, asked.readings, asked.baselines):
            told(f"masks by {one.name}")
            entries.append(_entry(one, trial, truth, primary, said))
    shown = np.arange(len(trial.test))[:: max(1, len(trial.test) // SHOWN)][:SHOWN]
    rows = trial.test[shown]
    arrays = {"true": np.stack([_mask(truth, row) for row in rows.tolist()])}
    arrays |= {f"found/{name}": found[shown] for name, found in said.items()}
    save_pictures(asked.folder / "segmentation.npz", reading.store.take(torch.as_tensor(rows, dtype=torch.long)), arrays)
    outcome = Outcome(
        entries=entries,
        metrics=METRICS,
        primary=primary,
        labels=str(masks),
        skipped=truth.skipped,
        notes=[*truth.notes, *use_notes(entries, truth.skipped, "masks")],
        classes=truth.classes,
        parts=_by_class(entries, truth, trial),
        samples=[{"id": reading.ids[row]} for row in rows.tolist()],
    )
    return written("segmentation", asked, trial, outcome, beside=("segmentation.npz",))


@dataclass(frozen=True)
class Confused:
    """For each tested picture how many pixels of each true class (row) were told to be of each class (column)."""

    tables: Int[np.ndarray, "N K K"]

    def judge(self, pictures: Bool[np.ndarray, "N"] | None) -> dict[str, float]:
        """Both metrics on some of the pictures."""
        whole = (self.tables if pictures is None else self.tables[pictures]).sum(0)
        shares = shares_of(whole)
        total = int(whole.sum())
        return {
            "mIoU": float(np.nanmean(shares)) if total else float("nan"),
            "pixel accuracy": float(np.diag(whole).sum() / total) if total else float("nan"),
        }


def shares_of(table: Int[np.ndarray, "K K"]) -> np.ndarray:
    """Intersection over union of each class; not a number for one that is not there."""
    right = np.diag(table).astype(float)
    union = table.sum(0) + table.sum(1) - right
    there = table.sum(1) > 0
    return np.where(there, right / np.maximum(union, 1), np.nan)


def _entry(contender: Contender, trial: Trial, truth: Masks, primary: Cell, said: dict[str, np.ndarray]) -> UseEntry:
    """All seeds, numbers of labels and draws of one row; `said` gets what the first network told in its first draw."""
    scored: dict[Cell, list[Scored]] = {}
    parts: list[dict[str, float]] = []
    for candidate in contender.candidates():
        kept = kept_maps(candidate, trial)
        for count, draws in trial.draws.items():
            confused = []
            for number, (found, tables) in enumerate(_told(kept, trial, truth, count)):
                confused.append(tables)
                if count == primary[1]:
                    shares = zip(truth.classes, shares_of(tables.tables.sum(0)).tolist(), strict=True)
                    parts.append({name: share for name, share in shares if share == share})
                    if number == 0:
                        said.setdefault(contender.name, found)
            assert len(confused) == len(draws)
            scored.setdefault((primary[0], count), []).append(Scored.of([one.judge for one in confused], trial.parts, METRICS))
    joined = {cell: Scored.stacked(seeds) for cell, seeds in scored.items()}
    means = {name: float(np.mean([one[name] for one in parts if name in one])) for name in truth.classes if any(name in p for p in parts)}
    return UseEntry(contender.name, contender.kind, len(contender.makers), joined, contender.runs, parts=means)


def _told(kept: Kept, trial: Trial, truth: Masks, count: Labelled) -> list[tuple[np.ndarray, Confused]]:
    """For each draw what a probe says of every tested pixel, and how that compares."""
    targets = np.stack([_mask(truth, row) for row in trial.test.tolist()])
    result = []
    for draw in trial.draws[count]:
        masks = np.stack([_mask(truth, row) for row in draw.tolist()])
        probe: PixelProbe = fit_pixels(kept, draw, masks, classes=len(truth.classes))
        parts = [trial.test[start : start + TOGETHER] for start in range(0, len(trial.test), TOGETHER)]
        found = np.concatenate([probe(kept, rows, side=targets.shape[-1]) for rows in parts])
        result.append((found, Confused(_tables(targets, found, len(truth.classes)))))
    return result


def _tables(truth: UInt8[np.ndarray, "N S S"], found: UInt8[np.ndarray, "N S S"], classes: int) -> Int[np.ndarray, "N K K"]:
    tables = np.zeros((len(truth), classes, classes), dtype=np.int64)
    for place, (true, said) in enumerate(zip(truth, found, strict=True)):
        known = true != VOID
        pairs = true[known].astype(np.int64) * classes + said[known]
        tables[place] = np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
    return tables


def _mask(truth: Masks, row: int) -> UInt8[np.ndarray, "S S"]:
    found = truth.masks[row]
    assert found is not None, "only pictures with masks are drawn or tested"
    return found


def _by_class(entries: Sequence[UseEntry], truth: Masks, trial: Trial) -> list[Part]:
    """Intersection over union of each class; `tested` counts pictures that have it."""
    having = [sum(bool((_mask(truth, row) == number).any()) for row in trial.test.tolist()) for number in range(len(truth.classes))]
    return [
        Part(name, count, {entry.name: entry.parts[name] for entry in entries if name in entry.parts})
        for name, count in zip(truth.classes, having, strict=True)
    ]
