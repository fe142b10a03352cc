"""Plain vision transformers of `timm`, which can compute the tokens of kept patches only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import timm
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from selfsup.backbones.attention import use_attention
from selfsup.backbones.backbone import Backbone, Settings, evenly_spaced

SHOWN = 4
"""How many evenly spaced blocks `features` shows, as many as a ConvNet has stages."""

LARGEST_PATCH = 16
"""Side in pixels of the largest patch chosen on our own: that of the ViT paper (Dosovitskiy et al., 2021)."""


class TransformerBackbone(Backbone):
    """A `timm` VisionTransformer. Its embedding is the mean of the patch tokens after the last norm.

    `features` shows four evenly spaced blocks, the last one after the norm. Pictures of another size than `size` are taken as well,
    if the patch divides them: positions are interpolated. Class and register tokens are kept where the model has them.
    """

    model: Any  # timm's attributes are not typed

    def __init__(self, settings: Settings, model: Any) -> None:
        assert settings.patch is not None
        depth = len(model.blocks)
        self.shown = evenly_spaced(depth, SHOWN)
        super().__init__(settings, width=model.embed_dim, layers=tuple(f"block{n + 1}" for n in self.shown), stride=settings.patch)
        self.model = model

    @classmethod
    def named(cls, name: str, settings: Settings) -> TransformerBackbone:
        """The `timm` model `name` without the layers that a mean over patch tokens does not use (classifier, pooling)."""
        model = timm.create_model(
            name,
            in_chans=settings.channels,
            img_size=settings.size,
            patch_size=settings.patch,
            num_classes=0,
            global_pool="avg",
            fc_norm=False,  # the last norm comes before the mean, so that tokens and maps have it too
            **settings.arguments,
        )
        turn_off_randomness(model)
        backbone = cls(settings, model)
        use_attention(backbone, settings.attention)
        return backbone

    def tokens(self, images: Float[Tensor, "B C H W"], keep: Int[Tensor, "B K"] | None = None) -> Float[Tensor, "B T D"]:
        """Patch tokens after the last norm; with `keep`, of those patches only, in that order."""
        return self.blocks(images, keep)[-1]

    def features(self, images: Float[Tensor, "B C H W"]) -> dict[str, Float[Tensor, "B _ _ _"]]:
        """Patch tokens after the shown blocks, as maps (B, D, h, w)."""
        rows, columns = images.shape[2] // self.stride, images.shape[3] // self.stride
        maps = [tokens.transpose(1, 2).reshape(tokens.shape[0], self.width, rows, columns) for tokens in self.blocks(images, None)]
        return dict(zip(self.layers, maps, strict=True))

    def blocks(self, images: Tensor, keep: Tensor | None) -> list[Tensor]:
        """Patch tokens (B, T or K, D) after each of the shown blocks, the last after the norm."""
        x = self.model.norm_pre(self.embedded(images, keep))
        outputs = []
        for n, block in enumerate(self.model.blocks):
            x = block(x)
            if n in self.shown:
                outputs.append(x)
        outputs[-1] = self.model.norm(x)
        return [output[:, self.model.num_prefix_tokens :] for output in outputs]

    def embedded(self, images: Tensor, keep: Tensor | None) -> Tensor:
        """What enters the first block: class and register tokens where there are any, then the kept patches with their positions."""
        if images.shape[2] % self.stride or images.shape[3] % self.stride:
            height, width = images.shape[2:]
            raise ValueError(f"pictures of {height}x{width} px cannot be cut into the patches of {self.patch} px of {self.name!r}")
        first, positions = self.positions(images.shape[2] // self.stride, images.shape[3] // self.stride)
        x = self.model.patch_embed.norm(self.projected(self.normalise(images), keep))
        if positions is not None:
            positions = positions.expand(x.shape[0], -1, -1)
            x = x + (positions if keep is None else taken(positions, keep))
        if first is not None:
            x = torch.cat([first.to(x.dtype).expand(x.shape[0], -1, -1), x], dim=1)
        result: Tensor = x
        return result

    def projected(self, images: Tensor, keep: Tensor | None) -> Tensor:
        """The patches (B, T or K, D) through the patch embedding: its convolution as one matrix product, over the kept patches only."""
        convolution = self.model.patch_embed.proj
        cut = images.unfold(2, self.stride, self.stride).unfold(3, self.stride, self.stride)  # (B, C, rows, columns, p, p)
        patches = cut.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
        return F.linear(patches if keep is None else taken(patches, keep), convolution.weight.flatten(1), convolution.bias)

    def positions(self, rows: int, columns: int) -> tuple[Tensor | None, Tensor | None]:
        """Class and register tokens (1, P, D) with their positions, and the positions (1, T, D) of a grid of patches."""
        model = self.model
        tokens = [token for token in (model.cls_token, model.reg_token) if token is not None]
        first = torch.cat(tokens, dim=1) if tokens else None
        if model.pos_embed is None:
            return first, None
        count = 0 if model.no_embed_class else model.num_prefix_tokens
        positions = model.pos_embed
        if (rows, columns) != tuple(model.patch_embed.grid_size):
            positions = interpolated(positions, model.patch_embed.grid_size, (rows, columns), first=count)
        if first is not None and count:
            first = first + positions[:, :count]
        return first, positions[:, count:]


def taken(tokens: Float[Tensor, "B T D"], keep: Int[Tensor, "B K"]) -> Float[Tensor, "B K D"]:
    """The kept tokens. `gather`, since the backward pass of advanced indexing is slow on processors."""
    return tokens.gather(1, keep.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))


def interpolated(positions: Float[Tensor, "1 S D"], before: Sequence[int], after: Sequence[int], *, first: int) -> Float[Tensor, "1 T D"]:
    """Positions of a grid (rows, columns) for another, bicubic, antialiased; the `first` ones, of class and register tokens, stay.

    As timm's `resample_abs_pos_embed`, which computes in fp32 whatever the weights are: in fp64, sums of gradients over micro-batches
    were then off by 1e-7.
    """
    grid = positions[:, first:].transpose(1, 2).reshape(1, -1, *before)
    resized = F.interpolate(grid if grid.itemsize >= 4 else grid.float(), size=tuple(after), mode="bicubic", antialias=True)
    return torch.cat([positions[:, :first], resized.to(positions.dtype).flatten(2).transpose(1, 2)], dim=1)


def patch_side(size: int, standard: int | None = None) -> int:
    """The patch side in pixels for pictures of `size` pixels: `standard` where it fits, else about an eighth of the picture.

    A patch fits when it divides the picture and leaves at least 6x6 of them. Raises ValueError where no patch does.
    """
    if standard and size % standard == 0 and size // standard >= 6:
        return standard
    aim = min(size / 8, LARGEST_PATCH)
    fitting = [side for side in range(1, size) if size % side == 0 and aim / 2 <= side <= aim * 2]
    if not fitting:
        raise ValueError(
            f"no patch of about {aim:.0f} px divides pictures of {size} px, as a ViT needs: "
            f"take a size that is a multiple of 4, such as {max(4, 4 * round(size / 4))}"
        )
    return min(fitting, key=lambda side: max(side / aim, aim / side))


def turn_off_randomness(model: nn.Module) -> None:
    """Set every dropout and drop-path of a `timm` model to zero: `forward` of a task draws no random number."""
    for module in model.modules():
        for attribute in ("p", "drop_prob", "drop_path_rate", "drop_rate"):
            if isinstance(getattr(module, attribute, None), float):
                setattr(module, attribute, 0.0)
