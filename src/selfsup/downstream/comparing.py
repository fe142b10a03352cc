"""From what rows scored to a table of values with intervals, comparisons, and scores class by class: the same for every use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from selfsup.downstream.results import UseComparison, UseRow
from selfsup.downstream.scored import Metric, Scored, score_difference, score_interval
from selfsup.downstream.trial import Labelled, Trial
from selfsup.probing.intervals import Interval

Cell = tuple[str, Labelled]
"""A probe and a number of labelled items."""


@dataclass(frozen=True)
class UseEntry:
    """One row with all it scored. `seeds` counts pretrainings or initialisations, `runs` are the names of run folders, one a seed."""

    name: str
    kind: str
    seeds: int
    scored: Mapping[Cell, Scored]
    runs: tuple[str, ...] = ()
    layers: Mapping[Cell, Mapping[str, int]] = field(default_factory=dict)
    parts: Mapping[str, float] = field(default_factory=dict)


def use_rows(entries: Sequence[UseEntry], trial: Trial, metrics: Sequence[Metric]) -> list[UseRow]:
    """One row for every entry, probe, number of labels and metric."""
    result = []
    for entry in entries:
        for (probe, count), scored in entry.scored.items():
            for place, metric in enumerate(metrics):
                found = score_interval(scored, place, metric, overlap=trial.overlap(count))
                layers = dict(entry.layers.get((probe, count), {}))
                result.append(UseRow(
                    entry.name, entry.kind, list(entry.runs), probe, count, metric.name, found.value, found.low, found.high, entry.seeds,
                    layers,
                ))  # fmt: skip
    return result


def use_comparisons(entries: Sequence[UseEntry], trial: Trial, metrics: Sequence[Metric]) -> list[UseComparison]:
    """Every run's row against every other row, at every probe and number of labels; the strongest baseline is marked."""
    result = []
    for entry in (entry for entry in entries if entry.kind == "run"):
        for cell, own in entry.scored.items():
            others = {other.name: other for other in entries if other.name != entry.name and cell in other.scored}
            for place, metric in enumerate(metrics):
                sign = 1 if metric.more_is_better else -1
                worth = {
                    name: sign * float(other.scored[cell].values[:, :, place].mean())
                    for name, other in others.items()
                    if other.kind == "baseline"
                }
                best = max(worth, key=lambda name: worth[name], default="")
                for name, other in others.items():
                    found = score_difference(own, other.scored[cell], place, metric, overlap=trial.overlap(cell[1]))
                    result.append(UseComparison(
                        entry.name, name, cell[0], cell[1], metric.name, found.value, found.low, found.high, _verdict(found, metric),
                        name == best,
                    ))  # fmt: skip
    return result


def _verdict(found: Interval, metric: Metric) -> str:
    """What a difference says; of an error, less is better."""
    if metric.more_is_better:
        return found.verdict
    return Interval(-found.value, -found.high, -found.low).verdict
