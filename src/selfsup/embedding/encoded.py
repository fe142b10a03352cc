"""Texts as ids of a tokeniser, on disk: each is encoded once, when it is first asked for, and read by row from then on."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, Int32
from numpy.typing import NDArray

from selfsup.embedding.texts import Texts

AT_ONCE = 64
"""Texts that are encoded together."""


@runtime_checkable
class Encoder(Protocol):
    """What is asked of a tokeniser."""

    def encode_batch(self, texts: Sequence[str]) -> list[NDArray[Any]]:
        """The ids of each text, without special tokens."""
        ...


class Encoded:
    """Ids of documents, in a file that vanishes with the process. Memory holds 16 bytes a document."""

    def __init__(self, texts: Texts, encoder: Encoder) -> None:
        self.texts, self.encoder = texts, encoder
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this does
        weakref.finalize(self, self._file.close)
        self._begin: Int[np.ndarray, "N"] = np.full(len(texts), -1)
        self._length: Int[np.ndarray, "N"] = np.zeros(len(texts), dtype=np.int64)
        self._end = 0

    def lengths(self, rows: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
        """How many tokens some documents have."""
        self._encode(np.unique(rows[self._begin[rows] < 0]))
        return np.asarray(self._length[rows])

    def read(self, row: int, start: int, length: int) -> Int32[np.ndarray, "T"]:
        """Some tokens of a document whose length was asked for."""
        assert self._begin[row] >= 0, "ask for lengths first"
        self._file.seek(4 * (int(self._begin[row]) + start))
        return np.frombuffer(self._file.read(4 * length), dtype=np.int32)

    def _encode(self, rows: Int[np.ndarray, "n"]) -> None:
        self._file.seek(4 * self._end)
        for row, ids in zip(rows.tolist(), self._ids(rows), strict=True):
            self._file.write(np.asarray(ids, dtype=np.int32).tobytes())
            self._begin[row], self._length[row] = self._end, len(ids)
            self._end += len(ids)

    def _ids(self, rows: Int[np.ndarray, "n"]) -> Iterator[NDArray[Any]]:
        texts = self.texts.some(rows)
        while some := list(islice(texts, AT_ONCE)):
            yield from self.encoder.encode_batch(some)
