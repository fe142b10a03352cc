"""The state of a comparison: what was asked, measured and found so far, in its folder, so that it can go on after a stop."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from selfsup.comparison.measuring import Measured
from selfsup.comparison.scoring_plan import Pace, ScoringPlan, told_by
from selfsup.comparison.units import Unit
from selfsup.run import write_whole

FORMAT = 3
FILE = "comparison.json"


@dataclass
class State:
    """What a comparison's folder says.

    `asked` is everything that decides the outcome; `measured` and `refused` are by unit; `spent` holds seconds by what they went to,
    `left` those that were left for pretraining after each rung but the last; `judged` counts the items that choose, `pace` is what judging
    them took, and `scoring` what scoring has time for, once that is decided. `notes` are sentences that stand in the plan and beside the
    scores. `threads` are those of each run, since the order of sums depends on them.
    """

    folder: Path
    asked: dict[str, Any]
    units: list[Unit]
    measured: dict[str, Measured] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    spent: dict[str, float] = field(default_factory=dict)
    left: list[float] = field(default_factory=list)
    judged: int | None = None
    pace: Pace = field(default_factory=Pace)
    scoring: ScoringPlan | None = None
    notes: list[str] = field(default_factory=list)
    threads: int = field(default_factory=torch.get_num_threads)

    @property
    def trained(self) -> list[Unit]:
        """Units that were measured and whose training did not fail."""
        return [unit for unit in self.units if unit.name in self.measured and unit.name not in self.refused]

    @property
    def runs(self) -> Path:
        """Where the folders of runs lie."""
        return self.folder / "runs"

    def add(self, what: str, seconds: float) -> None:
        """Count seconds that went to something, and keep all that is known."""
        self.spent[what] = round(self.spent.get(what, 0.0) + seconds, 3)
        self.save()

    def save(self) -> None:
        """Write the file, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {
            "format": FORMAT, "asked": self.asked, "units": [dataclasses.asdict(unit) for unit in self.units],
            "measured": {name: dataclasses.asdict(one) for name, one in self.measured.items()},
            "refused": self.refused, "spent": self.spent, "left": self.left, "judged": self.judged, "pace": dataclasses.asdict(self.pace),
            "scoring": None if self.scoring is None else dataclasses.asdict(self.scoring),
            "notes": self.notes, "threads": self.threads,
        }  # fmt: skip
        write_whole(self.folder / FILE, json.dumps(content, indent=1, ensure_ascii=False, default=str))

    @classmethod
    def load(cls, folder: Path) -> State:
        """What is in a folder. Raises ValueError where no comparison is, or one that this release does not read."""
        file = folder / FILE
        if not file.is_file():
            raise ValueError(f"{folder} holds no comparison: there is no {FILE} in it. Leave --resume out to begin one.")
        content = json.loads(file.read_text(encoding="utf-8"))
        if content.pop("format", None) != FORMAT:
            raise ValueError(f"{file} is of another release, which would go on with it; this one reads format {FORMAT}. Begin a new one.")
        units = [Unit(**one) for one in content.pop("units")]
        measured = {name: Measured(**one) for name, one in content.pop("measured").items()}
        pace, scoring = Pace(**content.pop("pace")), content.pop("scoring")
        return cls(folder, units=units, measured=measured, pace=pace, scoring=None if scoring is None else told_by(scoring), **content)

    def agree_with(self, asked: Mapping[str, Any], threads: int | None) -> None:
        """Raise ValueError where something else is asked for than the comparison was begun with; `threads` only where they are."""
        now = json.loads(json.dumps({**asked, "threads": threads or self.threads}, default=str))
        before = {**self.asked, "threads": self.threads}
        for name in sorted({*now, *before}):
            if now.get(name) != before.get(name):
                raise ValueError(
                    f"{self.folder} was begun with {name} {before.get(name)!r}, and got {now.get(name)!r}: give the same to go on, or "
                    "another --out to begin anew."
                )

    def table_file(self, unit: Unit, steps: int) -> Path:
        """Where the validation of a unit after so many steps is kept."""
        return self.folder / "validation" / f"{unit.folder(0)}-{steps}.npy"

    def keep(self, unit: Unit, steps: int, table: Float[np.ndarray, "R n"]) -> None:
        """Keep a validation, whole or not at all."""
        file = self.table_file(unit, steps)
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".{file.name}.draft.npy")
        np.save(draft, table.astype(np.uint8), allow_pickle=False)
        draft.replace(file)

    def kept(self, unit: Unit, steps: int) -> Float[np.ndarray, "R n"] | None:
        """A validation that was kept, or None."""
        file = self.table_file(unit, steps)
        return np.load(file, allow_pickle=False).astype(np.float64) if file.is_file() else None
