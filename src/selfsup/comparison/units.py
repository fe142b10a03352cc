"""Units: what is compared, a task on a backbone with its views."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from selfsup.options import task_options
from selfsup.pretext import Pretext, options_of
from selfsup.tasks import TASKS, find_task


@dataclass(frozen=True)
class Unit:
    """One thing that is compared: `task` with its `options`, on `backbone`, with the user's own `views` or the task's.

    `name` is how the user wrote it: TASK, TASK@BACKBONE, TASK+FILE.py:FUNCTION or TASK@BACKBONE+FILE.py:FUNCTION.
    """

    name: str
    task: str
    backbone: str = "auto"
    views: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The kind of task it is, as `selfsup tasks` lists it."""
        return find_task(self.task).kind

    def folder(self, seed: int) -> str:
        """What the folder of its run with that seed is called."""
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", self.name.replace(".py:", "-")).strip("-.")
        return f"{plain}-{seed}"


def units_of(tasks: Sequence[str] | None, *, modality: str, settings: Mapping[str, Any]) -> list[Unit]:
    """The units that `tasks` name, by default every task for this kind of data that is `compared`, with their options.

    `settings` are options by name, for every task that has them, or as `task.option` for one. Raises ValueError for a task or an option
    that nothing has, for tasks that learn from something else, and for fewer than two units.
    """
    names = list(tasks) if tasks else [name for name in TASKS if (kind := find_task(name)).modality == modality and kind.compared]
    units = [_parsed(name) for name in dict.fromkeys(names)]
    for unit in units:
        other = find_task(unit.task).modality
        if other != modality:
            raise ValueError(f"task {unit.task} learns from {other}, and the data is {modality}: leave it out.")
    folders = [unit.folder(0) for unit in units]
    twice = sorted(name for name, folder in zip((unit.name for unit in units), folders, strict=True) if folders.count(folder) > 1)
    if twice:
        raise ValueError(f"{' and '.join(twice)} would share a folder: name files differently.")
    if len(units) < 2:
        raise ValueError(f"there is one task to compare, {units[0].name}: expected at least two, as in --tasks simclr,rotation.")
    used: set[str] = set()
    found = [_with_options(unit, settings, used) for unit in units]
    unknown = sorted(set(settings) - used)
    if unknown:
        known = sorted({name for unit in units for name in options_of(find_task(unit.task))})
        raise ValueError(f"no task compared has an option {unknown[0]!r}. They have: {', '.join(known)}; for one task, TASK.OPTION=VALUE.")
    return found


def _parsed(name: str) -> Unit:
    head, _, views = name.partition("+")
    task, _, backbone = head.partition("@")
    find_task(task)
    return Unit(name, task, backbone or "auto", views or None)


def _with_options(unit: Unit, settings: Mapping[str, Any], used: set[str]) -> Unit:
    """The unit with what is set for all tasks, and over it what is set for its own; adds to `used` what it took."""
    kind: type[Pretext] = find_task(unit.task)
    shared = {name: value for name, value in settings.items() if name in options_of(kind)}
    own = {name: value for name, value in settings.items() if name.rpartition(".")[0] in (unit.name, unit.task)}
    used |= {*shared, *own}
    options = shared | {name.rpartition(".")[2]: value for name, value in own.items()}
    task_options(kind, options)
    return Unit(unit.name, unit.task, unit.backbone, unit.views, options)
