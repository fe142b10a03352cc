"""The plan: how long each unit is trained at each rung, so that all of it takes the budget.

Successive halving (Jamieson, Talwalkar, AISTATS 2016, arXiv 1502.07943) with runs that go on: each has a warm-up and a constant rate, and
at a rung its last fifth is cooled down and scored; who survives goes on from before that cool-down (Hägele et al., NeurIPS 2024,
arXiv 2405.18392). Everything here is arithmetic on seconds as they were measured once: a noisy machine does not change who wins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from selfsup.train.schedule import COOL_DOWN

PRETRAINING, BASELINES, SCORING = 0.65, 0.15, 0.20
"""Shares of the budget."""

MOST_WITHOUT_HALVING = 3
"""Up to so many units all are trained to the end, with every seed."""

FINALISTS = 3
"""So many units are trained with several seeds."""

GROWTH = 2.0
"""Each rung is so many times as long as the one before."""

LONGER = 1.25
"""A rung is worth its overhead only if it is at least so many times as long as what was trained before."""


@dataclass(frozen=True)
class Rung:
    """`seconds` that each unit has been trained for at its end, and how many units `expected` to reach it."""

    seconds: float
    expected: int


@dataclass(frozen=True)
class Ladder:
    """The rungs that are still to come, and the number of seeds of the `finalists` after the last. No rungs: what was trained is all."""

    rungs: tuple[Rung, ...]
    finalists: int
    seeds: int

    @property
    def last(self) -> float:
        """Seconds that a finalist is trained for."""
        return self.rungs[-1].seconds if self.rungs else 0.0


def rung_count(units: int) -> int:
    """How many rungs so many units have: one where halving would drop nobody, at most three."""
    if units <= MOST_WITHOUT_HALVING:
        return 1
    return 2 if units <= 2 * MOST_WITHOUT_HALVING - 1 else 3


def ladder(allowed: float, *, units: int, rungs: int, seeds: int, overhead: float, trained: float = 0.0, least: float = 0.0) -> Ladder:
    """The rungs that `units` can climb in `allowed` seconds, each `GROWTH` times as long as the one before.

    `trained` is what each has been trained for already, `overhead` what beginning and ending a run takes, `least` the seconds that the last
    rung has to have. Where time is short seeds go first, and then the rungs that would hardly be longer than what was trained.
    """
    finalists = min(FINALISTS, units)
    while True:
        counts = _counts(units, finalists, rungs)
        last = _last(allowed, counts, finalists, seeds, overhead, trained)
        first = last / GROWTH ** (rungs - 1)
        enough = last >= max(least, LONGER * trained)
        if enough and (first >= LONGER * trained or rungs == 1):
            steps = [Rung(last / GROWTH ** (rungs - 1 - number), count) for number, count in enumerate(counts)]
            return Ladder(tuple(steps), finalists, seeds)
        if enough:
            rungs -= 1
        elif seeds > 1:
            seeds -= 1
        elif rungs > 1:
            rungs -= 1
        else:
            return Ladder((), finalists, 1) if trained else Ladder((Rung(max(last, 0.0), units),), finalists, 1)


def _counts(units: int, finalists: int, rungs: int) -> list[int]:
    """How many units are expected at each rung: all at first, the finalists at last, evenly by ratio between."""
    if rungs == 1:
        return [units]
    return [round(units * (finalists / units) ** (number / (rungs - 1))) for number in range(rungs)]


def _last(allowed: float, counts: Sequence[int], finalists: int, seeds: int, overhead: float, trained: float) -> float:
    """Seconds of the last rung, from what all of it costs: a straight line in them."""
    rungs = len(counts)
    slope = finalists * (seeds - 1.0)
    fixed = finalists * (seeds - 1) * overhead
    for number, count in enumerate(counts):
        share = GROWTH ** (number - rungs + 1)
        before = share / GROWTH * (1 - COOL_DOWN) if number else 0.0
        slope += count * (share - before)
        fixed += count * overhead
    fixed -= counts[0] * trained * (1 - COOL_DOWN)
    return (allowed - fixed) / slope


def cost(ladder: Ladder, *, overhead: float, trained: float = 0.0) -> float:
    """Seconds that a ladder takes if as many units climb it as expected."""
    total, before = 0.0, trained
    for rung in ladder.rungs:
        total += rung.expected * (rung.seconds - before * (1 - COOL_DOWN) + overhead)
        before = rung.seconds
    return total + ladder.finalists * (ladder.seeds - 1) * (ladder.last + overhead)


def waiting(ladder: Ladder, *, workers: int, overhead: float) -> float:
    """Seconds until so many workers have climbed a ladder, each training one run at a time, if as many units climb it as expected."""
    total, before = 0.0, 0.0
    for rung in ladder.rungs:
        total += math.ceil(rung.expected / workers) * (rung.seconds - before * (1 - COOL_DOWN) + overhead)
        before = rung.seconds
    return total + math.ceil(ladder.finalists * (ladder.seeds - 1) / workers) * (ladder.last + overhead)


def exhaustive(units: int, ladder: Ladder, *, seeds: int, overhead: float) -> float:
    """Seconds it would take to train every unit as long as a finalist, with every seed."""
    return units * seeds * (ladder.last + overhead)


def steps_in(seconds: float, seconds_per_step: float) -> int:
    """Steps of a unit in so many seconds, at least ten, so that there is a warm-up and a cool-down."""
    return max(10, math.floor(seconds / seconds_per_step))
