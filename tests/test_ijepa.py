"""I-JEPA: what is seen, what is told of it, by whom, and what becomes of it without a teacher that stands still."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from selfsup.tasks.ijepa import IJEPA, Predictor
from selfsup.views import patch_mask
from small_tasks import batch, make, rng


def ijepa(backbone: str = "compact_vit", size: int = 32, **options: Any) -> IJEPA:
    task = make("ijepa", size, backbone=backbone, **options)
    assert isinstance(task, IJEPA)
    return task


def test_prediction_loss_by_hand() -> None:
    """Tokens (1, 3) and (4, 0) are (-1, 1) and (1, -1) when standardised. Errors of 1/2 and 2 cost 1/4 and 4, and what is not real
    nothing: (1/4 + 4)/2 and 0, the mean of both tokens."""
    output = {
        "predicted": torch.tensor([[[[-0.5, -1.0], [1.0, -1.0], [7.0, 7.0]]]]),
        "teacher": torch.tensor([[[[1.0, 3.0], [4.0, 0.0]]]]),
        "targets": torch.tensor([[[0, 1, 0]]]),
        "real": torch.tensor([[[True, True, False]]]),
    }
    assert ijepa(normalise="token").loss(output)["prediction"].item() == pytest.approx((1 / 4 + 4) / 2 / 2, abs=1e-4)


def test_prediction_loss_target_by_target() -> None:
    """The mean over all targets of all blocks, each from the teacher's tokens of the whole picture, standardised in numpy's way."""
    task = ijepa(layers=1, normalise="token").eval()
    views = task.views(batch(side=32), rng())
    output = task(views)
    tokens = task.teacher.backbone.tokens(views["image"]).detach().double().numpy()
    losses = []
    for row in range(6):
        for block in range(4):
            for place in views["targets"][row, block][views["real"][row, block]].tolist():
                features = tokens[row, place]
                target = torch.tensor((features - features.mean()) / (features.var() + 1e-5) ** 0.5)
                at = (views["targets"][row, block] == place).nonzero()[0, 0]
                losses.append((output["predicted"][row, block, at] - target).square().mean().item())
    assert len(losses) == int(views["real"].sum())
    assert task.loss(output)["prediction"].item() == pytest.approx(sum(losses) / len(losses), abs=1e-5)


def test_a_predictor_equals_lightlys() -> None:
    """One block, all of it real: the same weights give the same features."""
    modules = pytest.importorskip("lightly.models.modules.ijepa_timm")
    torch.manual_seed(0)
    ours = Predictor(24, 4, width=16, depth=2, heads=2)
    theirs = modules.IJEPAPredictorTIMM(num_patches=16, depth=2, mlp_dim=24, predictor_embed_dim=16, num_heads=2)
    theirs.predictor_embed.load_state_dict(ours.narrow.state_dict())
    theirs.predictor_proj.load_state_dict(ours.widen.state_dict())
    for theirs_block, block in zip([*theirs.decoder.blocks, theirs.decoder.norm], ours.transformer, strict=True):
        theirs_block.load_state_dict(block.state_dict())
    theirs.decoder.mask_token.data.copy_(ours.asked)
    theirs.decoder.pos_embed.data.copy_(ours.position[None])  # theirs counts columns first
    tokens, context = torch.randn(3, 5, 24, generator=rng()), torch.stack([torch.randperm(16, generator=rng(row))[:9] for row in range(3)])
    seen, asked = context[:, :5], context[:, 5:]
    found = ours(tokens, seen, asked[:, None], torch.ones(3, 1, 4, dtype=torch.bool))
    torch.testing.assert_close(found[:, 0], theirs(tokens.clone(), seen, asked), atol=1e-5, rtol=0.0)


def test_a_block_is_predicted_alone_whatever_is_asked_beside_it_and_however_long_others_are() -> None:
    task = ijepa().eval()
    views = task.views(batch(3, side=32), rng())
    tokens = task.backbone.tokens(views["image"], views["context"])
    together = task.predictor(tokens, views["context"], views["targets"], views["real"])
    for row in range(3):
        for block in range(4):
            real = views["real"][row, block]
            alone = task.predictor(
                tokens[row : row + 1],
                views["context"][row : row + 1],
                views["targets"][row, block][real][None, None],
                real[real][None, None],
            )
            torch.testing.assert_close(together[row, block][real], alone[0, 0], atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("backbone", ["compact_vit", "vit_tiny_patch16_224"])
def test_the_network_sees_the_context_and_its_teacher_the_whole_picture(backbone: str) -> None:
    task = ijepa(backbone).eval()
    views = task.views(batch(4, side=32), rng())
    context = patch_mask(views["context"], shape=(32, 32), patch=task.backbone.stride)
    noise = torch.rand(views["image"].shape, generator=rng(9))
    one, hidden_changed = task(views), task(views | {"image": torch.where(context, views["image"], noise)})
    seen_changed = task(views | {"image": torch.where(context, noise, views["image"])})
    assert torch.equal(one["predicted"], hidden_changed["predicted"])
    assert not torch.equal(one["predicted"], seen_changed["predicted"])
    assert not torch.allclose(one["teacher"], hidden_changed["teacher"])
    assert not torch.allclose(one["teacher"], seen_changed["teacher"]), "what surrounds a target is in it: the teacher saw all"


def test_nobody_trains_the_teacher() -> None:
    task = ijepa()
    output = task(task.views(batch(side=32), rng()))
    assert not output["teacher"].requires_grad
    torch.autograd.backward(task.loss(output)["prediction"])
    assert all(weight.grad is None for weight in task.teacher.parameters())


@pytest.mark.parametrize(("size", "side"), [(16, 8), (28, 7), (32, 8)])
def test_small_grids_have_something_to_predict(size: int, side: int) -> None:
    task = ijepa(size=size)
    assert task.backbone.map_side == side
    views = task.views(batch(16), rng())
    assert (views["real"].sum(dim=2) > 0).all()
    assert torch.isfinite(task.loss(task(views))["prediction"])


def test_options_and_grids_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="the smallest first"):
        ijepa(smallest=0.3)
    with pytest.raises(ValueError, match="at least one block"):
        ijepa(blocks=0)
    with pytest.raises(ValueError, match="a grid of 8x8 patches is more than target blocks"):
        ijepa(visible=0.9)
    with pytest.raises(ValueError, match=r"a ConvNet such as 'resnet18' cannot: take compact_vit"):
        ijepa("resnet18")


def test_all_layers_of_the_teacher_are_told_unless_fewer_are_asked_for() -> None:
    """Each is standardised before their mean, so that none is told more than another; the paper's is the last."""
    task, image = ijepa().eval(), batch(5, side=32)["image"] / 255
    layers = [found.flatten(2).mT for found in task.teacher.backbone.features(image).values()]
    target = task.target({"teacher": task.told(image)})
    torch.testing.assert_close(target, sum(task.standardised(layer) for layer in layers) / 4)
    last = ijepa(layers=1).eval()
    torch.testing.assert_close(last.target({"teacher": last.told(image)}), last.standardised(layers[-1]))


def test_what_is_shown_is_seen_or_asked() -> None:
    task = ijepa(size=28).eval()
    with torch.no_grad():
        shown = task.show(batch(4, side=28), rng())
    seen, asked = shown["context"] != 0.5, shown["targets"] != 0.5
    assert not (seen & asked).any()
    torch.testing.assert_close(shown["answered"][seen], shown["original"][seen])
    assert not torch.equal(shown["answered"][asked], shown["original"][asked])
