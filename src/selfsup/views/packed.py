"""Rows into which several documents are packed: where each begins, which are long enough to be texts, and means over each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor


def positions_in(document: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    """Each token's place in its document, as far as that stands in the row: 0, 1, 2 and so on, again from 0 where another begins."""
    place = torch.arange(document.shape[1], device=document.device).expand(document.shape)
    return place - torch.where(_begins(document), place, 0).cummax(dim=1).values


@dataclass(frozen=True, eq=False)
class Texts:
    """The texts of each row: the number of the one each token is of, `count` where it is of none; and which numbers are taken."""

    number: Int[Tensor, "B T"]
    counted: Bool[Tensor, "B S"]

    @property
    def count(self) -> int:
        """How many texts a row may hold."""
        return self.counted.shape[1]


def texts_in(document: Int[Tensor, "B T"], *, shortest: int) -> Texts:
    """The pieces of documents in each row that have at least `shortest` tokens, numbered from 0, as many as a row can hold at most.

    A row with no such piece is one text.
    """
    rows, length = document.shape
    piece = _begins(document).cumsum(dim=1) - 1
    sizes = torch.zeros_like(piece).scatter_add_(1, piece, torch.ones_like(piece))
    long_enough = sizes >= min(shortest, length)
    none = ~long_enough.any(dim=1, keepdim=True)
    most = max(1, length // shortest)
    numbers = torch.where(long_enough, long_enough.cumsum(dim=1) - 1, most).gather(1, piece)
    taken = torch.arange(most, device=document.device).expand(rows, most) < long_enough.sum(dim=1, keepdim=True)
    only = torch.arange(most, device=document.device).expand(rows, most) == 0
    return Texts(torch.where(none, 0, numbers), torch.where(none, only, taken))


@dataclass(frozen=True, eq=False)
class Halves:
    """Texts cut in two: the number of the text whose `first` or `second` half each token is of, `count` where of none; and `piece`, which
    differs wherever one half or text ends and the next begins."""

    first: Int[Tensor, "B T"]
    second: Int[Tensor, "B T"]
    piece: Int[Tensor, "B T"]


def cut_in_two(texts: Texts, rng: torch.Generator, *, shortest: int) -> Halves:
    """Cut each text at a random place, evenly among those that leave `shortest` tokens on both sides, or in the middle where none does."""
    number, count = texts.number, texts.count
    member = F.one_hot(number, count + 1)[:, :, :count]
    size = member.sum(dim=1)
    room = (size - 2 * shortest + 1).clamp(min=0)
    drawn = torch.rand(size.shape, generator=rng, device=size.device)
    cut = torch.where(room > 0, shortest + (drawn * room).long(), size // 2)
    place = positions_in(number)
    later = place >= F.pad(cut, (0, 1)).gather(1, number)
    first, second = torch.where(later, count, number), torch.where(later, number, count)
    return Halves(first, second, 2 * number + later)


def mean_of_texts(hidden: Float[Tensor, "B T D"], number: Int[Tensor, "B T"], count: int) -> Float[Tensor, "B S D"]:
    """The mean over the tokens of each text 0 to `count` - 1 of a row; 0 for texts without any."""
    member = F.one_hot(number.clamp(max=count), count + 1)[:, :, :count].to(hidden.dtype)
    return member.transpose(1, 2) @ hidden / member.sum(dim=1).clamp(min=1)[:, :, None]


def _begins(document: Tensor) -> Bool[Tensor, "B T"]:
    begins = torch.ones_like(document, dtype=torch.bool)
    begins[:, 1:] = document[:, 1:] != document[:, :-1]
    return begins
