"""Zero-shot transfer: labels in one language, tests in each of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from selfsup.evaluation.predictions import Setting
from selfsup.evaluation.scoring import Task, score
from selfsup.probing import metrics
from selfsup.probing.choice import Features
from selfsup.probing.draws import LabelsPerClass, draw_labels, overlap
from selfsup.probing.intervals import Interval, Sample, mean_interval


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


@dataclass(frozen=True)
class Summary:
    """What labels are worth in the language they are in, and in another: the mean over tested texts of all sources there are for each.

    None where no tested text has a source of that kind.
    """

    metric: str
    same: Interval | None
    other: Interval | None


Right = dict[str, Float[np.ndarray, "S D N"]]
"""For each language with labels, whether each tested item was told right."""


def told_right(
    features: Features,
    items: Languages,
    *,
    setting: Setting,
    default: str,
    draws: int = 5,
    seed: int = 0,
    standardise: bool = True,
) -> Right:
    """What one embedding's probe, learned in each language that has labels of two classes, says of all tested items.

    Layer and strength are chosen inside the labels of the source. Raises ValueError when no language is one.
    """
    spoken, truth = _spoken(items), items.targets[items.test]
    result: Right = {}
    for source in sorted(set(spoken[items.train]) - {""}):
        inside = items.train[spoken[items.train] == source]
        if len(np.unique(items.targets[inside])) < 2:
            continue
        drawn = {setting.labels_per_class: _draws(items.targets, inside, setting.labels_per_class, draws, seed)}
        task = Task(items.targets, items.classes, items.test, drawn, items.reference, _balanced(items), seed)
        result[source] = score(features, task, [setting], default=default, standardise=standardise)[setting].right(truth)
    if not result:
        raise ValueError("no language has labels of two classes: expected labels in one language at least, and the language of each text.")
    return result


def transfers(right: Right, items: Languages, setting: Setting) -> list[Transfer]:
    """A score for each two languages, from what was told right."""
    spoken = _spoken(items)[items.test]
    result = []
    for source, table in right.items():
        for target in sorted(set(spoken) - {""}):
            there = np.flatnonzero(spoken == target)
            found = mean_interval(table[:, :, there], _sample(items, there, [source], setting))
            result.append(Transfer(source, target, _metric(items), found, len(there)))
    return result


def summary_of(right: Right, items: Languages, setting: Setting) -> Summary:
    """The mean over tested items in the language of the labels, and over those in another."""
    spoken = _spoken(items)[items.test]
    tables = np.stack([right[source] for source in right])  # L S D N
    own = np.array([spoken == source for source in right])  # L N
    known = spoken != ""

    def mean(counted: Bool[np.ndarray, "L N"]) -> Interval | None:
        there = np.flatnonzero(counted.any(0))
        if not len(there):
            return None
        shares = counted[:, there] / counted[:, there].sum(0)
        return mean_interval(np.einsum("lsdn,ln->sdn", tables[..., there], shares), _sample(items, there, list(right), setting))

    return Summary(_metric(items), mean(own), mean(~own & known))


def _spoken(items: Languages) -> Shaped[np.ndarray, "n"]:
    return np.array([language or "" for language in items.language])


def _balanced(items: Languages) -> bool:
    return metrics.is_skewed(np.bincount(items.targets[items.targets >= 0], minlength=items.classes))


def _metric(items: Languages) -> str:
    return "balanced accuracy" if _balanced(items) else "accuracy"


def _sample(items: Languages, there: Int[np.ndarray, "m"], sources: Sequence[str], setting: Setting) -> Sample:
    """The tested items `there`, and how far draws of labels in the sources overlap."""
    spoken = _spoken(items)[items.train]
    shares = [overlap(items.targets[items.train[spoken == source]], setting.labels_per_class) for source in sources]
    weights = metrics.item_weights(items.targets[items.test[there]], balanced=_balanced(items))
    return Sample(weights, None if items.groups is None else items.groups[there], max(shares))


def _draws(
    targets: Int[np.ndarray, "n"], inside: Int[np.ndarray, "a"], count: LabelsPerClass, draws: int, seed: int
) -> list[Int[np.ndarray, "m"]]:
    return [inside[draw] for draw in draw_labels(targets[inside], count=count, draws=draws, seed=seed)]
