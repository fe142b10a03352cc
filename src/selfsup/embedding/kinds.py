"""The kinds of data that can be embedded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selfsup.embedding.pictures import PictureReading
from selfsup.embedding.reading import Reading
from selfsup.embedding.text_reading import TextReading
from selfsup.run import Run

READINGS: dict[str, type[Reading[Any]]] = {"image": PictureReading, "text": TextReading}
"""By the kind that `run.json` says."""


def reading_of(run: Run) -> type[Reading[Any]]:
    """How the data of a run is read. Raises ValueError for a kind that this release does not know."""
    if run.kind == "pair":
        raise ValueError(f"{run.folder} has two sides; give one of them: {run.folder / 'image'} or {run.folder / 'text'}.")
    if run.kind not in READINGS:
        raise ValueError(f"{run.folder} learned from {run.kind!r}; this release embeds {', '.join(READINGS)}.")
    return READINGS[run.kind]


KEPT = ("text", "id", "language", "encoding", "deduplicate")
"""What of `Run.reading` says how documents are read, and not what is made of them."""


def opened_for(run: Run, data: Any, told: Mapping[str, Any], *, kind: str = "auto") -> Any:
    """`data`, or by default what the run learned from, opened as the run's kind of data is.

    Entries of `told` that are None were not said; they are as the run had them where `data` is what it learned from. Raises ValueError.
    """
    return reading_of(run).opened(run.data if data is None else data, kind=kind, told=told_for(run, data, told))


def told_for(run: Run, data: Any, told: Mapping[str, Any]) -> dict[str, Any]:
    """What was told of how texts are read; where `data` is what the run learned from, the rest as the run had it."""
    how = {name: value for name, value in told.items() if value is not None}
    if data is None or is_data_of(run, data):
        how = {name: run.reading[name] for name in KEPT if run.reading.get(name) is not None} | how
    return how


def is_data_of(run: Run, data: Any) -> bool:
    """Whether `data` is the path that the run learned from, however it is written."""
    if not isinstance(data, str | Path):
        return False
    file = Path(run.root, Path(run.data).name)
    own = file if file.is_file() else Path(run.root)
    return str(data) == run.data or (run.root != "" and Path(data).expanduser().resolve() == own)
