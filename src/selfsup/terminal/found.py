"""What `selfsup index` and `selfsup search` print."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.text import Text

from selfsup.reporting.excerpts import excerpt
from selfsup.terminal.tables import print_notes, show, table_of

if TYPE_CHECKING:
    from selfsup.searching import Found, Indexed

SIDE = 16
"""Pixels a side of a picture in a terminal: half as many lines."""

FIELDS, FIRST = 5, ("label", "text", "part")
"""Fields that a line has room for, and those that come first."""

CELL = 120
"""Characters of a text that a line shows; pages show more."""

_SKIPPED = 10


def print_indexed(made: Indexed) -> None:
    """What the index holds now, what was done for it, and what has no row."""
    print(f"{made.count:,} rows of {made.width:,} numbers from layer {made.layer}, searched by {made.kind}: {made.address}")
    print(f"{made.embedded:,} embedded, {made.added:,} added, {made.updated:,} updated, {made.removed:,} removed")
    for name, reason in list(made.skipped.items())[:_SKIPPED]:
        print(f"Skipped {name}: {reason}", file=sys.stderr)
    if len(made.skipped) > _SKIPPED:
        print(f"Skipped {len(made.skipped) - _SKIPPED:,} more", file=sys.stderr)
    print_notes(made.notes)


def print_found(found: Found) -> None:
    """A line a hit, nearest first; with a small picture where the terminal has colours."""
    console = Console()
    pictures = found.side == "image" and console.is_terminal and console.color_system is not None
    every = sorted(dict.fromkeys(name for hit in found.hits for name in hit.fields), key=lambda name: name not in FIRST)
    names, hidden = every[:FIELDS], every[FIELDS:]
    table = table_of(*([""] if pictures else []), "cosine", "id", *names)
    for hit, small in zip(found.hits, _small(found) if pictures else [None] * len(found.hits), strict=True):
        cells: list[str | Text] = [f"{hit.score:.4f}", hit.id, *(_word(hit.fields.get(name)) for name in names)]
        table.add_row(*([half_blocks(small) if small is not None else Text("gone")] if pictures else []), *cells)
    if found.hits:
        show(table)
    more = [f"Not shown: {', '.join(hidden)}. All fields: --json."] if hidden else []
    print_notes([*found.notes, *more])


def print_json(found: Found) -> None:
    """Everything that was found, for other programs."""
    print(json.dumps(asdict(found), ensure_ascii=False, indent=1))


def half_blocks(pixels: NDArray[np.uint8]) -> Text:
    """A picture, (h, w) or (h, w, 3), of characters that are two pixels high: the upper half in the colour of one, the lower of another."""
    image = Image.fromarray(pixels).convert("RGB")
    scale = SIDE / max(image.size)
    width, height = (max(1, round(length * scale)) for length in image.size)
    grid = np.asarray(image.resize((width, height + height % 2), Image.Resampling.BOX))
    text = Text()
    for line in range(0, len(grid), 2):
        for upper, lower in zip(grid[line].tolist(), grid[line + 1].tolist(), strict=True):
            text.append("▀", style=f"rgb({upper[0]},{upper[1]},{upper[2]}) on rgb({lower[0]},{lower[1]},{lower[2]})")
        text.append("\n")
    return text


def _small(found: Found) -> list[NDArray[np.uint8] | None]:
    from selfsup.searching.thumbnails import thumbnails

    return thumbnails(found, most=4 * SIDE)


def _word(value: Any) -> str:
    return "" if value is None else excerpt(str(value), CELL)
