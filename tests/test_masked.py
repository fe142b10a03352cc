"""Tasks that hide patches: the masked autoencoder on ViTs and ConvNets, and SimMIM."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from selfsup.tasks.mae import MapDecoder, MaskedAutoencoder
from selfsup.tasks.simmim import SimMIM
from selfsup.views import patch_mask, patches, unpatched, whole_units
from small_tasks import batch, make, rng

# Masked autoencoder ---------------------------------------------------------------------------------------------------------------


def masked(backbone: str = "compact_vit", size: int = 32, **options: Any) -> MaskedAutoencoder:
    task = make("mae", size, backbone=backbone, **options)
    assert isinstance(task, MaskedAutoencoder)
    return task


def test_patches_go_back() -> None:
    image = torch.rand(2, 3, 12, 12, generator=rng())
    assert torch.equal(unpatched(patches(image, 4), 4, 3), image)


def test_masked_loss_equals_transformers() -> None:
    """Same patches, same targets, same mean over hidden patches as `ViTMAEForPreTraining`, from what it predicted and hid itself."""
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTMAEConfig(
        image_size=16, patch_size=4, hidden_size=12, num_hidden_layers=1, num_attention_heads=2, intermediate_size=12,
        decoder_hidden_size=12, decoder_num_hidden_layers=1, decoder_num_attention_heads=2, decoder_intermediate_size=12,
        norm_pix_loss=True,
    )  # fmt: skip
    image = torch.rand(3, 3, 16, 16, generator=rng())
    peer = transformers.ViTMAEForPreTraining(config)(image, noise=torch.rand(3, 16, generator=rng(4)))
    hidden = peer.mask.nonzero()[:, 1].reshape(3, 12)[:, :, None].expand(-1, -1, 48)
    output = {"prediction": peer.logits.gather(1, hidden).detach(), "target": patches(image, 4).gather(1, hidden)}
    assert make("mae", size=16).loss(output)["reconstruction"].item() == pytest.approx(peer.loss.item(), abs=1e-5)


@pytest.mark.parametrize(("backbone", "share"), [("compact_vit", 0.75), ("compact_convnet", 0.6)])
def test_masks_differ_between_pictures_and_hide_the_share_asked_for(backbone: str, share: float) -> None:
    task = masked(backbone)
    views = task.views(batch(32, side=32), rng())
    total = task.side**2
    assert views["hidden"].shape[1] == round(share * total)
    assert len({tuple(row.tolist()) for row in views["hidden"]}) > 25
    for kept, hidden in zip(views["kept"], views["hidden"], strict=True):
        assert sorted(kept.tolist() + hidden.tolist()) == list(range(total))


@pytest.mark.parametrize("backbone", ["compact_vit", "compact_convnet", "resnet18"])
def test_hidden_pixels_do_not_reach_the_prediction(backbone: str) -> None:
    task = masked(backbone)
    task.eval()
    views = task.views(batch(4, side=32), rng())
    grid = torch.zeros(4, task.side**2).scatter(1, views["hidden"], 1.0).reshape(4, 1, task.side, task.side)
    noise = F.interpolate(grid, scale_factor=task.patch) * torch.rand(views["image"].shape, generator=rng(9))
    changed = views | {"image": (views["image"] + noise) / 2}
    kept_only = views | {"image": torch.where(F.interpolate(grid, scale_factor=task.patch) > 0, noise, views["image"])}
    assert torch.equal(task(views)["prediction"], task(kept_only)["prediction"])
    assert not torch.equal(task(views)["prediction"], task(changed)["prediction"])


def test_a_convnet_sees_the_mean_colour_in_squares_of_its_stride() -> None:
    task = masked("compact_convnet", 32)
    assert isinstance(task.decoder, MapDecoder)
    assert task.patch == task.backbone.stride == 8
    seen = []
    original = task.backbone.normalise
    task.backbone.normalise = lambda images: seen.append(original(images)) or seen[-1]  # type: ignore[method-assign, func-returns-value]
    views = task.views(batch(side=32), rng())
    task(views)
    mask = patch_mask(views["hidden"], shape=(32, 32), patch=8).expand(-1, 3, -1, -1)
    assert (seen[0][mask] == 0).all()
    torch.testing.assert_close(seen[0][~mask], original(views["image"])[~mask])


def test_masked_loss_on_a_convnet_square_by_square() -> None:
    """At 28 px, which squares of 8 px do not divide: the fourth of a row has 4 px, and its edge is repeated."""
    task = masked("compact_convnet", 28, normalise=False)
    views = task.views(batch(2, side=28), rng())
    output = task(views)
    rebuilt = task.decoder(task.backbone, views["image"], views["hidden"])
    errors = []
    for row in range(2):
        for square in views["hidden"][row].tolist():
            top, left = square // 4 * 8, square % 4 * 8
            for y in range(top, top + 8):
                for x in range(left, left + 8):
                    errors.append((rebuilt - views["image"])[row, :, min(y, 27), min(x, 27)].square().mean().item())
    assert len(errors) == 2 * 10 * 64
    assert task.loss(output)["reconstruction"].item() == pytest.approx(sum(errors) / len(errors), rel=1e-4)


def test_pictures_are_made_up_to_whole_units() -> None:
    image = torch.arange(9.0).reshape(1, 1, 3, 3)
    assert whole_units(image, 2)[0, 0].tolist() == [[0, 1, 2, 2], [3, 4, 5, 5], [6, 7, 8, 8], [6, 7, 8, 8]]
    assert whole_units(image, 3) is image


def test_squares_must_fit_the_backbone() -> None:
    with pytest.raises(ValueError, match="less than the stride"):
        masked("compact_convnet", unit=4)
    with pytest.raises(ValueError, match="leave unit out"):
        masked("compact_vit", unit=8)
    assert masked("compact_convnet", unit=16).side == 2


@pytest.mark.parametrize("size", [28, 96])
@pytest.mark.parametrize("backbone", ["compact_vit", "compact_convnet"])
@pytest.mark.parametrize("name", ["mae", "simmim"])
def test_only_hidden_patches_are_shown_rebuilt(name: str, backbone: str, size: int) -> None:
    task = make(name, size, 1, backbone).eval()
    shown = task.show(batch(2, 1, size), rng())
    assert all(picture.shape == (2, 1, size, size) for picture in shown.values())
    visible = shown["masked"] != 0.5
    assert 0.1 < visible.float().mean() < 0.6
    torch.testing.assert_close(shown["rebuilt"][visible], shown["original"][visible])


# SimMIM ---------------------------------------------------------------------------------------------------------------------------


def simmim(size: int = 16, backbone: str = "compact_vit", **options: Any) -> SimMIM:
    task = make("simmim", size, backbone=backbone, **options)
    assert isinstance(task, SimMIM)
    return task


def test_simmim_loss_equals_transformers() -> None:
    """Same masks, same L1 over masked pixels as `ViTForMaskedImageModeling`, from what it predicted itself."""
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        image_size=32, patch_size=8, encoder_stride=8, hidden_size=12, num_hidden_layers=1, num_attention_heads=2, intermediate_size=12,
    )  # fmt: skip
    torch.manual_seed(0)
    peer = transformers.ViTForMaskedImageModeling(config)
    task = simmim(32, hidden=0.5, unit=8)
    views = task.views(batch(side=32), rng())
    target = task.backbone.normalise(views["image"])
    chosen = torch.zeros(6, 16, dtype=torch.bool).scatter(1, views["hidden"], True)
    theirs = peer(target, bool_masked_pos=chosen)
    output = {"prediction": theirs.reconstruction.detach(), "target": target, "mask": task(views)["mask"]}
    assert task.loss(output)["reconstruction"].item() == pytest.approx(theirs.loss.item(), abs=1e-5)


def test_simmim_head_equals_transformers() -> None:
    """One 1x1 convolution and a pixel shuffle: the same weights over the same map paint the same picture."""
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        image_size=32, patch_size=4, encoder_stride=4, hidden_size=192, num_hidden_layers=1, num_attention_heads=2
    )
    peer = transformers.ViTForMaskedImageModeling(config)
    task = simmim(32).eval()
    peer.decoder[0].load_state_dict(task.predict.state_dict())
    views = task.views(batch(side=32), rng())
    output = task(views)
    last = task.backbone.features(task.masked(views["image"], output["mask"], task.backbone))[task.backbone.layers[-1]]
    torch.testing.assert_close(output["prediction"], peer.decoder(last))


def test_a_learned_square_is_a_learned_token_to_a_vit() -> None:
    """All masked patches enter the first block as one and the same token, apart from their positions, and it is trained."""
    task = simmim(32).eval()
    views = task.views(batch(side=32), rng())
    masked = task.masked(views["image"], patch_mask(views["hidden"], shape=(32, 32), patch=task.unit), task.backbone)
    normalised = task.backbone.normalise(masked)
    torch.testing.assert_close(
        normalised[:, :, :4, :4][views["hidden"][:, 0] == 0], task.masked.token.expand(int((views["hidden"][:, 0] == 0).sum()), -1, -1, -1)
    )
    tokens = task.backbone.projected(normalised, None)  # type: ignore[operator]
    alike = tokens.gather(1, views["hidden"][:, :, None].expand(-1, -1, tokens.shape[2]))
    torch.testing.assert_close(alike, alike[:1, :1].expand_as(alike), atol=1e-5, rtol=0.0)
    task.loss(task(views))["reconstruction"].backward()  # type: ignore[no-untyped-call]
    assert task.masked.token.grad is not None
    assert task.masked.token.grad.abs().sum() > 0


@pytest.mark.parametrize(("backbone", "size"), [("compact_vit", 32), ("compact_convnet", 32), ("compact_convnet", 28), ("resnet18", 32)])
def test_masked_pixels_do_not_reach_simmim(backbone: str, size: int) -> None:
    task = simmim(size, backbone).eval()
    views = task.views(batch(side=size), rng())
    mask = task(views)["mask"]
    noise = torch.rand(views["image"].shape, generator=rng(9))
    output, other = task(views), task(views | {"image": torch.where(mask, noise, views["image"])})
    assert torch.equal(output["prediction"], other["prediction"])
    assert not torch.equal(output["prediction"], task(views | {"image": noise})["prediction"])
    assert output["prediction"].shape == views["image"].shape


@pytest.mark.parametrize(
    ("backbone", "size", "unit"), [("compact_vit", 28, 4), ("compact_convnet", 28, 8), ("vit_tiny_patch16_224", 192, 32)]
)
def test_units_are_about_a_sixth_of_the_picture_and_no_smaller_than_the_stride(backbone: str, size: int, unit: int) -> None:
    assert simmim(size, backbone).unit == unit


@pytest.mark.parametrize("unit", [4, 12])
def test_units_that_do_not_fit(unit: int) -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        simmim(32, "compact_convnet", unit=unit)


def test_simmim_hides_the_share_asked_for_in_each_picture_anew() -> None:
    views = simmim(32, hidden=0.6).views(batch(32, side=32), rng())
    assert views["hidden"].shape == (32, round(0.6 * 64))
    assert len({tuple(row.tolist()) for row in views["hidden"]}) == 32


@pytest.mark.parametrize(("backbone", "size"), [("resnet18", 76), ("convnext_atto", 100), ("resnet18", 29)])
@pytest.mark.parametrize("name", ["simmim", "ibot", "data2vec", "mae"])
def test_pictures_whose_side_no_stride_divides(name: str, backbone: str, size: int) -> None:
    task = make(name, size=size, backbone=backbone)
    terms = task.loss(task(task.views(batch(4, side=size), rng())))
    assert all(torch.isfinite(term) for term in terms.values())
