"""Documents that Python holds or makes: lists, tables in memory, anything that can be iterated again and again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple
from itertools import islice

from selfsup.data.documents.columns import SAMPLE, Row, Wanted, as_text, choose_columns
from selfsup.data.documents.decoding import Cleaner
from selfsup.data.documents.document import Document, Documents, Findings
from selfsup.data.documents.languages import LanguageRule
from selfsup.data.documents.rows import RowReader, whole_or_cut

_EXPECTED = "Expected texts, dicts with a text, or pairs (id, text)."


class MemoryDocuments(Documents):
    """Documents of an iterable, or of a function that makes one, started anew for each pass."""

    def __init__(self, entries: Callable[[], Iterable[object]], name: str, *, wanted: Wanted, language: LanguageRule) -> None:
        super().__init__(name)
        self._entries, self.wanted, self.language = entries, wanted, language
        self._check()

    def fingerprint(self) -> str:
        """Of all that they hold: takes a pass."""
        digest = hashlib.sha256(repr((astuple(self.wanted), astuple(self.language))).encode())
        for document in self._read(Findings()):
            digest.update(repr((document.id, document.text, document.language, sorted(document.columns.items()))).encode())
        return digest.hexdigest()[:32]

    def _check(self) -> None:
        """Look at the first entries. Raises ValueError when they are no documents, or lack the columns that were asked for."""
        head = list(islice(self._entries(), SAMPLE))
        if not head:
            raise ValueError(f"{self.name} is empty. {_EXPECTED}")
        rows = [entry for entry in head if isinstance(entry, Mapping)]
        if not rows and all(_as_pair(entry) is None for entry in head):
            raise ValueError(f"{self.name} begins with {type(head[0]).__name__}. {_EXPECTED}")
        self._is_table = isinstance(head[0], Mapping)
        if self._is_table:
            choose_columns(rows, self.wanted)
        elif self.wanted.names:
            raise ValueError(f"{self.name} holds texts without columns, but columns were named ({', '.join(sorted(self.wanted.names))}).")

    def _read(self, findings: Findings) -> Iterator[Document]:
        cleaner, reader = Cleaner(), RowReader(self.wanted, self.language, findings)
        if self._is_table:
            yield from reader.documents(self.name, self._rows(findings), cleaner)
        else:
            yield from self._texts(findings, reader, cleaner)
        reader.finish(self.name)
        for words in cleaner.words():
            findings.note(self.name, words)

    def _rows(self, findings: Findings) -> Iterator[tuple[str, Row]]:
        for number, entry in enumerate(self._entries()):
            if isinstance(entry, Mapping):
                yield _place(number), entry
            else:
                findings.skip_row(self.name, _place(number), f"{type(entry).__name__}, where the first is a dict")

    def _texts(self, findings: Findings, reader: RowReader, cleaner: Cleaner) -> Iterator[Document]:
        for number, entry in enumerate(self._entries()):
            pair = _as_pair(entry)
            if pair is None:
                findings.skip_row(self.name, _place(number), f"{type(entry).__name__}, where a text or a pair (id, text) was expected")
                continue
            name = _place(number) if pair[0] is None else reader.ids.take(cleaner.clean(pair[0]))
            yield from whole_or_cut(Document(name, cleaner.clean(pair[1]), self.language.of_file(name)), findings)


def _place(number: int) -> str:
    return f"{number:07d}"


def _as_pair(entry: object) -> tuple[str | None, str] | None:
    """The id, where there is one, and the text of an entry; None where it is neither a text nor a pair."""
    if isinstance(entry, (str, bytes)):
        return None, as_text(entry)
    if isinstance(entry, (tuple, list)) and len(entry) == 2 and isinstance(entry[1], (str, bytes)) and isinstance(entry[0], (str, int)):
        return str(entry[0]), as_text(entry[1])
    return None
