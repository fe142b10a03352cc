"""Embedding: what a backbone makes of every picture, written to Parquet in bounded memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float
from torch import Tensor

from selfsup.backbones import Backbone, load_backbone
from selfsup.data import Source, Split, Store, open_source, open_store
from selfsup.run import Run
from selfsup.train.distributed import device
from selfsup.views import plain

POOLS = ("mean", "max", "quarters")
"""How a layer's map becomes one vector: its mean, its maximum, or the means of its four quarters, which keep where things are."""

ROWS = 256


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
    run: Run | str | Path, data: Any = None, *, out: str | Path | None = None, layer: str | None = None, kind: str = "auto"
) -> Embeddings:
    """Embed every picture of `data` (or of what the run was pretrained on) with the run's backbone into a Parquet file.

    Columns: `id`, `path`, `part` (train or test in this run, null for pictures it does not know), `embedding`, and the columns of
    `data` if it is a table. `layer` is like `stage3/mean`; without it the layer `evaluate` chose, else the mean of the last but one.
    `out` defaults to `embeddings.parquet` in the run's folder. Raises ValueError for a layer the backbone has not.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    backbone = load_backbone(run.folder).to(device()).eval()
    layer = checked_layer(backbone, layer or chosen_layer(run, backbone))
    source = open_source(run.data if data is None else data, kind=kind)
    store = open_store(source, side=run.store_side, channels=run.channels, limit_bytes=int(run.store_limit * 1e9))
    file = Path(out) if out is not None else run.embeddings_file
    file.parent.mkdir(parents=True, exist_ok=True)
    width = _write(file, backbone, store, layer, parts_in(run, source, store))
    return Embeddings(file, layer, len(store.ids), width, dict(store.skipped))


def parts_in(run: Run, source: Source, store: Store) -> list[str | None]:
    """What each picture of the store was to the run: "train", "test", or None for a picture that it does not know.

    The same pictures are known by their ids wherever they lie now; others by the file they are; arrays in a file by that file's name.
    """
    if not run.split_file.is_file():
        return [None] * len(store.ids)
    split = Split.load(run.split_file)
    if run.fingerprint == store.fingerprint or (run.data == source.name and Path(run.data).is_file()):
        return list(split.parts_of(store.ids))
    if not (run.root and source.root):
        return [None] * len(store.ids)
    known = {str(Path(run.root, name)): part for name, part in split.by_id().items()}
    return [known.get(path or "") for path in store.paths]


def chosen_layer(run: Run, backbone: Backbone) -> str:
    """The layer `evaluate` recorded for this run, else the mean over the last but one."""
    if run.results_file.is_file():
        chosen = json.loads(run.results_file.read_text(encoding="utf-8")).get("chosen_layer", {}).get(run.name)
        if isinstance(chosen, str):
            return chosen
    return f"{backbone.layers[max(0, len(backbone.layers) - 2)]}/mean"


def checked_layer(backbone: Backbone, layer: str) -> str:
    """`layer` as `NAME/POOL`, or ValueError with what there is."""
    name, _, pool = layer.partition("/")
    if name not in backbone.layers or (pool or "mean") not in POOLS:
        raise ValueError(f"there is no layer {layer!r}; this backbone has {', '.join(backbone.layers)}, each with /{', /'.join(POOLS)}.")
    return f"{name}/{pool or 'mean'}"


def layer_embeddings(
    backbone: Backbone, store: Store, rows: Sequence[int] | Tensor, *, layers: Sequence[str] | None = None
) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """Pooled features of the pictures `rows` of the store, `NAME/POOL` to `(n, D)` float32, in the order of `rows`."""
    wanted = list(layers) if layers is not None else [f"{name}/{pool}" for name in backbone.layers for pool in POOLS]
    parts: dict[str, list[np.ndarray[Any, Any]]] = {name: [] for name in wanted}
    for _, features in pooled(backbone, store, torch.as_tensor(rows, dtype=torch.long), wanted):
        for name, values in features.items():
            parts[name].append(values.numpy())
    return {name: np.concatenate(values) for name, values in parts.items()}


def pooled(
    backbone: Backbone, store: Store, rows: Tensor, layers: Sequence[str]
) -> Iterator[tuple[Tensor, dict[str, Float[Tensor, "b D"]]]]:
    """Batches of rows with their pooled features, `b` at a time. The backbone is used in evaluation mode and in fp32."""
    training = backbone.training
    backbone.eval()
    place = next(backbone.parameters()).device
    for some in torch.split(rows, ROWS):
        images = plain(store.batch(some)["image"].to(place), backbone.size)
        with torch.no_grad():  # not around the generator: it would stay in force in whoever takes the next batch
            maps = backbone.features(images)
        yield some, {layer: _pool(maps, layer).float().cpu() for layer in layers}
    backbone.train(training)


def _pool(maps: dict[str, Tensor], layer: str) -> Tensor:
    name, _, pool = layer.partition("/")
    grid = maps[name]
    if pool == "quarters":
        return torch.cat([quarter.mean((2, 3)) for half in _halves(grid, 2) for quarter in _halves(half, 3)], dim=1)
    return grid.mean((2, 3)) if pool == "mean" else grid.amax((2, 3))


def _halves(grid: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Both halves along a dimension; an odd one's middle is in both, as in adaptive pooling (whose odd sizes not every device has)."""
    size = grid.shape[dim]
    return grid.narrow(dim, 0, (size + 1) // 2), grid.narrow(dim, size // 2, (size + 1) // 2)


def _write(file: Path, backbone: Backbone, store: Store, layer: str, parts: Sequence[str | None]) -> int:
    """Write batch by batch to a draft that replaces `file` when it is whole; returns the embeddings' width."""
    draft = file.with_name(f".{file.name}.draft")
    writer, width = None, 0
    others = {name: values for name, values in store.columns.items() if name not in ("id", "path", "part", "embedding")}
    for rows, features in pooled(backbone, store, torch.arange(len(store.ids)), [layer]):
        vectors = features[layer].numpy()
        width, picked = vectors.shape[1], rows.tolist()
        content: dict[str, Any] = {
            "id": [store.ids[row] for row in picked],
            "path": pa.array([store.paths[row] for row in picked], pa.string()),
            "part": pa.array([parts[row] for row in picked], pa.string()),
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), width),
        }  # types are given, since a column may be empty in the first batch, which fixes the schema
        content |= {name: pa.array([values[row] for row in picked], pa.string()) for name, values in others.items()}
        table = pa.table(content)
        writer = writer or pq.ParquetWriter(draft, table.schema.with_metadata({"layer": layer}))
        writer.write_table(table.cast(writer.schema))
    assert writer is not None, "a store holds at least one picture"
    writer.close()
    draft.replace(file)
    return width
