"""Depth: which of a backbone's layers a parameter first takes part in, so that early layers can learn more slowly than late ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from selfsup.finetuning.classifier import Classifier
from selfsup.finetuning.recipe import Recipe


def depths(backbone: Any, inputs: tuple[Tensor, ...]) -> dict[str, int]:
    """For each parameter, by name, the number of the first of `backbone.layers` that depends on it; without those that none does.

    Told from gradients and not from names, so that it holds for every architecture. The backbone has to be in evaluation mode: BatchNorm
    must not see these inputs.
    """
    assert not backbone.training
    named = [(name, parameter) for name, parameter in backbone.named_parameters() if parameter.requires_grad]
    with torch.enable_grad():
        maps = backbone.features(*inputs)
    found: dict[str, int] = {}
    for number, layer in enumerate(backbone.layers):
        gradients = torch.autograd.grad(maps[layer].sum(), [parameter for _, parameter in named], retain_graph=True, allow_unused=True)
        for (name, _), gradient in zip(named, gradients, strict=True):
            if gradient is not None:
                found.setdefault(name, number)
    return found


def parameter_groups(model: Classifier, recipe: Recipe, inputs: tuple[Tensor, ...]) -> list[dict[str, Any]]:
    """What the optimiser takes: the rate falls from the linear layer down by `layer_decay` a layer (Clark et al., ICLR 2020, arXiv
    2003.10555, section 3.1, for ELECTRA). Weight matrices decay; biases and the scales of normalisation do not.
    """
    layers = list(model.backbone.layers)
    top = layers.index(model.layer.rpartition("/")[0]) if model.layer.rpartition("/")[0] in layers else len(layers) - 1
    below = depths(model.backbone, inputs) if recipe.layer_decay < 1 else dict.fromkeys(dict(model.backbone.named_parameters()), top)
    steps = {f"backbone.{name}": 1 + top - number for name, number in below.items() if number <= top}
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and (name in steps or not name.startswith("backbone.")):
            groups.setdefault((steps.get(name, 0), parameter.ndim > 1), []).append(parameter)
    return [
        {"params": members, "lr": recipe.learning_rate * recipe.layer_decay**down, "weight_decay": recipe.weight_decay if decays else 0.0}
        for (down, decays), members in groups.items()
    ]
