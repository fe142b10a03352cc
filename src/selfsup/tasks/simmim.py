"""SimMIM: replace masked patches by a learned one, encode everything, predict the masked pixels with one linear layer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selfsup.backbones import Backbone
from selfsup.heads import MaskedPixels
from selfsup.losses import weighted_mean
from selfsup.pretext import Batch, Output, Pretext, Views
from selfsup.views import Augment, paint, patch_mask, random_patches


class SimMIM(Pretext):
    """Predict masked pixels from the whole picture, masked patches replaced. Xie et al., CVPR 2022, arXiv 2111.09886.

    What replaces a masked patch is one learned square of pixels, so that it works on any backbone. Pixels are predicted by one 1x1
    convolution and a pixel shuffle from the last map, normalised by the data's mean and deviation; the loss is the L1 distance on
    masked ones.

    Options: `hidden` is the share of units that is masked, drawn for each picture; `unit` the side of one in px, a multiple of the
    stride (by default nearest to a sixth of the picture, the paper's 32 px of 192); `crop` is the smallest share of area (.67 in the
    paper), `flip` the probability of mirroring.
    """

    kind = "generative"

    def __init__(self, backbone: Backbone, *, hidden: float = 0.6, unit: int | None = None, crop: float = 0.67, flip: float = 0.5) -> None:
        super().__init__(backbone)
        stride = backbone.stride
        self.hidden = hidden
        self.unit = stride * max(1, round(backbone.size / 6 / stride)) if unit is None else unit
        if self.unit < stride or self.unit % stride:
            raise ValueError(
                f"unit={unit} px does not fit {backbone.name!r} at {backbone.size} px: a smaller unit than its stride of {stride} px shows "
                f"through from its neighbours. Give a multiple of {stride}."
            )
        self.units = (-(-backbone.size // self.unit)) ** 2
        self.masked = MaskedPixels(backbone)
        self.predict = nn.Conv2d(backbone.width, stride**2 * backbone.channels, 1)
        self.default_views = Augment(size=backbone.size, crop=(crop, 1.0), flip=flip, jitter=0.0, grey=0.0)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        image = self.augment(batch, rng)
        return {"image": image, "hidden": random_patches(len(image), self.units, hidden=self.hidden, rng=rng)[1]}

    def forward(self, views: Views) -> Output:
        size = self.backbone.size
        mask = patch_mask(views["hidden"], shape=(size, size), patch=self.unit)
        last = self.backbone.features(self.masked(views["image"], mask, self.backbone))[self.backbone.layers[-1]]
        # A map of ceil(size / stride) positions may reach beyond the picture.
        prediction = F.pixel_shuffle(self.predict(last), self.backbone.stride)[:, :, :size, :size]
        return {"prediction": prediction, "target": self.backbone.normalise(views["image"]), "mask": mask}

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"reconstruction": weighted_mean((output["prediction"] - output["target"]).abs(), output["mask"])}

    def show(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        views = self.views(batch, rng)
        output = self(views)
        rebuilt = (output["prediction"] * self.backbone.std + self.backbone.mean).clamp(0, 1)
        masked = paint(views["image"], views["hidden"], patch=self.unit, value=0.5)
        return {"masked": masked, "rebuilt": torch.where(output["mask"], rebuilt, views["image"]), "original": views["image"]}
