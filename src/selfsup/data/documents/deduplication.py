"""A corpus without what it says again and again: copies of documents, quoted replies, signatures, boilerplate lines."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace

import numpy as np
from jaxtyping import Bool

from selfsup.data.documents.document import Document, Documents, Findings
from selfsup.data.documents.hashes import HashSet, Numbers, hash_of
from selfsup.data.documents.repetition import NOTHING, Lines, Repetition, find_repetition, key_of, key_of_quotation

MOST_DOCUMENTS = 6
"""Documents that may share a line: Llama 3 takes 6 ("The Llama 3 Herd of Models", 2024, arXiv 2407.21783, section 3.1.1)."""

_VERSION = 2  # of what is left out: part of the fingerprint
_NAMED = 50  # of the most frequent lines
_SHOWN = 200  # characters of each
_SIGNATURE = re.compile(r"--\s*")  # RFC 3676, 4.3; many programs lose the space behind it
_LONGEST_SIGNATURE = 20  # lines
_Hash = bytes  # in a class that has a property of that name
_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n){2,}")


@dataclass
class Dropped:
    """How often a pass has left something out.

    `copies` are documents, `lines` boilerplate, `quotes` and `signatures` blocks of lines, `emptied` documents of which nothing was left;
    `characters` are those of all of them. `frequent` names the most frequent lines among them with the number of documents they are in.
    A line may be in `inexact` documents more than was counted, as memory did not hold all lines.
    """

    copies: int = 0
    lines: int = 0
    quotes: int = 0
    signatures: int = 0
    emptied: int = 0
    characters: int = 0
    inexact: int = 0
    frequent: dict[str, int] = field(default_factory=dict)

    def in_words(self) -> str:
        """One line for a log or a report."""
        found = [f"{getattr(self, part.name):,} {part.name}" for part in fields(self)[:6] if getattr(self, part.name)]
        words = f"left out: {', '.join(found) or 'nothing'}"
        if self.frequent:
            line, count = next(iter(self.frequent.items()))
            words += f"; most often, in {count:,} documents: {line!r}"
        return words


class Deduplicated(Documents):
    """Documents of `source` without what it repeats; `dropped` tells what the latest pass has left out."""

    def __init__(self, source: Documents, *, most_documents: int, quotes: bool, signatures: bool, most_lines: int) -> None:
        super().__init__(source.name, source.root, ignored=source.ignored)
        self.source = source
        self.most_documents, self.quotes, self.signatures, self.most_lines = most_documents, quotes, signatures, most_lines
        self.dropped = Dropped()
        self._repetition: Repetition | None = None
        self._written: dict[_Hash, str] = {}  # the most frequent lines, as each was written first

    @property
    def bytes(self) -> int | None:
        """As of the source."""
        return self.source.bytes

    def fingerprint(self) -> str:
        """Of the source's and the options."""
        own = (_VERSION, self.source.fingerprint(), self.most_documents, self.quotes, self.signatures, self.most_lines)
        return hashlib.sha256(repr(own).encode()).hexdigest()[:32]

    def _read(self, findings: Findings) -> Iterator[Document]:
        if self._repetition is None:
            self._repetition = find_repetition(self.source, most_lines=self.most_lines)
        repetition = self._repetition
        frequent = repetition.lines.highest(_NAMED, least=self.most_documents + 1)
        self.dropped = dropped = Dropped(inexact=repetition.lines.forgotten)
        seen = HashSet()
        documents = iter(self.source)
        findings.skipped, findings.notes, read = self.source.skipped, self.source.notes, self.source.counts
        for document in documents:
            findings.counts.bytes_read = read.bytes_read
            key = hash_of(document.text)
            if key in repetition.copied and not seen.add(key):
                dropped.copies += 1
                dropped.characters += len(document.text)
                continue
            text = self._thinned(document.text, repetition, frequent, dropped)
            dropped.characters += len(document.text) - len(text)
            if text:
                yield document if text == document.text else replace(document, text=text)
            else:
                dropped.emptied += 1
        findings.counts.bytes_read, findings.counts.empty = read.bytes_read, read.empty
        dropped.frequent = dict(sorted(dropped.frequent.items(), key=lambda pair: -pair[1]))
        findings.note(self.name, dropped.in_words())

    def _thinned(self, text: str, repetition: Repetition, frequent: dict[_Hash, int], dropped: Dropped) -> str:
        """A text without the lines that are repeated; the same text when there is none."""
        lines = Lines(text)
        counts = repetition.lines.find(lines.keys)
        if not counts.any() and True not in lines.quoted:
            return text
        gone = set[int]()
        if self.quotes and True in lines.quoted:
            dropped.quotes += _take_repeated(_quotes(lines), lines.keys, (counts >= 2) | _wrapped(lines, repetition), gone)
        if self.signatures:
            dropped.signatures += _take_repeated(_signatures(lines), lines.keys, counts >= 2, gone)
        boilerplate = self._boilerplate(lines.bare, counts, repetition) - gone
        dropped.lines += len(boilerplate)
        gone |= boilerplate
        if not gone:
            return text
        for row in gone:
            if often := frequent.get(lines.keys[row]):
                dropped.frequent[self._written.setdefault(lines.keys[row], lines.lines[row].strip()[:_SHOWN])] = often
        return _BLANK_LINES.sub("\n\n", "\n".join(line for row, line in enumerate(lines.lines) if row not in gone)).strip("\n")

    def _boilerplate(self, bare: list[str], counts: Numbers, repetition: Repetition) -> set[int]:
        """Lines that more documents have than `most_documents`, those not counted that only quote them."""
        rows = np.flatnonzero(counts > self.most_documents).tolist()
        quotations = repetition.lines.find([key_of_quotation(bare[row]) for row in rows])
        return {row for row, quoted in zip(rows, quotations.tolist(), strict=True) if counts[row] - quoted > self.most_documents}


