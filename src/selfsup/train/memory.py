"""Memory of the process: what is freed is kept for the next step, and the most there was is told."""

from __future__ import annotations

import ctypes
import platform
import sys

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


def peak_memory() -> int | None:
    """The most memory this process has had in use since it started, in bytes (resident, files mapped into it included).

    None where the system does not tell (Windows).
    """
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes on macOS, kilobytes elsewhere
