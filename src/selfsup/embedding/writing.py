"""Embeddings of a data set, written to Parquet in bounded memory, by one process or by several that share the work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float

from selfsup.cluster import place_of
from selfsup.embedding.kinds import opened_for, reading_of
from selfsup.embedding.reading import Reading
from selfsup.embedding.shards import Shards, digest_of
from selfsup.progress import progress
from selfsup.run import Run
from selfsup.train.distributed import device, world


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
    with world() as ranks, progress("embedding:") if ranks.leads else nullcontext(lambda words: None) as say:
        writer = ShardWriter(run, data, told, kind=kind, layer=layer, file=file)
        missing = writer.shards.missing(ranks)
        if place is None:
            for number in missing:
                say(f"{writer.shards.rows(number).start:,} of {writer.shards.items:,} {writer.reading.noun}")
                writer.write(number)
        else:
            from selfsup.embedding.on_ray import write_on_ray

            write_on_ray(place, writer, list(missing), say)
        ranks.wait()
        width = ranks.share(writer.shards.join({"layer": writer.layer}) if ranks.leads else 0)
    return Embeddings(file, writer.layer, writer.shards.items, width, dict(writer.reading.skipped))


class ShardWriter:
    """Run and data opened, and what is needed to write any shard of `file`; workers elsewhere open the same by `arguments`."""

    def __init__(self, run: Run, data: Any, told: Mapping[str, Any], *, kind: str, layer: str | None, file: Path) -> None:
        how = reading_of(run)
        self.network = how.network(run).to(device()).eval()
        self.layer = how.checked(self.network, layer or chosen_layer(run, self.network.layers))
        self.data = data
        self.arguments = {"told": told, "kind": kind, "layer": self.layer, "file": file.absolute()}
        self.run = run
        self.reading: Reading[Any] = how.of(run, opened_for(run, data, told, kind=kind))
        self.parts = self.reading.parts_in(run)
        self.others = {name: cells for name, cells in self.reading.columns.items() if name not in ("id", "path", "part", "embedding")}
        rows = zip(self.reading.ids, self.reading.paths, self.parts, *self.others.values(), strict=True)
        self.shards = Shards(file, len(self.reading.ids), digest_of(self.network, (self.layer, self.reading.key, *self.others, *rows)))

    def write(self, number: int) -> None:
        """Embed the items of a shard, and write it."""
        rows = self.shards.rows(number)
        vectors = self.reading.embeddings(self.network, rows, layers=[self.layer])[self.layer]
        self.shards.write(number, self._table(rows, vectors))

    def _table(self, rows: range, vectors: Float[np.ndarray, "n D"]) -> pa.Table:
        """Types are given, since a column may be empty in the first shard, which fixes the schema."""
        content: dict[str, Any] = {
            "id": [self.reading.ids[row] for row in rows],
            "path": pa.array([self.reading.paths[row] for row in rows], pa.string()),
            "part": pa.array([self.parts[row] for row in rows], pa.string()),
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1]),
        }
        return pa.table(content | {name: pa.array([cells[row] for row in rows], pa.string()) for name, cells in self.others.items()})


def chosen_layer(run: Run, layers: tuple[str, ...]) -> str:
    """The layer `evaluate` recorded for this run, else the mean over the last but one."""
    if run.results_file.is_file():
        chosen = json.loads(run.results_file.read_text(encoding="utf-8")).get("chosen_layer", {}).get(run.name)
        if isinstance(chosen, str):
            return chosen
    return f"{layers[max(0, len(layers) - 2)]}/mean"
