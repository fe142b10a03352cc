"""What `selfsup duplicates`, `outliers`, `suggest` and `suspects` print."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from selfsup.terminal.tables import print_notes, show, table_of

if TYPE_CHECKING:
    from pathlib import Path

    from selfsup.curating import Duplicates, Outliers, Suggestions, Suspects

SHOWN = 10
"""Lines of a table; the files have all."""


def print_duplicates(found: Duplicates) -> None:
    """How many copies of which kind there are."""
    from selfsup.curating.duplication import headline

    table = table_of("pairs", "")
    for kind, number in found.kinds.items():
        table.add_row(kind, f"{number:,}")
    if found.pairs:
        show(table)
    print(f"{headline(found)}.")
    _print_places(found.table, found.page)
    if found.kept is not None:
        print(f"To keep: {found.kept}")
    _print_skipped(found.skipped)


def print_outliers(found: Outliers) -> None:
    """The first of them."""
    from selfsup.curating.outlying import headline

    table = table_of("furthest", "distance", "nearest to it")
    for item in found.items[:SHOWN]:
        table.add_row(item.id, f"{item.distance:.3f}", item.nearest[0])
    show(table)
    print(f"{headline(found)}.")
    _print_places(found.table, found.page)
    _print_skipped(found.skipped)


def print_suggestions(found: Suggestions) -> None:
    """How they were chosen, and the next step."""
    from selfsup.curating.suggesting import WORDS, headline

    print(f"{headline(found)}, strategy {found.strategy}: {WORDS[found.strategy]}.")
    _print_places(found.table, found.page)
    print_notes(found.notes)
    print(f"Next: fill in the column `label`, then give --labels {found.table}")


def print_suspects(found: Suspects) -> None:
    """The first of them."""
    from selfsup.curating.suspecting import headline

    table = table_of("suspected", "label", "rather", "margin")
    for item in found.suspected[:SHOWN]:
        table.add_row(item.id, item.label, item.suggested, f"{item.margin:+.2f}")
    if found.suspected:
        show(table)
    print(f"{headline(found)}.")
    _print_places(found.table, found.page)
    print_notes(found.notes)


def _print_places(table: Path, page: Path) -> None:
    print(f"Table: {table}\nPage:  {page}")


def _print_skipped(skipped: Mapping[str, str]) -> None:
    for name, reason in skipped.items():
        print(f"Skipped {name}: {reason}", file=sys.stderr)
