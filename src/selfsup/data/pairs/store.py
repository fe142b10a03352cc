"""Pairs by row: decoded pictures and the tokens of all their captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Int64
from torch import Tensor

from selfsup.data.pairs.listing import Caption, identity_of
from selfsup.data.store import Store

NONE = -1
"""What stands where a picture has fewer captions than others."""


@dataclass(frozen=True)
class PairStore:
    """Pictures with captions. `first` (N + 1,) says where in `length`, `identity` and `start` the captions of each row begin.

    `tokens` holds the ids of all captions one after the other; caption c has `length[c]` of them from `start[c]` on. `identity` is equal
    for captions that say the same, `language` numbers the group each is of. `most` is the largest number of captions of a picture,
    `longest` the most tokens of a caption.
    """

    pictures: Store
    first: Int64[Tensor, "M"] = field(repr=False)
    start: Int64[Tensor, "K"] = field(repr=False)
    length: Int64[Tensor, "K"] = field(repr=False)
    identity: Int64[Tensor, "K"] = field(repr=False)
    language: Int64[Tensor, "K"] = field(repr=False)
    tokens: Int64[Tensor, "T"] = field(repr=False)

    @classmethod
    def of(
        cls,
        pictures: Store,
        captions: Sequence[Sequence[Caption]],
        ids: Sequence[Int64[Tensor, "_"]],
        *,
        context: int,
        languages: Sequence[str] = (),
    ) -> PairStore:
        """Put together what was decoded and encoded: `captions` of each row of the store, `ids` of each caption, one after the other.

        Captions are cut after `context` tokens, and those without any are left out. Their groups are numbered as in `languages`; what
        is not among them is 0.
        """
        flat = [caption for own in captions for caption in own]
        assert len(flat) == len(ids), "one row of ids for each caption"
        kept = torch.tensor([len(row) > 0 for row in ids], dtype=torch.bool)
        counts = torch.tensor([len(own) for own in captions], dtype=torch.int64)
        row = torch.repeat_interleave(torch.arange(len(captions)), counts)[kept]
        length = torch.tensor([min(len(one), context) for one in ids], dtype=torch.int64)[kept]
        cut = [one[:context] for one in ids if len(one)]
        number = {group: place for place, group in enumerate(languages)}
        return cls(
            pictures,
            first=torch.cat([torch.zeros(1, dtype=torch.int64), torch.bincount(row, minlength=len(captions)).cumsum(0)]),
            start=length.cumsum(0) - length,
            length=length,
            identity=torch.tensor([identity_of(caption.text) for caption in flat], dtype=torch.int64)[kept],
            language=torch.tensor([number.get(caption.group, 0) for caption in flat], dtype=torch.int64)[kept],
            tokens=torch.cat(cut) if cut else torch.zeros(0, dtype=torch.int64),
        )

    def __len__(self) -> int:
        return len(self.pictures)

    @cached_property
    def counts(self) -> Int64[Tensor, "N"]:
        """How many captions each row has."""
        return self.first.diff()

    @cached_property
    def most(self) -> int:
        """The largest number of captions of a picture."""
        return int(self.counts.max())

    @cached_property
    def longest(self) -> int:
        """The most tokens of a caption."""
        return int(self.length.max())

    def batch(self, rows: Int64[Tensor, "B"]) -> dict[str, Tensor]:
        """What a task's views get: that of the pictures; and for K captions of at most T tokens, K and T being those of the whole store,

        `tokens` (B, K, T), `length` (B, K), 0 where there is no further caption, `caption` (B, K), equal where texts are and -1 where there
        is none, `language` (B, K), `captions` (B,), how many there are; and `picture` (B,), equal where pixels are.
        """
        counts = self.counts.index_select(0, rows)
        place = torch.arange(self.most)
        there = place < counts[:, None]
        number = torch.where(there, self.first.index_select(0, rows)[:, None] + place, 0)
        length = torch.where(there, self.length[number], 0)
        step = torch.arange(self.longest)
        within = step < length[:, :, None]
        tokens = torch.where(within, self.tokens[torch.where(within, self.start[number][:, :, None] + step, 0)], 0)
        return {
            **self.pictures.batch(rows), "tokens": tokens, "length": length, "captions": counts,
            "caption": torch.where(there, self.identity[number], NONE), "language": torch.where(there, self.language[number], 0),
            "picture": self.pictures.checksums.index_select(0, rows),
        }  # fmt: skip
