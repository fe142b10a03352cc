"""The log: `metrics.jsonl` for the report, and one live line for the person who waits."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any


class Log:
    """Appends to `metrics.jsonl` and keeps one line on the screen up to date; prints a line now and then where there is no screen."""

    def __init__(self, file: Path, *, steps: int, quiet: bool, unit: tuple[str, int] = ("pictures", 1)) -> None:
        """`unit` is what speed is told in, and how many of it a row has."""
        self.file, self.steps, self.quiet, self.unit = file, steps, quiet, unit
        self.live = sys.stderr.isatty() and not quiet
        self.printed = 0.0

    def forget_after(self, step: int) -> list[dict[str, Any]]:
        """Drop entries later than `step`, written by a run that was killed after its last checkpoint; those that are left."""
        if not self.file.is_file():
            return []
        entries = [entry for entry in map(_parsed, self.file.read_text(encoding="utf-8").splitlines()) if entry and entry["step"] <= step]
        self.file.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
        return entries

    def add(self, **entry: Any) -> None:
        """Append one entry."""
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")

    def warn(self, step: int, kind: str, words: str) -> None:
        """Say a warning and keep it for the report."""
        self.add(step=step, warning=words, kind=kind)
        if not self.quiet:
            print(f"{chr(13) if self.live else ''}Warning at step {step:,}: {words}", file=sys.stderr)

    def show(self, step: int, *, terms: dict[str, float], speed: float, left: float, data_wait: float, rank: float | None) -> None:
        """The live line: loss terms, `speed` in rows a second, time left, share of time waiting for data, embedding rank."""
        now, last = time.monotonic(), step == self.steps
        if self.quiet or (now - self.printed < (0.2 if self.live else 15.0) and not last):
            return
        self.printed = now
        losses = "  ".join(f"{name} {value:.4f}" for name, value in terms.items())
        rank_words = f"  rank {rank:.0f}" if rank is not None else ""
        rate = f"{speed * self.unit[1]:,.0f} {self.unit[0]}/s"
        line = f"step {step:,}/{self.steps:,}  {losses}  {rate}  data {data_wait:.0%}{rank_words}  {clock(left)} left"
        if self.live:
            print(f"\r\033[K{line}", end="\n" if last else "", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """A duration as 45 s, 3 min 20 s or 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _parsed(line: str) -> dict[str, Any] | None:
    """The entry, or nothing for a line that a kill cut short."""
    try:
        entry = json.loads(line)
    except json.JSONDecodeError:
        return None
    return entry if isinstance(entry, dict) and "step" in entry else None
