"""Embeddings of a data set, written to Parquet in bounded memory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from selfsup.embedding.kinds import opened_for, reading_of
from selfsup.embedding.reading import Reading
from selfsup.run import Run
from selfsup.train.distributed import device


@dataclass(frozen=True)
class Embeddings:
    """Where the embeddings of a data set are, and which layer they came from. `vectors` reads them, `(N, D)` float32."""

    file: Path
    layer: str
    count: int
    width: int
    skipped: dict[str, str]

    @property
    def ids(self) -> list[str]:
        ids: list[str] = pq.read_table(self.file, columns=["id"])["id"].to_pylist()
        return ids

    @property
    def vectors(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        column = pq.read_table(self.file, columns=["embedding"])["embedding"].combine_chunks()
        return np.asarray(column.flatten()).reshape(-1, self.width)


def embed(
    run: Run | str | Path,
    data: Any = None,
    *,
    out: str | Path | None = None,
    layer: str | None = None,
    kind: str = "auto",
    text: str | None = None,
    id: str | None = None,
    language: str | None = None,
    encoding: str | None = None,
) -> Embeddings:
    """Embed every item of `data` (or of what the run was pretrained on) with the run's backbone into a Parquet file.

    Columns: `id`, `path`, `part` (train or test in this run, null for items it does not know), `embedding`, and the columns of
    `data` if it is a table. `layer` is like `stage3/mean`; without it the layer `evaluate` chose, else the mean of the last but one.
    `out` defaults to `embeddings.parquet` in the run's folder. `text`, `id`, `language` and `encoding` say how texts are read, as for
    `pretrain`; what is not said is as the run had it, if it learned from this data. Raises ValueError for a layer the backbone has not.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    how = reading_of(run)
    backbone = how.network(run).to(device()).eval()
    layer = how.checked(backbone, layer or chosen_layer(run, backbone.layers))
    told = {"text": text, "id": id, "language": language, "encoding": encoding}
    reading = how.of(run, opened_for(run, data, told, kind=kind))
    file = Path(out) if out is not None else run.embeddings_file
    file.parent.mkdir(parents=True, exist_ok=True)
    width = _write(file, backbone, reading, layer, reading.parts_in(run))
    return Embeddings(file, layer, len(reading.ids), width, dict(reading.skipped))


def chosen_layer(run: Run, layers: tuple[str, ...]) -> str:
    """The layer `evaluate` recorded for this run, else the mean over the last but one."""
    if run.results_file.is_file():
        chosen = json.loads(run.results_file.read_text(encoding="utf-8")).get("chosen_layer", {}).get(run.name)
        if isinstance(chosen, str):
            return chosen
    return f"{layers[max(0, len(layers) - 2)]}/mean"


def _write(file: Path, backbone: Any, reading: Reading[Any], layer: str, parts: list[str | None]) -> int:
    """Write some rows at a time to a draft that replaces `file` when it is whole; returns the embeddings' width."""
    draft = file.with_name(f".{file.name}.draft")
    writer, width = None, 0
    others = {name: values for name, values in reading.columns.items() if name not in ("id", "path", "part", "embedding")}
    for rows, features in reading.pooled(backbone, torch.arange(len(reading.ids)), [layer]):
        vectors = features[layer].numpy()
        width, picked = vectors.shape[1], rows.tolist()
        content: dict[str, Any] = {
            "id": [reading.ids[row] for row in picked],
            "path": pa.array([reading.paths[row] for row in picked], pa.string()),
            "part": pa.array([parts[row] for row in picked], pa.string()),
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), width),
        }  # types are given, since a column may be empty in the first batch, which fixes the schema
        content |= {name: pa.array([values[row] for row in picked], pa.string()) for name, values in others.items()}
        table = pa.table(content)
        writer = writer or pq.ParquetWriter(draft, table.schema.with_metadata({"layer": layer}))
        writer.write_table(table.cast(writer.schema))
    assert writer is not None, "a data set holds at least one item"
    writer.close()
    draft.replace(file)
    return width
