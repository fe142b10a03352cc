"""Masked autoencoder: hide most patches, encode the rest, rebuild the hidden ones."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from timm.layers.pos_embed_sincos import build_sincos2d_pos_embed
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from selfsup.backbones import Backbone
from selfsup.backbones.transformer import taken
from selfsup.heads import PixelDecoder
from selfsup.pretext import Batch, Output, Pretext, Views
from selfsup.views import Augment, paint, patch_mask, patches, random_patches, unpatched, whole_units


class MaskedAutoencoder(Pretext):
    """Encode the visible patches only, rebuild the hidden ones. He et al., CVPR 2022, arXiv 2111.06377.

    A ViT computes the visible patches and nothing else, which is what makes the task fast; a small transformer rebuilds the others. A
    ConvNet sees hidden squares painted over, and a convolutional decoder rebuilds them (`MapDecoder` says why so).

    Options: `hidden` is the share of patches that is hidden, drawn for each picture (by default .75, as in the paper, on a ViT and .6
    on a ConvNet); `unit` is the side in px of a hidden square on a ConvNet (by default its stride; on a ViT it is the patch);
    `decoder_width`, `decoder_depth` and `decoder_heads` size the ViT's decoder (512, 8 and 16 in the paper), `width` is the number of
    channels of the ConvNet's at full resolution; `normalise` makes each target patch zero mean and unit variance (the paper's table
    1d); `crop` is the smallest share of area, `flip` the probability of mirroring.
    """

    kind = "generative"
    prefers_patches = True

    def __init__(
        self, backbone: Backbone, *, hidden: float | None = None, unit: int | None = None, decoder_width: int = 128,
        decoder_depth: int = 2, decoder_heads: int = 4, width: int = 16, normalise: bool = True, crop: float = 0.2, flip: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__(backbone)
        if backbone.patch is not None and unit not in (None, backbone.patch):
            raise ValueError(f"unit={unit} px, but {backbone.name!r} hides whole patches of {backbone.patch} px; leave unit out.")
        self.normalise = normalise
        self.patch: int = backbone.patch or unit or backbone.stride
        self.side: int = -(-backbone.size // self.patch)
        self.decoder: PatchDecoder | MapDecoder
        if backbone.patch is None:
            self.hidden = 0.6 if hidden is None else hidden
            self.decoder = MapDecoder(backbone, unit=self.patch, width=width)
        else:
            self.hidden = 0.75 if hidden is None else hidden
            self.decoder = PatchDecoder(backbone, self.side, width=decoder_width, depth=decoder_depth, heads=decoder_heads)
        self.default_views = Augment(size=backbone.size, crop=(crop, 1.0), flip=flip, jitter=0.0, grey=0.0)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        image = self.augment(batch, rng)
        kept, hidden = random_patches(len(image), self.side**2, hidden=self.hidden, rng=rng)
        return {"image": image, "kept": kept, "hidden": hidden}

    def forward(self, views: Views) -> Output:
        image, kept, hidden = views["image"], views["kept"], views["hidden"]
        if isinstance(self.decoder, PatchDecoder):
            prediction = self.decoder(self.backbone.tokens(image, kept), kept, hidden)
        else:
            prediction = taken(self.cut(self.decoder(self.backbone, image, hidden)), hidden)
        return {"prediction": prediction, "target": taken(self.cut(image), hidden)}

    def cut(self, image: Float[Tensor, "B C S S"]) -> Float[Tensor, "B T P"]:
        """All patches of the pictures."""
        return patches(whole_units(image, self.patch), self.patch)

    def loss(self, output: Output) -> dict[str, Tensor]:
        target = output["target"]
        if self.normalise:
            deviation = target - target.mean(-1, keepdim=True)
            variance = deviation.square().sum(-1, keepdim=True) / (target.shape[-1] - 1)  # three times as fast as `var` on CPUs
            target = deviation / (variance + 1e-6).sqrt()
        return {"reconstruction": F.mse_loss(output["prediction"], target)}

    def show(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        views = self.views(batch, rng)
        output = self(views)
        predicted, target = output["prediction"].float(), output["target"]
        if self.normalise:  # the network predicts patches without their brightness and contrast: give these back to look at them
            predicted = predicted * (target.var(-1, keepdim=True) + 1e-6).sqrt() + target.mean(-1, keepdim=True)
        filled = self.cut(views["image"]).clone()
        filled.scatter_(1, views["hidden"][:, :, None].expand_as(predicted), predicted)
        size = self.backbone.size
        rebuilt = unpatched(filled, self.patch, self.backbone.channels)[:, :, :size, :size].clamp(0, 1)
        masked = paint(views["image"], views["hidden"], patch=self.patch, value=0.5)
        return {"masked": masked, "rebuilt": rebuilt, "original": views["image"]}


class PatchDecoder(nn.Module):
    """A small transformer that rebuilds the pixels of hidden patches from the tokens of visible ones."""

    position: Tensor

    def __init__(self, backbone: Backbone, side: int, *, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.embed = nn.Linear(backbone.width, width)
        self.mask_token = nn.Parameter(torch.randn(width) * 0.02)
        self.register_buffer("position", build_sincos2d_pos_embed([side, side], width), persistent=False)
        self.blocks = nn.ModuleList(Block(width, heads, qkv_bias=True) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.predict = nn.Linear(width, backbone.stride**2 * backbone.channels)

    def forward(self, tokens: Float[Tensor, "B K D"], kept: Int[Tensor, "B K"], hidden: Int[Tensor, "B M"]) -> Float[Tensor, "B M P"]:
        """Pixels of the hidden patches, from the visible ones put in their places among mask tokens."""
        visible = self.embed(tokens)
        every = self.mask_token.to(visible.dtype).expand(len(visible), len(self.position), -1)
        every = every.scatter(1, kept[:, :, None].expand_as(visible), visible)
        every = every + self.position.to(visible.dtype)
        for block in self.blocks:
            every = block(every)
        pixels: Tensor = self.predict(self.norm(taken(every, hidden)))
        return pixels


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
