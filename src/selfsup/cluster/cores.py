"""Cores of its own for each training: two that share one slow each other down."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from selfsup.data.sizes import cache_folder


@contextmanager
def own_cores(count: int) -> Iterator[tuple[int, ...]]:
    """Keep this thread, and those it begins, on `count` cores that no other training here has; yields them.

    Each core is held by a lock, which the system frees where a process dies. Yields nothing, and keeps to no core, where the system
    cannot do that or too few cores are free.
    """
    if sys.platform != "linux":
        yield ()
        return
    allowed = os.sched_getaffinity(0)
    with ExitStack() as held:
        cores = _held(sorted(allowed), count, held)
        if len(cores) < count:
            held.close()
            yield ()
            return
        os.sched_setaffinity(0, cores)
        try:
            yield cores
        finally:
            os.sched_setaffinity(0, allowed)


def _held(allowed: list[int], count: int, held: ExitStack) -> tuple[int, ...]:
    """The first so many cores that nobody holds; fewer where there are fewer."""
    import fcntl

    folder = cache_folder(None) / "cores"
    found: list[int] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for core in allowed:
            if len(found) == count:
                break
            file = os.open(folder / f"{platform.node()}-{core}", os.O_WRONLY | os.O_CREAT, 0o600)
            held.callback(os.close, file)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            found.append(core)
    except OSError:  # a cache that cannot be written to: not worth a run
        return ()
    return tuple(found)
