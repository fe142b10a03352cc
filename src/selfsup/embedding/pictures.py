"""Pictures as networks read them: whole, at one size, and each layer's map pooled into one vector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from selfsup.backbones import Backbone, load_backbone, read_projection
from selfsup.data import Source, Store, open_source, open_store
from selfsup.embedding.reading import NOTHING, SHARED, Inputs, Reading, checked_layer, in_shared_space
from selfsup.run import Run
from selfsup.views import Augment, plain

POOLS = ("mean", "max", "quarters")
"""How a layer's map becomes one vector: its mean, its maximum, or the means of its four quarters, which keep where things are."""

ROWS = 256


class PictureReading(Reading[Backbone]):
    """Pictures in a store."""

    noun: ClassVar[str] = "pictures"

    def __init__(self, source: Source, store: Store) -> None:
        self.store = store
        self.name, self.root, self.fingerprint = source.name, source.root, store.fingerprint
        self.ids, self.paths, self.columns = store.ids, store.paths, store.columns
        self.listed, self.listed_columns = store.source_ids, source.columns
        self.skipped = dict(store.skipped)
        self.key = [store.fingerprint, store.side, store.channels]

    @staticmethod
    def opened(data: Any, *, kind: str = "auto", told: Mapping[str, Any] = NOTHING) -> Source:
        """The pictures, listed."""
        if told:
            raise ValueError(f"{' and '.join(told)} say how texts are read; the run learned from pictures. Leave them out.")
        return open_source(data, kind=kind)

    @classmethod
    def of(cls, run: Run, opened: Source) -> PictureReading:
        """The pictures, decoded to the size `run` was pretrained at."""
        return cls(opened, open_store(opened, side=run.store_side, channels=run.channels, limit_bytes=int(run.store_limit * 1e9)))

    @staticmethod
    def network(run: Run) -> Backbone:
        """The backbone of `run`."""
        network = load_backbone(run.folder)
        network.projection = read_projection(run.folder)
        return network

    @staticmethod
    def layers(network: Backbone) -> list[str]:
        """Every layer with every pool."""
        return [f"{name}/{pool}" for name in network.layers for pool in POOLS]

    @staticmethod
    def checked(network: Backbone, layer: str) -> str:
        """`layer` as `NAME/POOL`, or ValueError."""
        if layer in (SHARED, "shared") and getattr(network, "projection", None) is not None:
            return SHARED
        return checked_layer(network.layers, POOLS, layer)

    def pooled(self, network: Backbone, rows: Tensor, layers: Sequence[str]) -> Iterator[tuple[Tensor, dict[str, Float[Tensor, "b D"]]]]:
        """Some rows at a time, with pooled maps."""
        training = network.training
        network.eval()
        for some in torch.split(rows, ROWS):
            with torch.no_grad():  # not around the generator: it would stay in force in whoever takes the next batch
                maps = network.features(self._whole(network, some))
            yield some, {layer: _pool(network, maps, layer).float().cpu() for layer in layers}
        network.train(training)

    def embedded(self, network: Backbone, rows: Tensor) -> Iterator[Float[Tensor, "b D"]]:
        """The embeddings of whole pictures."""
        for some in torch.split(rows, ROWS):
            with torch.no_grad():
                vectors = network.embed(self._whole(network, some))
            yield vectors

    def view(self, network: Backbone, rows: Tensor, *, augment: Augment | None, rng: torch.Generator) -> Inputs:
        """Cropped, flipped, recoloured pictures; whole ones without `augment`."""
        batch = self.store.batch(rows)
        image = batch["image"].to(rng.device)
        return (plain(image, network.size) if augment is None else augment(image, rng, batch["aspect"].to(rng.device)),)

    @staticmethod
    def vectors(network: Backbone, inputs: Inputs, layer: str) -> Float[Tensor, "B D"]:
        """Pooled maps."""
        return _pool(network, network.features(*inputs), layer)

    def _whole(self, network: Backbone, rows: Tensor) -> Float[Tensor, "b C S S"]:
        place = next(network.parameters()).device
        return plain(self.store.batch(rows)["image"].to(place), network.size)


def _pool(network: Backbone, maps: dict[str, Tensor], layer: str) -> Tensor:
    if layer == SHARED:
        return in_shared_space(network, pooled_map(maps[network.layers[-1]], "mean"))
    name, _, pool = layer.partition("/")
    return pooled_map(maps[name], pool)


def pooled_map(grid: Float[Tensor, "B C h w"], pool: str) -> Float[Tensor, "B D"]:
    """One vector a picture of a layer's map, by one of `POOLS`."""
    if pool == "quarters":
        return torch.cat([quarter.mean((2, 3)) for half in _halves(grid, 2) for quarter in _halves(half, 3)], dim=1)
    return grid.mean((2, 3)) if pool == "mean" else grid.amax((2, 3))


def _halves(grid: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Both halves along a dimension; an odd one's middle is in both, as in adaptive pooling (whose odd sizes not every device has)."""
    size = grid.shape[dim]
    return grid.narrow(dim, 0, (size + 1) // 2), grid.narrow(dim, size // 2, (size + 1) // 2)
