"""Sets and counts of very many texts by their hashes, in little memory."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

import numpy as np
from jaxtyping import Bool, UInt32

WIDTH = 16  # bytes of a hash: among 10^12 texts the chance that two share one is 10^-15

_FREE = bytes(WIDTH)

Numbers = UInt32[np.ndarray, "n"]


def hash_of(text: str) -> bytes:
    """Sixteen bytes that stand for a text, equal for texts that differ in case and white space alone."""
    plain = "  " not in text and text.isprintable()  # only spaces, one at a time: most lines need not be taken apart
    folded = (text.strip() if plain else " ".join(text.split())).casefold()
    return hashlib.blake2b(folded.encode("utf-8", "replace"), digest_size=WIDTH).digest()


class HashSet:
    """A set of hashes in one block of memory: 24 to 48 bytes each (a Python set takes 120), half as much again while it grows."""

    def __init__(self) -> None:
        self._slots, self._count = 1 << 10, 0
        self._table = bytearray(self._slots * WIDTH)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: bytes) -> bool:
        return self._find(key)[1]

    def add(self, key: bytes) -> bool:
        """Take a hash in; whether it is new."""
        start, known = self._find(key)
        if known:
            return False
        self._table[start : start + WIDTH] = key
        self._count += 1
        if 3 * self._count > 2 * self._slots:
            self._grow()
        return True

    def _find(self, key: bytes) -> tuple[int, bool]:
        """Where a hash is, or would be: in the first free slot from its own on; and whether it is there."""
        last = self._slots - 1
        slot = int.from_bytes(key[:8], "little") & last
        while (held := self._table[slot * WIDTH : (slot + 1) * WIDTH]) != key:
            if held == _FREE:
                return slot * WIDTH, False
            slot = (slot + 1) & last
        return slot * WIDTH, True

    def _grow(self) -> None:
        old, self._slots = self._table, 2 * self._slots
        self._table = bytearray(self._slots * WIDTH)
        for place in range(0, len(old), WIDTH):
            if (key := old[place : place + WIDTH]) != _FREE:
                start, _ = self._find(bytes(key))
                self._table[start : start + WIDTH] = key


class HashCounts:
    """In how many documents each line occurs: 20 bytes a line, three to four times that for a moment, at most `most` lines.

    When there are more, the rarest so far are forgotten (Manku and Motwani, "Approximate frequency counts over data streams", VLDB 2002):
    lines that occur again and again stay. A line may have occurred in `forgotten` documents more than is said.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.forgotten = 0
        self._keys = np.zeros((0, 2), np.uint64)
        self._counts = np.zeros(0, np.uint32)
        self._waiting = bytearray()

    def __len__(self) -> int:
        self._merge()
        return len(self._counts)

    def add(self, keys: Collection[bytes]) -> None:
        """Count the lines of one document, each once."""
        self._waiting += b"".join(keys)
        if len(self._waiting) > WIDTH * max(1 << 16, len(self._counts) // 2):
            self._merge()

    def find(self, keys: list[bytes]) -> Numbers:
        """How often each of `keys` was counted, 0 for one that is not known."""
        self._merge()
        if not keys or not len(self._counts):
            return np.zeros(len(keys), np.uint32)
        wanted = np.frombuffer(b"".join(keys), np.uint64).reshape(-1, 2)
        place = np.minimum(np.searchsorted(self._keys[:, 0], wanted[:, 0]), len(self._counts) - 1)
        return np.where((self._keys[place] == wanted).all(1), self._counts[place], np.uint32(0))

    def keep(self, least: int) -> None:
        """Forget the lines that fewer documents have."""
        self._merge()
        self._choose(self._counts >= least)

    def highest(self, number: int, *, least: int) -> dict[bytes, int]:
        """The `number` lines with the highest counts, of those with `least` or more."""
        self._merge()
        order = np.argsort(self._counts)[::-1][:number]
        return {self._keys[row].tobytes(): int(self._counts[row]) for row in order if self._counts[row] >= least}

    def _choose(self, chosen: Bool[np.ndarray, "n"]) -> None:
        self._keys, self._counts = np.ascontiguousarray(self._keys[chosen]), self._counts[chosen]

    def _merge(self) -> None:
        if not self._waiting:
            return
        fresh = np.frombuffer(bytes(self._waiting), np.uint64).reshape(-1, 2)
        self._waiting.clear()
        keys = np.concatenate((self._keys, fresh))
        counts = np.concatenate((self._counts, np.ones(len(fresh), np.uint32)))
        order = np.argsort(keys[:, 0], kind="stable")
        keys, counts = keys[order], counts[order]
        starts = np.flatnonzero(np.concatenate(([True], (keys[1:] != keys[:-1]).any(1))))
        self._keys, self._counts = keys[starts], np.add.reduceat(counts, starts, dtype=np.uint32)
        level = 0
        while len(self._counts) > self.most:
            level += 1
            self._choose(self._counts > level)
        self.forgotten += level
