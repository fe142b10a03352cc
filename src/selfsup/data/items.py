"""What every source of pictures is: a list of items, and a way to read one."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from selfsup.data.decode import Decoded
from selfsup.data.tables import Table

_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Item:
    """One picture of a source.

    `id` is the path below the source's root with forward slashes, or the number "0000123" of an array's row: the name by which splits,
    labels and embeddings know the picture. `path` is None for arrays. `size` is in bytes, `modified` in nanoseconds.
    """

    id: str
    path: str | None
    size: int
    modified: int


@dataclass
class Source(ABC):
    """Pictures somewhere, not yet read.

    `name` is what a user calls it, `root` the resolved folder of its files (empty for arrays), `items` are in natural order, `columns` hold
    what a table said beside the paths (one value an item), `ignored` counts files that are no pictures by their ending, `skipped` names
    pictures that could not even be looked at, with the reason. Arrays, which no file of the cache holds, keep what was `decoded` of them,
    by side and channels.
    """

    name: str
    root: str
    items: list[Item]
    columns: Table = field(default_factory=dict)
    ignored: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    decoded: dict[tuple[int, int], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def ids(self) -> list[str]:
        """The items' names, in order."""
        return [item.id for item in self.items]

    @abstractmethod
    def read(self, i: int, *, side: int | None = None, channels: int | None = None) -> Decoded:
        """Decode item `i`, stretched to side x side where `side` is given. Raises Undecodable."""

    @abstractmethod
    def shape(self, i: int) -> tuple[tuple[int, int], bool]:
        """The (height, width) of item `i` and whether its format is grey, as cheaply as can be. Raises Undecodable."""


def natural(word: str) -> list[tuple[int, int | str]]:
    """Sorting key that puts cell2 before cell10."""
    return [(0, int(part)) if part.isdecimal() else (1, part.casefold()) for part in _DIGITS.split(word) if part]


def in_natural_order(words: Iterable[str]) -> list[str]:
    """Sorted as people count, with the plain order among words that are equal but for case."""
    return sorted(words, key=lambda word: (natural(word), word))


def printable(name: str) -> str:
    r"""A file name as valid text: bytes that are no UTF-8 (old archives have such names) become \xe4 and the like, which stay apart."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
