"""A text that goes on from a prompt, with a word on what of it was learned by heart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from selfsup.generation.repeats import LENGTH, Repeat, find_repeats


@dataclass(frozen=True)
class LearnedFrom:
    """The ids (N,) that a network learned from, and the name of the document that an id of them is of."""

    ids: NDArray[Any]
    document_at: Callable[[int], str]


@dataclass
class Continuation:
    """What follows `prompt`. Iterating gives it in pieces as they are made; `text` is all of it; `ids` are its tokens so far.

    `learned_from` is what repeats are looked for in; None where that is not at hand or was not asked for.
    """

    prompt: str
    pieces: Iterator[str] = field(repr=False)
    ids: list[int] = field(repr=False)
    learned_from: LearnedFrom | None = field(default=None, repr=False)
    _made: list[str] = field(default_factory=list, init=False)

    def __iter__(self) -> Iterator[str]:
        yield from self._made
        for piece in self.pieces:
            self._made.append(piece)
            yield piece

    @property
    def text(self) -> str:
        """All that follows the prompt."""
        return "".join(self)

    def repeats(self) -> list[Repeat]:
        """Stretches of at least 50 tokens that stand in what was learned from, word for word: one pass through that."""
        assert self.text is not None, "made to its end"
        return find_repeats(self.ids, self.learned_from.ids) if self.learned_from else []

    def warnings(self) -> list[str]:
        """The same in words."""
        return [
            f"{repeat.length} tokens from token {repeat.start + 1} on repeat what the network learned from, word for word: "
            f"{self.learned_from.document_at(repeat.place)}. Generators learn some of their corpus by heart; {LENGTH} tokens are no chance."
            for repeat in self.repeats()
            if self.learned_from
        ]
