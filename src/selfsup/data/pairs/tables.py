"""Tables of pictures and captions: one row a picture, or a row for each of its captions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

from selfsup.data.documents.columns import SAMPLE, Wanted
from selfsup.data.documents.document import Findings
from selfsup.data.documents.files import FileReader
from selfsup.data.documents.languages import LanguageRule
from selfsup.data.documents.rows import RowReader
from selfsup.data.encodings import NoText
from selfsup.data.items import Item, printable
from selfsup.data.pairs.columns import PairColumns, choose_pair_columns
from selfsup.data.pairs.listing import Caption, Paired, PairWanted, paired
from selfsup.data.scan import Found, name_below
from selfsup.data.sources import FileSource
from selfsup.data.tables import Table, as_word

Row = Mapping[str, object]


def open_table(path: Path, wanted: PairWanted) -> Paired:
    """The pictures a table names, with its captions; damaged rows are named and left out. Raises ValueError."""
    facts, findings = path.stat(), Findings()
    names = ",".join([*wanted.names, *([wanted.image] if wanted.image else [])])
    reader = FileReader(
        Item(path.name, str(path), facts.st_size, facts.st_mtime_ns),
        findings,
        RowReader(Wanted(text=names or None), LanguageRule(), findings),
        wanted.encoding,
    )
    try:
        return _listed(reader.rows(), str(path), path.parent, wanted, findings, reader=reader)
    except (NoText, OSError, UnicodeError) as error:
        raise ValueError(f"{path} cannot be read as pairs of pictures and captions: {error}.") from None


def open_rows(rows: list[Row], wanted: PairWanted) -> Paired:
    """The same of rows in memory, whose paths begin where the program stands."""
    numbered = ((f"{number:07d}", row) for number, row in enumerate(rows))
    try:
        return _listed(numbered, f"a list of {len(rows):,} rows", Path.cwd(), wanted, Findings())
    except NoText as error:
        raise ValueError(f"the rows cannot be read as pairs of pictures and captions: {error}.") from None


def _listed(
    rows: Iterable[tuple[str, Row]],
    name: str,
    root: Path,
    wanted: PairWanted,
    findings: Findings,
    *,
    reader: FileReader | None = None,
) -> Paired:
    """Rows of equal pictures together, in the order in which pictures first come."""
    stream = iter(rows)
    head = list(islice(stream, SAMPLE))
    if not head:
        raise NoText((reader.trouble if reader is not None else "") or "it holds no rows")
    columns = choose_pair_columns([row for _, row in head], wanted)
    if columns.note:
        findings.note(name, columns.note)
    said: dict[str, list[Caption]] = {}
    first: dict[str, dict[str, str | None]] = {}
    for part in (head, stream):
        for place, row in part:
            _take(row, place, columns, said=said, first=first, wanted=wanted, findings=findings)
    if reader is not None and reader.trouble:
        findings.skip(name, f"the rest of it: {reader.trouble}")
    return _paired(said, first, name, root, findings)


def _take(
    row: Row,
    place: str,
    columns: PairColumns,
    *,
    said: dict[str, list[Caption]],
    first: dict[str, dict[str, str | None]],
    wanted: PairWanted,
    findings: Findings,
) -> None:
    cell = row.get(columns.image)
    file = as_word(cell) if not isinstance(cell, dict | list | bytes) else None
    if file is None:
        findings.skip_row(place.partition("#")[0], f"row {place.rpartition('#')[2]}", "it names no picture file")
        return
    said.setdefault(file, []).extend(columns.captions(row, place, fixed=wanted.fixed))
    first.setdefault(file, columns.others(row))


def _paired(said: dict[str, list[Caption]], first: dict[str, dict[str, str | None]], name: str, root: Path, findings: Findings) -> Paired:
    """Cells that spell the same file in two ways are one picture. Raises ValueError where no file is there."""
    found, captions, cells = Found(), dict[str, list[Caption]](), dict[str, dict[str, str | None]]()
    for cell, own in said.items():
        path = file_in(cell, root)
        key = printable(name_below(path, root))
        if key not in captions:
            found.add(str(path), key, path.stat)
        captions.setdefault(key, []).extend(own)
        cells.setdefault(key, first[cell])
    found.finish()
    skipped = {**found.skipped, **findings.skipped}
    if not found.items:
        example = next(iter(found.skipped.items()), None)
        told = f", such as {example[0]}: {example[1]}" if example else ""
        raise ValueError(f"{name}: none of the {len(said):,} pictures that it names is there{told}. Paths begin at {root}.")
    header = list(dict.fromkeys(column for own in cells.values() for column in own))
    columns: Table = {column: [cells[item.id].get(column) for item in found.items] for column in header}
    source = FileSource(name, str(root.resolve()), found.items, columns, dict(found.ignored))
    return paired(source, [captions[item.id] for item in found.items], skipped=skipped, notes=dict(findings.notes))


def file_in(cell: str, folder: Path) -> Path:
    """A cell's path, seen from the table's folder; the way up and down again is taken out, so that each file has one name."""
    literal = folder / cell
    path = literal if "\\" not in cell or literal.exists() else folder / cell.replace("\\", "/")
    return Path(os.path.normpath(path))
