"""Every backbone keeps the same promises, and the parts with a known answer give it."""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import Tensor, nn

from selfsup.backbones import BACKBONES, Backbone, available, build, build_from, use_attention
from selfsup.backbones.backbone import evenly_spaced
from selfsup.backbones.timm_backbone import TimmBackbone, freeze_unused
from selfsup.backbones.transformer import TransformerBackbone, interpolated, patch_side
from selfsup.heads import local_side

CASES = [
    ("compact_convnet", 28, 1),
    ("compact_convnet", 64, 3),
    ("compact_vit", 28, 1),
    ("compact_vit", 64, 3),
    ("resnet18", 32, 3),
    ("resnet18d", 32, 1),
    ("vit_tiny_patch16_224", 64, 3),
    ("convnext_atto", 32, 3),
    ("mobilenetv3_small_100", 64, 3),
    ("deit_tiny_distilled_patch16_224", 64, 3),
    ("pvt_v2_b0", 64, 1),
]
VITS = [case for case in CASES if "vit" in case[0]]


def pictures(size: int, channels: int, *, rows: int = 3) -> Tensor:
    return torch.rand(rows, channels, size, size, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}px-{case[2]}")
def backbone(request: pytest.FixtureRequest) -> Backbone:
    name, size, channels = request.param
    torch.manual_seed(0)
    return build(name, size=size, channels=channels)


def test_shapes_follow_the_attributes(backbone: Backbone) -> None:
    images = pictures(backbone.size, backbone.channels)
    backbone.eval()
    with torch.no_grad():
        embedding, tokens, maps = backbone.embed(images), backbone.tokens(images), backbone.features(images)
    side = math.ceil(backbone.size / backbone.stride)
    assert embedding.shape == (3, backbone.width)
    assert tokens.shape == (3, side * side, backbone.width)
    assert tuple(maps) == backbone.layers
    assert len(maps) >= 4
    assert maps[backbone.layers[-1]].shape == (3, backbone.width, side, side)
    torch.testing.assert_close(tokens.mean(1), embedding)
    torch.testing.assert_close(maps[backbone.layers[-1]].flatten(2).transpose(1, 2), tokens)
    torch.testing.assert_close(backbone(images), embedding)


def test_rows_are_independent_and_nothing_is_drawn(backbone: Backbone) -> None:
    images = pictures(backbone.size, backbone.channels)
    before = torch.get_rng_state()
    torch.testing.assert_close(backbone.embed(images), backbone.embed(images), rtol=0, atol=0)  # in training mode
    backbone.eval()
    with torch.no_grad():
        torch.testing.assert_close(backbone.embed(images)[:1], backbone.embed(images[:1]), rtol=1e-4, atol=1e-5)
    assert torch.equal(torch.get_rng_state(), before)


def test_every_weight_is_registered_once_and_gets_a_gradient(backbone: Backbone) -> None:
    torch.autograd.backward((backbone.embed(pictures(backbone.size, backbone.channels)) * torch.linspace(-1, 1, backbone.width)).sum())
    assert not [name for name, parameter in backbone.named_parameters() if parameter.requires_grad and parameter.grad is None]
    assert len(list(backbone.parameters())) == len(list(backbone.named_parameters(remove_duplicate=False)))
    assert all(parameter.requires_grad for parameter in backbone.parameters())
    assert not [module for module in backbone.modules() if isinstance(module, nn.Dropout) and module.p > 0]


COMPILED = """
import torch
from selfsup.backbones import build
for name in ("compact_convnet", "compact_vit", "resnet18"):
    backbone = build(name, size=32).eval()
    images = torch.rand(2, 3, 32, 32)
    compiled = torch.compile(backbone.embed, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(images), backbone.embed(images))
"""


