"""What `compare` says while it works: one line that changes on a terminal, lines in a file, and time that is left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

Told = Callable[[str], None]


class Telling:
    """Says what is being done, with the time since the beginning."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.live = sys.stderr.isatty()

    def __call__(self, words: str) -> None:
        """One thing that begins now; the line of the one before is written over where that can be."""
        passed = round(time.monotonic() - self.began)
        line = f"[{passed // 60}:{passed % 60:02d}] {words}"
        print(f"\r\033[K{line}" if self.live else line, end="" if self.live else "\n", file=sys.stderr, flush=True)

    def keep(self, words: str) -> None:
        """A line that stays."""
        print(f"{chr(13)}\033[K{words}" if self.live else words, file=sys.stderr, flush=True)
