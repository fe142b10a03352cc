"""A line on stderr that says what is being done, and for how long it has been."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextmanager
def progress(verb: str) -> Iterator[Callable[[str], None]]:
    """A function that changes the words behind `verb`; the line is gone when all is done."""
    columns = (SpinnerColumn(), TextColumn(verb + " {task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        row = shown.add_task("", total=None)
        yield lambda words: shown.update(row, description=words)


@contextmanager
def counted(verb: str, total: int) -> Iterator[Callable[[int], None]]:
    """A function that tells a bar how many more of `total` are done; the bar is gone when all are, and nothing is left in a file."""
    columns = (TextColumn(verb), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        row = shown.add_task("", total=total)
        yield lambda more: shown.advance(row, more)
