"""Pictures in the cells of a Parquet file: which column holds them, and the bytes of one row, streamed so that memory stays bounded.

A file is read where it lies, a page of one column at a time. Rows in order cost one pass; a step back begins the row group anew.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from selfsup.data.decode import probe_file, suffix_of
from selfsup.data.packed import MOST_BYTES
from selfsup.data.undecodable import Undecodable

SUFFIXES = (".parquet", ".pq")

AT_ONCE, KEPT = 32, 3
"""Rows that are read together, and how many such lots stay in memory: threads that decode do not ask quite in order."""

_TRIED = 16
_FIRST = ("image", "images", "img", "picture", "photo", "jpg", "png")


def holds_cells(path: Path) -> bool:
    """Whether a file's name says that it is Parquet."""
    return suffix_of(path.name) in SUFFIXES


class Cells:
    """The bytes of one column, such as `image` or, of structs {bytes, path}, `image.bytes`. One thread at a time. Raises Undecodable."""

    def __init__(self, path: Path, column: str) -> None:
        self.path, self.column = path, column
        self._table = _opened(path)
        metadata = self._table.metadata
        self._ends = list(accumulate(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)))
        self._group, self._next = -1, 0
        self._stream: Iterator[Any] = iter(())
        self._lots: deque[tuple[int, Any]] = deque(maxlen=KEPT)
        self._broken: dict[int, tuple[int, str]] = {}

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def close(self) -> None:
        """Let go of the file."""
        self._stream = iter(())
        self._lots.clear()
        self._table.close(force=True)

    def read(self, row: int) -> bytes:
        """What the cell of a row holds."""
        buffer = self._cell(row).as_buffer()
        if buffer is None:
            raise Undecodable("the cell is empty")
        if buffer.size > MOST_BYTES:
            raise Undecodable(f"{buffer.size:,} bytes, more than a picture may have")
        return bytes(buffer)

    def _cell(self, row: int) -> Any:
        while True:
            for first, lot in self._lots:
                if first <= row < first + len(lot):
                    return lot[row - first]
            self._advance(row)

    def _advance(self, row: int) -> None:
        """Read on to the next lot, from the beginning of the row's group where the stream is elsewhere or past it."""
        group = bisect_right(self._ends, row)
        if group in self._broken and row >= self._broken[group][0]:
            raise Undecodable(self._broken[group][1])
        if group != self._group or row < self._next:
            self._group, self._next = group, self._ends[group - 1] if group else 0
            self._stream = self._table.iter_batches(AT_ONCE, row_groups=[group], columns=[self.column])
        try:
            lot = next(self._stream).column(0)
            lot = lot.field(0) if "." in self.column and hasattr(lot, "field") else lot
        except Exception as error:  # a damaged file makes decoders raise anything
            reason = f"damaged Parquet file: {str(error) or type(error).__name__}"
            self._broken[group] = (self._next, reason)
            self._group = -1
            raise Undecodable(reason) from None
        self._lots.append((self._next, lot))
        self._next += len(lot)


def picture_column(path: Path, named: str | None = None) -> str | None:
    """The column of a Parquet file that holds pictures as bytes, as a path to them; None where there is none, or the named one is not.

    Unless it is named, half of its first cells have to look like pictures. Raises Undecodable for what is no Parquet file.
    """
    with _opened(path) as table:
        columns = bytes_columns(table.schema_arrow)
    if named is not None:
        return next((leaf for name, leaf in columns.items() if name.casefold() == named.strip().casefold()), None)
    likely = sorted(columns, key=lambda name: _FIRST.index(name.casefold()) if name.casefold() in _FIRST else len(_FIRST))
    return next((columns[name] for name in likely if _looks_like_pictures(path, columns[name])), None)


def bytes_columns(schema: Any) -> dict[str, str]:
    """Columns of bytes, or of structs with `bytes` in them as `datasets` of Hugging Face writes them, with the path to the bytes."""
    import pyarrow.types as kinds

    def is_bytes(kind: Any) -> bool:
        return str(kind) in ("binary", "large_binary", "binary_view")

    found = {field.name: field.name for field in schema if is_bytes(field.type)}
    for field in schema:
        if kinds.is_struct(field.type) and any(inner.name == "bytes" and is_bytes(inner.type) for inner in field.type):
            found[field.name] = f"{field.name}.bytes"
    return found


def _looks_like_pictures(path: Path, column: str) -> bool:
    """Of the first cells that are not empty, at least half open as pictures."""
    cells, right, tried = Cells(path, column), 0, 0
    try:
        for row in islice(range(len(cells)), _TRIED):
            try:
                data = cells.read(row)
            except Undecodable:
                continue
            tried += 1
            try:
                probe_file(io.BytesIO(data), f"row {row + 1}")
            except Undecodable:
                continue
            right += 1
        return right > 0 and right >= 0.5 * tried
    finally:
        cells.close()


def _opened(path: Path) -> Any:
    import pyarrow.parquet as pq

    try:
        # Buffered, so that a row group of gigabytes is read a page at a time.
        return pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)
    except OSError as error:
        raise Undecodable(error.strerror or str(error), lasting=error.errno is None) from None
    except Exception as error:
        raise Undecodable(f"damaged Parquet file: {str(error) or type(error).__name__}") from None
