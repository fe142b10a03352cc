"""Which documents are held out from pretraining, told from each document alone, while they stream by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from selfsup.data.documents.languages import name_without
from selfsup.data.splits import Part, part_of
from selfsup.data.tables import SPLIT_NAMES, path_column, read_table, split_address, value_column
from selfsup.data.tokens.streams import TextDocument


@dataclass(frozen=True)
class HoldOut:
    """A rule that says "train" or "test" for a document.

    `share` of the groups is held out: those whose hash with `seed` is smallest, so that new documents never move old ones. A group is one
    document, or with `groups` its language ("language"), its folder ("folder", "folder:N" for the first N), its translations ("name":
    files called alike in every language, as de/page.txt and fr/page.txt are), or what a column says. `given` are the parts of ids that a
    split file names; `column` is one that says the part. Ids and rows without one are for training. Raises ValueError for what cannot be.
    """

    share: float = 0.0
    seed: int = 0
    groups: str | None = None
    given: Mapping[str, Part] | None = None
    column: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise ValueError(f"holdout={self.share} was given. Expected a share of the documents from 0 up to, but not including, 1.")
        if self.share and (self.given is not None or self.column is not None):
            raise ValueError(f"holdout={self.share} and a split were both given. Expected one of them.")

    @classmethod
    def asked(cls, *, holdout: float = 0.0, split: str | Path | None = None, groups: str | None = None) -> HoldOut:
        """As `pretrain` is asked: `split` is a table of id (or path) and part, or the name of a column of the data. Raises ValueError."""
        if split is None:
            return cls(holdout, groups=groups)
        file, wanted = split_address(str(split))
        if not Path(file).expanduser().is_file():
            if Path(file).suffix or "/" in file:
                raise ValueError(f"There is no table {file}. Expected one with an id and a part, or the name of a column of the data.")
            return cls(holdout, column=str(split))
        table = read_table(Path(file).expanduser())
        parts = table[wanted or value_column(table, file, names=SPLIT_NAMES, wanted="split")]
        ids = table[path_column(table, file)]
        return cls(holdout, given={name: part_of(part, file) for name, part in zip(ids, parts, strict=True) if name and part})

    @property
    def asks(self) -> bool:
        """Whether anything may be held out."""
        return self.share > 0 or self.given is not None or self.column is not None

    def part(self, document: TextDocument) -> Part:
        """The part of a document. Raises ValueError when it has no such column as `groups`."""
        if self.column is not None:
            if self.column not in document.columns:
                known = f"It has {', '.join(document.columns)}." if document.columns else "It is in no table."
                raise ValueError(f"split={self.column!r} was given, and {document.id} has no such column. {known}")
            word = document.columns[self.column]
            return "train" if word is None else part_of(word, f"column {self.column}")
        if self.given is not None:
            return self.given.get(document.id, "train")
        if not self.share:
            return "train"
        digest = hashlib.sha256(f"{self.seed}/{self._group(document)}".encode(errors="backslashreplace")).digest()
        return "test" if int.from_bytes(digest[:8], "big") < self.share * 2**64 else "train"

    @property
    def key(self) -> str:
        """Equal for equal rules."""
        given = None if self.given is None else sorted(self.given.items())
        return hashlib.sha256(ascii((self.share, self.seed, self.groups, given, self.column)).encode()).hexdigest()

    def _group(self, document: TextDocument) -> str:
        if self.groups is None:
            return document.id
        if self.groups in document.columns:
            cell: str | None = document.columns[self.groups]
        elif self.groups == "language":
            cell = document.language
        elif self.groups == "name":
            cell = name_without(document.id, document.language)
        elif self.groups.partition(":")[0] == "folder":
            depth = self.groups.partition(":")[2]
            folders = document.id.split("/")[:-1]
            cell = "/".join(folders[: int(depth)] if depth.isdecimal() else folders) or "."
        else:
            known = f"a column ({', '.join(document.columns)})" if document.columns else "a column of a table (there is none here)"
            raise ValueError(f"groups={self.groups!r} was given. Expected {known}, 'language', 'name', 'folder' or 'folder:N'.")
        return f"alone: {document.id}" if cell is None else cell
