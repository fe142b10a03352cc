"""Reading: the items of a data set as the networks of a run read them. What differs between kinds of data stands here, and in `Ground`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from selfsup.data import Labels, Split, read_labels
from selfsup.data.tables import Table
from selfsup.run import Run
from selfsup.views import Augment

Network = TypeVar("Network")
"""A backbone for this kind of data."""

NOTHING: Mapping[str, Any] = MappingProxyType({})

SHARED = "shared/mean"
"""The layer of one side of a run of pairs that stands in the space which both sides share."""

Inputs = tuple[Tensor, ...]
"""What `embed` of such a backbone takes."""


class Reading(ABC, Generic[Network]):
    """Items that can be embedded, by row.

    Attributes: `noun`, what an item is called; `name` and `root` of the data as a user knows it; `fingerprint`, which changes when the data
    does; `ids` of the items that could be read, `paths` where each lies (None for what is in no file) and `columns`, what a table said of
    them; `listed` and `listed_columns`, the same for all items, also those that could not be read; `skipped`, these with the reason;
    `key`, what embeddings depend on beside the network.
    """

    noun: ClassVar[str]
    name: str
    root: str
    fingerprint: str
    ids: Sequence[str]
    paths: Sequence[str | None]
    columns: Table
    listed: Sequence[str]
    listed_columns: Table
    skipped: dict[str, str]
    key: list[Any]

    @staticmethod
    @abstractmethod
    def opened(data: Any, *, kind: str = "auto", told: Mapping[str, Any] = NOTHING) -> Any:
        """What `of` makes a reading of, listed but not read, so that runs can share it.

        `told` are what `open_documents` takes, and `deduplicate`. Raises ValueError, also where something was told that this kind of data
        has no use for.
        """

    @classmethod
    @abstractmethod
    def of(cls, run: Run, opened: Any) -> Reading[Network]:
        """The items as the network of `run` reads them. Raises ValueError."""

    @staticmethod
    @abstractmethod
    def network(run: Run) -> Network:
        """The backbone of `run`. Raises ValueError."""

    @staticmethod
    @abstractmethod
    def layers(network: Network) -> list[str]:
        """The network's layers with every way to make one vector of them, `NAME/POOL`, from shallow to deep."""

    @staticmethod
    @abstractmethod
    def checked(network: Network, layer: str) -> str:
        """`layer` as `NAME/POOL`. Raises ValueError, with what there is."""

    @abstractmethod
    def pooled(self, network: Network, rows: Tensor, layers: Sequence[str]) -> Iterator[tuple[Tensor, dict[str, Float[Tensor, "b D"]]]]:
        """The rows, some at a time and in their order, with pooled features. The network is used in evaluation mode and in fp32."""

    @abstractmethod
    def embedded(self, network: Network, rows: Tensor) -> Iterator[Float[Tensor, "b D"]]:
        """What `embed` makes of whole items, some at a time, without gradients."""

    @abstractmethod
    def view(self, network: Network, rows: Tensor, *, augment: Augment | None, rng: torch.Generator) -> Inputs:
        """A random view of each of some rows, on the device of `rng`, as `embed` takes it: what a classifier is trained on."""

    @staticmethod
    @abstractmethod
    def vectors(network: Network, inputs: Inputs, layer: str) -> Float[Tensor, "B D"]:
        """Pooled features of views at `NAME/POOL`, with gradients, in the network's mode: for whole items `pooled` gives the same."""

    def embeddings(
        self, network: Network, rows: Sequence[int] | Tensor, *, layers: Sequence[str] | None = None
    ) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
        """Pooled features of some rows, `NAME/POOL` to `(n, D)` float32, in the order of `rows`."""
        wanted = list(layers) if layers is not None else self.layers(network)
        parts: dict[str, list[np.ndarray[Any, Any]]] = {name: [] for name in wanted}
        for _, features in self.pooled(network, torch.as_tensor(rows, dtype=torch.long), wanted):
            for name, values in features.items():
                parts[name].append(values.numpy())
        return {name: np.concatenate(values) for name, values in parts.items()}

    def labelled(self, labels: Any) -> tuple[Labels, Int[np.ndarray, "n"]]:
        """Labels as `read_labels` takes them, and the class number of each item, -1 without a label. Raises ValueError."""
        found = read_labels(labels, self.listed, columns=self.listed_columns, noun=self.noun)
        numbers = dict(zip(found.ids, found.targets, strict=True))
        return found, np.array([numbers[name] for name in self.ids], dtype=np.int64)

    def parts_in(self, run: Run) -> list[str | None]:
        """What each item was to the run: "train", "test", or None for one that it does not know."""
        return parts_in(run, self.ids, self.paths, name=self.name, root=self.root, fingerprint=self.fingerprint)


def parts_in(run: Run, ids: Sequence[str], paths: Sequence[str | None], *, name: str, root: str, fingerprint: str) -> list[str | None]:
    """What each item of some data was to the run: "train", "test", or None for one that it does not know.

    Items of the same data are known by their ids wherever they lie now; others by the file they are; what is in one file by its name.
    """
    if not run.split_file.is_file():
        return [None] * len(ids)
    split = Split.load(run.split_file)
    if run.fingerprint == fingerprint or (run.data == name and Path(run.data).is_file()):
        return list(split.parts_of(ids))
    if not (run.root and root):
        return [None] * len(ids)
    known = {str(Path(run.root, name)): part for name, part in split.by_id().items()}
    return [known.get(path or "") for path in paths]


def in_shared_space(network: Any, vectors: Float[Tensor, "B D"]) -> Float[Tensor, "B E"]:
    """Embeddings of one side of a run of pairs as directions that both sides share: projected, of length 1."""
    return F.normalize(vectors @ network.projection.to(vectors).T, dim=1)


def checked_layer(layers: Sequence[str], pools: Sequence[str], layer: str) -> str:
    """`layer` as `NAME/POOL`, or ValueError with what there is."""
    name, _, pool = layer.partition("/")
    if name not in layers or (pool or "mean") not in pools:
        raise ValueError(f"there is no layer {layer!r}; this backbone has {', '.join(layers)}, each with /{', /'.join(pools)}.")
    return f"{name}/{pool or 'mean'}"
