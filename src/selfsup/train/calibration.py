"""Calibration: what a run decides by measuring, before its first step: kernels, steps for a time budget, compilation."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from selfsup.data import Batches
from selfsup.pretext import Pretext
from selfsup.run import Run
from selfsup.train.budget import seconds_per_step
from selfsup.train.distributed import World
from selfsup.train.loop import views_of
from selfsup.train.optimizer import make_optimizer, set_rate
from selfsup.train.precision import Kernels, fastest_kernels
from selfsup.train.remembered import remembered
from selfsup.train.step import Step

TRIAL_ROWS = 64  # enough rows that a trial's time is the network's and not the call's
TRIAL_TOKENS = 2048  # of text, likewise
SHARE_TO_TIME = 0.03  # of a time budget, spent on timing steps


def choose_kernels(task: Pretext, batches: Batches, ranks: World, *, precision: str = "auto") -> dict[str, Any]:
    """The fastest kernels for this task here, tried on one batch of real views; for `Run.choices`. The task is left as it was.

    `precision` "fp32" or "bf16" leaves only such candidates. The leading process's choice holds for all. What was tried here
    in the last days, for such a task with parameters and rows of these shapes, is not tried again.
    """
    device = next(task.parameters()).device
    batch = batches.at(0)
    count = TRIAL_ROWS if "image" in batch else max(2, TRIAL_TOKENS // batch["tokens"].shape[1])
    rows = {name: part[:count].to(device) for name, part in batch.items()}
    shapes = {name: tuple(part.shape) for name, part in rows.items()}
    parameters = {name: tuple(value.shape) for name, value in task.named_parameters()}
    key = {"task": type(task).__qualname__, "shapes": shapes, "parameters": parameters, "precision": precision, "device": device.type}
    chosen = ranks.share(remembered("kernels", key, measure=lambda: _tried(task, rows, device, precision)))
    Kernels(**chosen["kernels"]).apply(task)
    return dict(chosen)


def _tried(task: Pretext, rows: dict[str, Tensor], device: torch.device, precision: str) -> dict[str, Any]:
    """The fastest kernels, and the seconds of each."""
    before = copy.deepcopy(task.state_dict())
    task.train()
    views = Step(task, task, Kernels(), World(), device).views(rows, 0, 0, 0)

    def trial(kernels: Kernels) -> None:
        Step(task, task, kernels, World(), device).gradients([views])
        task.zero_grad(set_to_none=True)

    chosen, seconds = fastest_kernels(task, trial, device, precision=precision)
    task.load_state_dict(before)
    return {"kernels": chosen.described(), "kernels_tried": seconds}


def time_steps(task: Pretext, batches: Batches, run: Run, ranks: World, *, most: float, warm: bool = False) -> float:
    """Seconds a training step takes with the kernels chosen, views and optimiser included, in about `most` seconds.

    One that was timed before is `warm`. The task is left as it was. Several ranks take equally many steps, since a loss that couples rows
    makes them wait for each other.
    """
    device = next(task.parameters()).device
    before = copy.deepcopy(task.state_dict())
    task.train()
    optimizer = make_optimizer(task, run.optimizer, rate=run.learning_rate, decay=run.weight_decay)
    set_rate(optimizer, 0.0)
    step = Step(task, task, Kernels(**run.choices["kernels"]), ranks, device)

    def one(number: int) -> None:
        optimizer.zero_grad(set_to_none=True)
        terms, _ = step.gradients(views_of(step, batches, run, number))
        torch.nn.utils.clip_grad_norm_(task.parameters(), run.clip)
        float(next(iter(terms.values())))
        optimizer.step()

    spent = seconds_per_step(one, most=most if ranks.size == 1 else 0.0, warm=warm)
    optimizer.zero_grad(set_to_none=True)
    task.load_state_dict(before)
    return spent
