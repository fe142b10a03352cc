"""A line on stderr that says what is being done, and for how long it has been."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


@contextmanager
def progress(verb: str) -> Iterator[Callable[[str], None]]:
    """A function that changes the words behind `verb`; the line is gone when all is done."""
    columns = (SpinnerColumn(), TextColumn(verb + " {task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        row = shown.add_task("", total=None)
        yield lambda words: shown.update(row, description=words)
