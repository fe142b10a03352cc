"""Documents that are too large for memory, cut into pieces where it hurts least; and lines, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

LONGEST = 1 << 24  # characters of one document; more are cut
LONGEST_ROW = 1 << 27  # characters of one row of a table, on one line or on many; more is skipped


def in_pieces(chunks: Iterable[str], *, longest: int = LONGEST) -> Iterator[str]:
    """The text of `chunks` in pieces of at most `longest` characters, cut at line ends, else between words, else anywhere."""
    held, size = list[str](), 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size > longest:
            ready, rest = _cut("".join(held), longest)
            held, size = [rest], len(rest)
            while ready:  # handed over one by one, so that nothing is held twice
                yield ready.pop(0)
    if size:
        yield "".join(held)


def numbered(name: str, pieces: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Each piece with its id: `name` if there is one, `name#1`, `name#2`, ... if there are more."""
    held, number = next(pieces, None), 1
    for piece in pieces:
        if held is not None:
            yield f"{name}#{number}", held
        held, number = piece, number + 1
    if held is not None:
        yield name if number == 1 else f"{name}#{number}", held


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


def _cut(text: str, longest: int) -> tuple[list[str], str]:
    """Pieces of a text, each cut behind the last newline of its second half, or the last space; and the rest, `longest` at most."""
    pieces, start = list[str](), 0
    while len(text) - start > longest:
        end = start + longest
        places = (text.rfind(sign, start + longest // 2, end) + 1 for sign in "\n \t")
        end = next((place for place in places if place), end)
        pieces.append(text[start:end])
        start = end
    return pieces, text[start:]