def test_embed_compiles_without_graph_breaks() -> None:
    """In a process of its own: the shape checks that tests turn on cannot be compiled, and users do not have them."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", COMPILED], env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(("name", "size", "channels"), VITS[:3])
def test_kept_tokens_are_those_of_a_network_that_sees_only_them(name: str, size: int, channels: int) -> None:
    """With all patches kept, in any order, tokens are the same; with few, others have no influence."""
    backbone = build(name, size=size, channels=channels).eval()
    images = pictures(size, channels)
    assert backbone.patch is not None
    patches = (size // backbone.patch) ** 2
    order = torch.stack([torch.randperm(patches, generator=torch.Generator().manual_seed(seed)) for seed in range(3)])
    with torch.no_grad():
        tokens = backbone.tokens(images)
        every = backbone.tokens(images, order)
        torch.testing.assert_close(every, torch.stack([row[kept] for row, kept in zip(tokens, order, strict=True)]), rtol=1e-4, atol=1e-5)
        few = backbone.tokens(images, order[:, :5])
        assert few.shape == (3, 5, backbone.width)
        hidden = images.clone()
        for row, patch in ((n, int(patch)) for n in range(3) for patch in order[n, 5:]):
            top, left = (n * backbone.patch for n in divmod(patch, size // backbone.patch))
            hidden[row, :, top : top + backbone.patch, left : left + backbone.patch] = 0
        torch.testing.assert_close(backbone.tokens(hidden, order[:, :5]), few)


@pytest.mark.parametrize("name", ["compact_convnet", "resnet18"])
def test_convnets_refuse_to_keep_patches(name: str) -> None:
    with pytest.raises(ValueError, match="compact_vit"):
        build(name, size=32).tokens(pictures(32, 3), torch.zeros(3, 2, dtype=torch.long))


def test_transformer_is_the_network_of_timm() -> None:
    """At its own size, with its own patch, the tokens are what timm's forward_features gives."""
    backbone = build("vit_tiny_patch16_224", size=96, mean=(0.0,) * 3, std=(1.0,) * 3).eval()
    assert backbone.patch == 16
    peer: Any = timm.create_model("vit_tiny_patch16_224", img_size=96, num_classes=0).eval()
    peer.load_state_dict({key.removeprefix("model."): value for key, value in backbone.state_dict().items()})
    images = pictures(96, 3)
    with torch.no_grad():
        torch.testing.assert_close(backbone.tokens(images), peer.forward_features(images)[:, 1:])


def test_transformer_takes_other_sizes_by_interpolating_positions() -> None:
    backbone = build("compact_vit", size=32).eval()
    with torch.no_grad():
        assert backbone.embed(pictures(64, 3)).shape == (3, 192)
        assert backbone.features(pictures(48, 3))["block4"].shape == (3, 192, 12, 12)
    with pytest.raises(ValueError, match="patches of 4 px"):
        backbone.embed(pictures(30, 3))


