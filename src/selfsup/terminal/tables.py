"""Tables as they are printed, and notes below them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from selfsup.probing.intervals import Interval


def table_of(*columns: str, header: bool = True) -> Table:
    """An empty table with these columns, without lines around it."""
    table = Table(show_header=header, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def show(table: Table) -> None:
    """Cells are text, not markup; a file or pipe gets lines as long as they have to be."""
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, width=240)
    console.print(table)


def print_notes(notes: Sequence[str]) -> None:
    """What a reader of the table must know, a line each."""
    for note in notes:
        print(f"Note: {note}")


def percent_and_interval(found: Interval) -> str:
    """ "81.2 (78.0–84.4)"."""
    return f"{100 * found.value:.1f} ({100 * found.low:.1f}–{100 * found.high:.1f})"
