"""An audit: what was found of each transform, which options follow for a task, and its file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from selfsup.auditing.findings import BREAKS, Finding, Upright
from selfsup.auditing.options import Evidence, advice, options_for
from selfsup.pretext import Pretext
from selfsup.probing.intervals import Interval
from selfsup.run import write_whole

FORMAT = 1


@dataclass(frozen=True)
class Audit:
    """What flips, turns, crops and colours do to the labels of some pictures.

    `pictures` of `labelled` were looked at, at `size` pixels a side, by probes on `seeds` untrained networks; `told` is how well the
    labels of whole pictures can be told (balanced accuracy, by chance `chance`). `findings` are in the order of the table; `notes` what a
    reader must know.
    """

    data: str
    classes: list[str]
    counts: list[int]
    pictures: int
    labelled: int
    size: int
    channels: int
    seeds: int
    told: Interval
    findings: list[Finding]
    upright: Upright
    notes: list[str] = field(default_factory=list)

    @property
    def chance(self) -> float:
        """Balanced accuracy of guessing."""
        return 1 / len(self.classes)

    @property
    def tells(self) -> bool:
        """Whether labels can be told at all, without which nothing can be said of what breaks them."""
        return self.told.low > self.chance

    @property
    def breaking(self) -> list[str]:
        """Names of the transforms that break the labels."""
        return [finding.name for finding in self.findings if finding.verdict == BREAKS]

    def finding(self, name: str) -> Finding:
        """What was found of one transform. Raises ValueError where it was not tried."""
        known = {finding.name: finding for finding in self.findings}
        if name not in known:
            raise ValueError(f"the audit has no transform {name!r}; it tried {', '.join(known)}.")
        return known[name]

    def options_for(self, task: str | type[Pretext]) -> dict[str, Any]:
        """The task's options to change for these labels: views that break them off or limited, `turn` on where it helps; {} for none."""
        return options_for(task, self._evidence())

    def advice(self, task: str | type[Pretext]) -> str | None:
        """Why the task itself does not suit these pictures, where that can be told."""
        return advice(task, self._evidence())

    def _evidence(self) -> Evidence:
        return Evidence({finding.name: finding.verdict for finding in self.findings}, self.upright.verdict, self.channels)

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "format": FORMAT,
            "chance": self.chance,
            **asdict(self),
            "upright": {**asdict(self.upright), "verdict": self.upright.verdict},
        }

    def save(self, file: str | Path, *, without_samples: bool = False) -> Path:
        """Write it as JSON, whole or not at all; `without_samples` leaves out names of pictures."""
        file, content = Path(file), self.as_dict()
        if without_samples:
            for finding in content["findings"]:
                for pair in finding["pairs"]:
                    pair["examples"] = []
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        return file
