"""Context encoder: fill a hole in the picture from what surrounds it."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from selfsup.backbones import Backbone
from selfsup.heads import PixelDecoder
from selfsup.losses import weighted_mean
from selfsup.pretext import Batch, Output, Pretext, Views
from selfsup.views import Augment, blob_holes, centre_holes, rim


class ContextEncoder(Pretext):
    """Fill a hole from what surrounds it. Pathak, Krähenbühl, Donahue, Darrell, Efros, CVPR 2016, arXiv 1604.07379.

    The hole is painted with the data's mean colour, and the loss is the squared error inside it. `hole` says its shape: random `blobs`
    cover between `least` and `most` of each picture (the paper's choice for features); a `centre` hole is a square of half the side. Only
    for that one the network also predicts a rim of visible pixels around it (1/32 of the side, the authors' 4 px of 128), which weigh
    `overlap` times as much, so that the filling continues its surroundings. The adversarial term is left out: the authors' published
    features were trained without it, it only sharpens what is painted. So is the channel-wise connected layer between encoder and decoder:
    it lets positions see one another, which those of the last map of our ConvNets and of a ViT do already.

    Options: `width` is the number of channels of the decoder at full resolution; `crop` the smallest share of area, `flip` the
    probability of mirroring.
    """

    kind = "generative"

    def __init__(
        self, backbone: Backbone, *, hole: Literal["blobs", "centre"] = "blobs", least: float = 0.2, most: float = 0.3,
        overlap: float = 10.0, width: int = 16, crop: float = 0.5, flip: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__(backbone)
        self.hole, self.share, self.overlap = hole, (least, most), overlap
        self.reach = max(1, round(backbone.size / 32)) if hole == "centre" else 0
        self.decoder = PixelDecoder(backbone.width, backbone.stride, size=backbone.size, channels=backbone.channels, width=width)
        self.default_views = Augment(size=backbone.size, crop=(crop, 1.0), flip=flip, jitter=0.0, grey=0.0)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        image = self.augment(batch, rng)
        if self.hole == "blobs":
            hole = blob_holes(len(image), self.backbone.size, share=self.share, rng=rng)
        else:
            hole = centre_holes(len(image), self.backbone.size, overlap=self.reach, device=image.device)
        return {"holed": torch.where(hole, self.backbone.mean, image), "image": image, "hole": hole}

    def forward(self, views: Views) -> Output:
        last = self.backbone.layers[-1]
        return {
            "filled": self.decoder(self.backbone.features(views["holed"])[last]),
            "image": views["image"],
            "hole": views["hole"],
        }

    def loss(self, output: Output) -> dict[str, Tensor]:
        hole = output["hole"]
        error = (output["filled"] - output["image"]).square()
        return {"reconstruction": weighted_mean(error, hole + self.overlap * rim(hole, self.reach))}

    def show(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        views = self.views(batch, rng)
        filled = torch.where(views["hole"], self(views)["filled"].clamp(0, 1), views["image"])
        return {"holed": views["holed"], "filled": filled, "original": views["image"]}
