"""Rows of equal length cut from runs of tokens: which place in a file each token of a row lies at."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64


class Packing:
    """Rows of `context` tokens, each of one language, numbered language after language.

    `segments` (S, 3) are runs of documents in file order: the number of their language, the place of their first token, how many tokens.
    The runs of a language are read one behind the other, as if they were one, and cut wherever a row is full; what is left behind the last
    full row is in no row. `rows` says how many rows each language has.
    """

    def __init__(self, segments: Int64[np.ndarray, "S 3"], *, languages: int, context: int) -> None:
        self.context = context
        language, start, size = segments[np.argsort(segments[:, 0], kind="stable")].T
        totals = np.zeros(languages, dtype=np.int64)
        np.add.at(totals, language, size)
        self.rows = totals // context
        self._row_ends = np.cumsum(self.rows)
        self._first_token = np.cumsum(totals) - totals
        self._ends = np.cumsum(size)  # of the runs, when all are read one behind the other
        self._shift = start - (self._ends - size)  # from there to the file

    def __len__(self) -> int:
        return int(self.rows.sum())

    def places(self, rows: Int64[np.ndarray, "B"]) -> Int64[np.ndarray, "B T"]:
        """The place in the file of each token of some rows."""
        language = np.searchsorted(self._row_ends, rows, side="right")
        row_in_language = rows - (self._row_ends - self.rows)[language]
        begin = self._first_token[language] + row_in_language * self.context
        read = begin[:, None] + np.arange(self.context)
        places: Int64[np.ndarray, "B T"] = read + self._shift[np.searchsorted(self._ends, read, side="right")]
        return places
