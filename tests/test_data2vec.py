"""data2vec: what is told, from what, and by whom."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from selfsup.tasks.data2vec import Data2Vec
from selfsup.views import nearest_patches, patch_mask
from small_tasks import batch, make, rng


def data2vec(backbone: str = "compact_convnet", size: int = 32, **options: Any) -> Data2Vec:
    task = make("data2vec", size, backbone=backbone, **options)
    assert isinstance(task, Data2Vec)
    return task


def test_loss_by_hand() -> None:
    """Two pictures of two places: these lose their means 2 and 5, values become -1, 1, -3, 3, and the root of 5 their unit."""
    output = {
        "teacher": torch.tensor([[[[1.0], [2.0]]], [[[3.0], [8.0]]]]),
        "predicted": torch.zeros(2, 1, 1),
        "hidden": torch.tensor([[0], [1]]),
    }
    assert data2vec().loss(output)["prediction"].item() == pytest.approx((1 / 5 + 9 / 5) / 2, abs=1e-4)


@pytest.mark.parametrize("backbone", ["compact_vit", "compact_convnet", "resnet18"])
def test_loss_place_by_place_in_numpy(backbone: str) -> None:
    task = data2vec(backbone, normalise="token").eval()
    views = task.views(batch(4, side=32), rng())
    output = task(views)
    tokens = task.teacher.backbone.tokens(views["image"]).detach().double().numpy()
    errors = []
    for row in range(4):
        for at, place in enumerate(views["hidden"][row].tolist()):
            features = tokens[row, place]
            target = (features - features.mean()) / np.sqrt(features.var() + 1e-5)
            errors.append(np.square(output["predicted"][row, at].detach().double().numpy() - target).mean())
    assert task.loss(output)["prediction"].item() == pytest.approx(np.mean(errors), abs=1e-5)


@pytest.mark.parametrize("backbone", ["compact_vit", "compact_convnet"])
def test_the_network_sees_no_hidden_pixel_and_its_teacher_all(backbone: str) -> None:
    task = data2vec(backbone).eval()
    views = task.views(batch(4, side=32), rng())
    hidden = patch_mask(views["hidden"], shape=(32, 32), patch=task.backbone.stride)
    noise = torch.rand(views["image"].shape, generator=rng(9))
    one, changed = task(views), task(views | {"image": torch.where(hidden, noise, views["image"])})
    assert torch.equal(one["predicted"], changed["predicted"])
    assert not torch.allclose(one["teacher"], changed["teacher"])


def test_targets_have_lost_what_a_place_tells_by_itself() -> None:
    """Adding a vector to a place, or stretching a dimension, changes nothing; each place has the mean 0, each dimension the variance 1."""
    task, tokens = data2vec(), torch.randn(8, 5, 3, generator=rng())
    found = task.standardised(tokens)
    torch.testing.assert_close(found.mean(dim=0), torch.zeros(5, 3), atol=1e-6, rtol=0.0)
    torch.testing.assert_close(found.square().mean(dim=(0, 1)), torch.ones(3), atol=1e-4, rtol=0.0)
    changed = tokens * torch.tensor([1.0, 20.0, 0.5]) + torch.randn(5, 3, generator=rng(1))
    torch.testing.assert_close(task.standardised(changed), found, atol=1e-4, rtol=0.0)
    assert torch.isfinite(task.standardised(torch.ones(8, 5, 3))).all(), "a dimension that says nothing"


def test_papers_targets_are_standardised_token_by_token() -> None:
    task, tokens = data2vec(normalise="token"), torch.randn(8, 5, 16, generator=rng()) * 3 + 1
    one = task.standardised(tokens[:1])
    torch.testing.assert_close(one, task.standardised(tokens)[:1])
    torch.testing.assert_close(one.mean(dim=-1), torch.zeros(1, 5), atol=1e-5, rtol=0.0)
    torch.testing.assert_close(one.var(dim=-1, unbiased=False), torch.ones(1, 5), atol=1e-3, rtol=0.0)


def test_layers_are_standardised_before_their_mean() -> None:
    """A layer stretched a thousandfold is told no more than before."""
    task = data2vec("compact_vit", layers=2)
    output = task(task.views(batch(6, side=32), rng()))
    assert output["teacher"].shape[1] == 2
    stretched = output["teacher"] * torch.tensor([1000.0, 1.0]).view(1, 2, 1, 1)
    torch.testing.assert_close(task.target(output), task.target(output | {"teacher": stretched}), atol=1e-2, rtol=0.0)


def test_a_convnet_tells_the_layers_that_have_its_last_size() -> None:
    assert data2vec("resnet18", layers=6).told(torch.rand(2, 3, 32, 32)).shape[1] == 1


def test_teachers_have_no_gradients_and_heads_may_be_linear() -> None:
    task = data2vec(width=0)
    assert isinstance(task.predictor, torch.nn.Linear)
    output = task(task.views(batch(side=32), rng()))
    assert not output["teacher"].requires_grad
    torch.autograd.backward(task.loss(output)["prediction"])
    assert all(weight.grad is None for weight in task.teacher.parameters())
    assert all(weight.grad is not None for weight in task.predictor.parameters())


def test_options_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="a share between 0 and 1"):
        data2vec(hidden=1.0)
    with pytest.raises(ValueError, match="expected one of place, token"):
        data2vec(normalise="batch")


def test_what_is_shown_is_kept_where_it_was_seen_and_answered_where_not() -> None:
    task = data2vec(size=28).eval()
    with torch.no_grad():
        shown = task.show(batch(4, side=28), rng())
    seen = shown["hidden"] != 0.5
    torch.testing.assert_close(shown["answered"][seen], shown["original"][seen])
    assert not torch.equal(shown["answered"][~seen], shown["original"][~seen])


def test_answers_are_the_patches_that_come_nearest_in_other_pictures() -> None:
    features = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[3.0, 0.1], [-1.0, 0.0]]])
    cut = torch.arange(4.0).reshape(2, 2, 1)
    predicted = torch.tensor([[[2.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 5.0]]])
    assert nearest_patches(predicted, features, cut)[:, :, 0].tolist() == [[2, 2], [0, 1]]
    assert nearest_patches(predicted[:1], features[:1], cut[:1])[:, :, 0].tolist() == [[0, 1]], "alone, from its own"


def test_the_teacher_remembers_as_many_steps_as_the_run_has() -> None:
    task = data2vec()
    task.steps.fill_(20.0)
    before = {name: weight.clone() for name, weight in task.teacher.backbone.named_parameters()}
    with torch.no_grad():
        for weight in task.backbone.parameters():
            weight.add_(1.0)
    task.after_step({})
    for name, weight in task.teacher.backbone.named_parameters():
        torch.testing.assert_close(weight, before[name] + 1 / 20, atol=1e-5, rtol=0.0)
