"""Finetuning: a backbone and one linear layer trained on labels. From random weights it is the supervised baseline of every score."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache as once
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from sklearn.model_selection import StratifiedKFold
from torch import Tensor, nn

from selfsup.embedding import Reading
from selfsup.train.distributed import device
from selfsup.train.memory import keep_memory
from selfsup.train.precision import Kernels
from selfsup.views import Augment

FEWEST_STEPS, MOST_STEPS, EPOCHS = 150, 1500, 20
"""As many steps as twenty passes over the labels take, within these bounds. On MNIST with 10 labels a class, 100 steps of 32 views told
89.8 %, 200 steps 90.4 % (two draws of labels)."""

WARM_UP = 0.1
"""Share of the steps over which the rate rises."""

TUNING_FOLDS = 3
"""To tune, one third of the labels is held back once, and a third of the steps is trained."""


@dataclass(frozen=True)
class Recipe:
    """How to train: the views, AdamW with a cosine schedule (no label smoothing), and numbers that take the place of what is chosen.

    `augment` is None where the views need nothing to be said. `steps` is chosen from the number of labels where it is None. With
    `balanced`, classes weigh the same in the loss.
    """

    augment: Augment | None
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    batch_size: int = 32
    steps: int | None = None
    balanced: bool = False
    kernels: Kernels = field(default=Kernels(), compare=False)

    def steps_for(self, labels: int) -> int:
        """How many steps to train on so many labelled items."""
        return self.steps or min(MOST_STEPS, max(FEWEST_STEPS, math.ceil(EPOCHS * labels / self.batch_size)))


class Classifier(nn.Module):
    """A backbone's embedding and one linear layer on top: what `embed` of the backbone takes, to one score a class."""

    def __init__(self, backbone: Any, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.linear = nn.Linear(backbone.width, classes)

    def forward(self, *inputs: Tensor) -> Float[Tensor, "B K"]:
        """Logits."""
        scores: Tensor = self.linear(self.backbone.embed(*inputs))
        return scores

    @torch.no_grad()
    def predict(self, reading: Reading[Any], rows: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n K"]:
        """Probabilities of the classes for whole items."""
        self.eval()
        parts = []
        for vectors in reading.embedded(self.backbone, torch.as_tensor(rows, dtype=torch.long)):
            parts.append(torch.softmax(self.linear(vectors).float(), dim=1).cpu())
        return np.asarray(torch.cat(parts).numpy(), dtype=np.float64)


def train_classifier(
    backbone: nn.Module,
    reading: Reading[Any],
    *,
    rows: Int[np.ndarray, "n"],
    targets: Int[np.ndarray, "n"],
    classes: int,
    recipe: Recipe,
    seed: int = 0,
) -> Classifier:
    """Train a copy of `backbone` with a linear layer on the items `rows`, whose class numbers are `targets`.

    The whole network is trained. Everything random follows from `seed`, and `backbone` stays as it is.
    """
    keep_memory()
    place = device()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Classifier(copy.deepcopy(backbone), classes).to(place).train()
    recipe.kernels.apply(model)
    rng = torch.Generator(place).manual_seed(seed)
    order = np.random.default_rng(seed)
    steps = recipe.steps_for(len(rows))
    weights = _class_weights(targets, classes).to(place) if recipe.balanced else None
    optimizer = torch.optim.AdamW(_groups(model, recipe.weight_decay), lr=recipe.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    stream = np.concatenate([order.permutation(len(rows)) for _ in range(math.ceil(steps * recipe.batch_size / len(rows)))])
    for picked in stream[: steps * recipe.batch_size].reshape(steps, recipe.batch_size):
        view = reading.view(model.backbone, torch.as_tensor(rows[picked], dtype=torch.long), augment=recipe.augment, rng=rng)
        with recipe.kernels.autocast(place):
            scores = model(*view)
        loss = F.cross_entropy(scores.float(), torch.as_tensor(targets[picked], device=place), weight=weights)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return model.eval()


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
    def quality(trial: Recipe) -> float:
        short = replace(trial, steps=math.ceil(trial.steps_for(len(rows)) / TUNING_FOLDS))
        model = train_classifier(backbone, reading, rows=rows[inside], targets=targets[inside], classes=classes, recipe=short, seed=seed)
        scores = model.predict(reading, rows[held_back])
        right = (scores.argmax(1) == truth) + 0.01 * scores[np.arange(len(truth)), truth]
        shares = 1 / np.bincount(truth)[truth] if trial.balanced else np.ones(len(truth))
        return float(np.average(right, weights=shares))

    best = recipe
    for name, values in options.items():
        trials = [replace(best, **{name: value}) for value in values]
        best = max(trials, key=quality) if len(trials) > 1 else trials[0]
    return best


def _groups(model: nn.Module, decay: float) -> list[dict[str, object]]:
    """Weight matrices decay; biases and the scales of normalisation do not."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [parameter for parameter in parameters if parameter.ndim > 1], "weight_decay": decay},
        {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "weight_decay": 0.0},
    ]


def _rate(step: int, steps: int) -> float:
    """Share of the full rate at a step: a straight rise, then half a cosine down to 0."""
    warm = max(1, round(WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _class_weights(targets: Int[np.ndarray, "n"], classes: int) -> Float[Tensor, "K"]:
    """Weights that make all classes that occur count the same."""
    counts = np.bincount(targets, minlength=classes)
    return torch.as_tensor(len(targets) / (np.maximum(counts, 1) * (counts > 0).sum()), dtype=torch.float32)
