"""Endless batches in seeded order: what step 1,234 sees follows from two integers, so a run resumes from its step alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int64
from torch import Tensor


@runtime_checkable
class Batched(Protocol):
    """What batches are drawn from: a Store of pictures, a TokenStore."""

    def batch(self, rows: Tensor) -> dict[str, Tensor]:
        """What some rows hold, as a batch."""
        ...


@runtime_checkable
class Order(Protocol):
    """Which rows an epoch sees, where that is more than all of them once: a Mixture of languages."""

    def __len__(self) -> int:
        """How many rows an epoch has."""
        ...

    def epoch(self, seed: int, number: int) -> Tensor:
        """The rows of an epoch in their order, a pure function of both."""
        ...


class Batches:
    """Batches of `batch_size` rows, without replacement within an epoch, in another order each epoch; or in an order of its own.

    `at(step)` and `rows_at(step)` are pure functions of (seed, step). What does not fill a batch at the end of an epoch is left out of that
    epoch. Raises ValueError when there are fewer rows than a batch has.
    """

    def __init__(self, store: Batched, rows: Sequence[int] | Int64[Tensor, "N"] | Order, *, batch_size: int, seed: int) -> None:
        self.store = store
        self.order = rows if isinstance(rows, Order) else Shuffled(torch.as_tensor(rows, dtype=torch.int64))
        self.batch_size = batch_size
        self.seed = seed
        if batch_size < 1 or len(self.order) < batch_size:
            raise ValueError(
                f"A batch size of {batch_size} was given for {len(self.order)} rows (pictures, or rows of tokens). "
                f"Expected 1 to {len(self.order)}: use a smaller --batch-size, or more data."
            )
        self._epoch = -1
        self._rows = torch.empty(0, dtype=torch.int64)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch."""
        return len(self.order) // self.batch_size

    def rows_at(self, step: int) -> Int64[Tensor, "B"]:
        """The store's rows that step `step` (from 0) sees."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._rows = self.order.epoch(self.seed, epoch)
            self._epoch = epoch
        return self._rows[place * self.batch_size : (place + 1) * self.batch_size]

    def at(self, step: int, *, part: tuple[int, int] = (0, 1)) -> dict[str, Tensor]:
        """The batch of a step, or the i-th of n equal slices of it, `part=(i, n)`, for ranks and micro-batches.

        Raises ValueError when n does not divide the batch.
        """
        index, count = part
        if count < 1 or self.batch_size % count or not 0 <= index < count:
            raise ValueError(
                f"Part {index} of {count} of a batch of {self.batch_size} was asked for. Expected a batch size that "
                "processes times micro-batches divides."
            )
        size = self.batch_size // count
        return self.store.batch(self.rows_at(step)[index * size : (index + 1) * size])


class Shuffled:
    """Each of some rows once an epoch, in another order each epoch."""

    def __init__(self, rows: Int64[Tensor, "N"]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def epoch(self, seed: int, number: int) -> Int64[Tensor, "N"]:
        """All rows, shuffled."""
        return self.rows[torch.randperm(len(self.rows), generator=generator(seed, number))]


def generator(seed: int, name: int | str) -> torch.Generator:
    """Seeded by a hash, so that seeds 0 and 1 have nothing in common; 32 bits, since torch's CPU generator uses no more."""
    return torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:4], "little"))
