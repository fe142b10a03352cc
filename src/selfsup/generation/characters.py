"""Pieces of text from tokens that need not end where a character does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from selfsup.generation.interfaces import TextTokenizer

BROKEN = "\ufffd"
"""What decoders write for bytes that are no whole character."""

BEFORE = 8
"""Tokens decoded together with new ones: some decoders write a token otherwise at the beginning of a text."""


def whole_pieces(ids: Iterable[int], tokenizer: TextTokenizer, *, after: Sequence[int] = ()) -> Iterator[str]:
    """The text of ids as they come, in pieces that end with a whole character; joined, they are the text of all ids.

    `after` is what stands before them. A byte-level token may hold a part of a character: it waits for the rest. Bytes that never become
    a character come out as U+FFFD with the next whole one, or at the end.
    """
    before, waiting = list(after)[-BEFORE:], list[int]()
    for number in ids:
        waiting.append(number)
        piece = _added(before, waiting, tokenizer)
        if piece and not piece.endswith(BROKEN):
            yield piece
            before, waiting = [*before, *waiting][-BEFORE:], []
    rest = _added(before, waiting, tokenizer) if waiting else ""
    if rest:
        yield rest


def _added(before: list[int], ids: list[int], tokenizer: TextTokenizer) -> str:
    """What `ids` add to the text of what stands before them."""
    return tokenizer.decode([*before, *ids])[len(tokenizer.decode(before)) :]
