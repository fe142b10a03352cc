"""Parquet files that hold pictures as bytes, with their captions in columns beside them: each row is a pair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path

from selfsup.data.cell_sources import PictureTable, cell_source
from selfsup.data.documents.columns import SAMPLE, Wanted
from selfsup.data.documents.document import Findings
from selfsup.data.documents.files import FileReader
from selfsup.data.documents.languages import LanguageRule
from selfsup.data.documents.rows import RowReader
from selfsup.data.encodings import NoText
from selfsup.data.items import Item
from selfsup.data.pairs.columns import CAPTION_NAMES, PairColumns, choose_pair_columns, is_code
from selfsup.data.pairs.listing import Caption, Paired, PairWanted, paired

Row = Mapping[str, object]


def open_cells(paths: Sequence[Path], root: Path, name: str, wanted: PairWanted) -> Paired | None:
    """The pairs of some files; None where none holds pictures in cells. What is damaged is named and left out. Raises ValueError."""
    source = cell_source(paths, root=root, name=name, column=wanted.image)
    if source is None:
        return None
    findings, said = Findings(), dict[str, list[Caption]]()
    for table in source.tables:
        try:
            said.update(_captions(table, wanted, findings))
        except (NoText, OSError, UnicodeError) as error:
            if len(source.tables) == 1:
                raise ValueError(f"{table.path} cannot be read as pairs of pictures and captions: {error}.") from None
            findings.skip(table.name, f"its captions: {error}")
    skipped = {**source.skipped, **findings.skipped}
    return paired(source, [said.get(item.id, []) for item in source.items], skipped=skipped, notes=dict(findings.notes))


def _captions(table: PictureTable, wanted: PairWanted, findings: Findings) -> Iterator[tuple[str, list[Caption]]]:
    """The captions of each row by the name of its picture. Raises NoText, UnicodeError and OSError."""
    names = [*wanted.names, *([wanted.language] if wanted.language and wanted.fixed is None else []), *_lists(table)]
    facts = table.path.stat()
    file = Item(table.name, str(table.path), facts.st_size, facts.st_mtime_ns)
    stream = FileReader(file, findings, RowReader(Wanted(",".join(names)), LanguageRule(), findings), wanted.encoding).rows()
    head = list(islice(stream, SAMPLE))
    if not head:
        raise NoText("it holds no rows with captions")
    image = table.column.removesuffix(".bytes")
    columns: PairColumns = choose_pair_columns([row for _, row in head], wanted, image=image)
    if columns.note:
        findings.note(table.name, columns.note)
    for place, row in chain(head, stream):
        yield place, columns.captions(row, place, fixed=wanted.fixed)


def _lists(table: PictureTable) -> list[str]:
    """Columns of lists that are called like captions: other nested columns are not read."""
    import pyarrow.parquet as pq

    kinds = pq.read_schema(table.path)
    return [field.name for field in kinds if "list" in str(field.type) and (field.name.casefold() in CAPTION_NAMES or is_code(field.name))]
