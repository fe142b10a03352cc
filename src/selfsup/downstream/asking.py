"""What every use begins and ends with: runs, readings and wishes opened and checked; scores put together, written and copied into runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfsup.downstream.comparing import Cell, UseEntry, use_comparisons, use_rows
from selfsup.downstream.networks import Readings, check_pictures, readings_of, wanted_baselines
from selfsup.downstream.results import FILES, Labelled, Part, UseScores
from selfsup.downstream.scored import Metric
from selfsup.downstream.trial import Trial, check_labelled
from selfsup.embedding import Reading, opened_for
from selfsup.evaluation.runs import Runs, copy_into_runs, opened_runs, results_folder
from selfsup.run import Run

MOST_NAMED = 50
"""Annotations that could not be used and are named in the file; all are counted."""


@dataclass(frozen=True)
class Asked:
    """Runs, the data as each reads it, where scores go, the baselines by name, and numbers of labelled items."""

    runs: list[Run]
    readings: Readings
    folder: Path
    baselines: tuple[str, ...]
    counts: tuple[Labelled, ...]

    @property
    def reading(self) -> Reading[Any]:
        """The data as the first run reads it."""
        return self.readings[self.runs[0].name]


def asked_for(
    runs: Runs,
    data: Any,
    *,
    labelled: Sequence[Labelled],
    baselines: bool | Sequence[str],
    out: str | Path | None,
    told: Mapping[str, Any] | None = None,
    boxes: bool | None = None,
) -> Asked:
    """Open and check what was asked for, before anything is scored. `boxes` is None for uses that are not of pictures alone."""
    opened = opened_runs(runs)
    if boxes is not None:
        check_pictures(opened)
    wanted, counts = wanted_baselines(baselines, opened[0], scratch=bool(boxes)), check_labelled(labelled)
    folder = results_folder(opened, out)
    return Asked(opened, readings_of(opened, opened_for(opened[0], data, told or {})), folder, wanted, counts)


@dataclass(frozen=True)
class Outcome:
    """What a use found: its rows, classes and parts of the score, what was skipped, and what is said and shown beside."""

    entries: Sequence[UseEntry]
    metrics: Sequence[Metric]
    primary: Cell
    labels: str
    skipped: Mapping[str, str]
    notes: Sequence[str]
    classes: Sequence[str] = ()
    parts: Sequence[Part] = ()
    samples: Sequence[dict[str, Any]] = ()


def written(use: str, asked: Asked, trial: Trial, outcome: Outcome, *, beside: Sequence[str] = ()) -> UseScores:
    """The scores of a use, written into the folder and copied into each run, with the files that lie `beside` them there."""
    scores = UseScores(
        use=use,
        data=asked.reading.name,
        labels=outcome.labels,
        metrics=[metric.name for metric in outcome.metrics],
        classes=list(outcome.classes),
        train=len(trial.train),
        test=len(trial.test),
        transductive=trial.seen,
        draws=max(len(draws) for draws in trial.draws.values()),
        primary={"probe": outcome.primary[0], "labelled": outcome.primary[1]},
        runs=[run.name for run in asked.runs],
        rows=use_rows(outcome.entries, trial, outcome.metrics),
        comparisons=use_comparisons(outcome.entries, trial, outcome.metrics),
        parts=list(outcome.parts),
        skipped=dict(list(outcome.skipped.items())[:MOST_NAMED]),
        skipped_count=len(outcome.skipped),
        notes=[*trial.notes, *outcome.notes],
        noun=asked.reading.noun,
        samples=list(outcome.samples),
    )
    saved = scores.save(asked.folder)
    copy_into_runs((FILES[use], *beside), asked.runs, asked.folder)
    return saved
