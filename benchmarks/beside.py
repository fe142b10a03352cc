"""Rows that are compared: each in a process of its own, so that none disturbs another, and all of them in turn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median

WARM_UP = 3  # steps


def in_a_process(script: str, *arguments: str, environment: Mapping[str, str] | None = None) -> float:
    """The number that a script prints last, as JSON, when it is called with these arguments; ends the benchmark where that fails."""
    command = [sys.executable, script, *arguments]
    done = subprocess.run(command, env=os.environ | dict(environment or {}), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return float(json.loads(done.stdout.splitlines()[-1]))


def in_turn(rows: Sequence[str], measured: Callable[[str], float], *, repeats: int) -> list[float]:
    """The median of each row's measurements, all rows once in each round."""
    found: dict[str, list[float]] = {row: [] for row in rows}
    for _ in range(repeats):
        for row in rows:
            found[row].append(measured(row))
    return [median(values) for values in found.values()]


def per_second(step: Callable[[], float], seconds: float) -> float:
    """How much steps do in a second, after a few to warm up; `step` says how much it did."""
    for _ in range(WARM_UP):
        step()
    count, began = 0.0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        count += step()
    return count / (time.perf_counter() - began)
