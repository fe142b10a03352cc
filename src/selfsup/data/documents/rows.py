"""Rows of tables to documents: text, id, language and the other cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

from selfsup.data.documents.columns import SAMPLE, Columns, Row, Wanted, choose_columns
from selfsup.data.documents.decoding import Cleaner
from selfsup.data.documents.document import Document, Findings
from selfsup.data.documents.ids import UniqueIds
from selfsup.data.documents.languages import LanguageRule
from selfsup.data.documents.pieces import LONGEST, in_pieces, numbered
from selfsup.data.tables import as_word

_SAMPLE_CHARACTERS = 1 << 22  # of the first rows, so that a hundred huge ones are not held at once


@dataclass
class RowReader:
    """Makes documents of rows, during one pass: tables of the same columns are all read alike."""

    wanted: Wanted
    language: LanguageRule
    findings: Findings
    ids: UniqueIds = field(default_factory=UniqueIds)
    _chosen: dict[tuple[str, ...], Columns] = field(default_factory=dict)

    def documents(self, name: str, rows: Iterator[tuple[str, Row]], cleaner: Cleaner) -> Iterator[Document]:
        """The documents of one table, called as they come where no id is named. Raises NoText when it has no such columns."""
        head, size = list[tuple[str, Row]](), 0
        for place, row in islice(rows, SAMPLE):
            head.append((place, row))
            size += sum(len(value) for value in row.values() if isinstance(value, str))
            if size > _SAMPLE_CHARACTERS:
                break
        if not head:
            return
        columns = self._columns([row for _, row in head])
        if columns.note:
            self.findings.note(name, columns.note)
        for place, row in chain(head, rows):
            yield from self._document(name, place, row, columns, cleaner)

    def finish(self, name: str) -> None:
        """Say what was noticed over all tables."""
        if words := self.ids.words():
            self.findings.note(name, words)

    def _columns(self, rows: list[Row]) -> Columns:
        header = tuple(dict.fromkeys(str(key) for row in rows for key in row))
        if header not in self._chosen:
            self._chosen[header] = choose_columns(rows, self.wanted)
        return self._chosen[header]

    def _document(self, name: str, place: str, row: Row, columns: Columns, cleaner: Cleaner) -> Iterator[Document]:
        own = as_word(row.get(columns.id)) if columns.id is not None else None
        fresh = self.ids.take(cleaner.clean(own) if own else place) if columns.id is not None else place
        language = self.language.of_row(name, row, columns.language)
        yield from whole_or_cut(Document(fresh, cleaner.clean(columns.text_of(row)), language, columns.others(row)), self.findings)


def whole_or_cut(document: Document, findings: Findings) -> Iterator[Document]:
    """A document as it is, or in pieces where it is too long."""
    if len(document.text) <= LONGEST:
        yield document
        return
    findings.note(document.id, f"longer than {LONGEST:,} characters: cut into pieces")
    for name, piece in numbered(document.id, in_pieces([document.text])):
        yield Document(name, piece, document.language, document.columns)
