"""Training a classifier on labels: from a fitted linear probe, or from nothing, which is the supervised baseline of every score."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from selfsup.embedding import Reading
from selfsup.finetuning.classifier import Classifier, Start
from selfsup.finetuning.depth import parameter_groups
from selfsup.finetuning.recipe import Recipe
from selfsup.probing.probes import class_weights
from selfsup.train.distributed import device
from selfsup.train.memory import keep_memory


def train_classifier(
    backbone: nn.Module,
    reading: Reading[Any],
    *,
    rows: Int[np.ndarray, "n"],
    targets: Int[np.ndarray, "n"],
    classes: int,
    recipe: Recipe,
    seed: int = 0,
    start: Start | None = None,
) -> Classifier:
    """Train a copy of `backbone` with a linear layer, which may begin as `start`, on the items `rows` of the class numbers `targets`.

    Everything below the classified layer is trained. Everything random follows from `seed`, and `backbone` stays as it is.
    """
    keep_memory()
    place = device()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Classifier(copy.deepcopy(backbone), type(reading), classes, start=start).to(place)
    recipe.kernels.apply(model)
    rng = torch.Generator(place).manual_seed(seed)
    steps = recipe.steps_for(len(rows))
    weights = _loss_weights(targets, classes).to(place) if recipe.balanced else None
    optimizer, schedule = _optimizer(model, reading, recipe, row=int(rows[0]), steps=steps)
    _to_training(model, recipe)
    for picked in _batches(len(rows), recipe.batch_size, steps, seed):
        view = reading.view(model.backbone, torch.as_tensor(rows[picked], dtype=torch.long), augment=recipe.augment, rng=rng)
        with recipe.kernels.autocast(place):
            scores = model(*view)
        loss = F.cross_entropy(scores.float(), torch.as_tensor(targets[picked], device=place), weight=weights)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return model.eval()


def _to_training(model: nn.Module, recipe: Recipe) -> None:
    model.train()
    if recipe.frozen_statistics:
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


def _optimizer(
    model: Classifier, reading: Reading[Any], recipe: Recipe, *, row: int, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW on the parameters that the classified layer depends on, told from a view of one item."""
    place = model.linear.weight.device
    rng = torch.Generator(place).manual_seed(0)
    model.eval()
    inputs = reading.view(model.backbone, torch.tensor([row]), augment=recipe.augment, rng=rng)
    groups = parameter_groups(model, recipe, inputs)
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: recipe.rate_at(step, steps))


def _batches(items: int, size: int, steps: int, seed: int) -> Int[np.ndarray, "steps size"]:
    """Positions for each step: one shuffled pass after the other, cut into batches."""
    order = np.random.default_rng(seed)
    stream = np.concatenate([order.permutation(items) for _ in range(math.ceil(steps * size / items))])
    return np.asarray(stream[: steps * size].reshape(steps, size))


def _loss_weights(targets: Int[np.ndarray, "n"], classes: int) -> Float[Tensor, "K"]:
    """Weights that make all classes that occur count the same."""
    weights = np.zeros(classes)
    weights[targets] = class_weights(targets, balanced=True)
    return torch.as_tensor(weights, dtype=torch.float32)
