"""Language modelling on held-out documents: bits per byte of networks that read forwards, guesses of hidden words of those that do not.

Nothing here knows a task: a network is a function from tokens to log-probabilities. Bits per byte compare networks with different
vocabularies: the surprise of all tokens in nats, over ln 2 and the bytes of text they stand for. Special tokens stand for none and do not
count. How a document is cut is part of the number, so results carry it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from selfsup.embedding.windows import cut
from selfsup.probing.intervals import Interval, ratio_interval

RATE = 0.15
"""Share of the tokens that are hidden to be guessed, whatever a network was trained with: as in BERT, and in ModernBERT's evaluation."""

TOKENS = 8192
"""Tokens that are computed together, at most."""

DOCUMENTS = 512
"""Documents whose windows wait for company of equal length."""


class TokenText(NamedTuple):
    """One document as ids (T,), without special tokens."""

    tokens: Int[np.ndarray, "T"]
    language: str | None = None


@runtime_checkable
class NextTokens(Protocol):
    """A network that reads forwards."""

    def __call__(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B S"]:
        """The log-probability of each token but the first, given those before it, (B, T - 1)."""
        ...


@runtime_checkable
class HiddenTokens(Protocol):
    """A network that guesses hidden tokens."""

    def __call__(
        self, seen: Int[Tensor, "B T"], positions: Int[Tensor, "B K"], targets: Int[Tensor, "B K"]
    ) -> tuple[Float[Tensor, "B K"], Int[Tensor, "B K"]]:
        """The log-probabilities of `targets` at `positions`, and the likeliest tokens there."""
        ...


@dataclass(frozen=True)
class Bits:
    """Bits per byte over the `bytes` that `tokens` of `documents` stand for. Intervals hold what other documents would change.

    `accuracy` is the share of hidden tokens guessed, for networks that guess.
    """

    bits_per_byte: Interval
    bytes: int
    tokens: int
    documents: int
    accuracy: Interval | None = None


@dataclass
class Tally:
    """Sums over the judged tokens of each document: nats, bytes, tokens, and tokens guessed right."""

    sums: dict[int, Float[np.ndarray, "4"]] = field(default_factory=dict)
    languages: list[str | None] = field(default_factory=list)
    hidden: Counter[int] = field(default_factory=Counter)
    guesses: bool = False

    def add(self, number: int, *, nats: Float[np.ndarray, "K"], lengths: Int[np.ndarray, "K"], right: np.ndarray | None = None) -> None:
        """Take judged tokens of a document in; those without bytes do not count."""
        real = lengths > 0
        self.guesses |= right is not None
        hits = 0 if right is None else right[real].sum()
        more = np.array([nats[real].sum(), lengths.sum(), real.sum(), hits], dtype=np.float64)
        self.sums[number] = self.sums.get(number, np.zeros(4)) + more


@dataclass(frozen=True)
class Modelling:
    """In total, and for each language; and in words how documents were cut, which is part of the number.

    `commonest` is the share of hidden tokens that are the most frequent one, which always guessing that would get right. `tallies` are the
    sums that all is made from, one for each network that was judged.
    """

    total: Bits
    languages: dict[str, Bits]
    how: str
    commonest: float | None = None
    tallies: list[Tally] = field(default_factory=list, repr=False, compare=False)


def bits_per_byte(
    model: NextTokens,
    documents: Iterable[TokenText],
    *,
    bytes_of: Int[Tensor, "V"],
    context: int,
    stride: int | None = None,
    start: int | None = None,
) -> Modelling:
    """Bits per byte of each document by itself, through windows of `context` tokens that advance by `stride` (half of it by default).

    Each window counts its last `stride` tokens only, so every token is judged once and sees at least context - stride before it. `start`
    is the special token that stands before a document, as the end of the last does in packed rows; without one, a document's first token
    is not judged, and its bytes do not count. Raises ValueError for a stride outside 1 to context - 1.
    """
    stride = context // 2 if stride is None else stride
    if not 1 <= stride < context:
        raise ValueError(f"stride is {stride}: expected 1 to {context - 1}, less than the context of {context} tokens.")
    tally = Tally()

    def windows(number: int, text: TokenText) -> Iterator[_Piece]:
        ids = text.tokens if start is None else np.concatenate([[start], text.tokens])
        end = min(context, len(ids))
        if end > 1:
            yield _Piece(number, ids[:end], np.arange(1, end))
        while end < len(ids):
            step = min(stride, len(ids) - end)
            end += step
            yield _Piece(number, ids[end - context : end], np.arange(context - step, context))

    for pieces in _batches(documents, windows, tally):
        with torch.no_grad():
            found = model(_tensor([piece.ids for piece in pieces]))
        for piece, logs in zip(pieces, found.double().cpu().numpy(), strict=True):
            lengths = bytes_of.numpy()[piece.ids[piece.judged]]
            tally.add(piece.number, nats=-logs[piece.judged - 1], lengths=lengths)
    before = "each document after a start token" if start is not None else "each document by itself, its first token not judged"
    return _result([tally], f"windows of {context} tokens that advance by {stride}, {before}")


def hidden_tokens(
    model: HiddenTokens,
    documents: Iterable[TokenText],
    *,
    mask: int,
    bytes_of: Int[Tensor, "V"],
    context: int,
    rate: float = RATE,
    seed: int = 0,
) -> Modelling:
    """How well hidden tokens are guessed: the share guessed right, and pseudo bits per byte, which must not be compared with real ones.

    Documents are cut into windows of nearly equal length. In each, `rate` of the tokens that stand for text (one at least) are replaced
    by `mask`, all of them: random and kept words would be told from the training's shares of them. Which ones follows from `seed` and the
    document's number alone. Windows of a single token, which sees nothing, are left out.
    """
    tally = Tally()

    def windows(number: int, text: TokenText) -> Iterator[_Piece]:
        rng = np.random.default_rng([seed, number])
        for begin, length in cut(len(text.tokens), context):
            ids = text.tokens[begin : begin + length]
            able = np.flatnonzero(bytes_of.numpy()[ids] > 0)
            hidden = min(len(able), max(1, round(rate * length)))
            drawn = np.sort(rng.permutation(able)[:hidden])
            if hidden and length > 1:
                yield _Piece(number, ids, drawn)

    for pieces in _batches(documents, windows, tally):
        ids, positions = _tensor([piece.ids for piece in pieces]), _tensor([piece.judged for piece in pieces])
        targets = ids.gather(1, positions)
        with torch.no_grad():
            logs, likeliest = model(ids.scatter(1, positions, mask), positions, targets)
        right = (likeliest.cpu() == targets).numpy()
        for piece, nats, hit in zip(pieces, -logs.double().cpu().numpy(), right, strict=True):
            tally.add(piece.number, nats=nats, lengths=bytes_of.numpy()[piece.ids[piece.judged]], right=hit)
            tally.hidden.update(piece.ids[piece.judged].tolist())
    return _result([tally], f"{rate:.0%} of the tokens hidden (seed {seed}), in windows of at most {context} tokens")


class _Piece(NamedTuple):
    """A window of document `number`: its ids (T,), and the positions in it that are judged (K,)."""

    number: int
    ids: Int[np.ndarray, "T"]
    judged: Int[np.ndarray, "K"]


_Windows = Callable[[int, TokenText], Iterator[_Piece]]


def _batches(documents: Iterable[TokenText], windows: _Windows, tally: Tally) -> Iterator[list[_Piece]]:
    """Windows of equal length with equally many judged tokens together, some documents at a time."""
    numbered = enumerate(documents)
    while some := list(islice(numbered, DOCUMENTS)):
        pieces = [piece for number, text in some for piece in windows(number, text)]
        tally.languages += [text.language for _, text in some]
        pieces.sort(key=_shape)
        held: list[_Piece] = []
        for piece in pieces:
            if held and (_shape(piece) != _shape(held[0]) or (len(held) + 1) * len(piece.ids) > TOKENS):
                yield held
                held = []
            held.append(piece)
        if held:
            yield held


def _tensor(rows: Sequence[Int[np.ndarray, "T"]]) -> Int[Tensor, "B T"]:
    return torch.from_numpy(np.stack(rows).astype(np.int64))


def _shape(piece: _Piece) -> tuple[int, int]:
    return len(piece.ids), len(piece.judged)


def joined(several: Sequence[Modelling]) -> Modelling:
    """Several seeds of one network, judged on the same documents, as one."""
    return _result([tally for one in several for tally in one.tallies], several[0].how)


def _result(tallies: list[Tally], how: str) -> Modelling:
    """The scores. Raises ValueError when no token was judged."""
    every = [{number for number, sums in tally.sums.items() if sums[1] > 0} for tally in tallies]
    judged = sorted(set.intersection(*every))
    if not judged:
        raise ValueError("no token was judged: expected documents of two tokens or more that stand for text.")
    by_language: dict[str, list[int]] = {}
    for number in judged:
        by_language.setdefault(tallies[0].languages[number] or "unknown", []).append(number)
    total, languages = _bits(tallies, judged), {name: _bits(tallies, numbers) for name, numbers in sorted(by_language.items())}
    hidden = tallies[0].hidden
    commonest = max(hidden.values()) / hidden.total() if hidden else None
    return Modelling(total, languages, how, commonest, tallies)


def _bits(tallies: Sequence[Tally], numbers: Sequence[int]) -> Bits:
    sums = np.stack([np.stack([tally.sums[number] for number in numbers], axis=1) for tally in tallies], axis=1)
    nats, lengths, tokens, right = sums  # each S N
    accuracy = ratio_interval(right, tokens, high=1.0) if tallies[0].guesses else None
    bits = ratio_interval(nats / math.log(2), lengths)
    return Bits(bits, int(lengths[0].sum()), int(tokens[0].sum()), len(numbers), accuracy)
