"""From verdicts to options: what a task's views should do, and whether the task itself suits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selfsup.auditing.findings import BREAKS, HELPS, KEEPS
from selfsup.pretext import Pretext, options_of
from selfsup.tasks import TASKS, find_task
from selfsup.tasks.rotation import Rotation

TURNS = (20, 90, 180)
CROPS = (0.08, 0.25, 0.5)


@dataclass(frozen=True)
class Evidence:
    """The verdict on each transform by name, on whether pictures have a way up, and how many channels they have."""

    verdicts: Mapping[str, str]
    upright: str
    channels: int

    def breaks(self, *names: str) -> bool:
        """Whether one of these transforms breaks the labels."""
        return any(self.verdicts.get(name) == BREAKS for name in names)


def options_for(task: str | type[Pretext], evidence: Evidence) -> dict[str, Any]:
    """The options of a task that should not stay at their defaults, by name.

    What breaks the labels is switched off (flip, grey, jitter, blur) or limited to the largest strength that does not (turn, crop).
    What cannot be told stays as it is. Turns are off in every task, and are switched on as far as they help. Raises ValueError for an
    unknown task.
    """
    kind = find_task(task) if isinstance(task, str) else task
    if kind.modality != "image":
        return {}
    defaults = {name: option.default for name, option in options_of(kind).items() if isinstance(option.default, int | float)}
    sources = {"flip": ("flip",), "grey": ("grey",), "blur": ("blur",), "jitter": ("brightness", "hue")}
    off = [option for option, names in sources.items() if evidence.breaks(*names) and defaults.get(option, 0) > 0]
    chosen: dict[str, Any] = dict.fromkeys(off, 0)
    if "crop" in defaults and 0 < defaults["crop"] < (least := _smallest_crop(evidence)):
        chosen["crop"] = least
    if "turn" in defaults and (turn := _turn(evidence, defaults["turn"])) != defaults["turn"]:
        chosen["turn"] = turn
    return chosen


def _smallest_crop(evidence: Evidence) -> float:
    """The smallest part that keeps the labels: just above the largest that breaks them; 0 where none does."""
    broken = [share for share in CROPS if evidence.breaks(f"crop {share}")]
    larger = [share for share in CROPS if share > max(broken, default=0)]
    return 0.0 if not broken else min(larger, default=1.0)


def _turn(evidence: Evidence, default: float) -> float:
    """The default, less where it breaks labels; from none, as far as turns are known to help."""
    broken = next((most for most in TURNS if evidence.breaks(f"turn {most}")), None)
    if broken is not None and default >= broken:
        return max((most for most in TURNS if most < broken), default=0)
    if default > 0 or evidence.verdicts.get("turn 20") != HELPS:
        return default
    helping = [most for most in TURNS if all(evidence.verdicts.get(f"turn {each}") in (HELPS, KEEPS) for each in TURNS if each <= most)]
    return max((most for most in helping if evidence.verdicts[f"turn {most}"] == HELPS), default=0)


def advice(task: str | type[Pretext], evidence: Evidence) -> str | None:
    """Why a task does not suit, in a sentence; None where nothing speaks against it. Raises ValueError for an unknown task."""
    kind = find_task(task) if isinstance(task, str) else task
    if kind.modality != "image":
        return None
    if kind.needs_color and evidence.channels == 1:
        return "the pictures are grey, and it learns from colours"
    if issubclass(kind, Rotation):
        if evidence.upright == "no":
            return "no way is up in these pictures, so that its question has no answer"
        if evidence.upright == "not top from bottom":
            return "the pictures look the same upside down, so that half of its question has no answer"
        if evidence.breaks("half turn", "quarter turns"):
            return "some classes turned look like others, so that it is asked of them what cannot be told (which need not cost much)"
    return None


def picture_tasks() -> list[str]:
    """The names of the tasks for pictures, in the order of the table."""
    return [name for name in TASKS if find_task(name).modality == "image"]
