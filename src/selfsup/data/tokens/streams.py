"""What tokens are made of: documents that stream by, any number of times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol, runtime_checkable

UNKNOWN = "unknown"  # the group of documents that do not say their language


@runtime_checkable
class TextDocument(Protocol):
    """One text: `id` is its name for splits, labels and embeddings; `language` None where nobody said it; `columns` what a table said."""

    @property
    def id(self) -> str: ...

    @property
    def text(self) -> str: ...

    @property
    def language(self) -> str | None: ...

    @property
    def columns(self) -> Mapping[str, str | None]: ...


@runtime_checkable
class Reading(Protocol):
    """How far a pass has come: in bytes of the files, as they lie on the disk."""

    @property
    def bytes_read(self) -> int: ...


@runtime_checkable
class TextDocuments(Protocol):
    """A corpus: each iteration gives the documents from the first on, in the same order as long as `fingerprint()` is the same.

    `skipped` says, after a pass, what could not be read and why, `notes` what to know of what could; `name` is what a user calls the
    corpus, `root` the resolved folder of its files, empty for what is in memory; `bytes` its size on disk, where that is known, to which
    `counts.bytes_read` grows.
    """

    @property
    def name(self) -> str: ...

    @property
    def root(self) -> str: ...

    @property
    def bytes(self) -> int | None: ...

    @property
    def counts(self) -> Reading: ...

    @property
    def skipped(self) -> Mapping[str, str]: ...

    @property
    def notes(self) -> Mapping[str, str]: ...

    def __iter__(self) -> Iterator[TextDocument]: ...

    def fingerprint(self) -> str: ...


def language_of(document: TextDocument) -> str:
    """The group that a document is sampled with."""
    return document.language or UNKNOWN
