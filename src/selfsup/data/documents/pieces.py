"""Documents that are too large for memory, cut into pieces where it hurts least; and lines, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

LONGEST = 1 << 24  # characters of one document; more are cut
LONGEST_ROW = 1 << 27  # characters of one row of a table, on one line or on many; more is skipped


def in_pieces(chunks: Iterable[str], *, longest: int = LONGEST) -> Iterator[str]:
    """The text of `chunks` in pieces of at most `longest` characters, cut at line ends, else between words, else anywhere."""
    held, size = list[str](), 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size > longest:
            text = "".join(held)
            start = 0
            while len(text) - start > longest:
                end = _cut(text, start, start + longest)
                yield text[start:end]
                start = end
            held, size = [text[start:]], len(text) - start
    if size:
        yield "".join(held)


def numbered(name: str, pieces: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Each piece with its id: `name` if there is one, `name#1`, `name#2`, ... if there are more."""
    first, second = next(pieces, None), next(pieces, None)
    if first is not None and second is None:
        yield name, first
    elif first is not None and second is not None:
        yield from ((f"{name}#{number}", piece) for number, piece in enumerate(chain((first, second), pieces), 1))


def in_lines(chunks: Iterable[str], *, too_long: Callable[[int], None], longest: int) -> Iterator[tuple[int, str]]:
    """Lines with their numbers from 1, without their newline (no other sign ends a line here: JSON holds U+2028 and the like).

    A line of more than `longest` characters is left out; `too_long` is told its number.
    """
    number, held, size = 1, list[str](), 0
    for chunk in chunks:
        *ended, rest = chunk.split("\n")
        for part in ended:
            size += len(part)
            if size <= longest:
                yield number, "".join((*held, part))
            else:
                too_long(number)
            number, held, size = number + 1, [], 0
        size += len(rest)
        if size <= longest:
            held.append(rest)
        else:
            held.clear()
    if size > longest:
        too_long(number)
    elif size:
        yield number, "".join(held)


def _cut(text: str, start: int, end: int) -> int:
    """Where to cut text[start:end]: behind the last newline of its second half, or the last space."""
    middle = start + (end - start) // 2
    for sign in "\n \t":
        if (place := text.rfind(sign, middle, end)) >= 0:
            return place + 1
    return end
