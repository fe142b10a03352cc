"""Regression: how well a number an item has can be told from its embedding, learned from few items that have one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from selfsup.downstream.asking import Outcome, asked_for, written
from selfsup.downstream.networks import contenders
from selfsup.downstream.numbers import number_scores, read_numbers
from selfsup.downstream.results import UseScores
from selfsup.downstream.ridge import nearest, ridge
from selfsup.downstream.scored import Judge, Metric
from selfsup.downstream.trial import Labelled, primary_labelled, set_trial
from selfsup.downstream.vectors import Probe, Vectors, told_texts, vector_entry
from selfsup.downstream.words import described, use_notes
from selfsup.evaluation.runs import Runs
from selfsup.progress import progress

METRICS = (Metric("R2", low=-math.inf), Metric("MAE", high=math.inf, more_is_better=False), Metric("Spearman", low=-1.0))


def evaluate_regression(
    runs: Runs,
    data: Any = None,
    *,
    labels: Any,
    labelled: Sequence[Labelled] = (10, 50, "all"),
    draws: int = 5,
    baselines: bool | Sequence[str] = True,
    groups: Any = None,
    seed: int = 0,
    out: str | Path | None = None,
    text: str | None = None,
    id: str | None = None,
    language: str | None = None,
    encoding: str | None = None,
) -> UseScores:
    """Score runs by how well a number is told from their embeddings: R2, mean absolute error and Spearman's correlation of ranks.

    `labels` is what `evaluate` takes, a column of numbers. A ridge regression and the mean of the nearest items learn from `labelled`
    items, drawn `draws` times from those the runs did not hold out; layer and penalty are chosen inside them. `baselines` are "pixels"
    (texts: "lsa") and "untrained" (three initialisations). Writes regression.json into `out` and into each run. Raises ValueError for
    labels, splits or settings that cannot be scored.
    """
    how = told_texts(text, id, language, encoding)
    asked = asked_for(runs, data, labelled=labelled, baselines=baselines, out=out, told=how)
    numbers, skipped = read_numbers(labels, asked.reading)
    has = np.isfinite(numbers)
    of: dict[str, Any] = {"runs": asked.runs, "counts": asked.counts, "draws": draws, "seed": seed, "groups": groups}
    trial = set_trial(asked.reading, labelled=has, drawable=has, **of)
    values, truth = numbers[trial.rows], numbers[trial.test]
    probes: dict[str, Probe] = {"ridge": _probe(ridge, values), "knn": _probe(nearest, values)}
    with progress("scoring") as told:
        entries = []
        for one in contenders(asked.runs, asked.readings, asked.baselines):
            told(f"numbers by {one.name}")
            entries.append(vector_entry(one, trial, probes=probes, judged=partial(_judged, truth), metrics=METRICS))
    outcome = Outcome(
        entries=entries,
        metrics=METRICS,
        primary=("ridge", primary_labelled(asked.counts)),
        labels=described(labels),
        skipped=skipped,
        notes=use_notes(entries, skipped, "labels"),
    )
    return written("regression", asked, trial, outcome)


def _probe(fitted: Any, values: Float[np.ndarray, "n"]) -> Probe:
    def probe(vectors: Vectors, learned: Int[np.ndarray, "m"], tested: Int[np.ndarray, "N"]) -> tuple[Float[np.ndarray, "N"], str]:
        said: tuple[Float[np.ndarray, "N"], str] = fitted(vectors, values, learned, tested)
        return said

    return probe


def _judged(truth: Float[np.ndarray, "N"], said: Float[np.ndarray, "N"]) -> Judge:
    def judge(some: Bool[np.ndarray, "N"] | None) -> dict[str, float]:
        return number_scores(truth, said) if some is None else number_scores(truth[some], said[some])

    return judge
