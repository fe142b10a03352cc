"""Climbing: units are trained rung by rung, scored on items that choose, and dropped where that hardly costs anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

import numpy as np
from jaxtyping import Float

from selfsup.comparison.dropping import droppable
from selfsup.comparison.measuring import settings_of
from selfsup.comparison.plan import MOST_WITHOUT_HALVING, Ladder, ladder, rung_count, steps_in
from selfsup.comparison.state import State
from selfsup.comparison.units import Unit
from selfsup.comparison.validation import Validation
from selfsup.comparison.wanted import Failed, Told, Trains, Wanted
from selfsup.run import Run
from selfsup.train.schedule import COOL_DOWN

LATE = 0.05
"""Share of the time for training by which it may be overrun, before finalists are trained with fewer seeds."""

FEWEST = 2
"""So many units are trained to the end and with several seeds, however far the others are behind: one alone tells nothing apart."""

Tables = Mapping[str, Float[np.ndarray, "R n"]]


@dataclass(frozen=True)
class Climbed:
    """What happened at one rung: seconds and steps of each unit, its score there, and who was dropped."""

    seconds: float
    steps: dict[str, int]
    scores: dict[str, float]
    dropped: tuple[str, ...]


@dataclass
class Climb:
    """Everything that climbs: what `pretrain` is called with for all units, the time they have together, and how they are judged.

    `seed` is that of the first run of each unit; further ones follow it. `train` trains them. `validation` is opened when the first run is
    there. `lost` are folders of further runs whose training failed.
    """

    state: State
    data: Any
    shared: Mapping[str, Any]
    allowed: float
    seeds: int
    seed: int
    opened: Callable[[Run], Validation]
    told: Told
    train: Trains
    validation: Validation | None = None
    lost: set[str] = field(default_factory=set)
    history: list[Climbed] = field(default_factory=list)

    @property
    def overhead(self) -> float:
        """Seconds that a run takes beside its steps, a mean over units."""
        return mean(one.overhead for one in self.state.measured.values())

    def planned(self, units: int, *, left: float, trained: float = 0.0, rungs: int | None = None) -> Ladder:
        """The rungs that so many units can climb in the time that is left."""
        return ladder(left, units=units, rungs=rungs or rung_count(units), seeds=self.seeds, overhead=self.overhead, trained=trained)

    def run(self) -> tuple[list[Unit], int]:
        """Climb. Returns the finalists, best first, and the number of seeds each was trained with."""
        alive = [unit for unit in self.state.units if unit.name in self.state.measured]
        left, trained, rungs = self.allowed, 0.0, rung_count(len(alive))
        ahead = self.planned(len(alive), left=left)
        tables: dict[str, np.ndarray] = {}
        while ahead.rungs:
            rung = ahead.rungs[0]
            tables = self._validated(alive, {unit.name: self._steps(unit, rung.seconds) for unit in alive})
            left -= len(alive) * (rung.seconds - trained * (1 - COOL_DOWN) + self.overhead)
            alive = self._trained(alive, tables)
            rungs = len(ahead.rungs) - 1
            going_on = self._judged(alive, tables, rung.seconds, last=not rungs)
            trained, alive = rung.seconds, going_on
            if not rungs:
                break
            left = self._left(left)
            ahead = self.planned(len(alive), left=left, trained=trained, rungs=rungs)
        left = self._left(left)
        finalists = self._finalists(alive, tables, ahead.finalists)
        seeds = self._seeds(ahead, len(finalists), left)
        further = [(unit, self.seed + number) for unit in finalists for number in range(1, seeds)]
        for run in self.train(self.data, [self._wanted(unit, self.history[-1].steps[unit.name], seed) for unit, seed in further]):
            if isinstance(run, Failed):
                self.lost.add(run.wanted.out.name)
                self.told(f"{run.wanted.name} (seed {run.wanted.settings['seed']}) is left out: {run.reason}")
        return finalists, seeds

    def _finalists(self, alive: Sequence[Unit], tables: Mapping[str, np.ndarray], most: int) -> list[Unit]:
        """Those that are trained with several seeds, best first: not who would hardly win by that, but where all are trained to the end."""
        best = sorted(alive, key=lambda unit: -self._value(tables[unit.name]))[:most]
        behind = self._droppable(best, tables) if len(self.state.measured) > MOST_WITHOUT_HALVING else ()
        return [unit for unit in best if unit.name not in behind]

    def _droppable(self, units: Sequence[Unit], tables: Mapping[str, np.ndarray], protected: Sequence[str] = ()) -> tuple[str, ...]:
        assert self.validation is not None
        every = {unit.name: tables[unit.name][None] for unit in units}
        return droppable(every, self.validation.sample, keep=FEWEST, protected=protected).dropped

    def _seeds(self, ahead: Ladder, finalists: int, left: float) -> int:
        """The seeds that were planned, or as many as there is still time for on a machine that became slower; a run too late is let go."""
        seeds = ahead.seeds
        while seeds > 1 and finalists * (seeds - 1) * (self.history[-1].seconds + self.overhead) > left + LATE * self.allowed:
            seeds -= 1
        return seeds

    def _trained(self, units: Sequence[Unit], tables: Mapping[str, np.ndarray]) -> list[Unit]:
        """Those whose training went well. Raises ValueError where fewer than two did."""
        found = [unit for unit in units if unit.name in tables]
        if len(found) < 2:
            raise ValueError(f"fewer than two tasks could be trained. {'; '.join(self.state.refused.values())}")
        return found

    def _steps(self, unit: Unit, seconds: float) -> int:
        """Steps of a unit in so many seconds, as they were measured."""
        return steps_in(seconds, self.state.measured[unit.name].seconds_per_step)

    def _left(self, planned: float) -> float:
        """The time that is left after a rung: as planned, or less where this machine was slower than it was measured, for all units alike.

        It is decided once and kept, so that a comparison that was stopped goes on as it would have.
        """
        number = len(self.history) - 1
        if number == len(self.state.left):
            self.state.left.append(round(min(planned, self.allowed - self.state.spent.get("pretraining", 0.0)), 3))
            self.state.save()
        return self.state.left[number]

    def _judged(self, alive: Sequence[Unit], tables: Mapping[str, np.ndarray], seconds: float, *, last: bool) -> list[Unit]:
        """Who goes on, and a line of history. At the last rung nobody is dropped; before it, one unit of each kind of task stays."""
        scores = {unit.name: self._value(tables[unit.name]) for unit in alive}
        steps = {unit.name: self._steps(unit, seconds) for unit in alive}
        dropped: tuple[str, ...] = ()
        if not last:
            protected = [max((u.name for u in alive if u.kind == kind), key=scores.__getitem__) for kind in {unit.kind for unit in alive}]
            dropped = self._droppable(alive, tables, protected)
        self.history.append(Climbed(seconds, steps, scores, dropped))
        if dropped:
            self.told(f"dropped after {seconds:.0f} s, too far behind to be likely to win: {', '.join(dropped)}")
        return [unit for unit in alive if unit.name not in dropped]

    def _value(self, table: Float[np.ndarray, "R n"]) -> float:
        assert self.validation is not None
        return float(table.mean(0) @ self.validation.sample.weights)

    def _validated(self, units: Sequence[Unit], steps: Mapping[str, int]) -> dict[str, Float[np.ndarray, "R n"]]:
        """The validation of units after so many steps, trained to there where it is not known; the data is opened for the first run."""
        known = {unit.name: self.state.kept(unit, steps[unit.name]) for unit in units}
        found = {name: table for name, table in known.items() if table is not None}
        opening = next((unit for unit in units if unit.name in found), units[0])
        needed = [unit for unit in units if unit.name not in found or (self.validation is None and unit is opening)]
        runs = self.train(self.data, [self._wanted(unit, steps[unit.name], self.seed) for unit in needed])
        for unit, run in zip(needed, runs, strict=True):
            if isinstance(run, Failed):
                self.state.refused[unit.name] = f"its training failed. {run.reason}"
                self.told(f"{unit.name} is left out: {run.reason}")
                continue
            self.state.refused.pop(unit.name, None)
            if self.validation is None:
                began = time.perf_counter()
                self.validation = self.opened(run)
                self.state.add("scoring", time.perf_counter() - began)
            if unit.name not in found:
                found[unit.name] = self._table(unit, steps[unit.name], run, self.validation)
        return found

    def _table(self, unit: Unit, steps: int, run: Run, validation: Validation) -> Float[np.ndarray, "R n"]:
        """What validation says of a run, kept for when the comparison goes on after a stop."""
        began = time.perf_counter()
        self.told(f"{unit.name}: judging after {steps:,} steps")
        found = validation.table(run, self.state.pace)
        self.state.keep(unit, steps, found)
        self.state.add("scoring", time.perf_counter() - began)
        return found

    def _wanted(self, unit: Unit, steps: int, seed: int) -> Wanted:
        """The unit's run with that seed, trained to `steps`: new, or going on from where its rate was still constant."""
        settings = {**self.shared, **settings_of(unit, backbone=self.state.measured[unit.name].backbone)}
        return Wanted(unit.name, self.state.runs / unit.folder(seed), {**settings, "schedule": "constant", "steps": steps, "seed": seed})
