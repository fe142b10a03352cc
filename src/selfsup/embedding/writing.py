"""Embeddings of a data set, written to Parquet in bounded memory, by one process or by several that share the work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from selfsup.cluster import place_of
from selfsup.embedding.missing import write_missing
from selfsup.embedding.working import ShardWriter, Work
from selfsup.run import Run
from selfsup.train.distributed import world


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
    on: str | None = None,
) -> Embeddings:
    """Embed every item of `data` (or of what the run was pretrained on) with the run's backbone into a Parquet file.

    Columns: `id`, `path`, `part` (train or test in this run, null for items it does not know), `embedding`, and the columns of
    `data` if it is a table. `layer` is like `stage3/mean`; without it the layer `evaluate` chose, else the mean of the last but one.
    `out` defaults to `embeddings.parquet` in the run's folder. `text`, `id`, `language` and `encoding` say how texts are read, as for
    `pretrain`; what is not said is as the run had it, if it learned from this data. Stopped, it goes on when called again. Under
    `torchrun` each process embeds its share; `on` spreads the work over the cores of this machine ("ray") or a cluster of Ray
    ("ray:ADDRESS"). Raises ValueError for a layer the backbone has not.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    place = place_of(on)
    file = Path(out) if out is not None else run.embeddings_file
    file.parent.mkdir(parents=True, exist_ok=True)
    told = {"text": text, "id": id, "language": language, "encoding": encoding}
    work = Work(run.folder.absolute(), data, told, kind, layer, file.absolute())
    with world() as ranks:
        writer = ShardWriter(work)
        write_missing(writer, ranks, place=place)
        width = ranks.share(writer.shards.join({"layer": writer.layer}) if ranks.leads else 0)
    return Embeddings(file, writer.layer, writer.shards.items, width, dict(writer.reading.skipped))
