"""Collection: the items of a data set with what a run's backbone makes of each, in memory, as curating needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from selfsup.data import Store
from selfsup.embedding import Reading, chosen_layer, opened_for
from selfsup.embedding.kinds import reading_of
from selfsup.embedding.pictures import PictureReading
from selfsup.run import Run
from selfsup.train.distributed import device
from selfsup.views import plain

FOLDER = "curating"
"""Where tables and pages go in a run's folder, by default."""


@dataclass(frozen=True)
class Collection:
    """N items of `reading`, as `network` sees them at `layer`; `opened` is the data as it was listed."""

    run: Run
    opened: Any
    reading: Reading[Any]
    network: Any
    layer: str

    def __len__(self) -> int:
        return len(self.reading.ids)

    @property
    def noun(self) -> str:
        """What items are called: "pictures" or "documents"."""
        return self.reading.noun

    @cached_property
    def features(self) -> Float[np.ndarray, "N D"]:
        """Every item's embedding, computed when it is first asked for."""
        found = self.reading.embeddings(self.network, range(len(self)), layers=[self.layer])
        return np.asarray(np.nan_to_num(found[self.layer]))

    @property
    def store(self) -> Store:
        """The pixels of pictures."""
        assert isinstance(self.reading, PictureReading), "only pictures have pixels"
        return self.reading.store

    @property
    def unit(self) -> Float[Tensor, "N D"]:
        """Features around their mean, of length one."""
        return around(self.features, self.features.mean(0, dtype=np.float64))

    def mirrored(self) -> Float[Tensor, "N D"]:
        """What the network makes of each picture mirrored left to right, around the mean of `features`, of length one."""
        place, store, parts = next(self.network.parameters()).device, self.store, list[np.ndarray]()
        for rows in torch.split(torch.arange(len(self)), 256):
            image = plain(store.batch(rows)["image"].to(place), self.network.size).flip(3)
            with torch.no_grad():
                parts.append(self.reading.vectors(self.network, (image,), self.layer).float().cpu().numpy())
        return around(np.concatenate(parts), self.features.mean(0, dtype=np.float64))


def around(features: Float[np.ndarray, "N D"], centre: Float[np.ndarray, "D"]) -> Float[Tensor, "N D"]:
    """Rows less a centre, of length one (zeros stay zeros): what all items have in common says nothing of which are alike."""
    rows: Tensor = torch.from_numpy(features - centre.astype(np.float32))
    return F.normalize(rows, dim=1)


def collect(
    run: Run | str | Path, data: Any, told: Mapping[str, Any], *, layer: str | None = None, kind: str = "auto", least: int = 2
) -> Collection:
    """Open `data`, or by default what the run learned from, to be embedded by its backbone; `layer` is as for `embed`.

    Raises ValueError for a layer the backbone has not, and for fewer than `least` items.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    how = reading_of(run)
    network = how.network(run).to(device()).eval()
    layer = how.checked(network, layer or chosen_layer(run, network.layers))
    opened = opened_for(run, data, told, kind=kind)
    reading = how.of(run, opened)
    if len(reading.ids) < least:
        raise ValueError(f"{reading.name} holds {len(reading.ids)} {reading.noun}; expected at least {least}: give data with more of them.")
    return Collection(run, opened, reading, network, layer)


def folder_for(run: Run, out: str | Path | None) -> Path:
    """Where tables and pages go: `out`, or a folder in the run's."""
    return run.folder / FOLDER if out is None else Path(out).expanduser()
