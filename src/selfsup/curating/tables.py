"""Tables for spreadsheets: CSV, whole or not at all."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from selfsup.run import write_whole


def write_table(file: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write rows under a header; numbers get six places."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([f"{cell:.6f}" if isinstance(cell, float) else cell for cell in row] for row in rows)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, stream.getvalue())
    return file
