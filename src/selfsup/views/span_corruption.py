"""Spans taken out of a text, and what has to be written in their place: pure functions of (ids, random generator)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from selfsup.views.tokens import single_tokens


@dataclass(frozen=True, eq=False)
class Corrupted:
    """A text with spans taken out: `seen` has a sentinel in the place of each, `target` each sentinel followed by what stood there."""

    seen: Int[Tensor, "B S"]
    target: Int[Tensor, "B U"]


def corrupt_spans(ids: Int[Tensor, "B T"], sentinels: Int[Tensor, " N"], *, rate: float, length: float, rng: torch.Generator) -> Corrupted:
    """Take out spans, a share `rate` of the tokens in all, `length` long on average; each is replaced by one sentinel.

    Raffel et al., JMLR 21, 2020, section 3.1.4 and appendix: text and spans take turns, text first; both are cut at random into as many
    parts, none empty. All rows are equally long: T - hidden + spans, and hidden + spans + 1, since a last sentinel ends the target.
    """
    rows, total = ids.shape
    hidden, count = span_counts(total, rate=rate, length=length)
    if len(sentinels) <= count:
        raise ValueError(f"{count} spans need {count + 1} sentinels, but there are {len(sentinels)}: take fewer or longer spans.")
    clear_lengths = _random_parts(rows, total - hidden, count, rng)
    hidden_lengths = _random_parts(rows, hidden, count, rng)
    ends = torch.stack([clear_lengths, hidden_lengths], dim=2).flatten(1).cumsum(dim=1)
    part = torch.searchsorted(ends, single_tokens(ids).contiguous(), right=True)  # even parts are text, odd ones spans
    is_hidden = part % 2 == 1
    first = torch.zeros_like(is_hidden)
    first[:, 1:] = part[:, 1:] != part[:, :-1]
    span = sentinels[part // 2]
    seen = torch.where(is_hidden, span, ids)[~is_hidden | first].view(rows, -1)
    pairs = torch.stack([span, ids], dim=2)  # what the target may hold for each token: a sentinel, then itself
    used = torch.stack([is_hidden & first, is_hidden], dim=2)
    target = pairs[used].view(rows, -1)
    return Corrupted(seen, torch.cat([target, sentinels[count].expand(rows, 1)], dim=1))


def span_counts(total: int, *, rate: float, length: float) -> tuple[int, int]:
    """How many of `total` tokens are hidden, and in how many spans."""
    hidden = min(max(1, round(total * rate)), total - 1)
    return hidden, min(max(1, round(hidden / length)), total - hidden, hidden)


def _random_parts(rows: int, total: int, parts: int, rng: torch.Generator) -> Int[Tensor, "B P"]:
    """Lengths of `parts` parts, none empty, that make up `total`, every way of cutting equally likely."""
    cuts = torch.rand(rows, total - 1, generator=rng, device=rng.device).argsort(dim=1)[:, : parts - 1].sort(dim=1).values + 1
    ends = torch.cat([cuts, cuts.new_full((rows, 1), total)], dim=1)
    return ends.diff(dim=1, prepend=ends.new_zeros(rows, 1))
