"""Tables as people have them: CSV with any separator, quotes and encoding, Parquet, JSON lines."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

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
_SEPARATORS = (",", ";", "\t", "|")
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
            return _read_parquet(path)
        text = decode_text(path.read_bytes())
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


def decode_text(data: bytes) -> str:
    """Bytes to text: UTF-8 and UTF-16 with or without a mark, else Windows' cp1252."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    head = data[:400]
    if head.count(b"\x00") > len(head) // 4:  # Latin text in UTF-16 has a zero in every other byte
        return data.decode("utf-16-le" if head[1:2] == b"\x00" else "utf-16-be")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def as_word(value: object) -> str | None:
    """A cell as a word: None and NaN are None, spaces around it go, an empty one is None."""
    if value is None or value != value:  # only NaN differs from itself
        return None
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    return str(value).strip() or None


def _read_csv(text: str) -> Table:
    text = text.replace("\x00", "")
    separator = None
    if (first := text.split("\n", 1))[0].strip().casefold().startswith("sep=") and len(first) == 2:  # Excel's hint
        separator, text = first[0].strip()[4:5], first[1]
    separator = separator or _separator(text)
    quote = "'" if re.search(rf"(^|{re.escape(separator)})\s*'[^'\n]*'\s*({re.escape(separator)}|$)", text[:2000], re.MULTILINE) else '"'
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, quotechar=quote, skipinitialspace=True)
    rows = [row for row in reader if any(cell.strip() for cell in row)]
    if not rows:
        raise ValueError("it is empty")
    header = [cell.strip() for cell in rows[0]]
    names = {name.casefold() for name in header}
    if not names & set(PATH_NAMES) and any(_ENDING.search(cell) for cell in header):
        return _columns(_headerless(header), rows)
    return _columns(_unique(header), rows[1:])


def _separator(text: str) -> str:
    """The separator that cuts the first lines into the most even number of cells, two at least; white space as a last resort."""
    lines = [line for line in text[:20_000].splitlines() if line.strip()][:50]
    best, score = ",", 0.0
    for separator in _SEPARATORS:
        counts = [len(row) for row in csv.reader(lines, delimiter=separator, skipinitialspace=True) if row]
        usual = max(set(counts), key=counts.count, default=1)
        evenness = counts.count(usual) / len(counts) if counts else 0.0
        if counts and counts[0] == usual and usual > 1 and evenness > score:
            best, score = separator, evenness
    if score == 0.0 and lines and all(len(line.split(" ")) == 2 for line in lines):
        return " "
    return best


def _headerless(cells: list[str]) -> list[str]:
    path = next(place for place, cell in enumerate(cells) if _ENDING.search(cell))
    others = "label" if len(cells) == 2 else None
    return ["path" if place == path else others or f"column{place + 1}" for place in range(len(cells))]


def _unique(header: Iterable[str]) -> list[str]:
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


def _read_parquet(path: Path) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        # Nested columns (embeddings, pictures) hold no names and no labels, and may be huge.
        flat = [field.name for field in file.schema_arrow if not pa.types.is_nested(field.type)]
        return {name: [as_word(value) for value in column.to_pylist()] for name, column in zip(flat, file.read(flat).columns, strict=True)}
    except pa.ArrowException as error:
        raise ValueError(str(error)) from None


def _listed(table: Table) -> str:
    return ", ".join(f"`{name}`" for name in table) or "none"
