"""The masked autoencoder's part for ConvNets, which cannot leave patches out: they see them painted over."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from selfsup.backbones import Backbone
from selfsup.heads import PixelDecoder
from selfsup.views import patch_mask


class MapDecoder(nn.Module):
    """Rebuilds pictures from the last map of a ConvNet that saw its hidden squares in the data's mean colour, 0 once normalised.

    Tian et al. (SparK, ICLR 2023, arXiv 2301.03580) keep what is hidden out of every layer, with sparse convolutions. Plain filling
    is faster, and was no worse in short trials; its price is that the network also sees where the edges of the squares are. Squares
    are no smaller than the backbone's stride, or most positions of the last map would still see a part of what they have to rebuild.
    """

    def __init__(self, backbone: Backbone, *, unit: int, width: int) -> None:
        super().__init__()
        if unit < backbone.stride:
            raise ValueError(
                f"unit={unit} px is less than the stride of {backbone.name!r} at {backbone.size} px: hidden squares would show through "
                f"from their neighbours. Give {backbone.stride} or more."
            )
        self.unit = unit
        self.paint = PixelDecoder(backbone.width, backbone.stride, size=backbone.size, channels=backbone.channels, width=width)

    def forward(self, backbone: Backbone, image: Tensor, hidden: Int[Tensor, "B M"]) -> Float[Tensor, "B C S S"]:
        """Whole pictures as rebuilt from their visible squares. As an attribute, the backbone would be registered twice."""
        mask = patch_mask(hidden, shape=(image.shape[2], image.shape[3]), patch=self.unit)
        seen = torch.where(mask, backbone.mean, image)
        rebuilt: Tensor = self.paint(backbone.features(seen)[backbone.layers[-1]])
        return rebuilt


def whole_units(image: Float[Tensor, "B C S S"], unit: int) -> Float[Tensor, "B C T T"]:
    """The picture made up to whole units to the right and below, by repeating its edge: 28 px are not a multiple of a stride of 8."""
    missing = -image.shape[-1] % unit
    return F.pad(image, (0, missing, 0, missing), mode="replicate") if missing else image
