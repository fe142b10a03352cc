"""One tensor of weights made to fit another number of channels, patch side or picture size."""

from __future__ import annotations

import math

from torch import Tensor

from selfsup.backbones.backbone import Backbone


def fit(backbone: Backbone, name: str, value: Tensor, own: Tensor) -> Tensor | None:
    """`value` in the shape of the backbone's `own` tensor of that name, or None where no rule is known."""
    if value.shape == own.shape:
        return value
    if name == "pos_embed" and value.ndim == 3 and value.shape[-1] == own.shape[-1]:
        return positions(backbone, value, own)
    if value.ndim != 4 or own.ndim != 4 or value.shape[0] != own.shape[0]:
        return None
    if value.shape[1] != own.shape[1] and own.shape[1] == backbone.channels:
        value = channels(value, backbone.channels)
    if value.shape[2:] != own.shape[2:] and name == "patch_embed.proj.weight":
        from timm.layers.patch_embed import resample_patch_embed

        value = resample_patch_embed(value.float(), list(own.shape[2:]))  # FlexiViT (Beyer et al., 2023), section 3.4
    return value if value.shape == own.shape else None


def channels(kernel: Tensor, count: int) -> Tensor:
    """A first convolution for `count` channels that answers to equal channels as `kernel` (out, in, h, w) does.

    One channel: the sum over the old ones, since a grey picture is one with equal channels. More: the mean, shared out.
    """
    total = kernel.float().sum(dim=1, keepdim=True)
    return (total / count).expand(-1, count, -1, -1).contiguous()


def positions(backbone: Backbone, value: Tensor, own: Tensor) -> Tensor | None:
    """Learned positions (1, T, D) for another grid of patches, and for another number of class and register tokens before it."""
    side = math.isqrt(value.shape[1])
    extra = value.shape[1] - side * side  # a square grid, after one position for each class or register token
    own_side = backbone.size // (backbone.patch or 1)
    own_extra = own.shape[1] - own_side**2
    if extra > 16 or own_extra < 0:
        return None
    from timm.layers.pos_embed import resample_abs_pos_embed

    grid = resample_abs_pos_embed(value.float()[:, extra:], [own_side, own_side], [side, side], num_prefix_tokens=0)
    result = own.detach().clone()
    result[:, own_extra:] = grid
    shared = min(extra, own_extra)
    result[:, :shared] = value[:, :shared]
    return result
