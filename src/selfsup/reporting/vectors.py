"""Embeddings of a run, read from its embeddings.parquet for neighbours and map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from selfsup.run import Run


@dataclass(frozen=True)
class Vectors:
    """Embeddings of one run. `vectors` is float32 (n, D); `ids`, `parts` and `labels` have n entries, None where there is no label.

    `means` is what a label says: documents without labels are told apart by their language, where that is known.
    """

    ids: list[str]
    parts: list[str]
    vectors: NDArray[np.float32]
    labels: list[str | None]
    means: str = "label"

    @property
    def unit(self) -> NDArray[np.float32]:
        """Vectors of length one (zeros stay zeros), so that a product is a cosine."""
        length = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        unit: NDArray[np.float32] = (self.vectors / np.maximum(length, 1e-12)).astype(np.float32)
        return unit


def read_vectors(run: Run, labels: Mapping[str, str | None], *, most: int = 20_000) -> Vectors | None:
    """Embeddings of a run, or None where it has none that can be read.

    Of more than `most` an even sample is taken: a page shows a few, and memory stays bounded.
    """
    ids: list[str] = []
    parts: list[str] = []
    kept: list[NDArray[np.float32]] = []
    languages: list[str | None] = []
    try:
        with parquet.ParquetFile(run.embeddings_file) as file:
            stride = -(-file.metadata.num_rows // most) or 1
            columns = [name for name in ("id", "part", "embedding", "language") if name in file.schema_arrow.names]
            for batch in file.iter_batches(batch_size=4096 * stride, columns=columns):
                rows = batch.take(list(range(0, len(batch), stride)))
                ids += [str(value) for value in rows["id"].to_pylist()]
                parts += [str(value) for value in rows["part"].to_pylist()] if "part" in columns else ["train"] * len(rows)
                languages += rows["language"].to_pylist() if "language" in columns else [None] * len(rows)
                kept.append(np.asarray(rows["embedding"].flatten(), dtype=np.float32).reshape(len(rows), -1))
        vectors = np.nan_to_num(np.concatenate(kept))
    except (OSError, ValueError, KeyError):
        return None
    found = [labels.get(name) for name in ids]
    if run.kind == "text" and not any(found) and len(set(languages)) > 1:
        return Vectors(ids, parts, vectors, [None if name is None else str(name) for name in languages], "language")
    return Vectors(ids, parts, vectors, found)
