"""Small networks for short budgets on a processor: `compact_convnet` and `compact_vit`."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from timm.layers.pos_embed_sincos import build_sincos2d_pos_embed
from torch import Tensor, nn

from selfsup.backbones.backbone import Backbone, Settings
from selfsup.backbones.transformer import TransformerBackbone, patch_side

WIDTHS = (32, 64, 64, 128, 128, 224, 256)
"""Channels of the seven convolutions: 1.05 million weights. All multiples of 32, which is what a vector register holds in bf16: BatchNorm
and ReLU over the first map took 28 ms with 32 channels and 42 ms with 24 (512 views of 28 px)."""

STAGE_ENDS = (0, 2, 4, 6)
"""The convolutions whose maps are stage1 to stage4: the last ones before each halving of a 32 px picture, and the very last."""

HALVING_ORDER = (1, 3, 5, 0, 2, 4, 6)
"""Which convolutions halve the map, in the order in which larger pictures need them: after the first three, early ones save most."""

HALVING_SIZES = (4, 8, 16, 40, 96, 192)
"""Picture sides in pixels above which one more convolution halves the map."""


class CompactConvNet(Backbone):
    """Seven 3x3 convolutions with BatchNorm and ReLU, about a million weights, for short budgets on a processor.

    The last map is 4x4 at 28 to 32 px. Larger pictures are halved once or twice more, early on, so that the cost grows slowly.
    """

    def __init__(self, settings: Settings) -> None:
        defaults = {"widths": list(WIDTHS), "halving": sorted(HALVING_ORDER[: sum(settings.size > limit for limit in HALVING_SIZES)])}
        settings = replace(settings, stem=None, patch=None, arguments={**defaults, **settings.arguments})
        widths, halving = settings.arguments["widths"], settings.arguments["halving"]
        super().__init__(settings, width=widths[-1], layers=("stage1", "stage2", "stage3", "stage4"), stride=2 ** len(halving))
        # No bias: BatchNorm would take it off again.
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2 if n in halving else 1, padding=1, bias=False)
            for n, (before, after) in enumerate(zip([settings.channels, *widths], widths, strict=False))
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        for parameter in self.convolutions.parameters():
            nn.init.kaiming_normal_(parameter, mode="fan_out", nonlinearity="relu")

    def maps(self, images: Tensor) -> list[Tensor]:
        """The maps of stage1 to stage4."""
        x = self.normalise(images)
        maps = []
        for n, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            x = F.relu(norm(convolution(x)), inplace=True)
            if n in STAGE_ENDS:
                maps.append(x)
        return maps

    def embed(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        """The mean over the last map."""
        return self.maps(images)[-1].mean(dim=(2, 3))

    def tokens(self, images: Float[Tensor, "B C H W"], keep: Int[Tensor, "B K"] | None = None) -> Float[Tensor, "B T D"]:
        """The last map row by row; `keep` is refused."""
        self.refuse_keep(keep)
        return self.maps(images)[-1].flatten(2).transpose(1, 2)

    def features(self, images: Float[Tensor, "B C H W"]) -> dict[str, Float[Tensor, "B _ _ _"]]:
        """The maps of all `layers`, (B, D, h, w)."""
        return dict(zip(self.layers, self.maps(images), strict=True))


def compact_vit(settings: Settings) -> Backbone:
    """A ViT of 1.8 million weights, mean pooled, without a class token, with patches of about an eighth of the picture.

    Positions are learned and start as sines and cosines (Vaswani et al., 2017, section 3.5, in two dimensions as in He et al., 2022):
    a short training has no time to find out which patches are neighbours.
    """
    patch = settings.patch or patch_side(settings.size)
    defaults = {"embed_dim": 192, "depth": 4, "num_heads": 3, "class_token": False}
    settings = replace(settings, stem=None, patch=patch, arguments={**defaults, **settings.arguments})
    backbone = TransformerBackbone.named("vit_tiny_patch16_224", settings)
    positions = backbone.model.pos_embed
    with torch.no_grad():
        grid = [settings.size // patch] * 2
        positions.copy_(build_sincos2d_pos_embed(grid, dim=positions.shape[-1], device=positions.device)[None])
    return backbone
