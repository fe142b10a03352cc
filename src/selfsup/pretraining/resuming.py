"""Resuming: an interrupted run goes on as it was, and one with a constant rate may be lengthened."""

from __future__ import annotations

import dataclasses

import torch

from selfsup.data import Batches
from selfsup.options import task_options
from selfsup.pretext import Pretext
from selfsup.pretraining.assembly import assembled
from selfsup.pretraining.material import Material
from selfsup.pretraining.wishes import Wishes
from selfsup.run import Run
from selfsup.tasks import find_task
from selfsup.train.checkpoint import go_back, newest_checkpoint
from selfsup.train.schedule import cool_down_start
from selfsup.trained import take_heads


def interrupted(wishes: Wishes) -> Run:
    """The run to go on with. Raises ValueError unless the task's and the views' file are named again: code is never taken from a run."""
    if wishes.out is None:
        raise ValueError("--resume needs --out: the folder of the interrupted run.")
    run = Run.open(wishes.out)
    wishes.agree_with(run)
    return _lengthened(run, wishes.steps) if wishes.steps not in (None, run.steps) else run


def _lengthened(run: Run, steps: int | None) -> Run:
    """The run with more steps. Only a constant rate allows it: it goes on from where the cool-down began."""
    if steps is None or steps < run.steps or run.schedule != "constant":
        raise ValueError(
            f"{run.folder} has {run.steps:,} steps with a {run.schedule} rate; got --steps {steps}. Only a run with --schedule constant "
            f"can be lengthened, to more steps than it has. Otherwise start a new one with --weights {run.folder}."
        )
    newest, branch = newest_checkpoint(run.checkpoints), cool_down_start(run.steps)
    if newest is not None and int(newest.name) > branch:
        go_back(run.checkpoints, branch)
    longer = dataclasses.replace(run, steps=steps, budget=None)
    longer.save()
    return longer


def resume_from(run: Run, material: Material, wishes: Wishes) -> tuple[Run, Pretext, Batches]:
    """An interrupted run as it was: nothing is measured, every choice comes from `run.json`."""
    torch.set_num_threads(run.choices["threads"])
    torch.manual_seed(run.seed)
    weights = run.weights if newest_checkpoint(run.checkpoints) is None else None  # stopped before the first: it starts as it did then
    net = material.rebuild(run, weights)
    module = assembled(wishes, net, task_options(find_task(run.task), run.options), store_side=run.store_side)
    if weights is not None and run.choices.get("heads_taken"):
        take_heads(module, weights)
    return run, module, Batches(material.store, material.rows, batch_size=run.batch_size, seed=run.seed)
