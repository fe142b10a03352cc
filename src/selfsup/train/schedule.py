"""Learning rates over a run, as a share of the peak rate. Pure functions of the step, so that resuming needs no state."""

from __future__ import annotations

import math
from collections.abc import Callable

WARM_UP = 0.05  # share of the run; 10 of 200 epochs is common (Chen et al. 2020 warm up 10 epochs)
COOL_DOWN = 0.2  # share of the run; Hägele et al., NeurIPS 2024, arXiv 2405.18392, find 20 % enough to match a cosine


def cosine(step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine to zero (Loshchilov, Hutter, ICLR 2017, arXiv 1608.03983)."""
    warm = max(1, round(WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def constant(step: int, steps: int) -> float:
    """Linear warm-up, a constant rate, then 1 - sqrt down to zero at the end. A run can be lengthened from before the cool-down.

    The warm-up has 100 steps whatever the length, or the run's share when that is less, so that a longer run starts alike.
    """
    warm = max(1, min(100, round(WARM_UP * steps)))
    if step < warm:
        return (step + 1) / warm
    start = cool_down_start(steps)
    if step < start:
        return 1.0
    return 1.0 - math.sqrt((step - start + 1) / (steps - start + 1))


def cool_down_start(steps: int) -> int:
    """The first step of the cool-down of a run of `steps`."""
    return steps - max(1, round(COOL_DOWN * steps))


SCHEDULES: dict[str, Callable[[int, int], float]] = {"cosine": cosine, "constant": constant}
