"""Which lines, paragraphs and documents a corpus repeats: counted over one pass, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from selfsup.data.documents.document import Document
from selfsup.data.documents.hashes import HashCounts, HashSet, hash_of

_QUOTED = re.compile(r"\A\s*(?:>\s?)+")
_SPEAKS = re.compile(r"[^\W_][\W_]*[^\W_]")  # two letters or digits
_BROKEN_WORD = re.compile(r"(?<=\w-)\n\s*")  # well-known: lines are broken behind a hyphen too
NOTHING = hash_of("")


class Paragraph(NamedTuple):
    """Two lines or more with no blank one between, all quoted or none: rows `start` to `end`, and what they say on one line."""

    start: int
    end: int
    text: str


class Lines:
    """The lines of a text: as they are (`lines`), which are `quoted`, what they say without quotation marks (`bare`), and their hashes."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self.quoted, self.bare = [False] * len(self.lines), self.lines
        if ">" in text:
            self.quoted = [line.lstrip().startswith(">") for line in self.lines]
            pairs = zip(self.lines, self.quoted, strict=True)
            self.bare = [_QUOTED.sub("", line, count=1) if quoted else line for line, quoted in pairs]
        self.keys = [key_of(line) for line in self.bare]

    def paragraphs(self) -> Iterator[Paragraph]:
        """Those of two lines or more. However it is broken into lines, a paragraph says what it would say on one."""
        kinds = [(1 + quoted) if line and not line.isspace() else 0 for line, quoted in zip(self.bare, self.quoted, strict=True)]
        start = 0
        for kind, group in groupby(kinds):
            end = start + sum(1 for _ in group)
            if kind and end - start > 1:
                yield Paragraph(start, end, _BROKEN_WORD.sub("", "\n".join(self.bare[start:end])))
            start = end

    def every_key(self) -> set[bytes]:
        """What is counted of a document: its lines and paragraphs, and what it quotes of both once more, as quotations."""
        keys = {*self.keys, *(key_of_quotation(line) for line, quoted in zip(self.bare, self.quoted, strict=True) if quoted)}
        for start, _, text in self.paragraphs():
            keys |= {key_of(text), key_of_quotation(text)} if self.quoted[start] else {key_of(text)}
        return keys - {NOTHING}


@dataclass
class Repetition:
    """Hashes of the documents that occur again (`copied`), and in how many different documents each line or paragraph is (`lines`)."""

    copied: HashSet
    lines: HashCounts


def find_repetition(documents: Iterable[Document], *, most_lines: int) -> Repetition:
    """Count over all documents; copies of a document count as one, so that they do not make their lines frequent."""
    seen, copied, lines = HashSet(), HashSet(), HashCounts(most_lines)
    for document in documents:
        key = hash_of(document.text)
        if not seen.add(key):
            copied.add(key)
            continue
        lines.add(Lines(document.text).every_key())
    lines.keep(2)
    return Repetition(copied, lines)


def key_of(bare: str) -> bytes:
    """The hash of a line; NOTHING for one without two letters or digits."""
    return hash_of(bare) if bare[:2].isalnum() or _SPEAKS.search(bare) else NOTHING


def key_of_quotation(bare: str) -> bytes:
    """The hash of a line as a quotation: what is counted to know how often it is only quoted."""
    return hash_of(f"> {bare}")
