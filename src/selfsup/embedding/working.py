"""The work of embedding many items: told in few words, so that any process opens the same, and done in shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float, Int

from selfsup.data.names import Names
from selfsup.embedding.choosing import chosen_layer
from selfsup.embedding.kinds import opened_for, reading_of
from selfsup.embedding.reading import Reading
from selfsup.embedding.shards import Shards, digest_of
from selfsup.embedding.weights import weights_digest
from selfsup.run import Run
from selfsup.train.distributed import device
from selfsup.train.memory import give_back

_FIRST = ("id", "path", "part")
"""Columns that stand before the embedding."""


@dataclass(frozen=True)
class Work:
    """What is embedded, so that any process opens the same: shards of `data` on their way to `file`.

    `told` says how texts are read. `wanted` is a Parquet file of some items' `number` and `key`, by which their embeddings are called;
    without it all items are embedded, with their names and what a table says of them.
    """

    run: Path
    data: Any
    told: Mapping[str, Any]
    kind: str
    layer: str | None
    file: Path
    wanted: Path | None = None


class ShardWriter:
    """Run and data opened, and what is needed to write any shard of some work; `reading` and `network` where they are open already."""

    def __init__(self, work: Work, *, reading: Reading[Any] | None = None, network: Any = None) -> None:
        run = Run.open(work.run)
        how = reading_of(run)
        self.network = how.network(run).to(device()).eval() if network is None else network
        self.layer = how.checked(self.network, work.layer or chosen_layer(run, self.network.layers))
        self.work = replace(work, layer=self.layer)
        self.reading: Reading[Any] = reading or how.of(run, opened_for(run, work.data, work.told, kind=work.kind))
        self.items, self.beside = _everything(run, self.reading) if work.wanted is None else _some(work.wanted)
        settings = (weights_digest(run.folder), self.layer, self.reading.key, *self.beside)
        described = chain(settings, zip(*self.beside.values(), strict=True))  # a row at a time
        self.shards = Shards(work.file, len(self.items), digest_of(described))
        give_back()  # what listing took, before the network takes as much

    def write(self, number: int) -> None:
        """Embed the items of a shard, and write it."""
        rows = self.shards.rows(number)
        items = torch.from_numpy(self.items[rows.start : rows.stop])
        vectors = self.reading.embeddings(self.network, items, layers=[self.layer])[self.layer]
        self.shards.write(number, self._table(rows, vectors))

    def _table(self, rows: range, vectors: Float[np.ndarray, "n D"]) -> pa.Table:
        """Types are given, since a column may be empty in the first shard, which fixes the schema."""
        beside = {name: pa.array(cells[rows.start : rows.stop], pa.string()) for name, cells in self.beside.items()}
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
        return pa.table(beside).add_column(min(len(beside), len(_FIRST)), "embedding", column)


def write_wanted(file: Path, numbers: Sequence[int], keys: Sequence[str]) -> None:
    """The file of some items that `Work.wanted` is."""
    pq.write_table(pa.table({"number": pa.array(numbers, pa.int64()), "key": pa.array(keys, pa.string())}), file)


Beside = dict[str, Sequence[str | None]]
"""What stands beside each embedding, by column."""


def _everything(run: Run, reading: Reading[Any]) -> tuple[Int[np.ndarray, "n"], Beside]:
    others = {name: cells for name, cells in reading.columns.items() if name not in (*_FIRST, "embedding")}
    own: Beside = dict(zip(_FIRST, (reading.ids, reading.paths, reading.parts_in(run)), strict=True))
    return np.arange(len(reading.ids)), own | others


def _some(wanted: Path) -> tuple[Int[np.ndarray, "n"], Beside]:
    table = pq.read_table(wanted)
    return np.array(table["number"]), {"key": Names(table["key"].to_pylist())}
