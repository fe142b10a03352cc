"""Denoising autoencoder: rebuild a picture from a corrupted one."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from selfsup.backbones import Backbone
from selfsup.heads import PixelDecoder
from selfsup.pretext import Batch, Output, Pretext, Views
from selfsup.views import Augment, gaussian, masking, salt_and_pepper
from selfsup.views.corrupt import Corrupted


class DenoisingAutoencoder(Pretext):
    """Rebuild the clean picture from a corrupted one. Vincent, Larochelle, Bengio, Manzagol, ICML 2008; JMLR 11, 2010.

    Options: `corruption` is the paper's section 3.3 choice: additive `gaussian` noise of standard deviation `strength`, `masking`
    of a share `strength` of the picture in squares of `patch` px, or `salt_and_pepper` on a share `strength` of the pixels.
    `corrupted` and `untouched` weigh the squared error of pixels that were corrupted or not (alpha and beta of the emphasised
    denoising of section 4.2 of the 2010 paper, where 1 and .5, or 1 and 0, are common); noise corrupts every pixel, so there they
    have to be equal. `width` is the number of channels of the decoder at full resolution; `crop` is the smallest share of area,
    `flip` the probability of mirroring.
    """

    kind = "generative"

    def __init__(
        self, backbone: Backbone, *, corruption: Literal["gaussian", "masking", "salt_and_pepper"] = "masking", strength: float = 0.4,
        patch: int = 4, corrupted: float = 1.0, untouched: float = 1.0, width: int = 16, crop: float = 0.5, flip: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__(backbone)
        if min(corrupted, untouched) < 0 or corrupted == untouched == 0:
            raise ValueError(f"corrupted={corrupted} and untouched={untouched} weigh errors: expected 0 or more, and not 0 for both.")
        if corruption == "gaussian" and corrupted != untouched:
            raise ValueError(
                f"corrupted={corrupted} and untouched={untouched} differ, but gaussian noise leaves no pixel untouched. "
                "Take corruption=masking or corruption=salt_and_pepper, or leave both out."
            )
        self.corruption, self.strength, self.patch = corruption, strength, patch
        self.corrupted, self.untouched = corrupted, untouched
        self.decoder = PixelDecoder(backbone.width, backbone.stride, size=backbone.size, channels=backbone.channels, width=width)
        self.default_views = Augment(size=backbone.size, crop=(crop, 1.0), flip=flip, jitter=0.0, grey=0.0)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        clean = self.augment(batch, rng)
        corrupted, chosen = self.corrupt(clean, rng)
        return {"clean": clean, "corrupted": corrupted, "chosen": chosen}

    def corrupt(self, clean: Tensor, rng: torch.Generator) -> Corrupted:
        """The corrupted pictures, same shape, in [0, 1], and which of their pixels were chosen for it."""
        if self.corruption == "gaussian":
            return gaussian(clean, self.strength, rng=rng), torch.ones_like(clean[:, :1], dtype=torch.bool)
        if self.corruption == "masking":
            return masking(clean, self.strength, patch=self.patch, rng=rng)
        return salt_and_pepper(clean, self.strength, rng=rng)

    def forward(self, views: Views) -> Output:
        last = self.backbone.layers[-1]
        rebuilt = self.decoder(self.backbone.features(views["corrupted"])[last])
        return {"rebuilt": rebuilt, "clean": views["clean"], "chosen": views["chosen"]}

    def loss(self, output: Output) -> dict[str, Tensor]:
        error = (output["rebuilt"] - output["clean"]).square()
        if self.corrupted != self.untouched:
            return {"reconstruction": (error * torch.where(output["chosen"], self.corrupted, self.untouched)).mean()}
        return {"reconstruction": self.corrupted * error.mean()}

    def show(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        views = self.views(batch, rng)
        rebuilt = self(views)["rebuilt"]
        return {"corrupted": views["corrupted"], "rebuilt": rebuilt.clamp(0, 1), "original": views["clean"]}
