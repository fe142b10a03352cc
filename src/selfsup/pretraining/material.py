"""Material: a data set ready for training. What differs between kinds of data stands here, and nowhere else in pretraining."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn

from selfsup.data.batches import Batched
from selfsup.pretext import Pretext
from selfsup.run import Run


class Material(ABC):
    """Rows to train on, and what has to be known to build a backbone for them.

    Attributes: `kind`, as in `Run.kind`; `noun`, what a row is called; `name` and `root` of the data as a user knows it;
    `fingerprint`, which changes when the data does; `skipped`, what could not be read, with the reason; `store`, what batches are
    drawn from; `rows` `(n,)` of it that are for training; `held_out`, how many are not.
    """

    kind: ClassVar[str]
    noun: ClassVar[str]
    name: str
    root: str
    fingerprint: str
    skipped: dict[str, str]
    store: Batched
    rows: Tensor
    held_out: int

    @abstractmethod
    def choose_backbone(self, task: type[Pretext], *, seconds: float | None) -> tuple[str, str]:
        """The backbone for a budget of so many seconds (None if it is not given in time), and why."""

    @abstractmethod
    def build(self, name: str) -> nn.Module:
        """A new backbone of that name for this data, its weights drawn from torch's global generator."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Entries of `run.json` that only this kind of data has."""

    @abstractmethod
    def watched(self) -> Tensor:
        """A fixed sample of rows, as the backbone's `embed` takes them, whose embeddings tell a collapse."""

    @abstractmethod
    def save(self, run: Run) -> None:
        """Write into the run what later stages need to know of the data."""

    @abstractmethod
    def save_views(self, run: Run, task: Pretext) -> None:
        """Keep a few rows as the network sees them, for the report."""

    @abstractmethod
    def save_made(self, run: Run, task: Pretext) -> None:
        """Keep what the trained task answers to them."""
