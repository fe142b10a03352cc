"""The kinds of data that can be embedded."""

from __future__ import annotations

from typing import Any

from selfsup.embedding.pictures import PictureReading
from selfsup.embedding.reading import Reading
from selfsup.embedding.text_reading import TextReading
from selfsup.run import Run

READINGS: dict[str, type[Reading[Any]]] = {"image": PictureReading, "text": TextReading}
"""By the kind that `run.json` says."""


def reading_of(run: Run) -> type[Reading[Any]]:
    """How the data of a run is read. Raises ValueError for a kind that this release does not know."""
    if run.kind not in READINGS:
        raise ValueError(f"{run.folder} learned from {run.kind!r}; this release embeds {', '.join(READINGS)}.")
    return READINGS[run.kind]
