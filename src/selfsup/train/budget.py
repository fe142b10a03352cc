"""Budgets: a time, turned into a number of steps by timing the first ones."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from statistics import median

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds_of(budget: str) -> float:
    """`90s`, `10m`, `2h` or `1h30m` in seconds. Raises ValueError for anything else."""
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([smhd])", budget.strip().lower())
    if not parts or re.sub(r"\d+(?:\.\d+)?\s*[smhd]\s*", "", budget.strip().lower()):
        raise ValueError(f"budget {budget!r} is not a time; expected something like 90s, 10m, 2h or 1h30m.")
    seconds = sum(float(number) * UNITS[unit] for number, unit in parts)
    if seconds <= 0:
        raise ValueError(f"budget {budget!r} leaves no time to train; expected something like 90s, 10m or 2h.")
    return seconds


def seconds_per_step(step: Callable[[int], None], *, most: float, warm: bool = False) -> float:
    """The median time of a training step: one to warm up unless it is `warm`, then more for `most` seconds, at least one and at most 50."""
    began = time.perf_counter()
    if not warm:
        step(0)
    spent: list[float] = []
    while not spent or (time.perf_counter() - began < most and len(spent) < 50):
        start = time.perf_counter()
        step(len(spent) + 1)
        spent.append(time.perf_counter() - start)
    return median(spent)
