"""Optimisers: AdamW, and LARS for large batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from selfsup.pretext import Pretext

OPTIMIZERS = ("adamw", "lars")
LARS_RATE = 0.15  # at a batch of 128
DEFAULT_DECAY = {"adamw": 0.05, "lars": 1e-6}


class LARS(torch.optim.Optimizer):
    """Momentum SGD whose step is scaled, layer by layer, to a share of the layer's norm. You, Gitman, Ginsburg 2017, arXiv 1708.03888.

    `trust` is the paper's eta (.001). As in SimCLR and BYOL, one-dimensional parameters (biases, norms) are neither decayed nor scaled.
    """

    def __init__(self, params: Iterable[Any], lr: float, *, momentum: float = 0.9, weight_decay: float = 0.0, trust: float = 1e-3) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group)

    def _move(self, parameter: nn.Parameter, group: dict[str, Any]) -> None:
        update: Tensor = parameter.grad  # type: ignore[assignment]
        if parameter.ndim > 1:
            update = update.add(parameter, alpha=group["weight_decay"])
            ratio = group["trust"] * parameter.norm() / update.norm()
            update = update * torch.where(torch.isfinite(ratio) & (ratio > 0), ratio, torch.ones_like(ratio))
        momentum = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
        momentum.mul_(group["momentum"]).add_(update)
        parameter.add_(momentum, alpha=-group["lr"])


def default_rate(task: type[Pretext], name: str, batch_size: float) -> float:
    """The peak rate for a batch: in proportion to it for LARS (Goyal et al. 2017, arXiv 1706.02677), to its root for AdamW.

    The root is what keeps Adam's noise alike (Malladi et al., NeurIPS 2022, arXiv 2205.10287).
    """
    ratio = batch_size / 128
    return LARS_RATE * ratio if name == "lars" else task.learning_rate * math.sqrt(ratio)


def make_optimizer(task: Pretext, name: str, *, rate: float, decay: float) -> torch.optim.Optimizer:
    """The optimiser over the task's parameter groups. Norms, biases and other one-dimensional parameters are not decayed.

    A group of the task's own may set `lr_scale` (times the rate), `weight_decay` and `constant`. Each group keeps `peak`, its highest
    rate.
    """
    groups = [half for group in task.parameter_groups() for half in _halves(group, rate, decay)]
    if name == "lars":
        return LARS(groups, rate)
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95) if task.prefers_patches else (0.9, 0.999), fused=True)
    raise ValueError(f"there is no optimizer {name!r}; expected one of {', '.join(OPTIMIZERS)}.")


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> float:
    """Set every group to `factor` times its peak, those that are `constant` to their peak; returns the first group's rate, for the log."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * (1.0 if factor and group.get("constant") else factor)
    return float(optimizer.param_groups[0]["lr"])


def _halves(group: dict[str, Any], rate: float, decay: float) -> list[dict[str, Any]]:
    peak = rate * group.get("lr_scale", 1.0)
    decay = group.get("weight_decay", decay)
    matrices = [p for p in group["params"] if p.ndim > 1]
    vectors = [p for p in group["params"] if p.ndim <= 1]
    kept = {"lr": peak, "peak": peak, "constant": group.get("constant", False)}
    return [{"params": params, "weight_decay": own, **kept} for params, own in [(matrices, decay), (vectors, 0.0)] if params]
