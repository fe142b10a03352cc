"""A corpus: the pictures of a data set, decoded, and which of them are for training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from selfsup.data.sources import open_source
from selfsup.data.splits import Split, make_split
from selfsup.data.store import Store, open_store, suggest_side, suggest_size

SAMPLE = 1024  # pictures whose mean and standard deviation stand for all


@dataclass(frozen=True)
class Corpus:
    """`rows` of the store are for training, `(n,)` long; the others are held out. `size` is the side of a view in pixels."""

    name: str
    root: str
    store: Store
    split: Split
    rows: Tensor
    size: int

    @property
    def channels(self) -> int:
        return self.store.channels

    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel in [0, 1], over a sample of the training pictures."""
        return channel_statistics(self.store, self.rows)


def channel_statistics(store: Store, rows: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel in [0, 1], over a sample of some pictures."""
    some = rows[:: max(1, len(rows) // SAMPLE)][:SAMPLE]
    values, means, deviations = np.arange(256) / 255, [], []
    for channel in store.take(some).transpose(0, 1).numpy():
        count = np.sum([np.bincount(picture.ravel(), minlength=256) for picture in channel], axis=0)  # exact, and quick
        mean = float(count @ values / count.sum())
        means.append(round(mean, 4))
        deviation = float(count @ (values - mean) ** 2 / (count.sum() - 1)) ** 0.5
        deviations.append(round(max(deviation, 0.01), 4))  # pictures of one colour must not divide by zero
    return tuple(means), tuple(deviations)


def prepare(
    data: Any,
    *,
    size: int | None,
    split: str | Path | None = None,
    holdout: float = 0.0,
    groups: str | None = None,
    kind: str = "auto",
    store_limit: float = 100.0,
    leads: bool = True,
    wait: Callable[[], None] = lambda: None,
) -> Corpus:
    """Open, split and decode `data`. One of several processes `leads` and decodes, while the others `wait`, then find it done.

    `store_limit` is the most that decoded pictures may take on disk, in gigabytes. The split does not follow the seed of a run, so
    that runs which differ in their seed alone can be compared on the same pictures.
    Raises ValueError when nothing is left to train on.
    """
    source = open_source(data, kind=kind)
    suggested, channels = suggest_size(source)
    size = size or suggested
    if not leads:
        wait()
    side = suggest_side(source, size)
    store = open_store(source, side=side, channels=channels, limit_bytes=int(store_limit * 1e9), progress=leads, least=2)
    if leads:
        wait()
    parts = make_split([item.id for item in source.items], holdout=holdout, split=split, groups=groups, columns=source.columns)
    part = parts.by_id()
    rows = torch.tensor([row for row, name in enumerate(store.ids) if part[name] == "train"], dtype=torch.long)
    if not len(rows):
        raise ValueError(f"no picture of {source.name} is left to train on: all {len(store.ids)} are held out. Hold out fewer.")
    return Corpus(source.name, source.root, store, parts, rows, size)
