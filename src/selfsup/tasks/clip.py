"""CLIP: find the caption of a picture among those of the batch, and the picture of a caption."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from selfsup.backbones import PairBackbone
from selfsup.heads import LearnedScale
from selfsup.losses import alike_pairs, matching
from selfsup.pretext import Batch, Output, PairPretext, Views
from selfsup.views import Augment


class CLIP(PairPretext):
    """Find the caption of each picture among all captions, and back. Radford and others, ICML 2021, arXiv 2103.00020, section 2.3.

    Captions and pictures that come several times in a batch are no negatives of each other, nor are other captions of the same picture.

    Options: `temperature` at the start, which is learned, and its inverse never above 100 (section 2.5); `crop` the smallest share of the
    picture's area a view shows (the paper's only augmentation), `flip` the probability of mirroring and `jitter` the strength of other
    colours, both 0, since captions name sides and colours.
    """

    couples_rows = True
    kind = "contrastive"
    learning_rate = 1e-3

    def __init__(
        self, backbone: PairBackbone, *, temperature: float = 0.07, crop: float = 0.6, flip: float = 0.0, jitter: float = 0.0
    ) -> None:
        super().__init__(backbone)
        self.scale = LearnedScale(1 / temperature, most=100.0)
        self.default_views = Augment(size=backbone.size, crop=(crop, 1.0), flip=flip, jitter=jitter, grey=0.0)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        return self.pairs(batch, rng)

    def forward(self, views: Views) -> Output:
        return {**self.sides(views), "scale": self.scale(len(views["image"]))}

    def loss(self, output: Output) -> dict[str, Tensor]:
        alike = alike_pairs(output["picture"], output["drawn"], output["captions"])
        return {"contrast": matching(output["image"], output["text"], output["scale"].mean(), alike)}

    def blind_loss(self, rows: int) -> float:
        return math.log(rows)
