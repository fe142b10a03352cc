"""Several labels an item: how well each is told from the embedding by a logistic regression of its own, learned from few items."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from selfsup.data.tags import Tags, read_tags
from selfsup.downstream.asking import Outcome, asked_for, written
from selfsup.downstream.comparing import Cell, UseEntry
from selfsup.downstream.networks import contenders
from selfsup.downstream.numbers import listing
from selfsup.downstream.results import Part, UseScores
from selfsup.downstream.scored import Judge, Metric
from selfsup.downstream.several import average_precision, one_against_rest, tag_scores
from selfsup.downstream.trial import Labelled, Trial, primary_labelled, set_trial
from selfsup.downstream.vectors import Probe, Vectors, told_texts, vector_entry
from selfsup.downstream.words import described, use_notes
from selfsup.embedding import Reading
from selfsup.evaluation.runs import Runs
from selfsup.probing.choice import default_layer
from selfsup.progress import progress

METRICS = (Metric("mAP"), Metric("micro AP"))


def evaluate_multi_label(
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
    """Score runs by how well each of several labels an item is told: mean average precision over labels, and over all pairs (micro AP).

    `labels` has names with ";" between them ("cat;dog", and ";" alone for none), a line for each, or several columns of 1 and 0
    (FILE.csv:cat,dog). One logistic regression a label learns from `labelled` items, drawn `draws` times from those the runs did not hold
    out; layer and strength, one for all labels, are chosen inside them. `baselines` are "pixels" (texts: "lsa") and "untrained". Writes
    multi_label.json into `out` and into each run. Raises ValueError for labels, splits or settings that cannot be scored.
    """
    how = told_texts(text, id, language, encoding)
    asked = asked_for(runs, data, labelled=labelled, baselines=baselines, out=out, told=how)
    reading = asked.reading
    tags = _read_by(reading, read_tags(labels, reading.listed, columns=reading.listed_columns, noun=reading.noun))
    of: dict[str, Any] = {"runs": asked.runs, "counts": asked.counts, "draws": draws, "seed": seed, "groups": groups}
    trial = set_trial(reading, labelled=tags.known, drawable=tags.known, **of)
    tags, lost = _told_apart(tags, trial)
    primary: Cell = ("linear", primary_labelled(asked.counts))
    truth, entries, said = tags.table[trial.test], list[UseEntry](), dict[str, list[np.ndarray]]()
    with progress("scoring") as told:
        for one in contenders(asked.runs, asked.readings, asked.baselines):
            told(f"labels by {one.name}")
            probes: dict[str, Probe] = {"linear": partial(_probe, tags.table[trial.rows])}
            keep = partial(_kept, said.setdefault(one.name, []), primary)
            entries.append(vector_entry(one, trial, probes=probes, judged=partial(_judged, truth), metrics=METRICS, keep=keep))
    outcome = Outcome(
        entries=entries,
        metrics=METRICS,
        primary=primary,
        labels=described(labels),
        skipped=tags.skipped,
        notes=[*lost, *use_notes(entries, tags.skipped, "labels"), _chance(truth)],
        classes=tags.names,
        parts=[_part(name, place, truth, said) for place, name in enumerate(tags.names)],
    )
    return written("multi-label", asked, trial, outcome)


def _kept(into: list[np.ndarray], wanted: Cell, cell: Cell, found: Float[np.ndarray, "N K"]) -> None:
    """Keep what was said where the score decides."""
    if cell == wanted:
        into.append(found)


def _read_by(reading: Reading[Any], tags: Tags) -> Tags:
    """Labels of the items that could be read, in their order."""
    places = {name: place for place, name in enumerate(reading.listed)}
    rows = np.array([places[name] for name in reading.ids], dtype=np.int64)
    return Tags(tags.names, tags.table[rows], tags.known[rows], tags.skipped)


def _told_apart(tags: Tags, trial: Trial) -> tuple[Tags, list[str]]:
    """Labels that some but not all items to learn from have, and some tested ones; a note on the others. Raises ValueError for none."""
    train, test = tags.table[trial.train], tags.table[trial.test]
    good = train.any(0) & ~train.all(0) & test.any(0) & ~test.all(0)
    lost = [name for name, ok in zip(tags.names, good, strict=True) if not ok]
    if not good.any():
        raise ValueError(f"no label is both had and not had, on either side of the split: {listing(lost)}. Label more items.")
    kept = [name for name, ok in zip(tags.names, good, strict=True) if ok]
    notes = [f"Left out, as all or none to learn from or to test on have them: {listing(lost)}."] if lost else []
    return Tags(kept, tags.table[:, good], tags.known, tags.skipped), notes


def _probe(
    table: Bool[np.ndarray, "n K"], vectors: Vectors, learned: Int[np.ndarray, "m"], tested: Int[np.ndarray, "N"]
) -> tuple[Float[np.ndarray, "N K"], str]:
    return one_against_rest(vectors, table, learned, tested, default=default_layer(list(vectors)))


def _judged(truth: Bool[np.ndarray, "N K"], said: Float[np.ndarray, "N K"]) -> Judge:
    def judge(some: Bool[np.ndarray, "N"] | None) -> dict[str, float]:
        return tag_scores(truth, said) if some is None else tag_scores(truth[some], said[some])

    return judge


def _part(name: str, place: int, truth: Bool[np.ndarray, "N K"], said: dict[str, list[np.ndarray]]) -> Part:
    """Average precision of one label for every row, a mean over seeds and draws."""
    means = {row: float(np.mean([average_precision(truth[:, place], one[:, place]) for one in every])) for row, every in said.items()}
    return Part(name, int(truth[:, place].sum()), means)


def _chance(truth: Bool[np.ndarray, "N K"]) -> str:
    return f"Blind guessing has a mean average precision of {100 * truth.mean():.1f} %: the mean share of items that have a label."
