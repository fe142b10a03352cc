"""From predictions to the score table: values with intervals, comparisons with every baseline, confusion, and class by class."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from selfsup.evaluation.predictions import Predictions, Setting
from selfsup.evaluation.problem import Problem
from selfsup.evaluation.results import ClassScore, Comparison, Confusion, Prediction, Row
from selfsup.evaluation.retrieval import label_chance, query_weights
from selfsup.probing import metrics
from selfsup.probing.draws import overlap
from selfsup.probing.intervals import Sample, difference_interval, mean_interval


@dataclass(frozen=True)
class Entry:
    """One row with all it said.

    `runs` are the names of run folders, one a seed. `seeds` counts pretrainings or initialisations; None means one for every draw.
    `remarks` are for the notes; `kept_probe` says in how many draws fine-tuning was not better than the linear probe, which was kept.
    """

    name: str
    kind: str
    seeds: int | None
    predictions: Mapping[Setting, Predictions]
    runs: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    kept_probe: Mapping[Setting, int] = field(default_factory=dict)

    @property
    def told(self) -> dict[Setting, Predictions]:
        """The settings at which classes were told."""
        return {setting: found for setting, found in self.predictions.items() if not setting.nearest}


def metric_name(problem: Problem) -> str:
    """What the scores are."""
    return "balanced accuracy" if problem.skewed else "accuracy"


def sample_of(problem: Problem, setting: Setting) -> Sample:
    """The tested items as intervals see them."""
    of_items = query_weights if setting.nearest else metrics.item_weights
    weights = of_items(problem.truth, balanced=problem.skewed)
    return Sample(weights, problem.groups, overlap(problem.targets[problem.train], setting.labels_per_class))


def rows_of(entries: Sequence[Entry], problem: Problem) -> list[Row]:
    """One row for every entry and setting."""
    return [_row(entry, setting, problem) for entry in entries for setting in entry.predictions]


def _row(entry: Entry, setting: Setting, problem: Problem) -> Row:
    found = entry.predictions[setting]
    right = found.right(problem.truth)
    interval = mean_interval(right, sample_of(problem, setting))
    balanced = metrics.item_weights(problem.truth, balanced=True)
    seeds = found.predicted.shape[1] if entry.seeds is None else entry.seeds
    return Row(
        row=entry.name, kind=entry.kind, runs=list(entry.runs), probe=setting.probe, labels_per_class=setting.labels_per_class,
        metric=_metric(setting, problem), value=interval.value, low=interval.low, high=interval.high, seeds=seeds,
        layers=found.layer_counts(), accuracy=float(right.mean()), balanced_accuracy=float(right.mean((0, 1)) @ balanced),
        average_precision=_mean(found.average_precision),
    )  # fmt: skip


def _metric(setting: Setting, problem: Problem) -> str:
    if setting.nearest:
        return f"balanced {setting.probe}" if problem.skewed else setting.probe
    return metric_name(problem)


def chances_of(problem: Problem, settings: Sequence[Setting]) -> dict[str, float]:
    """What blind choice finds, for each recall@k."""
    asked = {setting.probe: setting.nearest for setting in settings if setting.nearest}
    return {probe: label_chance(problem.truth, k=k, balanced=problem.skewed) for probe, k in asked.items()}


def comparisons_of(entries: Sequence[Entry], problem: Problem) -> list[Comparison]:
    """Every run's row against every baseline at every setting, the strongest baseline marked."""
    baselines = [entry for entry in entries if entry.kind == "baseline"]
    runs = [entry for entry in entries if entry.kind == "run"]
    result = []
    for entry in runs:
        for setting, own in entry.predictions.items():
            sample = sample_of(problem, setting)
            others = {other.name: other.predictions[setting].right(problem.truth) for other in baselines if setting in other.predictions}
            means = {name: float(right.mean((0, 1)) @ sample.weights) for name, right in others.items()}
            for name, right in others.items():
                found = difference_interval(own.right(problem.truth), right, sample=sample)
                best = name == max(means, key=lambda other: means[other])
                result.append(Comparison(
                    entry.name, name, setting.probe, setting.labels_per_class, found.value, found.low, found.high, found.verdict, best
                ))  # fmt: skip
    return result


def confusion_of(entries: Sequence[Entry], problem: Problem) -> list[Confusion]:
    """Confusion matrices, averaged over seeds and draws."""
    classes, truth = len(problem.classes), problem.truth
    result = []
    for entry in entries:
        for setting, found in entry.told.items():
            flat = found.predicted.reshape(-1, len(truth))
            matrix = sum(metrics.confusion(truth, row, classes=classes) for row in flat) / len(flat)
            result.append(Confusion(entry.name, setting.probe, setting.labels_per_class, np.round(matrix, 2).tolist()))
    return result


def classes_of(entries: Sequence[Entry], problem: Problem) -> list[ClassScore]:
    """Recall and average precision of every class, averaged over seeds and draws."""
    result = []
    for entry in entries:
        for setting, found in entry.told.items():
            hit = found.right(problem.truth).mean((0, 1))
            precision = found.average_precision.mean((0, 1))
            for number, label in enumerate(problem.classes):
                recall = float(hit[problem.truth == number].mean())
                result.append(ClassScore(entry.name, setting.probe, setting.labels_per_class, label, recall, float(precision[number])))
    return result


def said_by(entries: Sequence[Entry], problem: Problem) -> list[Prediction]:
    """Every call of a class, network by network and draw by draw."""
    names = np.array(problem.classes)
    result = []
    for entry in entries:
        for setting, found in entry.told.items():
            for seed, draws in enumerate(found.predicted):
                run = entry.runs[seed] if entry.runs else f"{entry.name} {seed + 1}"
                for draw, predicted in enumerate(draws):
                    words = names[predicted].tolist()
                    result.append(Prediction(entry.name, run, setting.probe, setting.labels_per_class, draw, words))
    return result


def chosen_layers(entries: Sequence[Entry], primary: Setting) -> dict[str, str]:
    """For each run folder the layer chosen most often at the primary setting, by its own draws."""
    chosen = {}
    for entry in entries:
        for seed, run in enumerate(entry.runs):
            found = entry.predictions[primary]
            counts = Predictions(found.predicted[[seed]], found.average_precision[[seed]], found.layers[[seed]]).layer_counts()
            chosen[run] = next(iter(counts))
    return chosen


def _mean(values: Float[np.ndarray, "S D K"]) -> float:
    """The mean over what is a number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of nothing at all, it is not a number either
        return float(np.nanmean(values))
