"""What a unit costs here: seconds of a step and of beginning a run, measured for all units in turn."""

from __future__ import annotations

import inspect
import io
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from torch.utils.flop_counter import FlopCounterMode

from selfsup.comparison.units import Unit
from selfsup.data import Batches
from selfsup.pretext import Pretext
from selfsup.pretraining import pretrain
from selfsup.pretraining.beginning import prepared
from selfsup.pretraining.kinds import MATERIALS
from selfsup.pretraining.wishes import wished
from selfsup.run import Run
from selfsup.tasks import find_task
from selfsup.train.calibration import time_steps
from selfsup.train.distributed import World, device
from selfsup.train.memory import forget_peak, peak_memory
from selfsup.train.precision import Kernels
from selfsup.train.step import Step

ROUNDS = 3
"""Units are timed so often in turn, and the median counts: a moment in which the machine was busy decides nothing."""

TRIAL_STEPS = 3
"""Of a run whose time beside its steps is measured: enough to have all in memory that a longer run has."""

COUNTED = 16
"""Rows whose operations are counted."""

DEFAULTS = {name: item.default for name, item in inspect.signature(pretrain).parameters.items()}
"""What `pretrain` does where nothing is said."""

Told = Callable[[str], None]


@dataclass(frozen=True)
class Measured:
    """What was measured of a unit: `seconds_per_step`, `overhead` of a run in seconds, and how much it learns from in a step.

    `rows` are all that it trains on: a pass over the data takes `rows / batch_size` steps. `parameters` counts the backbone's,
    `operations` multiplications and additions of a step, forward and backward, for each row. `memory` is the most that the process had in
    use while the unit was trained, in bytes; None where the system does not tell of one run alone.
    """

    seconds_per_step: float
    overhead: float
    backbone: str
    reason: str
    batch_size: int
    rows: int
    parameters: int
    operations: float
    memory: int | None


@dataclass(frozen=True)
class _Candidate:
    run: Run
    task: Pretext
    batches: Batches


def measure(
    data: Any, units: Sequence[Unit], shared: Mapping[str, Any], *, seconds: float, most: float, scratch: Path, told: Told
) -> tuple[dict[str, Measured], dict[str, str]]:
    """What each unit costs, and for units that cannot be trained on this data, why not.

    `shared` is what `pretrain` is called with for all of them, `seconds` about how long each will be trained (a backbone that is not
    named is chosen for that), `most` the seconds that timing steps may take for all; `scratch` a folder for runs that are thrown away.
    """
    candidates, refused = {}, {}
    for unit in units:
        told(f"measuring {unit.name}")
        try:
            candidates[unit.name] = _candidate(data, unit, shared, seconds=seconds)
        except ValueError as error:
            refused[unit.name] = str(error)
    found: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(ROUNDS):
        told(f"timing steps, round {number + 1} of {ROUNDS}")
        for name, one in candidates.items():
            found[name].append(time_steps(one.task, one.batches, one.run, World(), most=most / ROUNDS / len(candidates), warm=number > 0))
    measured = {}
    for unit in units:
        if unit.name in candidates:
            one, per_step = candidates.pop(unit.name), median(found[unit.name])
            told(f"measuring what a run of {unit.name} takes beside its steps")
            spent, memory = _trial(data, unit, shared, one.run.backbone, scratch / unit.folder(0))
            overhead = spent - TRIAL_STEPS * per_step
            measured[unit.name] = Measured(
                per_step, max(overhead, 0.0), one.run.backbone, one.run.choices["backbone"], one.run.batch_size, one.run.pictures,
                sum(parameter.numel() for parameter in one.task.backbone.parameters()), _operations(one), memory,
            )  # fmt: skip
    return measured, refused


def decode(data: Any, units: Sequence[Unit], shared: Mapping[str, Any]) -> None:
    """Read the data once, so that what follows finds it in the cache."""
    wishes = wished({**DEFAULTS, **shared, **settings_of(units[0]), "steps": 1})
    MATERIALS[find_task(units[0].task).modality].prepared(data, wishes, World(), before=None)


def settings_of(unit: Unit, *, backbone: str | None = None) -> dict[str, Any]:
    """What `pretrain` is called with for a unit, on the backbone that was chosen for it."""
    return {"task": unit.task, "options": dict(unit.options), "backbone": backbone or unit.backbone, "views": unit.views}


def _candidate(data: Any, unit: Unit, shared: Mapping[str, Any], *, seconds: float) -> _Candidate:
    """The unit ready to be trained, on the backbone it will have."""
    settings = {**DEFAULTS, **shared, **settings_of(unit), "steps": 1}
    wishes = wished(settings)
    wishes.check()
    material = MATERIALS[find_task(unit.task).modality].prepared(data, wishes, World(), before=None)
    reason = "asked for"
    if unit.backbone == "auto":
        name, reason = material.choose_backbone(find_task(unit.task), seconds=seconds)
        wishes = wished({**settings, "backbone": name})
    run, task, batches = prepared(wishes, material, World())
    run.choices["backbone"] = reason
    return _Candidate(run, task, batches)


def _operations(one: _Candidate) -> float:
    """Multiplications and additions of a training step for each row of a small batch, as torch counts them.

    (What a loss does with all pairs of a batch grows with it, but is little beside the networks.)
    """
    step = Step(one.task, one.task, Kernels(), World(), device())
    batch = {name: rows[:COUNTED].to(step.device) for name, rows in one.batches.at(0).items()}
    with FlopCounterMode(display=False) as counter:
        step.gradients([step.views(batch, one.run.seed, 0, 0)])
    one.task.zero_grad(set_to_none=True)
    return float(counter.get_total_flops()) / min(COUNTED, one.run.batch_size)


def _trial(data: Any, unit: Unit, shared: Mapping[str, Any], backbone: str, out: Path) -> tuple[float, int | None]:
    """Seconds that a run of `TRIAL_STEPS` takes, and the most memory in use meanwhile. The run is thrown away."""
    shutil.rmtree(out, ignore_errors=True)
    alone, began = forget_peak(), time.perf_counter()
    with redirect_stderr(io.StringIO()):
        pretrain(data, **shared, **settings_of(unit, backbone=backbone), steps=TRIAL_STEPS, schedule="constant", out=out)
    spent = time.perf_counter() - began
    shutil.rmtree(out, ignore_errors=True)
    return spent, peak_memory() if alone else None
