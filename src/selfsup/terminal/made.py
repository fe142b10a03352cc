"""What `selfsup generate` and `selfsup reconstruct` print."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from selfsup.terminal.tables import show, table_of

if TYPE_CHECKING:
    from selfsup.generation import Captions, Continuation, FilledIn, Reconstruction, Sampled


def print_made(made: Continuation | FilledIn | Sampled | Captions) -> None:
    """What `selfsup generate` made: text as it comes, with warnings behind it; words for open places; captions; or where pictures are."""
    from selfsup.generation import Captions, Continuation, FilledIn

    if isinstance(made, Captions):
        _print_captions(made)
    elif isinstance(made, Continuation):
        print(made.prompt, end="", flush=True)
        for piece in made:
            print(piece, end="", flush=True)
        print()
        for words in made.warnings():
            print(f"Warning: {words}", file=sys.stderr)
    elif isinstance(made, FilledIn):
        print(made.text)
        table = table_of("place", "filled", *(f"{rank}." for rank in range(1, 1 + max(len(blank.candidates) for blank in made.blanks))))
        for number, blank in enumerate(made.blanks, 1):
            guesses = (f"{candidate.word} {100 * candidate.probability:.1f} %" for candidate in blank.candidates)
            table.add_row(str(number), _ordinal(blank.order), *guesses)
        show(table)
    else:
        print(f"{len(made.pictures)} new pictures: {made.file}")


def _print_captions(made: Captions) -> None:
    """A line for each picture, and what could not be read."""
    for picture, text in made.texts.items():
        print(f"{picture}: {text}")
    if made.file is not None:
        print(f"{len(made.texts):,} captions{f' in {made.language}' if made.language else ''}: {made.file}")
    _print_skipped(made.skipped)


def _print_skipped(skipped: dict[str, str]) -> None:
    for name, reason in skipped.items():
        print(f"Skipped {name}: {reason}", file=sys.stderr)


def print_reconstruction(made: Reconstruction) -> None:
    """Where the sheet is, what its rows show, and what could not be read."""
    print(f"{len(made.ids)} pictures, each as {', '.join(made.rows)}: {made.file}")
    _print_skipped(made.skipped)


def _ordinal(number: int) -> str:
    """ "1st", "2nd", "3rd", "4th", …, "11th", …, "21st"."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
