"""Whether data are texts, told cheaply: from endings, columns and types."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from selfsup.data.decode import SUFFIXES, looks_like_picture, suffix_of
from selfsup.data.documents.columns import Row, Wanted, choose_columns
from selfsup.data.documents.document import Documents, Findings
from selfsup.data.documents.files import FileReader
from selfsup.data.documents.formats import format_of, has_no_ending, looks_like_document
from selfsup.data.documents.languages import LanguageRule
from selfsup.data.documents.opening import entries_of
from selfsup.data.documents.rows import RowReader
from selfsup.data.encodings import NoText
from selfsup.data.items import Item

_PICTURE_COLUMNS = frozenset(("image", "images", "img", "picture", "photo", "pixels", "pixel_values", "image_path", "jpg", "png"))
_LOOKED_AT = 20_000  # names of files
_ROWS = 20


def looks_like_text(data: object) -> bool:
    """Whether data of any kind hold more texts than pictures. Opens no file but the head of a table; never raises."""
    if isinstance(data, Documents):
        return True
    if isinstance(data, (str, Path)):
        return _path_is_text(Path(str(data)).expanduser())
    names = getattr(data, "column_names", getattr(data, "columns", None))  # of datasets, pyarrow and pandas
    if names is not None:
        return not _PICTURE_COLUMNS & {str(name).casefold() for name in names} and _entries_are_text(_head(data))
    if isinstance(data, Mapping):
        return _rows_are_text([{str(name): next(iter(cells), None) for name, cells in data.items() if isinstance(cells, Iterable)}])
    if isinstance(data, Sequence) and not isinstance(data, bytes):
        return _entries_are_text(data[:_ROWS])
    return isinstance(data, Callable) and not hasattr(data, "__getitem__")  # type: ignore[arg-type]


def _path_is_text(path: Path) -> bool:
    try:
        if path.is_dir():
            return _mostly_text(os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)  # noqa: PTH118
        if not path.exists():
            return _mostly_text(glob.iglob(str(path), recursive=True))  # noqa: PTH207 - Path.glob raises on locked folders
        return _table_is_text(path) if format_of(path.name) not in (None, "text") else looks_like_document(path.name)
    except OSError:
        return False


def _mostly_text(paths: Iterable[str]) -> bool:
    """More texts than pictures; of Parquet files alone, whether the first holds texts; of files without any ending, is no picture."""
    texts, pictures, bare, tables = 0, 0, "", list[str]()
    for path in islice(paths, _LOOKED_AT):
        texts += looks_like_document(path)
        tables += [path] if format_of(path) == "parquet" else []
        pictures += suffix_of(os.path.basename(path)) in SUFFIXES  # noqa: PTH119
        bare = bare or (path if has_no_ending(path) else "")
    if tables and not pictures and len(tables) == texts:
        return _table_is_text(Path(tables[0]))
    return texts > pictures or (not texts and not pictures and bool(bare) and not looks_like_picture(bare))


def _table_is_text(path: Path) -> bool:
    if format_of(path.name) == "parquet":
        import pyarrow.parquet as pq

        try:
            if _PICTURE_COLUMNS & {name.casefold() for name in pq.read_schema(path).names}:
                return False
        except Exception:  # no Parquet file
            return False
    try:
        return _rows_are_text(_first_rows(path, Wanted()))
    except (NoText, OSError):
        return False


def column_names(path: Path, *, known: Iterable[str] = ()) -> frozenset[str]:
    """Names of the columns of a table, in small letters, told from its first rows; none where it cannot be read.

    Names that are `known` tell the line with the names of the columns from a row.
    """
    try:
        rows = _first_rows(path, Wanted(text=",".join(known)))
    except (NoText, OSError):
        return frozenset()
    return frozenset(str(name).strip().casefold() for row in rows for name in row)


def _first_rows(path: Path, wanted: Wanted) -> list[Row]:
    reader = RowReader(wanted, LanguageRule(), findings := Findings())
    return [row for _, row in islice(FileReader(Item(path.name, str(path), 0, 0), findings, reader, None).rows(), _ROWS)]


def _entries_are_text(entries: Sequence[Any]) -> bool:
    if not entries:
        return False
    if isinstance(entries[0], Path):
        return _mostly_text(map(str, entries))
    if isinstance(entries[0], Mapping):
        return _rows_are_text([entry for entry in entries if isinstance(entry, Mapping)])
    texts = [entry[1] if isinstance(entry, tuple) and len(entry) == 2 else entry for entry in entries]
    return all(isinstance(text, str) for text in texts) and not all(_names_a_picture(text) for text in texts)


def _rows_are_text(rows: Sequence[Row]) -> bool:
    """There is a column of text, and none of pictures or their paths."""
    cells = [(str(name), value) for row in rows for name, value in row.items()]
    if any(name.casefold() in _PICTURE_COLUMNS or _names_a_picture(value) for name, value in cells):
        return False
    try:
        return bool(choose_columns(rows, Wanted()).text)
    except NoText:
        return False


def _head(data: Any) -> list[object]:
    try:
        return list(islice(entries_of(data)[0](), _ROWS))
    except ValueError:  # something else that has columns
        return []


def _names_a_picture(value: object) -> bool:
    return (
        isinstance(value, str)
        and len(value) < 1000
        and "\n" not in value
        and suffix_of(value.replace("\\", "/").rpartition("/")[2]) in SUFFIXES
    )
