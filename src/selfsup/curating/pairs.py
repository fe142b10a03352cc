"""Pairs of near-copies, and the groups they make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

IDENTICAL, RESAVED, RESIZED, CROPPED, FLIPPED = "identical", "re-compressed", "resized", "cropped", "flipped"
SAME_WORDS, CONTAINED, EDITED = "same words", "contained", "edited"


@dataclass(frozen=True)
class Pair:
    """Rows of two items that are near-copies, what tells them apart, and how alike they are, from 0 to 1."""

    first: int
    second: int
    kind: str
    similarity: float


def groups_of(pairs: Iterable[Pair], count: int) -> list[list[int]]:
    """Rows that hang together by pairs, of `count` items: each group in order, groups by their first row (union-find)."""
    parent = list(range(count))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for pair in pairs:
        low, high = sorted((root(pair.first), root(pair.second)))
        parent[high] = low
    members: dict[int, list[int]] = {}
    for row in range(count):
        members.setdefault(root(row), []).append(row)
    return [group for group in members.values() if len(group) > 1]


def chained(rows: Sequence[int], kind: str) -> list[Pair]:
    """Items that are all equal as pairs with the first of them."""
    return [Pair(rows[0], other, kind, 1.0) for other in rows[1:]]