def test_interpolated_positions_are_those_of_timm_in_any_precision() -> None:
    positions = torch.randn(1, 2 + 36, 8, generator=torch.Generator().manual_seed(0))
    for after in ((3, 3), (9, 5)):
        expected = resample_abs_pos_embed(positions, list(after), [6, 6], 2)
        torch.testing.assert_close(interpolated(positions, (6, 6), after, first=2), expected)
        double = interpolated(positions.double(), (6, 6), after, first=2)
        assert double.dtype == torch.float64
        torch.testing.assert_close(double.float(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["deit_tiny_distilled_patch16_224", "swin_tiny_patch4_window7_224"])
def test_transformers_of_timm_take_other_sizes_and_are_the_same_at_their_own(name: str) -> None:
    backbone = build(name, size=64).eval()
    assert isinstance(backbone, TimmBackbone)
    plain = {key: value for key, value in backbone.settings.arguments.items() if key != "dynamic_img_size"}
    fixed = build_from(replace(backbone.settings, arguments=plain)).eval()
    fixed.load_state_dict(backbone.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(backbone.embed(pictures(64, 3)), fixed.embed(pictures(64, 3)))
    assert (backbone.takes(32), fixed.takes(32)) == (True, False)


@pytest.mark.parametrize("name", [name for name, known in BACKBONES.items() if float(known.parameters.split()[0]) < 15])
@pytest.mark.parametrize("size", [28, 64, 96, 128])
def test_known_backbones_take_local_views(name: str, size: int) -> None:
    backbone = build(name, size=size)
    side = local_side(backbone)
    assert 0.4 * size <= side <= 0.6 * size
    assert side % (backbone.patch or 1) == 0
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    assert backbone.training
    assert backbone.takes(side)
    assert backbone.training
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
    assert backbone.embed(pictures(side, 3)).shape == (3, backbone.width)


def test_local_views_that_do_not_fit_say_what_does() -> None:
    with pytest.raises(ValueError, match="take 16, for one"):
        local_side(build("compact_vit", size=32), 15)
    assert local_side(build("compact_convnet", size=32), 15) == 15
    with pytest.raises(ValueError, match=r"'levit_128s' takes pictures of 224 px only.*local_views=0.*compact_convnet, compact_vit"):
        local_side(build("levit_128s", size=224))


def test_normalises_inside() -> None:
    backbone = build("resnet18", size=32, channels=1, mean=(0.25,), std=(0.5,)).eval()
    standard = build("resnet18", size=32, channels=1, mean=(0.0,), std=(1.0,)).eval()
    standard.load_state_dict(backbone.state_dict())
    images = pictures(32, 1)
    with torch.no_grad():
        torch.testing.assert_close(backbone.embed(images), standard.embed((images - 0.25) / 0.5))
    with pytest.raises(ValueError, match="3 channels"):
        backbone.embed(pictures(32, 3))


def test_compact_convnet_has_a_million_weights_and_a_4x4_map() -> None:
    for size, side in ((28, 4), (32, 4), (64, 4), (96, 6), (128, 4), (224, 4)):
        backbone = build("compact_convnet", size=size)
        assert backbone.features(pictures(size, 3))["stage4"].shape[-1] == side
    # By hand: nine weights for each pair of channels, two for each channel's BatchNorm.
    widths = (3, 32, 64, 64, 128, 128, 224, 256)
    expected = sum(9 * a * b for a, b in itertools.pairwise(widths)) + 2 * sum(widths[1:])
    assert sum(parameter.numel() for parameter in backbone.parameters()) == expected == 1_053_280


def test_compact_vit_starts_with_sines_as_positions() -> None:
    """Distance between positions grows with distance between patches, and nothing is random about them."""
    first, second = (build("compact_vit", size=64) for _ in range(2))
    assert isinstance(first, TransformerBackbone)
    assert isinstance(second, TransformerBackbone)
    positions = first.model.pos_embed.detach()
    assert torch.equal(positions, second.model.pos_embed.detach())
    # Sines and cosines of the same angles: every position has length sqrt(D / 2).
    torch.testing.assert_close(positions.norm(dim=-1), torch.full((1, 64), math.sqrt(192 / 2)))
    distance = (positions[0] - positions[0, 0]).norm(dim=-1)
    assert distance[1] < distance[2] < distance[7]
    assert distance[8] == pytest.approx(float(distance[1]), rel=1e-4)


@pytest.mark.parametrize(
    ("name", "sides"),
    [("resnet18", [32, 32, 16, 8, 4]), ("mobilenetv3_small_100", [32, 16, 8, 4, 2]), ("convnext_atto", [32, 16, 8, 4])],
)
def test_small_pictures_get_a_small_stem(name: str, sides: list[int]) -> None:
    backbone = build(name, size=32).eval()
    assert backbone.settings.stem == "small"
    assert [layer.shape[-1] for layer in backbone.features(pictures(32, 3)).values()] == sides


def test_stem_can_be_overruled() -> None:
    assert build("resnet18", size=32, stem="standard").stride == 32
    assert build("resnet18", size=96).settings.stem == "standard"
    assert build("resnet18", size=96, stem="small").stride == 8
    with pytest.raises(ValueError, match="no small stem"):
        build("pvt_v2_b0", size=64, stem="small")


@pytest.mark.parametrize(
    ("size", "standard", "side"),
    [
        (28, None, 4),
        (32, None, 4),
        (64, None, 8),
        (128, None, 16),
        (224, None, 16),
        (96, 16, 16),
        (64, 16, 8),
        (128, 32, 16),
        (224, 14, 14),
        (32, 16, 4),
    ],
)
def test_patch_side(size: int, standard: int | None, side: int) -> None:
    assert patch_side(size, standard) == side


def test_patch_side_of_an_odd_size_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="multiple of 4, such as 36"):
        patch_side(37)


def test_evenly_spaced() -> None:
    assert evenly_spaced(12, 4) == [2, 5, 8, 11]
    assert evenly_spaced(4, 4) == [0, 1, 2, 3]
    assert evenly_spaced(2, 4) == [0, 1]


def test_unknown_names_and_constants() -> None:
    with pytest.raises(ValueError, match=r"such as .*resnet18"):
        build("resnet81", size=32)
    with pytest.raises(ValueError, match="one value a channel"):
        build("compact_convnet", size=32, channels=1, mean=(0.5, 0.5, 0.5), std=(1.0,))
    with pytest.raises(ValueError, match="above 0"):
        build("compact_convnet", size=32, channels=1, mean=(0.5,), std=(0.0,))
    with pytest.raises(ValueError, match="does not take pictures of 64 px"):
        build("levit_128s", size=64)


def test_available_lists_what_it_says() -> None:
    rows = {row.name: row for row in available()}
    assert {"compact_convnet", "compact_vit", "resnet18"} <= rows.keys()
    for name in ("compact_convnet", "compact_vit", "resnet18", "convnext_atto", "vit_tiny_patch16_224"):
        backbone = build(name, size=64)
        assert rows[name].patches == (backbone.patch is not None)
        assert rows[name].parameters == f"{sum(p.numel() for p in backbone.parameters()) / 1e6:.1f} M"


def test_attention_both_ways_gives_the_same_answer() -> None:
    backbone = build("compact_vit", size=32, attention="plain").eval()
    images = pictures(32, 3)
    plain = backbone.embed(images)
    use_attention(nn.ModuleList([backbone]), "fused")  # found inside other modules too
    assert backbone.settings.attention == "fused"
    torch.testing.assert_close(backbone.embed(images), plain)


def test_plain_attention_is_its_formula() -> None:
    """softmax(Q K^T / sqrt(d)) V, Vaswani et al., 2017, equation 1, head by head."""
    backbone = build("compact_vit", size=32, attention="plain").eval()
    assert isinstance(backbone, TransformerBackbone)
    layer = backbone.model.blocks[0].attn
    x = torch.randn(2, 5, 192, generator=torch.Generator().manual_seed(0))
    query, key, value = F.linear(x, layer.qkv.weight, layer.qkv.bias).chunk(3, dim=-1)
    heads = [slice(n * 64, (n + 1) * 64) for n in range(3)]
    mixed = [torch.softmax(query[..., h] @ key[..., h].mT / 8, dim=-1) @ value[..., h] for h in heads]
    torch.testing.assert_close(layer(x), layer.proj(torch.cat(mixed, dim=-1)))


def test_unused_weights_are_frozen() -> None:
    model = nn.ModuleDict({"used": nn.Linear(2, 2), "unused": nn.Linear(2, 2)})
    freeze_unused(model, model["used"](torch.ones(1, 2)))
    assert [name for name, parameter in model.named_parameters() if parameter.requires_grad] == ["used.weight", "used.bias"]


def test_batchnorm_statistics_do_not_see_the_trial_picture() -> None:
    backbone = build("resnet18", size=32)
    assert isinstance(backbone, TimmBackbone)
    assert backbone.training
    assert all(int(value) == 0 for key, value in backbone.state_dict().items() if key.endswith("num_batches_tracked"))


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "mobilenetv3_small_100", "efficientnet_b0", "compact_convnet"])
@pytest.mark.parametrize("size", [29, 76, 98, 100, 112])
def test_squares_of_the_stride_cover_pictures_of_any_size_as_the_last_map_does(name: str, size: int) -> None:
    """Networks round up (ResNet) or down (ConvNeXt): tasks that hide squares of pixels count on as many as there are positions."""
    backbone = build(name, size=size, channels=1).eval()
    with torch.no_grad():
        tokens = backbone.tokens(pictures(size, 1, rows=1))
    assert tokens.shape[1] == backbone.map_side**2 == math.ceil(size / backbone.stride) ** 2
