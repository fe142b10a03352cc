"""Tokens on disk, as rows of a fixed length: opened in a moment, cut where a row is full, without any padding."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from numpy.typing import NDArray
from torch import Tensor

from selfsup.data.splits import Part
from selfsup.data.tokens.files import COLUMNS, Count, State, column_file, read_state
from selfsup.data.tokens.packing import Packing


@dataclass(frozen=True)
class TokenStore:
    """One part of a corpus as rows of exactly `context` tokens, each row of one language.

    The documents of a language follow one another, each closed by the tokeniser's end token, and are cut into rows; what does not fill the
    last row is left out. Rows are numbered language after language: `groups` are the rows of each language that has any. `languages` are
    all there are in the corpus, `counts` what this part holds of each, `empty` how many documents of the corpus have no token, `skipped`
    what could not be read, `notes` what to know of what could. `fingerprint` depends on tokens and ids only, not on where or when.
    """

    name: str
    part: Part
    context: int
    groups: dict[str, range]
    languages: list[str]
    counts: dict[str, Count]
    empty: int
    skipped: dict[str, str] = field(repr=False)
    notes: dict[str, str] = field(repr=False)
    fingerprint: str
    packing: Packing = field(repr=False)
    columns: dict[str, NDArray[Any]] = field(repr=False)

    @classmethod
    def open(cls, folder: Path, *, context: int, part: Part = "train") -> TokenStore:
        """Open what `write_tokens` wrote. Raises ValueError when it is not whole, or when the training part does not fill a single row.

        A held-out part may have no row; its documents are there all the same.
        """
        if context < 1:
            raise ValueError(f"context={context} was given. Expected rows of at least 1 token.")
        state = read_state(folder)
        if state is None or not state.complete:
            raise ValueError(f"{folder} holds no tokens that were written to their end. Expected a folder that write_tokens returned.")
        columns = _columns(folder, part, state)
        packing = Packing(columns["segments"], languages=len(state.languages), context=context)
        rows, ends = packing.rows.tolist(), np.cumsum(packing.rows).tolist()
        store = cls(
            name=state.source[0],
            part=part,
            context=context,
            groups={name: range(end - own, end) for name, own, end in zip(state.languages, rows, ends, strict=True) if own},
            languages=state.languages,
            counts=dict(zip(state.languages, state.counts[part], strict=True)),
            empty=state.empty,
            skipped=state.skipped,
            notes=state.notes,
            fingerprint=state.digest[:32],
            packing=packing,
            columns=columns,
        )
        if not len(store) and part == "train":
            raise ValueError(_too_short(store))
        return store

    def __len__(self) -> int:
        return len(self.packing)

    @property
    def documents(self) -> int:
        """How many documents there are, also those that are in no row."""
        return len(self.columns["ends"])

    def batch(self, rows: Int64[Tensor, "B"]) -> dict[str, Tensor]:
        """What a task's views get: tokens int64 (B, T), document int64 (B, T), index int64 (B,).

        `document` is the number of the document that each token is of, for attention that stays inside documents.
        """
        places = self.packing.places(rows.numpy())
        tokens = self.columns["tokens"][places].astype(np.int64)
        document = np.searchsorted(self.columns["ends"], places, side="right")
        return {"tokens": torch.from_numpy(tokens), "document": torch.from_numpy(document), "index": rows.clone()}

    def document_id(self, number: int) -> str:
        """The id of a document, by its number in `batch`."""
        begin, end = _span(self.columns["name_ends"], number)
        return self.columns["names"][begin:end].tobytes().decode()

    def document_tokens(self, number: int) -> NDArray[Any]:
        """All tokens of a document, its end token the last; mapped, so that the beginning of a long one costs no more than that."""
        begin, end = _span(self.columns["ends"], number)
        return self.columns["tokens"][begin:end]

    def document_language(self, number: int) -> str:
        """The language of a document."""
        begin, _ = _span(self.columns["ends"], number)
        segments = self.columns["segments"]
        return self.languages[int(segments[np.searchsorted(segments[:, 1], begin, side="right") - 1, 0])]


def _columns(folder: Path, part: Part, state: State) -> dict[str, NDArray[Any]]:
    """The columns of a part, mapped, so that nothing is read before it is asked for; the few numbers of `segments` in memory."""
    types = {"tokens": np.dtype(state.dtype), "names": np.dtype(np.uint8)}
    mapped: dict[str, NDArray[Any]] = {}
    for column in COLUMNS:
        file, dtype = column_file(folder, part, column), types.get(column, np.dtype(np.int64))
        filled = state.sizes.get(file.name, 0) > 0
        mapped[column] = np.memmap(file, dtype=dtype, mode="r") if filled else np.empty(0, dtype=dtype)
    mapped["segments"] = np.array(mapped["segments"]).reshape(-1, 3)
    return mapped


def _span(ends: NDArray[Any], number: int) -> tuple[int, int]:
    return (int(ends[number - 1]) if number else 0), int(ends[number])


def _too_short(store: TokenStore) -> str:
    counts = {language: count.tokens for language, count in store.counts.items() if count.tokens}
    told = ", ".join(f"{tokens:,} of {language}" for language, tokens in sorted(counts.items(), key=lambda item: -item[1])[:3])
    return (
        f"{store.name} holds {sum(counts.values()):,} tokens ({told}), which fill no row of {store.context:,}. "
        "Expected more text, or a smaller --context."
    )
