"""Runs of tokens that a text shares with the corpus: what a generator has learned by heart.

Nothing is indexed: the ids of the corpus are read once, from where they are mapped. If the corpus is cut into blocks of half a window,
every window holds a whole one, wherever it begins. So one hash a block finds all candidates (Karp, Rabin 1987), and only around these is
every place looked at. Hashes are sums of ids times random odd numbers modulo 2^64 (Dietzfelbinger 1996); in the end, ids are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64, UInt64
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

LENGTH = 50
"""Tokens in a row that count as learned by heart: Carlini et al., ICLR 2023, arXiv 2202.07646, section 3."""

CHUNK = 1 << 18  # tokens read at a time, so that their hashes stay in a processor's cache
AROUND = 512  # candidates looked at together: 10 MB


@dataclass(frozen=True)
class Repeat:
    """`length` tokens from token `start` of a text on, every `LENGTH` of which stand in the corpus; the first of them from `place` on."""

    start: int
    length: int
    place: int


def find_repeats(text: Sequence[int], corpus: NDArray[Any], *, length: int = LENGTH) -> list[Repeat]:
    """The stretches of `text` in which every `length` tokens in a row stand in `corpus` (N,), in their order.

    Exact. Takes one pass through the corpus and a few megabytes of memory, whatever its size.
    """
    ids = np.asarray(text, dtype=np.int64)
    if len(ids) < length or len(corpus) < length:
        return []
    search = _Search(ids, length)
    size = search.block
    for start in range(0, len(corpus), CHUNK // size * size):
        chunk = corpus[start : start + CHUNK // size * size]
        whole = chunk[: len(chunk) // size * size].reshape(-1, size)
        found = start + size * search.candidates(whole)
        for some in np.array_split(found, -(-len(found) // AROUND)) if len(found) else []:
            search.look_around(corpus, some)
        if search.is_done:
            break
    return search.repeats()


class _Search:
    """The windows of a text, which of them were found in the corpus, and where."""

    def __init__(self, ids: Int64[np.ndarray, " n"], length: int) -> None:
        self.ids, self.length, self.block = ids, length, (length + 1) // 2
        self.factors = np.random.default_rng(0).integers(0, 2**63, length, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        self.windows = self.hashes(sliding_window_view(ids, length))
        self.blocks = self.hashes(sliding_window_view(ids, self.block))
        self.places = np.full(len(self.windows), -1, dtype=np.int64)
        self._remember_what_is_left()

    @property
    def is_done(self) -> bool:
        """Whether all windows were found."""
        return not self.left.size

    def hashes(self, rows: NDArray[Any]) -> UInt64[np.ndarray, " r"]:
        """One number for each row of ids; equal for equal rows, and hardly ever for others."""
        return rows.astype(np.uint64) @ self.factors[: rows.shape[1]]

    def candidates(self, blocks: NDArray[Any]) -> Int64[np.ndarray, " c"]:
        """Which blocks of the corpus stand somewhere in windows that are still sought."""
        hashes = self.hashes(blocks)
        likely = np.flatnonzero(self.sieve[hashes >> np.uint64(48)])
        return likely[np.isin(hashes[likely], self.left)]

    def look_around(self, corpus: NDArray[Any], places: Int64[np.ndarray, " c"]) -> None:
        """Compare all windows of the corpus that hold one of these blocks, given by where they begin."""
        if self.is_done:
            return
        starts = np.unique(places[:, None] - np.arange(self.length - self.block + 1))
        starts = starts[(starts >= 0) & (starts <= len(corpus) - self.length)]
        rows = corpus[starts[:, None] + np.arange(self.length)]
        hashes = self.hashes(rows)
        for window in np.flatnonzero((self.places < 0) & np.isin(self.windows, hashes)):
            wanted = self.ids[window : window + self.length]
            same = next((place for place in np.flatnonzero(hashes == self.windows[window]) if (rows[place] == wanted).all()), None)
            if same is not None:
                self.places[window] = starts[same]
        self._remember_what_is_left()

    def repeats(self) -> list[Repeat]:
        """Windows that follow one another, as one stretch."""
        found = np.concatenate([[False], self.places >= 0, [False]])
        edges = np.flatnonzero(found[1:] != found[:-1])
        return [
            Repeat(int(begin), int(end - begin) + self.length - 1, int(self.places[begin]))
            for begin, end in zip(edges[::2], edges[1::2], strict=True)
        ]

    def _remember_what_is_left(self) -> None:
        """Hashes of the blocks in windows that were not found yet, and a table of their first 16 bits, which most others fail."""
        sought: Bool[np.ndarray, " b"] = np.zeros(len(self.blocks), dtype=bool)
        for window in np.flatnonzero(self.places < 0):
            sought[window : window + self.length - self.block + 1] = True
        self.left = np.unique(self.blocks[sought])
        self.sieve = np.zeros(1 << 16, dtype=bool)
        self.sieve[self.left >> np.uint64(48)] = True
