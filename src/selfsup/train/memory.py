"""Freed memory is kept for the next step, where the C library would hand it back to the system and fault it in again."""

from __future__ import annotations

import ctypes
import platform

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
