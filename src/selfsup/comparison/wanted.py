"""Runs that a comparison wants, and how they are trained: one after the other in this process, or wherever else `Trains` is fulfilled.

What a run becomes is decided by its settings, its steps, its seed and its number of threads, so it does not matter who trains it.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from selfsup.pretraining import pretrain
from selfsup.run import Run
from selfsup.train import TrainingFailed

Told = Callable[[str], None]
Spent = Callable[[str, float], None]


@dataclass(frozen=True)
class Wanted:
    """A run of the unit `name` that is wanted in the folder `out`: `settings` are what `pretrain` is called with."""

    name: str
    out: Path
    settings: dict[str, Any]

    @property
    def begun(self) -> bool:
        """Whether there is such a run, which then goes on."""
        return (self.out / "run.json").is_file()

    @property
    def passed(self) -> bool:
        """Whether the run went further already, so that what is wanted of it is known."""
        return self.begun and Run.open(self.out).steps > self.settings["steps"]

    @property
    def words(self) -> str:
        """What is trained."""
        return f"{self.name}: training to step {self.settings['steps']:,} (seed {self.settings['seed']})"


@dataclass(frozen=True)
class Failed:
    """A run whose loss or gradient became infinite, and what was said of it."""

    wanted: Wanted
    reason: str


@runtime_checkable
class Trains(Protocol):
    """Trains runs on so many `workers` at once."""

    @property
    def workers(self) -> int:
        """So many runs are trained at once."""
        ...

    def __call__(self, data: Any, wanted: Sequence[Wanted]) -> Iterator[Run | Failed]:
        """Each run when it is trained, or that it failed, in the order in which they are wanted.

        Raises ValueError for a run that cannot be trained, and InterruptedError when it was stopped.
        """
        ...


@dataclass(frozen=True)
class Here:
    """Trains one run after the other in this process, each when it is asked for. What each takes is `spent`."""

    threads: int
    told: Told
    spent: Spent
    workers: int = 1

    def __call__(self, data: Any, wanted: Sequence[Wanted]) -> Iterator[Run | Failed]:
        for one in wanted:
            self.told(one.words)
            began = time.perf_counter()
            if one.passed:
                yield Run.open(one.out)
                continue
            try:
                with threads_set(self.threads), redirect_stderr(io.StringIO()):
                    run = pretrain(data, **one.settings, out=one.out, resume=one.begun)
            except TrainingFailed as error:
                yield Failed(one, str(error))
                continue
            self.spent("pretraining", time.perf_counter() - began)
            yield run


@contextmanager
def threads_set(count: int) -> Iterator[None]:
    """So many threads for what torch computes, and as many as before afterwards. The order of sums depends on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
