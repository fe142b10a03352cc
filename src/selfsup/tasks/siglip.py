"""SigLIP: say of each picture and each caption of the batch whether they belong together."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn

from selfsup.backbones import PairBackbone
from selfsup.heads import LearnedScale
from selfsup.losses import alike_pairs, pairwise_sigmoid
from selfsup.pretext import Batch, Output, PairPretext, Views
from selfsup.views import Augment


class SigLIP(PairPretext):
    """Say of each picture and caption whether they belong together. Zhai, Mustafa, Kolesnikov, Beyer, ICCV 2023, arXiv 2303.15343.

    No pair is compared with another, so small batches do nearly as well as large ones. What comes several times in a batch, and other
    captions of the same picture, is left out and is no negative.

    Options: `scale` and `bias` at the start, which are learned (10 and -10 in the paper's section 3.2, so that at first all pairs are
    taken for foreign, as nearly all are); `crop` the smallest share of the picture's area a view shows, `flip` the probability of
    mirroring and `jitter` the strength of other colours, as for `clip`.
    """

    couples_rows = True
    kind = "contrastive"
    learning_rate = 1e-3

    def __init__(
        self, backbone: PairBackbone, *, scale: float = 10.0, bias: float = -10.0, crop: float = 0.6, flip: float = 0.0,
        jitter: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(backbone)
        self.scale = LearnedScale(scale, most=1000.0)  # the paper sets no limit; this one only keeps numbers finite
        self.bias = nn.Parameter(torch.tensor(bias))
        self.default_views = Augment(size=backbone.size, crop=(crop, 1.0), flip=flip, jitter=jitter, grey=0.0)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        return self.pairs(batch, rng)

    def forward(self, views: Views) -> Output:
        rows = len(views["image"])
        return {**self.sides(views), "scale": self.scale(rows), "bias": self.bias.expand(rows)}

    def loss(self, output: Output) -> dict[str, Tensor]:
        alike = partial(alike_pairs, output["picture"], output["drawn"], output["captions"])
        return {"pairs": pairwise_sigmoid(output["image"], output["text"], output["scale"].mean(), output["bias"].mean(), alike)}

    def blind_loss(self, rows: int) -> float:
        """The entropy of belonging together, as one pair in so many does, for each of the row's pairs."""
        return math.log(rows) + (rows - 1) * math.log(rows / (rows - 1))
