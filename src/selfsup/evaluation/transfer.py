"""Zero-shot transfer: labels in one language, tests in each of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped

from selfsup.evaluation import metrics
from selfsup.evaluation.choice import Features
from selfsup.evaluation.draws import LabelsPerClass, draw_labels, overlap
from selfsup.evaluation.intervals import Interval, Sample, mean_interval
from selfsup.evaluation.predictions import Setting
from selfsup.evaluation.scoring import Task, score


@dataclass(frozen=True)
class Transfer:
    """What labels in the language `source` are worth in `target`, over `items` tested there; `metric` as in the score table."""

    source: str
    target: str
    metric: str
    score: Interval
    items: int


@dataclass(frozen=True)
class Languages:
    """Items in several languages: `targets` (-1 where unknown), the `language` of each, which are learned from and tested.

    `reference` are the items that standardise, without labels, in all languages. Translations of one text have to be on one side of the
    split: `groups` are theirs, for the tested items.
    """

    targets: Int[np.ndarray, "n"]
    classes: int
    language: Sequence[str | None]
    train: Int[np.ndarray, "a"]
    test: Int[np.ndarray, "N"]
    reference: Int[np.ndarray, "r"]
    groups: Shaped[np.ndarray, "N"] | None = None


def transfer(
    features: Features,
    items: Languages,
    *,
    setting: Setting,
    default: str,
    draws: int = 5,
    seed: int = 0,
    standardise: bool = True,
) -> list[Transfer]:
    """A score for each two languages, also for one with itself. Layer and strength are chosen inside the labels of the source.

    Languages with labels of fewer than two classes are no source. Raises ValueError when none is one.
    """
    spoken, truth = np.array([language or "" for language in items.language]), items.targets[items.test]
    balanced = metrics.is_skewed(np.bincount(items.targets[items.targets >= 0], minlength=items.classes))
    result = []
    for source in sorted(set(spoken[items.train]) - {""}):
        inside = items.train[spoken[items.train] == source]
        if len(np.unique(items.targets[inside])) < 2:
            continue
        drawn = {setting.labels_per_class: _draws(items.targets, inside, setting.labels_per_class, draws, seed)}
        task = Task(items.targets, items.classes, items.test, drawn, items.reference, balanced, seed)
        right = score(features, task, [setting], default=default, standardise=standardise)[setting].right(truth)
        share = overlap(items.targets[inside], setting.labels_per_class)
        for target in sorted(set(spoken[items.test]) - {""}):
            there = np.flatnonzero(spoken[items.test] == target)
            groups = None if items.groups is None else items.groups[there]
            sample = Sample(metrics.item_weights(truth[there], balanced=balanced), groups, share)
            metric = "balanced accuracy" if balanced else "accuracy"
            result.append(Transfer(source, target, metric, mean_interval(right[:, :, there], sample), len(there)))
    if not result:
        raise ValueError("no language has labels of two classes: expected labels in one language at least, and the language of each text.")
    return result


def _draws(
    targets: Int[np.ndarray, "n"], inside: Int[np.ndarray, "a"], count: LabelsPerClass, draws: int, seed: int
) -> list[Int[np.ndarray, "m"]]:
    return [inside[draw] for draw in draw_labels(targets[inside], count=count, draws=draws, seed=seed)]


def mean_transfer(found: Sequence[Transfer]) -> float:
    """The mean over pairs of different languages."""
    return float(np.mean([item.score.value for item in found if item.source != item.target]))
