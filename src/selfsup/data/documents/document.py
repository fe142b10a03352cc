"""What a stream of documents is, and what a pass over it finds out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

NAMED_ROWS = 20  # rows of one file that are named when they cannot be read; the others are counted


@dataclass(frozen=True, slots=True)
class Document:
    """A text with its name.

    `id` is the file's path below the root with forward slashes, `file#row` for a row of a table, the value of the id column where one was
    named, or the number "0000123" of an entry of a list; `file#1`, `file#2`, ... for the pieces of a huge one. `language` is None where it
    is unknown. `columns` are a table's other cells.
    """

    id: str
    text: str
    language: str | None = None
    columns: Mapping[str, str | None] = field(default_factory=dict)


@dataclass
class Counts:
    """What a pass has met so far: `documents` given out, their `characters`, `bytes_read` of the files on disk, `empty` documents."""

    documents: int = 0
    characters: int = 0
    bytes_read: int = 0
    empty: int = 0


@dataclass
class Findings:
    """What a pass over documents has found out so far: what was `skipped` and why, and `notes` on what was read, both by name."""

    skipped: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    _rows: Counter[str] = field(default_factory=Counter)

    def skip(self, name: str, reason: str) -> None:
        """Name what could not be read."""
        self.skipped[name] = f"{self.skipped[name]}; {reason}" if name in self.skipped else reason

    def skip_row(self, file: str, place: str, reason: str) -> None:
        """Name a row of a file; after NAMED_ROWS of one file, the others are only counted."""
        self._rows[file] += 1
        if self._rows[file] <= NAMED_ROWS:
            self.skip(f"{file}, {place}", reason)
        else:
            self.skipped[f"{file}, other rows"] = f"{self._rows[file] - NAMED_ROWS:,} more could not be read, the last at {place}: {reason}"

    def note(self, name: str, words: str) -> None:
        """Say something of what was read."""
        self.notes[name] = f"{self.notes[name]}; {words}" if name in self.notes else words


class Documents(ABC):
    """Documents somewhere, read anew, as a stream, by each `for` over them; ends with ValueError when there was none to give.

    `name` is what a user calls them, `root` the resolved folder of their files (empty in memory), `ignored` counts files that are no
    documents by their ending. `skipped`, `notes` and `counts` tell of the latest pass, as far as it has come.
    """

    def __init__(self, name: str, root: str = "", *, ignored: Mapping[str, int] | None = None) -> None:
        self.name = name
        self.root = root
        self.ignored = dict(ignored or {})
        self._findings = self._fresh()

    def __iter__(self) -> Iterator[Document]:
        self._findings = self._fresh()
        return self._counted(self._findings)

    @property
    def skipped(self) -> dict[str, str]:
        """What could not be read, with the reason."""
        return self._findings.skipped

    @property
    def notes(self) -> dict[str, str]:
        """What a reader should know of files that were read: a guessed encoding, a text column that was found, pieces."""
        return self._findings.notes

    @property
    def counts(self) -> Counts:
        """How much the latest pass has met."""
        return self._findings.counts

    @property
    def bytes(self) -> int | None:
        """Size on disk, to which `counts.bytes_read` grows; None where it is not known."""
        return None

    @abstractmethod
    def fingerprint(self) -> str:
        """Short and equal for equal documents; it changes when a file or an option does."""

    @abstractmethod
    def _read(self, findings: Findings) -> Iterator[Document]:
        """All documents in order, the empty ones too; what is wrong goes into `findings`."""

    def _fresh(self) -> Findings:
        return Findings()

    def _counted(self, findings: Findings) -> Iterator[Document]:
        counts = findings.counts
        for document in self._read(findings):
            if not document.text or document.text.isspace():
                counts.empty += 1
                continue
            counts.documents += 1
            counts.characters += len(document.text)
            yield document
        if not counts.documents:
            raise ValueError(self._nothing(findings))

    def _nothing(self, findings: Findings) -> str:
        words = f"{self.name} gave no document."
        if findings.skipped:
            first, reason = next(iter(findings.skipped.items()))
            words += f" {len(findings.skipped):,} could not be read, for example {first}: {reason}."
        if findings.counts.empty:
            words += f" {findings.counts.empty:,} were empty."
        return f"{words} Expected texts in files, tables or a list."
