"""Tuning: settings of a recipe chosen inside the labels they are for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache as once
from typing import Any

import numpy as np
from jaxtyping import Int
from sklearn.model_selection import StratifiedKFold
from torch import nn

from selfsup.embedding import Reading
from selfsup.finetuning.recipe import Recipe
from selfsup.finetuning.training import train_classifier

TUNING_FOLDS = 3
"""To tune, one third of the labels is held back once, and a third of the steps is trained."""


def tuned(
    backbone: nn.Module,
    reading: Reading[Any],
    *,
    rows: Int[np.ndarray, "n"],
    targets: Int[np.ndarray, "n"],
    recipe: Recipe,
    options: Mapping[str, Sequence[Any]],
    seed: int = 0,
) -> Recipe:
    """`recipe` with those of the `options` (field of the recipe to values) that tell a held-back third of these labels best.

    One option is settled after the other, so that they cost as many trials as they have values together, not as they have
    combinations; each trial trains a third of the steps. The earlier of equals wins, and the mean probability of the truth settles what
    is equal. Nothing but `rows` and `targets` is looked at; too few labels leave the first value of each option.
    """
    if np.unique_counts(targets).counts.min() < TUNING_FOLDS:
        return replace(recipe, **{name: values[0] for name, values in options.items()})
    folds = StratifiedKFold(TUNING_FOLDS, shuffle=True, random_state=seed)
    inside, held_back = next(iter(folds.split(targets, targets)))
    classes, truth = int(targets.max()) + 1, targets[held_back]

    @once
    def quality(trial: Recipe) -> tuple[float, float]:
        short = replace(trial, steps=math.ceil(trial.steps_for(len(rows)) / TUNING_FOLDS))
        model = train_classifier(backbone, reading, rows=rows[inside], targets=targets[inside], classes=classes, recipe=short, seed=seed)
        scores = model.predict(reading, rows[held_back])
        shares = 1 / np.bincount(truth)[truth] if trial.balanced else np.ones(len(truth))
        right, likely = scores.argmax(1) == truth, scores[np.arange(len(truth)), truth]
        return round(float(np.average(right, weights=shares)), 9), float(np.average(likely, weights=shares))

    best = recipe
    for name, values in options.items():
        trials = [replace(best, **{name: value}) for value in values]
        best = max(trials, key=quality) if len(trials) > 1 else trials[0]
    return best
