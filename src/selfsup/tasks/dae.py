"""Denoising autoencoder: rebuild a picture from a corrupted one."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from selfsup.backbones import Backbone
from selfsup.heads import PixelDecoder
from selfsup.pretext import Batch, Output, Pretext, Views
from selfsup.views import Augment, gaussian, masking, salt_and_pepper


class DenoisingAutoencoder(Pretext):
    """Rebuild the clean picture from a corrupted one. Vincent, Larochelle, Bengio, Manzagol, ICML 2008; JMLR 11, 2010.

    Options: `corruption` is the paper's section 5.3 choice: additive `gaussian` noise of standard deviation `strength`, `masking`
    of a share `strength` of the picture in squares of `patch` px, or `salt_and_pepper` on a share `strength` of the pixels.
    `width` is the number of channels of the decoder at full resolution.
    """

    kind = "generative"

    def __init__(
        self,
        backbone: Backbone,
        *,
        corruption: Literal["gaussian", "masking", "salt_and_pepper"] = "masking",
        strength: float = 0.4,
        patch: int = 4,
        width: int = 16,
        crop: float = 0.5,
        flip: float = 0.5,
    ) -> None:
        super().__init__(backbone)
        self.corruption, self.strength, self.patch = corruption, strength, patch
        self.decoder = PixelDecoder(backbone.width, backbone.stride, size=backbone.size, channels=backbone.channels, width=width)
        self.default_views = Augment(size=backbone.size, crop=(crop, 1.0), flip=flip, jitter=0.0, grey=0.0)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        clean = self.augment(batch, rng)
        return {"clean": clean, "corrupted": self.corrupt(clean, rng)}

    def corrupt(self, clean: Tensor, rng: torch.Generator) -> Tensor:
        """The corrupted pictures, same shape, in [0, 1]."""
        if self.corruption == "gaussian":
            return gaussian(clean, self.strength, rng=rng)
        if self.corruption == "masking":
            return masking(clean, self.strength, patch=self.patch, rng=rng)
        return salt_and_pepper(clean, self.strength, rng=rng)

    def forward(self, views: Views) -> Output:
        last = self.backbone.layers[-1]
        return {"rebuilt": self.decoder(self.backbone.features(views["corrupted"])[last]), "clean": views["clean"]}

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"reconstruction": F.mse_loss(output["rebuilt"], output["clean"])}

    def show(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        views = self.views(batch, rng)
        rebuilt = self(views)["rebuilt"]
        return {"corrupted": views["corrupted"], "rebuilt": rebuilt.clamp(0, 1), "original": views["clean"]}
