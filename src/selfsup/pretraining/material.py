"""Material: a data set ready for training. What differs between kinds of data stands here, and nowhere else in pretraining."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from selfsup.data.batches import Batched, Order
from selfsup.pretext import Pretext
from selfsup.pretraining.wishes import Wishes
from selfsup.run import Run
from selfsup.train.distributed import World


class Material(ABC):
    """Rows to train on, and what has to be known to build a backbone for them.

    Attributes: `kind`, as in `Run.kind`; `noun`, what a row is called; `name` and `root` of the data as a user knows it;
    `fingerprint`, which changes when the data does; `skipped`, what could not be read, with the reason, and `notes` on what could;
    `store`, what batches are drawn from; `rows` of it that are for training, or the order they come in; `held_out`, how many are not;
    `usual_batch`, how many rows a batch has where nothing is asked for.
    """

    kind: ClassVar[str]
    noun: ClassVar[str]
    name: str
    root: str
    fingerprint: str
    skipped: dict[str, str]
    notes: dict[str, str]
    store: Batched
    rows: Tensor | Order
    held_out: int
    usual_batch: int

    @classmethod
    @abstractmethod
    def prepared(cls, data: Any, wishes: Wishes, ranks: World, *, before: Run | None) -> Material:
        """Open, split and prepare `data` as asked for, or as the run `before` that goes on had it.

        Raises ValueError, also where the data is not what that run was started with.
        """

    @abstractmethod
    def choose_backbone(self, task: type[Pretext], *, seconds: float | None) -> tuple[str, str]:
        """The backbone for a budget of so many seconds (None if it is not given in time), and why."""

    @abstractmethod
    def build(self, name: str, weights: str | Path | None) -> tuple[Any, list[str]]:
        """A backbone for this data, new from torch's global generator or filled with `weights`; in words, what did not fit."""

    @abstractmethod
    def rebuild(self, run: Run, weights: str | None) -> Any:
        """The backbone of a run that goes on, as its folder says, or filled with the `weights` it began with."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Entries of `run.json` that only this kind of data has."""

    def choices(self) -> dict[str, Any]:
        """What was chosen for this data alone, for `Run.choices`."""
        return {}

    @abstractmethod
    def amount(self, run: Run) -> str:
        """How much a run learns from, in words."""

    def rows_for_rate(self, batch_size: int) -> float:
        """The size of a batch that `Pretext.learning_rate` is scaled by."""
        return batch_size

    @abstractmethod
    def watched(self) -> Sequence[Tensor]:
        """A fixed sample of rows, as the backbone's `embed` takes them, whose embeddings tell a collapse."""

    @abstractmethod
    def save(self, run: Run, network: Any) -> None:
        """Write into the run what later stages need to know of the data, and what the backbone can be built from again."""

    @abstractmethod
    def save_backbone(self, run: Run, network: Any) -> None:
        """Write the trained backbone into the run."""

    @abstractmethod
    def save_views(self, run: Run, task: Pretext) -> None:
        """Keep a few rows as the network sees them, for the report."""

    def observe(self, run: Run, task: Pretext, step: int) -> None:  # noqa: B027 - most kinds of data have nothing to show in between
        """Keep what the task makes after `step`, for the report. Draws nothing from global generators."""

    @abstractmethod
    def save_made(self, run: Run, task: Pretext) -> None:
        """Keep what the trained task answers."""


def refuse_changed(fingerprint: str, run: Run, *, what: str, differs: str) -> None:
    """Raise ValueError unless a run that is to go on was started with data of this fingerprint: `what` it is, and how it `differs`."""
    if fingerprint != run.fingerprint:
        remedy = f"Restore them, or start a new run with --weights {run.folder}."
        raise ValueError(f"the {what} are not those {run.folder} was started with: {differs}. {remedy}")
