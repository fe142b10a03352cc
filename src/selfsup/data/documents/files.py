"""Documents in files: running text, tables, packed or not, mixed as they come; read one after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import astuple

from selfsup.data.documents.columns import TEXT_NAMES, Row, Wanted
from selfsup.data.documents.csv_rows import csv_rows
from selfsup.data.documents.decoding import Cleaner, decoded
from selfsup.data.documents.document import Document, Documents, Findings
from selfsup.data.documents.formats import format_of
from selfsup.data.documents.json_rows import json_rows
from selfsup.data.documents.languages import LanguageRule
from selfsup.data.documents.parquet_rows import parquet_rows
from selfsup.data.documents.pieces import LONGEST, in_pieces, numbered
from selfsup.data.documents.rows import RowReader
from selfsup.data.documents.unpacking import read_chunks
from selfsup.data.encodings import NoText
from selfsup.data.items import Item

VERSION = 1  # of how files are read: part of the fingerprint, as another way gives other documents of the same files


class FileDocuments(Documents):
    """Documents in `files`, in their order. One file of running text is one document, one row of a table another."""

    def __init__(
        self,
        name: str,
        root: str,
        files: list[Item],
        *,
        wanted: Wanted,
        language: LanguageRule,
        encoding: str | None,
        unread: Mapping[str, str],
    ) -> None:
        self.files = files
        self.wanted, self.language, self.encoding = wanted, language, encoding
        self._unread = dict(unread)
        super().__init__(name, root)

    @property
    def bytes(self) -> int:
        """Size of all files on disk."""
        return sum(file.size for file in self.files)

    def fingerprint(self) -> str:
        """Of names, sizes, times of change, and options; no file is opened."""
        digest = hashlib.sha256(repr((VERSION, astuple(self.wanted), astuple(self.language), self.encoding)).encode())
        for file in self.files:
            digest.update(f"{file.id}\0{file.size}\0{file.modified}\n".encode())
        return digest.hexdigest()[:32]

    def _fresh(self) -> Findings:
        return Findings(skipped=dict(self._unread))

    def _read(self, findings: Findings) -> Iterator[Document]:
        rows = RowReader(self.wanted, self.language, findings)
        for file in self.files:
            before = findings.counts.bytes_read
            yield from FileReader(file, findings, rows, self.encoding).documents()
            findings.counts.bytes_read = before + file.size
        rows.finish(self.name)


class FileReader:
    """Reads one file, and never raises for what is in it."""

    def __init__(self, file: Item, findings: Findings, rows: RowReader, encoding: str | None) -> None:
        assert file.path is not None
        self._file, self._path, self._findings, self._rows, self._encoding = file, file.path, findings, rows, encoding
        self._before = findings.counts.bytes_read
        self._is_table = format_of(self._path) not in (None, "text")
        self._cleaner = Cleaner(" " if self._is_table else "\n")
        self._trouble, self._bad_rows = "", 0

    def documents(self) -> Iterator[Document]:
        """Its documents; what is wrong with it goes into the findings."""
        name, given, blank = self._file.id, 0, 0
        try:
            for document in self._parsed():
                blank += document.text.isspace() or not document.text
                given += 1
                yield document
        except (NoText, OSError, UnicodeError) as error:
            self._trouble = _reason(error)
        if self._trouble:
            self._findings.skip(name, f"the rest of it: {self._trouble}" if given > blank else self._trouble)
        elif given == 0 and self._bad_rows:
            self._findings.skip(name, "none of its rows could be read")
        elif given == blank:
            self._findings.counts.empty += given == 0
            self._findings.skip(name, "empty")
        if given > blank > 0:
            self._note(f"{blank:,} of {given:,} rows are empty")
        for words in self._cleaner.words():
            self._note(words)

    def _parsed(self) -> Iterator[Document]:
        if self._is_table:
            yield from self._rows.documents(self._file.id, self.rows(), self._cleaner)
        else:
            yield from self._running_text()

    @property
    def trouble(self) -> str:
        """Why reading ended before the end of the file, in words; empty where it did not."""
        return self._trouble

    def rows(self) -> Iterator[tuple[str, Row]]:
        """The rows of a table with their names, as they are. Raises NoText and OSError."""
        match format_of(self._path):
            case "csv":
                numbered_rows: Iterator[tuple[int, Row]] = enumerate(self._csv(), 1)
            case "json":
                numbered_rows = json_rows(self._text(), trouble=self._row_trouble)
            case _:
                numbered_rows = enumerate(self._parquet(), 1)
        return ((f"{self._file.id}#{number}", row) for number, row in numbered_rows)

    def _running_text(self) -> Iterator[Document]:
        language, count = self._rows.language.of_file(self._file.id), 0
        for name, piece in numbered(self._file.id, in_pieces(self._text())):
            count += 1
            yield Document(name, piece, language)
        if count > 1:
            self._findings.note(self._file.id, f"cut into {count:,} pieces of at most {LONGEST:,} characters")

    def _csv(self) -> Iterator[Row]:
        names = self._rows.wanted.names | frozenset(TEXT_NAMES)
        return csv_rows(self._text(), names=names, trouble=self._row_trouble, note=self._note)

    def _parquet(self) -> Iterator[Row]:
        size = self._file.size
        return parquet_rows(self._path, wanted=self._rows.wanted.names, moved=lambda share: self._moved(int(size * share)))

    def _text(self) -> Iterator[str]:
        """The clean text of the file, as far as it can be read: it ends where trouble begins."""
        try:
            yield from self._cleaner.stream(decoded(self._bytes(), encoding=self._encoding, note=self._note))
        except (NoText, UnicodeError) as error:
            self._trouble = _reason(error)

    def _bytes(self) -> Iterator[bytes]:
        try:
            yield from read_chunks(self._path, self._moved)
        except (NoText, OSError) as error:
            self._trouble = _reason(error)

    def _moved(self, place: int) -> None:
        self._findings.counts.bytes_read = self._before + place

    def _note(self, words: str) -> None:
        self._findings.note(self._file.id, words)

    def _row_trouble(self, place: str, reason: str) -> None:
        self._bad_rows += 1
        self._findings.skip_row(self._file.id, place, reason)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
