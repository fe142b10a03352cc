"""Pictures that a task or a views function is tried on: made up, or real."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from selfsup.backbones import Backbone, build
from selfsup.contract.own_views import generator
from selfsup.data import prepare

REAL_ROWS = 8  # pictures of the user's data


@dataclass(frozen=True)
class Shown:
    """Pictures of one batch: `rows` stored at `side` px, whose views are `size` px, and the name of the backbone that sees them."""

    backbone: str
    size: int
    channels: int = 3
    rows: int = 8
    side: int = 32
    data: str = ""

    @property
    def pictures(self) -> str:
        """In words, what is seen."""
        return f"{self.data or 'made-up'} {'grey' if self.channels == 1 else 'colour'} {self.size} px"


@dataclass(frozen=True)
class Trial(Shown):
    """One batch of pictures, and the backbone that sees them."""

    @property
    def name(self) -> str:
        """In words, what is tried."""
        return f"{self.pictures} × {self.rows} on {self.backbone}"

    def network(self) -> Backbone:
        """A new backbone, drawn from torch's global random state."""
        return build(self.backbone, size=self.size, channels=self.channels)

    def batch(self) -> dict[str, Tensor]:
        """Made-up pictures."""
        return made_up_batch(self.rows, self.channels, self.side)


CONVOLUTIONAL = (Trial("compact_convnet", 16, side=20), Trial("compact_convnet", 28, channels=1, rows=5, side=28))
TRANSFORMERS = (Trial("compact_vit", 32, side=20), Trial("compact_vit", 28, channels=1, rows=5, side=40))
VIEWS = (Trial("", 32), Trial("", 28, channels=1, rows=5, side=28), Trial("", 64, side=96), Trial("", 16, channels=1, side=16))


def picture_trials(backbone: str | None) -> tuple[Trial, ...]:
    """The trials with made-up pictures: on both kinds of backbone, or on the one asked for."""
    if backbone is None:
        return (*CONVOLUTIONAL, *TRANSFORMERS)
    return tuple(dataclasses.replace(trial, backbone=backbone) for trial in TRANSFORMERS)


def made_up_batch(rows: int, channels: int, side: int) -> dict[str, Tensor]:
    """Smooth random pictures as the store holds them: uint8 `(rows, channels, side, side)`, with shapes from narrow to wide."""
    noise = torch.randint(256, (rows, channels, side, side), generator=generator(3), dtype=torch.uint8)
    smooth = F.avg_pool2d(noise.float(), 5, 1, 2).to(torch.uint8)
    return {"image": smooth, "aspect": torch.linspace(0.5, 2, rows), "index": torch.arange(rows)}


def real_pictures(data: Any, backbone: str) -> tuple[Trial, dict[str, Tensor]]:
    """A trial with the first pictures of `data`, as `pretrain` takes it."""
    corpus = prepare(data, size=None)
    batch = corpus.store.batch(corpus.rows[:REAL_ROWS])
    return Trial(backbone, corpus.size, corpus.channels, len(batch["image"]), corpus.store.side, Path(corpus.name).name), batch
