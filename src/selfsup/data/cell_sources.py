"""Pictures that Parquet files hold as bytes: one file or several, read where they lie."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from selfsup.data.cells import Cells, bytes_columns, holds_cells, picture_column
from selfsup.data.items import Item, in_natural_order, printable
from selfsup.data.packed import PackedSource
from selfsup.data.scan import name_below
from selfsup.data.tables import Table, parquet_columns
from selfsup.data.undecodable import Undecodable

_OPEN = 4
"""Files that are open at once, however many shards there are."""


@dataclass(frozen=True)
class PictureTable:
    """A Parquet file: its name below the root, and the path to the column of pictures in it."""

    path: Path
    name: str
    column: str

    def id_of(self, row: int) -> str:
        """What the picture of a row, counted from 0, is called: as documents are, by the number of the row from 1."""
        return f"{self.name}#{row + 1}"


@dataclass
class CellSource(PackedSource):
    """Pictures in cells; `places` are the table and the row of each. The size of an item is that of its file."""

    tables: list[PictureTable] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    _opened: OrderedDict[int, Cells] = field(default_factory=OrderedDict, init=False, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def taken(self, i: int) -> io.BytesIO:
        """The cell of picture `i`; see PackedSource."""
        table, row = self.places[i]
        with self._lock:
            if table not in self._opened:
                while len(self._opened) >= _OPEN:
                    self._opened.popitem(last=False)[1].close()
                self._opened[table] = Cells(self.tables[table].path, self.tables[table].column)
            self._opened.move_to_end(table)
            return io.BytesIO(self._opened[table].read(row))


def cell_source(paths: Iterable[Path], *, root: Path, name: str, column: str | None = None) -> CellSource | None:
    """The pictures that some files hold as bytes, in the column that was named or is obvious; None where no file holds any.

    Other files are named in `skipped`. Columns beside the pictures become columns of the source.
    """
    by_name = {printable(name_below(path, root)): path for path in paths if holds_cells(path)}
    tables, skipped = list[PictureTable](), dict[str, str]()
    for shard in in_natural_order(by_name):
        try:
            found = picture_column(by_name[shard], column)
        except Undecodable as error:
            skipped[shard] = str(error)
            continue
        if found is None:
            skipped[shard] = "no column of pictures" if column is None else f"no pictures in a column {column}"
        else:
            tables.append(PictureTable(by_name[shard], shard, found))
    if not tables:
        return None
    source = CellSource(name, str(root.resolve()), [], skipped=skipped, tables=tables)
    parts = [_listed(source, number) for number in range(len(tables))]
    header = list(dict.fromkeys(key for part, _ in parts for key in part))
    source.columns = {key: [cell for part, rows in parts for cell in part.get(key, [None] * rows)] for key in header}
    return source


def _listed(source: CellSource, number: int) -> tuple[Table, int]:
    """Add the rows of one table to a source; gives what the table says beside the pictures, and how many rows it has."""
    table = source.tables[number]
    facts = table.path.stat()
    cells = Cells(table.path, table.column)
    rows = len(cells)
    cells.close()
    source.items += [Item(table.id_of(row), f"{table.path}#{row + 1}", facts.st_size, facts.st_mtime_ns) for row in range(rows)]
    source.places += [(number, row) for row in range(rows)]
    try:
        return parquet_columns(table.path, without=bytes_columns), rows
    except ValueError as error:  # pictures can still be learned from
        source.skipped[f"{table.name}, the columns beside the pictures"] = str(error)
        return {}, rows


def tables_in(folder: Path) -> Sequence[Path]:
    """The Parquet files that lie in a folder."""
    return [file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".") and holds_cells(file)]
