"""What `pretrain` was asked for, and what of it can be refused before any data is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfsup.options import check_choice, task_options
from selfsup.pretraining.pair_wishes import PairWishes
from selfsup.pretraining.text_wishes import TextWishes
from selfsup.run import Run
from selfsup.tasks import find_task
from selfsup.train.budget import seconds_of
from selfsup.train.distributed import World
from selfsup.train.optimizer import OPTIMIZERS
from selfsup.train.schedule import SCHEDULES

DEFAULT_BUDGET = "10m"
DEFAULT_BATCH = 128  # on small data twice the steps of half the batch were worth more: docs/results.md


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What `pretrain` was asked for, apart from the data."""

    texts: TextWishes
    pairs: PairWishes
    kind: str
    split: str | Path | None
    holdout: float
    groups: str | None
    task: str
    options: dict[str, Any]
    backbone: str
    size: int | None
    budget: str | None
    steps: int | None
    epochs: float | None
    batch_size: int | None
    accumulate: int
    learning_rate: float | None
    weight_decay: float | None
    optimizer: str
    schedule: str
    precision: str
    seed: int
    out: str | Path | None
    views: str | None
    weights: str | Path | None
    store_limit: float

    def parts(self) -> dict[str, Any]:
        """What is held out, as it was asked for."""
        return {"split": self.split, "holdout": self.holdout, "groups": self.groups}

    def seconds(self) -> float | None:
        """The time budget, unless steps or epochs were given. Raises ValueError when more than one of the three was."""
        given = [name for name in ("budget", "steps", "epochs") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"got {' and '.join('--' + name for name in given)}; give one of --budget, --steps and --epochs.")
        return seconds_of(self.budget or DEFAULT_BUDGET) if given in ([], ["budget"]) else None

    def check(self) -> None:
        """Raise ValueError for everything that can be refused before the data is read."""
        task_options(find_task(self.task), self.options)
        check_choice("schedule", self.schedule, list(SCHEDULES))
        check_choice("optimizer", self.optimizer, list(OPTIMIZERS))
        check_choice("precision", self.precision, ["auto", "fp32", "bf16"])
        check_choice("kind", self.kind, ["auto", "image", "text", "pair"])
        modality = find_task(self.task).modality
        if self.kind not in ("auto", modality):
            raise ValueError(f"--kind {self.kind} was given, and task {self.task} learns from {modality}; leave --kind out.")
        self.seconds()
        for name in ("steps", "epochs", "batch_size", "accumulate", "size", "learning_rate"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value}; expected more than 0.")
        if self.out is not None and (Path(self.out) / "run.json").exists():
            raise ValueError(
                f"{self.out} already holds a run, which is never overwritten. Give another --out, or --resume to go on with it."
            )

    def batch_of(self, rows: int, ranks: World, *, noun: str, usual: int) -> int:
        """The batch asked for, or the usual one, or less where there are fewer rows; whole for every rank and micro-batch.

        Raises ValueError.
        """
        parts = self.accumulate * ranks.size
        smallest = 2 * parts if find_task(self.task).couples_rows else parts
        if rows < max(2, smallest):
            raise ValueError(f"there are {rows} {noun} to train on; expected at least {max(2, smallest)}. Add some or hold out fewer.")
        wanted = self.batch_size or max(smallest, min(usual, rows) // parts * parts)
        if wanted < smallest:
            raise ValueError(
                f"batch size {wanted}, over {ranks.size} ranks x {self.accumulate} micro-batches, leaves fewer than the "
                f"{smallest // parts} {noun} each that task {self.task} needs; give --batch-size {smallest} or more."
            )
        if wanted > rows:
            raise ValueError(f"batch size {wanted} is more than {rows} {noun}; give --batch-size {rows // parts * parts} or less.")
        if wanted % parts:
            raise ValueError(
                f"batch size {wanted} cannot be split over {ranks.size} ranks x {self.accumulate} micro-batches; "
                f"give a multiple of {parts}."
            )
        return wanted

    def agree_with(self, run: Run) -> None:
        """Raise ValueError unless a run that is to be resumed was started with the same code: that is never taken from its folder."""
        for name in ("task", "views"):
            if getattr(run, name) != getattr(self, name):
                then, now = getattr(run, name), getattr(self, name)
                raise ValueError(f"{run.folder} was started with --{name} {then}; got {now}. Give the same to resume.")


def wished(settings: Mapping[str, Any]) -> Wishes:
    """The wishes in what `pretrain` was called with; what belongs to no wish is left alone."""
    texts = TextWishes(**{item.name: settings[item.name] for item in dataclasses.fields(TextWishes)})
    pairs = PairWishes(**{item.name: settings[item.name] for item in dataclasses.fields(PairWishes)})
    own = {item.name: settings[item.name] for item in dataclasses.fields(Wishes) if item.name not in ("texts", "pairs", "options")}
    return Wishes(**own, options=settings["options"] or {}, texts=texts, pairs=pairs)
