"""Rows of a Parquet file in a stream: a page at a time, and only the columns that can be of use."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from selfsup.data.decode import suffix_of
from selfsup.data.documents.formats import PACKED
from selfsup.data.documents.unpacking import read_chunks
from selfsup.data.encodings import NoText

_ROWS = 256  # at once


def parquet_rows(path: str, *, wanted: frozenset[str], moved: Callable[[float], None]) -> Iterator[dict[str, object]]:
    """Each row by the names of its columns.

    Nested columns and bytes (embeddings, pictures) are left out, unless they are `wanted` (in small letters) or there is no other text.
    `moved` is told the share of the file that has been read. Raises NoText and OSError.
    """
    import pyarrow.parquet as pq

    with ExitStack() as closing:
        packed = suffix_of(path) in PACKED
        file: BinaryIO = tempfile.TemporaryFile() if packed else Path(path).open("rb")  # noqa: SIM115
        closing.push(file)
        if packed:  # a Parquet file is read from its end
            for chunk in read_chunks(path, lambda _: None):
                file.write(chunk)
            file.seek(0)
        try:
            # Buffered, so that a row group of gigabytes is read a page at a time.
            table = closing.enter_context(pq.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False))
            done, rows = 0, max(1, table.metadata.num_rows)
            for batch in table.iter_batches(_ROWS, columns=_useful(table.schema_arrow, wanted)):
                yield from _rows(batch)
                done += batch.num_rows
                moved(done / rows)
        except OSError as error:
            raise NoText(f"damaged Parquet file: {error}") if error.errno is None else error from None
        except Exception as error:  # a damaged file makes decoders raise anything
            raise NoText(f"damaged Parquet file: {error or type(error).__name__}") from None


def _rows(batch: Any) -> list[dict[str, object]]:
    try:
        rows: list[dict[str, object]] = batch.to_pylist()
    except UnicodeDecodeError:  # other writers do not check that their words are UTF-8
        raw = [column.cast("binary").to_pylist() if _is_text(column.type) else column.to_pylist() for column in batch.columns]
        rows = [dict(zip(batch.schema.names, cells, strict=True)) for cells in zip(*raw, strict=True)]
    return rows


def _useful(schema: Any, wanted: frozenset[str]) -> list[str]:
    import pyarrow.types as kinds

    texts = {field.name for field in schema if _is_text(field.type)}
    data = {field.name for field in schema if kinds.is_nested(field.type) or (texts and str(field.type).endswith("binary"))}
    return [name for name in schema.names if name.casefold() in wanted or name not in data]


def _is_text(kind: Any) -> bool:
    """string, large_string, string_view, or a dictionary of one of them."""
    return "string" in str(getattr(kind, "value_type", kind))
