"""Tables as people have them: CSV with any separator, quotes and encoding, Parquet, JSON lines."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from selfsup.data.csv_dialect import find_dialect
from selfsup.data.encodings import decode_all

Table = dict[str, list[str | None]]

TABLE_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".parquet", ".pq", ".jsonl", ".ndjson")
PATH_NAMES = (
    "path",
    "filename",
    "file",
    "file_name",
    "filepath",
    "file_path",
    "image",
    "image_path",
    "img",
    "id",
    "image_id",
    "name",
    "key",
)
LABEL_NAMES = ("label", "class", "target", "y", "labels", "category", "class_name", "targets", "diagnosis")
SPLIT_NAMES = ("split", "part", "set", "subset", "partition", "fold")
_ENDING = re.compile(r"\.(jpe?g|png|tiff?|bmp|gif|webp|dcm|p[gpbn]m|npy)$", re.IGNORECASE)


def read_table(path: str | Path) -> Table:
    """Columns of a CSV, TSV, Parquet or JSON-lines file, all as words, None where a cell is empty.

    CSV without a header line is understood when a cell of its first row is a picture's name: its columns are then called path, label (or
    column2, column3, ... if there are more than two). Raises ValueError.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"There is no table {path}. Expected a CSV, TSV, Parquet or JSON-lines file.")
    suffix = path.suffix.lower()
    try:
        if suffix in (".parquet", ".pq"):
            return parquet_columns(path)
        text = decode_all(path.read_bytes())
        return _read_json_lines(text) if suffix in (".jsonl", ".ndjson") else _read_csv(text)
    except (OSError, csv.Error, ValueError) as error:
        raise ValueError(f"The table {path} could not be read: {error}") from None


def find_column(table: Table, names: Sequence[str]) -> str | None:
    """The first of `names` that the table has, whatever its case; None when it has none."""
    known = {name.strip().casefold(): name for name in reversed(list(table))}
    return next((known[name] for name in names if name in known), None)


def path_column(table: Table, source: str | Path) -> str:
    """Which column names the files. Raises ValueError."""
    found = find_column(table, PATH_NAMES)
    if found is None:
        raise ValueError(f"The table {source} has the columns {_listed(table)}. One that names the files was expected, called `path`.")
    return found


def value_column(table: Table, source: str | Path, *, names: Sequence[str], wanted: str) -> str:
    """Which column holds what is wanted: one called like it, or the only one beside the path. Raises ValueError."""
    found = find_column(table, names)
    if found is None:
        others = [name for name in table if name != path_column(table, source)]
        if len(others) != 1:
            raise ValueError(
                f"The table {source} has the columns {_listed(table)}; which one holds the {wanted}? "
                f"Call it `{names[0]}`, or name it: {source}:COLUMN."
            )
        found = others[0]
    return found


def split_address(address: str) -> tuple[str, str | None]:
    """Take `FILE.csv:COLUMN` apart; the column is None where there is none. The colon of a Windows drive is no separator."""
    file, colon, column = address.rpartition(":")
    if colon and column and Path(file).suffix.lower() in TABLE_SUFFIXES and not Path(address).is_file():
        return file, column
    return address, None


def as_word(value: object) -> str | None:
    """A cell as a word: None and NaN are None, spaces around it go, an empty one is None."""
    if value is None or value != value:  # only NaN differs from itself
        return None
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    return str(value).strip() or None


def _read_csv(text: str) -> Table:
    text = text.replace("\x00", "")
    dialect = find_dialect(text)
    if dialect.hinted:
        text = text.partition("\n")[2]
    reader = csv.reader(io.StringIO(text, newline=""), **dialect.options())
    rows = [row for row in reader if any(cell.strip() for cell in row)]
    if not rows:
        raise ValueError("it is empty")
    header = [cell.strip() for cell in rows[0]]
    names = {name.casefold() for name in header}
    if not names & set(PATH_NAMES) and any(_ENDING.search(cell) for cell in header):
        return _columns(_headerless(header), rows)
    return _columns(unique_names(header), rows[1:])


def _headerless(cells: list[str]) -> list[str]:
    path = next(place for place, cell in enumerate(cells) if _ENDING.search(cell))
    others = "label" if len(cells) == 2 else None
    return ["path" if place == path else others or f"column{place + 1}" for place in range(len(cells))]


def unique_names(header: Iterable[str]) -> list[str]:
    """A table's header with a name for every column, each once."""
    names: list[str] = []
    for place, name in enumerate(header):
        fresh = name or f"column{place + 1}"
        names.append(fresh if fresh not in names else f"{fresh}{place + 1}")
    return names


def _columns(names: list[str], rows: list[list[str]]) -> Table:
    """Rows to columns; short rows are filled with None, what is over is dropped."""
    return {name: [as_word(row[place]) if place < len(row) else None for row in rows] for place, name in enumerate(names)}


def _read_json_lines(text: str) -> Table:
    rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise ValueError("expected one JSON object a line")
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [as_word(row.get(name)) for row in rows] for name in names}


def parquet_columns(path: Path, *, without: Callable[[Any], Iterable[str]] = lambda schema: ()) -> Table:
    """The flat columns of a Parquet file as words, but those that `without` names of its schema. Raises ValueError.

    Nested columns (embeddings, pictures) hold no names and no labels, and may be huge.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            left_out = {*without(file.schema_arrow), *(field.name for field in file.schema_arrow if pa.types.is_nested(field.type))}
            flat = [field.name for field in file.schema_arrow if field.name not in left_out]
            columns = file.read(flat).columns
        return {name: [as_word(value) for value in column.to_pylist()] for name, column in zip(flat, columns, strict=True)}
    except pa.ArrowException as error:
        raise ValueError(str(error)) from None


def _listed(table: Table) -> str:
    return ", ".join(f"`{name}`" for name in table) or "none"
