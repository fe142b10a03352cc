"""What is said beside the scores of every use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selfsup.downstream.comparing import UseEntry


def described(labels: Any) -> str:
    """Where labels came from."""
    return str(labels) if isinstance(labels, str | Path) else f"given as {type(labels).__name__}"


def use_notes(entries: Sequence[UseEntry], skipped: Mapping[str, str], what: str) -> list[str]:
    """Notes on what was skipped, on rows of one seed, and on rows that nothing stands beside."""
    notes = []
    if skipped:
        name, reason = next(iter(skipped.items()))
        notes.append(f"{len(skipped)} entries of the {what} were skipped, for example {name}: {reason}")
    lone = [entry.name for entry in entries if entry.kind == "run" and entry.seeds == 1]
    if lone:
        notes.append(f"One pretraining seed only ({', '.join(lone)}): what another seed would change is not in the interval.")
    if not any(entry.kind == "baseline" for entry in entries):
        notes.append("No baselines were scored: nothing here says that pretraining was of use.")
    return notes
