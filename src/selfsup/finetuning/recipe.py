"""The recipe: how a classifier is trained, and how long."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from selfsup.train.precision import Kernels
from selfsup.views import Augment

FEWEST_STEPS, MOST_STEPS, EPOCHS = 150, 1500, 20
"""As many steps as twenty passes over the labels take, within these bounds. On MNIST with 10 labels a class, 100 steps of 32 views told
89.8 %, 200 steps 90.4 % (two draws of labels)."""

WARM_UP = 0.1
"""Share of the steps over which the rate rises."""


@dataclass(frozen=True)
class Recipe:
    """How to train: the views, AdamW with a cosine schedule (no label smoothing), and numbers that take the place of what is chosen.

    `augment` is None where the views need nothing to be said. `steps` is chosen from the number of labels where it is None, `length` times
    as many as a network takes that starts from nothing. With `balanced`, classes weigh the same in the loss. Each layer below the
    classified one has `layer_decay` times the rate of the next (a network that starts from nothing wants 1). With `frozen_statistics`,
    BatchNorm keeps the mean and variance it came with, which batches of few pictures would spoil; its scale and shift are trained.
    """

    augment: Augment | None
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    batch_size: int = 32
    steps: int | None = None
    length: float = 1.0
    balanced: bool = False
    layer_decay: float = 1.0
    frozen_statistics: bool = False
    kernels: Kernels = field(default=Kernels(), compare=False)

    def steps_for(self, labels: int) -> int:
        """How many steps to train on so many labelled items."""
        usual = min(MOST_STEPS, max(FEWEST_STEPS, math.ceil(EPOCHS * labels / self.batch_size)))
        return self.steps or math.ceil(self.length * usual)

    def rate_at(self, step: int, steps: int) -> float:
        """Share of the full rate at a step: a straight rise, then half a cosine down to 0."""
        warm = max(1, round(WARM_UP * steps))
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
