"""The beginning of a run: what was asked for, what follows from the data, and what is chosen by measuring."""

from __future__ import annotations

import dataclasses
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from selfsup.data import Batches
from selfsup.options import task_options
from selfsup.pretext import Pretext
from selfsup.pretraining.assembly import assembled
from selfsup.pretraining.material import Material
from selfsup.pretraining.wishes import DEFAULT_BUDGET, Wishes
from selfsup.run import Run
from selfsup.tasks import find_task
from selfsup.train.calibration import SHARE_TO_TIME, choose_kernels, time_steps
from selfsup.train.distributed import World, device
from selfsup.train.log import clock
from selfsup.train.optimizer import DEFAULT_DECAY, default_rate
from selfsup.trained import take_heads


def begin(wishes: Wishes, material: Material, ranks: World) -> tuple[Run, Pretext, Batches]:
    """A new run, its task on a new backbone, and its batches. Its folder holds all of it but weights."""
    allowed = wishes.seconds()
    run, module, batches = prepared(wishes, material, ranks)
    run = _with_steps(run, wishes, allowed, module, batches, ranks)
    if ranks.leads:
        run.folder.mkdir(parents=True, exist_ok=True)
        material.save(run, module.backbone)
        material.save_views(run, module)
        run.save()  # last: a folder with this file is a run, which can be gone on with
        _tell(run, material.amount(run))
    return run, module, batches


def prepared(wishes: Wishes, material: Material, ranks: World) -> tuple[Run, Pretext, Batches]:
    """The same with everything chosen but the number of steps; nothing is written."""
    kind = find_task(wishes.task)
    allowed = wishes.seconds()
    batch_size = wishes.batch_of(len(material.rows), ranks, noun=material.noun, usual=material.usual_batch)
    asked = (wishes.backbone, "asked for") if wishes.backbone != "auto" else material.choose_backbone(kind, seconds=allowed)
    name, reason = ranks.share(asked)
    torch.manual_seed(wishes.seed)
    net, remarks = material.build(name, wishes.weights)
    choices: dict[str, Any] = {"backbone": reason, "threads": torch.get_num_threads(), "device": device().type, **material.choices()}
    if wishes.weights is not None:
        choices["weights_not_matched"] = remarks
    options = task_options(kind, wishes.options)
    settings = material.settings()
    module = assembled(wishes, net, options, store_side=settings.get("store_side", 0))
    if wishes.weights is not None:
        choices["heads_taken"] = take_heads(module, wishes.weights)
    batches = Batches(material.store, material.rows, batch_size=batch_size, seed=wishes.seed)
    choices |= choose_kernels(module, batches, ranks, precision=wishes.precision)
    run = Run(
        folder=_folder(wishes, ranks), data=material.name, root=material.root, kind=material.kind, task=wishes.task, options=options,
        backbone=name, **settings, views=wishes.views, weights=None if wishes.weights is None else str(wishes.weights),
        batch_size=batch_size, accumulate=wishes.accumulate, steps=0, budget=(wishes.budget or DEFAULT_BUDGET) if allowed else None,
        seed=wishes.seed, optimizer=wishes.optimizer,
        learning_rate=wishes.learning_rate or default_rate(kind, wishes.optimizer, material.rows_for_rate(batch_size)),
        weight_decay=DEFAULT_DECAY[wishes.optimizer] if wishes.weight_decay is None else wishes.weight_decay,
        schedule=wishes.schedule, pictures=len(material.rows), held_out=material.held_out, choices=choices, versions=_versions(),
        store_limit=wishes.store_limit, fingerprint=material.fingerprint, skipped=material.skipped, notes=material.notes,
        created=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    )  # fmt: skip
    return run, module, batches


def _with_steps(run: Run, wishes: Wishes, allowed: float | None, module: Pretext, batches: Batches, ranks: World) -> Run:
    """The run with its number of steps: as given, from epochs, or from the time a step takes."""
    if allowed is None:
        steps = wishes.steps or max(1, round((wishes.epochs or 0) * run.pictures / run.batch_size))
        return dataclasses.replace(run, steps=steps)
    began = time.perf_counter()
    per_step = ranks.share(time_steps(module, batches, run, ranks, most=SHARE_TO_TIME * allowed))
    left = max(per_step, allowed - (time.perf_counter() - began))
    return dataclasses.replace(run, steps=ranks.share(max(1, int(left / per_step))), choices=run.choices | {"seconds_per_step": per_step})


def _folder(wishes: Wishes, ranks: World) -> Path:
    """`--out`, or a new folder under `runs/` named after the task and the time."""
    name = wishes.task.rpartition(":")[2].lower()
    folder = Path(wishes.out) if wishes.out is not None else Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    return ranks.share(folder)


def _tell(run: Run, amount: str) -> None:
    """What is going to happen, before it does."""
    kernels = run.choices["kernels"]
    per_step = run.choices.get("seconds_per_step")
    duration = f", about {clock(run.steps * per_step)}" if per_step else ""
    print(
        f"{run.row} on {amount} with {run.backbone} ({run.choices['backbone']}); {kernels['precision']}, {run.choices['threads']} threads; "
        f"{run.steps:,} steps of {run.batch_size}{duration}; into {run.folder}",
        file=sys.stderr,
    )


def _versions() -> dict[str, str]:
    packages = ("selfsup", "torch", "torchvision", "timm", "numpy", "scikit-learn")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
