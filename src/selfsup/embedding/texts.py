"""Texts: the documents of a data set by row, known by name; what they say is streamed again whenever it is asked for."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int, UInt64

from selfsup.data.names import Names
from selfsup.data.tables import Table
from selfsup.data.tokens.streams import TextDocument, TextDocuments


class Texts:
    """N documents by row. Held in memory: their names, languages, what a table said of them, and each text's length and hash.

    `lengths` are in characters. `hashes` are equal for texts that differ in white space alone. A column `language` is added where
    languages are known and no table has one of that name.
    """

    def __init__(self, documents: TextDocuments) -> None:
        self.documents = documents
        self.name, self.root, self.fingerprint = documents.name, documents.root, documents.fingerprint()
        ids = list[str]()
        languages = list[str | None]()
        self.columns: Table = {}
        hashes, lengths = array("Q"), array("q")
        for row, document in enumerate(documents):
            ids.append(document.id)
            languages.append(document.language)
            hashes.append(hash_of(document.text))
            lengths.append(len(document.text))
            for name in document.columns.keys() | self.columns.keys():
                self.columns.setdefault(name, [None] * row).append(document.columns.get(name))
        if "language" not in self.columns and any(languages):
            self.columns["language"] = list(languages)
        self.ids: Sequence[str] = Names(ids)
        self.languages: Sequence[str | None] = Names(languages)
        self.hashes: UInt64[np.ndarray, "N"] = np.array(hashes, dtype=np.uint64)
        self.lengths: Int[np.ndarray, "N"] = np.array(lengths, dtype=np.int64)
        self.skipped = dict(documents.skipped)
        self._under_way: tuple[int, Iterator[TextDocument]] = 0, iter(())

    def __len__(self) -> int:
        return len(self.ids)

    def some(self, rows: Int[np.ndarray, "n"]) -> Iterator[str]:
        """The texts of some rows, which are in order, by one pass over all that goes on where the last one stopped, if it can.

        Raises ValueError when the data has changed meanwhile.
        """
        wanted = iter(rows.tolist())
        sought = next(wanted, None)
        if sought is None:
            return
        (begin, documents), self._under_way = self._under_way, (0, iter(()))
        if not 0 < begin <= sought:
            begin, documents = 0, iter(self.documents)
        for row, document in enumerate(documents, begin):
            if row != sought:
                continue
            if document.id != self.ids[row]:
                raise ValueError(f"{self.name} changed while it was read: {document.id!r} stands where {self.ids[row]!r} stood. Try again.")
            yield document.text
            sought = next(wanted, None)
            if sought is None:
                self._under_way = row + 1, documents
                return
        raise ValueError(f"{self.name} changed while it was read: {self.ids[sought]!r} is gone. Try again.")


def hash_of(text: str) -> int:
    """A number of 64 bits that stands for a text, whatever its white space."""
    spaced = " ".join(text.split()).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(spaced, digest_size=8).digest(), "little")
