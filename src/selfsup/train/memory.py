"""Memory of the process: what is freed is kept for the next step, and the most there was is told."""

from __future__ import annotations

import ctypes
import gc
import platform
import sys
from pathlib import Path

import pyarrow as pa

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # parameters of glibc's mallopt(3)


def keep_memory() -> bool:
    """Let this process keep what it frees; True where the C library takes the wish (glibc), else nothing is done.

    A step allocates and frees the same gigabytes again and again. By default glibc returns large blocks to the system at once, and
    each page costs a fault when it comes back: 9 to 24 % of a step's time here (docs/decisions/memory.md). The process then stays as
    large as its largest step.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    never = -1  # becomes the largest size there is
    return bool(library.mallopt(TRIM_THRESHOLD, never)) and bool(library.mallopt(MMAP_MAX, 0))


def give_back() -> None:
    """Return what is free to the system, as far as the C library can, which else keeps pages that hold little."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def forget_peak() -> bool:
    """Give back what is free and let `peak_memory` begin anew; False where the system cannot (it does on Linux: man 5 proc, clear_refs)."""
    give_back()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def peak_memory() -> int | None:
    """The most memory this process has had in use since it started, or since `forget_peak`.

    In bytes, resident, files mapped into it included. None where the system does not tell (Windows).
    """
    try:  # on Linux what getrusage tells includes what the parent had in use when it started this process
        return next(int(line.split()[1]) * 1024 for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes on macOS, kilobytes elsewhere
