"""From the features of one network to what each probe says of the tested items, draw by draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from selfsup.evaluation.predictions import Predictions, Setting
from selfsup.evaluation.retrieval import label_ranks
from selfsup.probing.choice import Features, choose
from selfsup.probing.metrics import average_precisions
from selfsup.probing.probes import Standardiser, knn, linear, neighbours_for
from selfsup.probing.sparse import Rows


@dataclass(frozen=True)
class Task:
    """Everything a row is scored on. Positions count in the rows of the features that come with it.

    `targets` has the class number of every row, -1 where none is known or none may be read; `test` holds the tested rows;
    `draws[labels_per_class]` the labelled rows of every draw; `reference` the training rows whose mean and deviation standardise.
    """

    targets: Int[np.ndarray, "n"]
    classes: int
    test: Int[np.ndarray, "N"]
    draws: Mapping[int | str, Sequence[Int[np.ndarray, "m"]]]
    reference: Int[np.ndarray, "r"]
    balanced: bool = False
    seed: int = 0

    @property
    def truth(self) -> Int[np.ndarray, "N"]:
        """Class numbers of the tested rows."""
        return np.asarray(self.targets[self.test])


def score(
    features: Features, task: Task, settings: Sequence[Setting], *, default: str, standardise: bool = True
) -> dict[Setting, Predictions]:
    """What the probe of each setting says, on one network's features; `default` is the layer where labels are too few to choose.

    Features that come as rows of length 1, whose columns are meant to weigh as they do, are not standardised for the linear probe.
    """
    linear_too = standardise and any(setting.probe == "linear" for setting in settings)
    standardised = _standardise(features, task) if linear_too else features
    return {
        setting: found_by_label(features[default][task.test], task, setting.nearest, default) if setting.nearest
        else collect([_one_draw(standardised if setting.probe == "linear" else features, task, setting, draw, default)
                          for draw in task.draws[setting.labels_per_class]], task.truth)
        for setting in settings
    }  # fmt: skip


def found_by_label(features: Rows, task: Task, nearest: int, layer: str) -> Predictions:
    """Which tested items have one of their own label among the `nearest` other tested items: their class, else -1. Nothing is learned."""
    hit = label_ranks(features, task.truth) < nearest
    found = np.where(hit, task.truth, -1)[None, None].astype(np.int32)
    return Predictions(found, np.full((1, 1, task.classes), np.nan), np.array([[layer]]))


def collect(draws: Sequence[tuple[Float[np.ndarray, "N K"], str]], truth: Int[np.ndarray, "N"]) -> Predictions:
    """One seed's scores and chosen layers, draw by draw, as predictions."""
    return Predictions(
        np.stack([scores.argmax(1) for scores, _ in draws])[None].astype(np.int32),
        np.stack([average_precisions(truth, scores) for scores, _ in draws])[None],
        np.array([layer for _, layer in draws])[None],
    )


def _standardise(features: Features, task: Task) -> Features:
    result = {}
    for name, rows in features.items():
        result[name] = Standardiser.of(rows[task.reference])(rows)
    return result


def _one_draw(
    features: Features, task: Task, setting: Setting, draw: Int[np.ndarray, "m"], default: str
) -> tuple[Float[np.ndarray, "N K"], str]:
    """Choose inside the draw, fit on the draw, and score the tested items."""
    targets, count = task.targets[draw], setting.labels_per_class
    inside = {name: rows[draw] for name, rows in features.items()}
    choice = choose(inside, targets, probe=setting.probe, labels_per_class=count, default=default, balanced=task.balanced, seed=task.seed)
    train, test = inside[choice.layer], features[choice.layer][task.test]
    if setting.probe == "linear":
        scores = linear(train, targets, test, classes=task.classes, strength=choice.strength, balanced=task.balanced)
    else:
        scores = knn(train, targets, test, classes=task.classes, neighbours=neighbours_for(count), balanced=task.balanced)
    return scores, choice.layer
