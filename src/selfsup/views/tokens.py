"""Which tokens are hidden, and what stands in their place: pure functions of (ids, random generator), whole batches at once.

Rows are text: `ids` (B, T). The number of chosen positions is the same in each row, so that what is predicted can be gathered; where a
row has not so many that may be chosen, `counted` says which of them count.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

FILLINGS = 4
"""Times that whole words are looked through for some that fit into what is left of a row's number of tokens."""

SPAN_STOP, LONGEST_SPAN = 0.2, 10
"""Lengths of spans: geometric with this probability of stopping, at most so long (SpanBERT: Joshi et al., TACL 2020, section 3.1)."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """Positions chosen in each row, ascending; whether each counts; and the number of the unit (token, word, span) it belongs to."""

    positions: Int[Tensor, "B K"]
    counted: Bool[Tensor, "B K"]
    unit: Int[Tensor, "B K"]


def hidden_positions(
    ids: Int[Tensor, "B T"],
    rng: torch.Generator,
    *,
    rate: float,
    is_special: Bool[Tensor, " V"],
    is_start_of_word: Bool[Tensor, " V"],
    whole_words: bool = False,
    spans: bool = False,
) -> Chosen:
    """Choose a share `rate` of each row's positions, as many in each row, never a special token: tokens, words or spans of either.

    Two facts of each id say which are special and which begin a word, so that it works for any tokeniser.
    """
    if not 0 < rate < 1:
        raise ValueError(f"rate={rate} is the share of tokens to hide: expected more than 0 and less than 1.")
    count = max(1, round(rate * ids.shape[1]))
    special = is_special[ids]
    units = word_numbers(is_start_of_word[ids], special, longest=count) if whole_words else single_tokens(ids)
    if spans:
        units = span_numbers(units, special, rng)
    return choose_tokens(units, ~special, count, rng, whole=whole_words)


def single_tokens(ids: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    """Each token is a unit of its own."""
    return torch.arange(ids.shape[1], device=ids.device).expand(ids.shape)


def word_numbers(starts: Bool[Tensor, "B T"], special: Bool[Tensor, "B T"], *, longest: int) -> Int[Tensor, "B T"]:
    """The number of the word each token is of, counted from 0 in each row.

    `starts` marks tokens that begin a word, as the tokeniser knows; one begins after a special token too, and each special token is
    one. A run of more than `longest` tokens without a start, as in scripts without spaces or in a long address, is no word that could
    be hidden whole: each of its tokens is one.
    """
    begins = starts | special
    begins[:, 1:] |= special[:, :-1]
    begins[:, 0] = False  # so that counting starts at 0, whatever comes first
    number = begins.cumsum(dim=1)
    lengths = torch.zeros_like(number).scatter_add_(1, number, torch.ones_like(number))
    begins |= lengths.gather(1, number) > longest
    begins[:, 0] = False
    return begins.cumsum(dim=1)


def span_numbers(units: Int[Tensor, "B T"], special: Bool[Tensor, "B T"], rng: torch.Generator) -> Int[Tensor, "B T"]:
    """Rows cut into spans of 1 to 10 units (tokens or words), whose lengths are drawn as SpanBERT draws them; their numbers from 0.

    Spans never reach across special tokens, each of which is one. A span chosen at random from these has the length SpanBERT gives it.
    """
    rows, length = units.shape
    chances = SPAN_STOP * (1 - SPAN_STOP) ** torch.arange(LONGEST_SPAN, device=units.device, dtype=torch.float32)
    lengths = torch.multinomial(chances, rows * length, replacement=True, generator=rng).view(rows, length) + 1
    ends = lengths.cumsum(dim=1)  # more units than there are, so that every row is covered
    number = torch.searchsorted(ends, units.contiguous(), right=True)
    begins = torch.zeros_like(special)
    begins[:, 1:] = (number[:, 1:] != number[:, :-1]) | special[:, 1:] | special[:, :-1]
    return begins.cumsum(dim=1)


def choose_tokens(
    units: Int[Tensor, "B T"], allowed: Bool[Tensor, "B T"], count: int, rng: torch.Generator, *, whole: bool = False
) -> Chosen:
    """Choose `count` positions a row among the allowed ones, unit by unit in random order.

    The last unit is cut where it does not fit; with `whole` it is left out, and others that fit fill the row as far as there are any,
    as in the code of Devlin et al., so that short words are hidden a little more often than long ones.
    """
    if not 0 < count <= units.shape[1]:
        raise ValueError(f"cannot choose {count} of {units.shape[1]} tokens a row: expected at least 1, and no more than there are.")
    draw = torch.rand(units.shape, generator=rng, device=units.device)
    chosen = _whole_units(units, allowed, count, draw) if whole else allowed
    key = draw.gather(1, units).masked_fill(~chosen, 2.0)
    positions = key.argsort(dim=1, stable=True)[:, :count].sort(dim=1).values  # stable: a unit's tokens stay together, in order
    return Chosen(positions, chosen.gather(1, positions), units.gather(1, positions))


def _whole_units(units: Tensor, allowed: Tensor, count: int, draw: Tensor) -> Bool[Tensor, "B T"]:
    """The tokens of whole units, taken in the order of their draws as long as there is room."""
    size = torch.zeros_like(units).scatter_add_(1, units, allowed.long())  # tokens of each unit that may be chosen
    order = draw.argsort(dim=1)
    sizes = size.gather(1, order)
    taken = torch.zeros_like(allowed)
    for _ in range(FILLINGS):
        left = count - (sizes * taken).sum(dim=1, keepdim=True)
        fits = (sizes > 0) & (sizes <= left) & ~taken
        taken |= fits & ((sizes * fits).cumsum(dim=1) <= left)
    by_unit = torch.zeros_like(taken).scatter_(1, order, taken)
    return by_unit.gather(1, units) & allowed


def hide_tokens(
    ids: Int[Tensor, "B T"],
    chosen: Chosen,
    *,
    mask: int,
    ordinary: Int[Tensor, " W"],
    rng: torch.Generator,
    masked: float = 0.8,
    random: float = 0.1,
    together: bool = False,
) -> Int[Tensor, "B T"]:
    """The rows as the network sees them: of the chosen tokens a share becomes `mask`, a share one of the `ordinary` words, the rest stays.

    .8, .1 and .1 are those of Devlin et al. 2019, section 3.1. With `together` the tokens of a unit fare alike (SpanBERT).
    """
    if min(masked, random) < 0 or masked + random > 1:
        raise ValueError(f"masked={masked} and random={random} are shares of the chosen tokens: expected 0 or more, and at most 1 in all.")
    device = ids.device
    fate = torch.rand(ids.shape if together else chosen.positions.shape, generator=rng, device=device)
    if together:
        fate = fate.gather(1, chosen.unit)
    words = ordinary[torch.randint(len(ordinary), chosen.positions.shape, generator=rng, device=device)]
    before = ids.gather(1, chosen.positions)
    after = torch.where(fate < masked, mask, torch.where(fate < masked + random, words, before))
    return ids.scatter(1, chosen.positions, torch.where(chosen.counted, after, before))


def delete_units(
    units: Int[Tensor, "B T"], present: Bool[Tensor, "B T"], text: Int[Tensor, "B T"], share: float, rng: torch.Generator
) -> tuple[Int[Tensor, "B S"], Bool[Tensor, "B S"]]:
    """Delete a share of each row's units (words) among the present tokens, and move the rest together.

    Returns the positions that stay, ascending, and which of them count: rows are as long as the longest of them. The number of units
    that stay is `(1 - share)` of those there are, rounded, and of each text at least one (TSDAE deletes .6).
    """
    if not 0 <= share < 1:
        raise ValueError(f"cannot delete a share of {share} of the words: expected 0 or more, and less than 1.")
    exists = torch.zeros_like(units).scatter_add_(1, units, present.long()) > 0
    draw = torch.rand(units.shape, generator=rng, device=units.device).gather(1, units).masked_fill(~present, 2.0)
    least = draw.new_full((len(draw), int(text.max()) + 1), 2.0).scatter_reduce_(1, text, draw, "amin").gather(1, text)  # of each text
    draw = torch.where(draw == least, draw - 1, draw)
    by_unit = torch.full_like(draw, 2.0).scatter_reduce_(1, units, draw, "amin").masked_fill(~exists, 2.0)
    wanted = ((1 - share) * exists.sum(dim=1, keepdim=True)).round()
    wanted = torch.maximum(wanted, (by_unit < 0).sum(dim=1, keepdim=True))
    kept = (by_unit.argsort(dim=1).argsort(dim=1) < wanted).gather(1, units) & present
    longest = max(1, int(kept.sum(dim=1).max()))
    positions = (~kept).to(torch.uint8).argsort(dim=1, stable=True)[:, :longest]
    return positions, kept.gather(1, positions)
