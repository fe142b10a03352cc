"""Decoding many pictures at once: in parallel, in order, with the time it will take said first."""

from __future__ import annotations

import math
import os
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from selfsup.data.decode import Decoded
from selfsup.data.items import Source
from selfsup.data.undecodable import Undecodable

Outcome = Decoded | Undecodable
_TRIED_FIRST = 16  # pictures, from all over the source, whose time tells the time of all
_WORTH_SAYING = 1.0  # seconds


def ingest(
    source: Source, rows: Sequence[int], *, side: int, channels: int, progress: bool, announce: Callable[[float], str]
) -> Generator[tuple[int, Outcome]]:
    """Decode the pictures `rows` of a source to side x side, and yield each with its row, in the order of `rows`.

    Pillow lets go of Python's lock while it decodes, so threads use all processors. A few pictures from all over the source are decoded
    first; from their time comes the estimate that `announce` puts into words, which are printed before the rest starts, followed by a
    progress bar.
    """
    with warnings.catch_warnings(), ThreadPoolExecutor(thread_count(source)) as pool:
        warnings.simplefilter("ignore")  # what decoders warn of (large pictures, odd EXIF blocks) is decided here, a picture at a time
        start = time.perf_counter()
        tried = _spread(rows, _TRIED_FIRST)
        early = dict(zip(tried, pool.map(lambda row: _outcome(source, row, side, channels), tried), strict=True))
        seconds = (time.perf_counter() - start) / max(1, len(tried)) * len(rows)
        with _Meter(announce(seconds), len(rows), shown=progress and seconds > _WORTH_SAYING) as meter:
            waiting: deque[tuple[int, Future[Outcome] | Outcome]] = deque()
            ahead = 4 * pool._max_workers + len(tried)
            try:
                for row in rows:
                    ready = early.pop(row, None)
                    waiting.append((row, ready if ready is not None else pool.submit(_outcome, source, row, side, channels)))
                    while len(waiting) > ahead:
                        yield _next(waiting, meter)
                while waiting:
                    yield _next(waiting, meter)
            finally:  # an interrupt must not decode what is queued
                pool.shutdown(wait=True, cancel_futures=True)


def thread_count(source: Source) -> int:
    """As many threads as there are processors for this process; one for arrays and for datasets, which need not be thread-safe."""
    if not source.root:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_words(seconds: float) -> str:
    """A duration as people say it: "3 min 20 s"."""
    whole = max(1, math.ceil(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size_in_words(count: int) -> str:
    """Bytes as people say them: "640 MB" (10^6 bytes, as disks are sold)."""
    for unit, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count} bytes"


class _Meter:
    """The announcement and the progress bar, on stderr; without a terminal, only the announcement."""

    def __init__(self, words: str, total: int, *, shown: bool) -> None:
        self._words, self._total, self._shown = words, total, shown

    def __enter__(self) -> _Meter:
        console = Console(file=sys.stderr)
        columns = (TextColumn("decoding"), BarColumn(), MofNCompleteColumn(), TextColumn("left"), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, disable=not (self._shown and (console.is_terminal or console.is_jupyter)))
        if self._shown:
            print(self._words, file=sys.stderr, flush=True)
        self._progress.start()
        self._task = self._progress.add_task("", total=self._total)
        return self

    def advance(self) -> None:
        self._progress.advance(self._task)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _next(waiting: deque[tuple[int, Future[Outcome] | Outcome]], meter: _Meter) -> tuple[int, Outcome]:
    row, outcome = waiting.popleft()
    meter.advance()
    return row, outcome.result() if isinstance(outcome, Future) else outcome


def _outcome(source: Source, row: int, side: int, channels: int) -> Outcome:
    try:
        return source.read(row, side=side, channels=channels)
    except Undecodable as error:
        return error


def _spread(rows: Sequence[int], count: int) -> list[int]:
    """`count` of the rows, evenly from the first to the last."""
    if len(rows) <= count:
        return list(rows)
    return [rows[place * (len(rows) - 1) // (count - 1)] for place in range(count)]
