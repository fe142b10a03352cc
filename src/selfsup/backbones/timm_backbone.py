"""Any `timm` model by its name, behind the interface of `Backbone`."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import Any

import timm
import torch
from jaxtyping import Float, Int
from timm.layers.patch_embed import PatchEmbed
from timm.models.convnext import ConvNeXt
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from selfsup.backbones.attention import use_attention
from selfsup.backbones.backbone import Backbone, Settings, evenly_spaced
from selfsup.backbones.transformer import SHOWN, TransformerBackbone, patch_side, turn_off_randomness

SMALL = 64
"""Pictures up to this many pixels a side get a small stem: the usual one would leave them a map of 2x2 or 1x1."""

MOST_LAYERS = 6
"""Models with more maps than this (one a block) show four evenly spaced ones."""


class TimmBackbone(Backbone):
    """A `timm` model seen through its `forward_intermediates`: ConvNets, and transformers that cannot leave patches out."""

    model: Any  # timm's attributes are not typed

    def __init__(self, settings: Settings, model: Any) -> None:
        picture = torch.zeros(2, settings.channels, settings.size, settings.size)
        training = model.training
        model.eval()  # running statistics must not see this picture
        with torch.enable_grad():
            maps = model.forward_intermediates(picture, norm=True, intermediates_only=True)
        count = len(maps)
        shown = list(range(count)) if count <= MOST_LAYERS else evenly_spaced(count, SHOWN)
        layers = tuple(f"{'stage' if count <= MOST_LAYERS else 'block'}{n + 1}" for n in shown)
        side = maps[-1].shape[-1]
        super().__init__(settings, width=maps[-1].shape[1], layers=layers, stride=-(-settings.size // side))
        if self.map_side != side:
            raise ValueError(f"its last map of {side} x {side} cannot be laid over them in squares of whole pixels")
        self.shown, self.model = shown, model.train(training)
        freeze_unused(model, maps[-1])

    def maps(self, images: Tensor, shown: list[int]) -> list[Tensor]:
        """The maps with the given numbers."""
        images = self.normalise(images)
        maps: list[Tensor] = self.model.forward_intermediates(images, indices=shown, norm=True, intermediates_only=True)
        return maps

    def embed(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        """The mean over the last map."""
        return self.maps(images, self.shown[-1:])[-1].mean(dim=(2, 3))

    def tokens(self, images: Float[Tensor, "B C H W"], keep: Int[Tensor, "B K"] | None = None) -> Float[Tensor, "B T D"]:
        """The last map row by row; `keep` is refused."""
        self.refuse_keep(keep)
        return self.maps(images, self.shown[-1:])[-1].flatten(2).transpose(1, 2)

    def features(self, images: Float[Tensor, "B C H W"]) -> dict[str, Float[Tensor, "B _ _ _"]]:
        """The maps of all `layers`, (B, D, h, w)."""
        return dict(zip(self.layers, self.maps(images, self.shown), strict=True))


def timm_backbone(settings: Settings) -> Backbone:
    """The `timm` model `settings.name`, freshly initialised; nothing is fetched. Raises ValueError for unknown or unfit models."""
    with torch.device("meta"):  # a model without memory tells what kind it is
        probe = create(settings.name, {})
    if isinstance(probe, VisionTransformer) and type(probe.patch_embed) is PatchEmbed and not hasattr(probe, "dist_token"):
        patch = settings.patch or patch_side(settings.size, probe.patch_embed.patch_size[0])
        return TransformerBackbone.named(settings.name, replace(settings, stem=None, patch=patch))
    if not hasattr(probe, "forward_intermediates"):
        raise ValueError(f"timm's {settings.name!r} does not give maps of its layers: take another, such as resnet18 or convnext_atto")
    small = settings.stem == "small" or (settings.stem is None and settings.size <= SMALL)
    arguments = settings.arguments or fitting_arguments(probe, settings, small)
    model = create(settings.name, {"in_chans": settings.channels, "num_classes": 0, **arguments})
    small = small and (isinstance(model, ConvNeXt) or shrink_stem(model))
    if settings.stem == "small" and not small:
        raise ValueError(f"there is no small stem for {settings.name!r}: take stem='standard', or a ResNet, EfficientNet or ConvNeXt")
    if hasattr(model, "prune_intermediate_layers"):
        model.prune_intermediate_layers(prune_norm=False, prune_head=True)
    turn_off_randomness(model)
    try:
        backbone = TimmBackbone(replace(settings, stem="small" if small else "standard", patch=None, arguments=arguments), model)
    except (RuntimeError, AssertionError, ValueError, IndexError) as error:
        raise ValueError(f"timm's {settings.name!r} does not take pictures of {settings.size} px: {error}") from error
    use_attention(backbone, settings.attention)
    return backbone


def create(name: str, arguments: dict[str, Any]) -> Any:
    """`timm.create_model` for names that timm knows; ValueError with similar names for others."""
    if not timm.is_model(name):
        similar = difflib.get_close_matches(name, ["compact_convnet", "compact_vit", *timm.list_models()], n=3, cutoff=0.5)
        raise ValueError(
            f"there is no backbone {name!r}: take auto, compact_convnet, compact_vit or a name that timm knows"
            + (f", such as {', '.join(similar)}" if similar else "")
        )
    return timm.create_model(name, pretrained=False, **arguments)


def fitting_arguments(probe: Any, settings: Settings, small: bool) -> dict[str, Any]:
    """What the constructor of a model like `probe` takes to fit pictures of this size: patches, and the size itself."""
    size = settings.size
    if isinstance(probe, ConvNeXt):
        return {"patch_size": max(1, size // 32)} if small else {}  # 4x4 pixels are left after three halvings
    if not hasattr(probe, "patch_embed"):
        return {}
    arguments: dict[str, Any] = {"img_size": size}
    if hasattr(probe, "blocks") and hasattr(probe.patch_embed, "patch_size"):  # one resolution throughout, as in a ViT
        arguments["patch_size"] = patch_side(size, probe.patch_embed.patch_size[0])
    for fitting in ({**arguments, "dynamic_img_size": True}, arguments):  # positions are interpolated for views of other sizes
        try:
            with torch.device("meta"):
                create(settings.name, fitting)
        except TypeError:
            continue
        return fitting
    return {}  # it takes pictures of any size


def shrink_stem(model: Any) -> bool:
    """Let the first layers of a model keep the resolution of the picture. False where we do not know how.

    ResNets get one 3x3 convolution of stride 1 and no pooling, as for CIFAR-10 in SimCLR (Chen et al., 2020, appendix B.9).
    """
    if hasattr(model, "conv1") and hasattr(model, "maxpool"):
        if isinstance(model.conv1, nn.Sequential):  # three 3x3 convolutions (ResNet-D)
            setattr(model.conv1[0], "stride", (1, 1))  # noqa: B010 - type checkers take it for a tensor
        else:
            inputs, outputs = model.conv1.in_channels, model.conv1.out_channels
            model.conv1 = nn.Conv2d(inputs, outputs, 3, stride=1, padding=1, bias=False, device=model.conv1.weight.device)
            nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
        model.maxpool = nn.Identity()
        return True
    if hasattr(model, "conv_stem"):  # EfficientNet, MobileNet
        model.conv_stem.stride = (1, 1)
        return True
    return False


def freeze_unused(model: nn.Module, last: Tensor) -> None:
    """Freeze parameters that the last map does not depend on, so that everything trainable gets a gradient."""
    named = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter, gradient in zip(named, torch.autograd.grad(last.sum(), named, allow_unused=True), strict=True):
        parameter.requires_grad_(gradient is not None)