def deduplicate(
    documents: Documents, *, most_documents: int = MOST_DOCUMENTS, quotes: bool = True, signatures: bool = True, most_lines: int = 4_000_000
) -> Deduplicated:
    """The documents without what they repeat: a first pass counts, each later one leaves out.

    Left out are documents that equal an earlier one but for case and white space; lines that are in more than `most_documents` different
    documents; with `quotes`, blocks of lines that begin with > when half of them or more are in another document too, if need be broken
    into other lines, with the line before that ends in a colon; with `signatures`, what follows a line of two dashes, up to 20 lines, on
    the same condition. Lines without two letters or digits stay.

    Memory: a million documents take 24 to 48 MB, and half as much again for moments; a million different lines take 20 MB, and four times
    that for moments. Of more than `most_lines` the rarest are forgotten, `dropped.inexact` says how rare. A piece of a file that was cut
    counts as a document.
    """
    if most_documents < 1 or most_lines < 1000:
        raise ValueError(f"most_documents={most_documents}, most_lines={most_lines:,} were given. Expected at least 1 and 1,000.")
    return Deduplicated(documents, most_documents=most_documents, quotes=quotes, signatures=signatures, most_lines=most_lines)


def _take_repeated(blocks: Iterator[tuple[int, int, int]], keys: list[bytes], again: Bool[np.ndarray, "n"], gone: set[int]) -> int:
    """Add the rows of those blocks to `gone` of which half the lines or more are in other documents too; how many blocks that are."""
    taken = 0
    for introduced, start, end in blocks:
        repeated = int(again[start:end].sum())
        if repeated and 2 * repeated >= sum(key != NOTHING for key in keys[start:end]):
            gone.update(range(introduced, end))
            taken += 1
    return taken


def _wrapped(lines: Lines, repetition: Repetition) -> Bool[np.ndarray, "n"]:
    """Quoted lines of a paragraph that another document has too, though broken into other lines."""
    again = np.zeros(len(lines.keys), dtype=bool)
    quoted = [paragraph for paragraph in lines.paragraphs() if lines.quoted[paragraph.start]]
    for paragraph, count in zip(quoted, repetition.lines.find([key_of(paragraph.text) for paragraph in quoted]), strict=True):
        again[paragraph.start : paragraph.end] = count >= 2
    return again


def _quotes(lines: Lines) -> Iterator[tuple[int, int, int]]:
    """Runs of quoted lines: where their introduction, they themselves and what follows begin."""
    start = 0
    while True in lines.quoted[start:]:
        start = lines.quoted.index(True, start)
        end = lines.quoted.index(False, start) if False in lines.quoted[start:] else len(lines.quoted)
        introduced = start > 0 and lines.lines[start - 1].rstrip().endswith(":")
        yield start - introduced, start, end
        start = end


def _signatures(lines: Lines) -> Iterator[tuple[int, int, int]]:
    """Signatures, one as a rule: from their dashes to the end, or to a quoted reply."""
    for start, line in enumerate(lines.lines):
        if line.startswith("--") and _SIGNATURE.fullmatch(line):
            end = lines.quoted.index(True, start) if True in lines.quoted[start:] else len(lines.lines)
            if end - start <= _LONGEST_SIGNATURE + 1:
                yield start, start + 1, end
