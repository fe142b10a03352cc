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
    """What batches are drawn from: a Store."""

    def batch(self, rows: Tensor) -> dict[str, Tensor]:
        """The pictures of some rows, as a batch."""
        ...


class Batches:
    """Batches of `batch_size` rows, without replacement within an epoch, in another order each epoch.

    `at(step)` and `rows_at(step)` are pure functions of (seed, step). What does not fill a batch at the end of an epoch is left out of that
    epoch. Raises ValueError when there are fewer rows than a batch has.
    """

    def __init__(self, store: Batched, rows: Sequence[int] | Int64[Tensor, "N"], *, batch_size: int, seed: int) -> None:
        self.store = store
        self.rows = torch.as_tensor(rows, dtype=torch.int64)
        self.batch_size = batch_size
        self.seed = seed
        if batch_size < 1 or len(self.rows) < batch_size:
            raise ValueError(
                f"A batch size of {batch_size} was given for {len(self.rows)} pictures. Expected 1 to {len(self.rows)}: "
                "use a smaller --batch-size, or more pictures."
            )
        self._epoch = -1
        self._order = self.rows

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch."""
        return len(self.rows) // self.batch_size

    def rows_at(self, step: int) -> Int64[Tensor, "B"]:
        """The store's rows that step `step` (from 0) sees."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._order = self.rows[torch.randperm(len(self.rows), generator=_generator(self.seed, epoch))]
            self._epoch = epoch
        return self._order[place * self.batch_size : (place + 1) * self.batch_size]

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


def _generator(seed: int, epoch: int) -> torch.Generator:
    """Seeded by a hash, so that seeds 0 and 1 have nothing in common; 32 bits, since torch's CPU generator uses no more."""
    return torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(f"{seed}/{epoch}".encode()).digest()[:4], "little"))
