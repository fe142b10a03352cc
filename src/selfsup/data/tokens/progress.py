"""The progress of reading and tokenising: characters a second and the time left, on stderr."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

_EVERY = 0.2  # seconds between two changes of the bar


class TextMeter:
    """A bar that counts characters up to `total`, where that is known; nothing is drawn without a terminal."""

    def __init__(self, doing: str, total: int | None, *, shown: bool, done: int = 0) -> None:
        console = Console(file=sys.stderr)
        columns = (TextColumn(doing), BarColumn(), _Counted(), TextColumn("left"), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console, transient=True, disable=not (shown and (console.is_terminal or console.is_jupyter)))
        self._task = self._bar.add_task("", total=total, completed=done)
        self._waiting, self._last = 0, time.perf_counter()

    def __enter__(self) -> TextMeter:
        self._bar.start()
        return self

    def expect(self, total: int | None) -> None:
        """Say how much there is, as soon as that is known."""
        self._bar.update(self._task, total=total)

    def advance(self, characters: int) -> None:
        """Count some characters more."""
        self._waiting += characters
        if time.perf_counter() - self._last > _EVERY:
            self._bar.advance(self._task, self._waiting)
            self._waiting, self._last = 0, time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._bar.advance(self._task, self._waiting)
        self._bar.stop()


class _Counted(ProgressColumn):
    def render(self, task: Task) -> Text:
        total = "" if task.total is None else f" of {count_in_words(round(task.total))}"
        speed = f", {count_in_words(round(task.speed))}/s" if task.speed else ""
        return Text(f"{count_in_words(round(task.completed))}{total} characters{speed}")


def count_in_words(count: int) -> str:
    """A number as people say it: "3.2 M"."""
    for unit, name in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return str(count)
