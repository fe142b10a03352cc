"""How long things take here, one beside the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch


def shortest(steps: Sequence[Callable[[], object]], *, device: torch.device, repetitions: int = 2) -> list[float]:
    """The shortest time of each step in seconds, all of them called in turn after one round to warm up.

    The minimum is what other programs disturb least, and in turn they are disturbed alike.
    """
    seconds = [float("inf")] * len(steps)
    for turn in range(repetitions + 1):
        for number, step in enumerate(steps):
            _wait(device)
            start = time.perf_counter()
            step()
            _wait(device)
            if turn:
                seconds[number] = min(seconds[number], time.perf_counter() - start)
    return seconds


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
