"""Ground: a data set as some runs read it, and the rows beside every score that belong to its kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from selfsup.embedding import Reading
from selfsup.evaluation.baselines import Setup, Told
from selfsup.evaluation.predictions import Predictions, Setting
from selfsup.evaluation.problem import Problem
from selfsup.run import Run


class Ground(ABC):
    """What `evaluate` asks of a kind of data. `reads` is its reading, `reading` the data, `problem` what is posed on it.

    `simple_rows` are baselines without a network, as a user asks for them, with the names of their rows. `own_networks` says that weights
    a user has bring their network, and do not fill one like a run's.
    """

    reads: ClassVar[type[Reading[Any]]]
    simple_rows: ClassVar[Mapping[str, str]]
    own_networks: ClassVar[bool] = False
    reading: Reading[Any]
    problem: Problem

    @abstractmethod
    def __init__(self, reading: Any, problem: Problem, run: Run) -> None:
        """A ground for runs that read as `run` does."""

    @staticmethod
    @abstractmethod
    def key(run: Run) -> tuple[Any, ...]:
        """Runs with equal keys share a ground: they read the data alike."""

    @staticmethod
    @abstractmethod
    def backbone(run: Run) -> tuple[Any, ...]:
        """Runs with equal ones stand beside the same untrained networks."""

    @staticmethod
    @abstractmethod
    def described(run: Run) -> str:
        """The run's backbone in words."""

    @abstractmethod
    def simple(self, name: str, settings: Sequence[Setting], *, told: Told) -> dict[Setting, Predictions]:
        """One of `simple_rows` through the probes."""

    @abstractmethod
    def setup(self, runs: Sequence[Run]) -> Setup:
        """What the networks beside runs of one backbone need."""

    @abstractmethod
    def weights(self, setup: Setup, path: str | Path) -> tuple[nn.Module, Reading[Any], list[str]]:
        """A network with the weights a user already has, how it reads the data, and in words what of them did not match."""

    @abstractmethod
    def copies(self) -> dict[str, str]:
        """Ids of tested items that have a near-copy among those learned from, with its id."""
