"""Tasks that predict a slow teacher's features of what is hidden: I-JEPA."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

from selfsup.backbones import Settings, build_from
from selfsup.pretext import Output, Views
from selfsup.tasks.ijepa import IJEPA, Predictor
from selfsup.train.watch import Watch, embed_sample, embedding_rank, embedding_spread
from selfsup.views import nearest_patches, patch_mask
from small_tasks import batch, make, rng

BACKBONES = ["compact_vit", "compact_convnet", "resnet18"]


def ijepa(backbone: str = "compact_vit", size: int = 32, **options: Any) -> IJEPA:
    task = make("ijepa", size, backbone=backbone, **options)
    assert isinstance(task, IJEPA)
    return task


# I-JEPA ---------------------------------------------------------------------------------------------------------------------------


def test_prediction_loss_by_hand() -> None:
    """Tokens (1, 3) and (4, 0) are (-1, 1) and (1, -1) when standardised. Errors of 1/2 and 2 cost 1/8 and 3/2, and what is not real
    nothing: (1/8 + 3/2)/2 and 0, the mean of both tokens."""
    output = {
        "predicted": torch.tensor([[[[-0.5, -1.0], [1.0, -1.0], [7.0, 7.0]]]]),
        "teacher": torch.tensor([[[1.0, 3.0], [4.0, 0.0]]]),
        "targets": torch.tensor([[[0, 1, 0]]]),
        "real": torch.tensor([[[True, True, False]]]),
    }
    assert ijepa(normalise="token").loss(output)["prediction"].item() == pytest.approx((1 / 8 + 3 / 2) / 2 / 2, abs=1e-4)


def test_prediction_loss_target_by_target() -> None:
    """The mean over all targets of all blocks, each from the teacher's tokens of the whole picture, standardised in numpy's way."""
    task = ijepa(normalise="token").eval()
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
                error = (output["predicted"][row, block, at] - target).abs()
                losses.append(torch.where(error < 1, error**2 / 2, error - 0.5).mean().item())
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
    tokens = task.seen(views["image"], views["context"])
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


@pytest.mark.parametrize("backbone", BACKBONES)
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


def test_targets_have_lost_what_a_place_tells_by_itself() -> None:
    """Adding a vector to a place, or stretching a dimension, changes nothing; each place has the mean 0, each dimension the variance 1."""
    task, tokens = ijepa(), torch.randn(8, 5, 3, generator=rng())
    found = task.standardised(tokens)
    torch.testing.assert_close(found.mean(dim=0), torch.zeros(5, 3), atol=1e-6, rtol=0.0)
    torch.testing.assert_close(found.square().mean(dim=(0, 1)), torch.ones(3), atol=1e-4, rtol=0.0)
    changed = tokens * torch.tensor([1.0, 20.0, 0.5]) + torch.randn(5, 3, generator=rng(1))
    torch.testing.assert_close(task.standardised(changed), found, atol=1e-4, rtol=0.0)
    assert torch.isfinite(task.standardised(torch.ones(8, 5, 3))).all(), "a dimension that says nothing"


def test_papers_targets_are_standardised_token_by_token() -> None:
    task, tokens = ijepa(normalise="token"), torch.randn(8, 5, 16, generator=rng()) * 3 + 1
    one = task.standardised(tokens[:1])
    torch.testing.assert_close(one, task.standardised(tokens)[:1])
    torch.testing.assert_close(one.mean(dim=-1), torch.zeros(1, 5), atol=1e-5, rtol=0.0)
    torch.testing.assert_close(one.var(dim=-1, unbiased=False), torch.ones(1, 5), atol=1e-3, rtol=0.0)
    with pytest.raises(ValueError, match="expected one of place, token"):
        ijepa(normalise="row")


def test_the_teacher_follows_at_the_pace_of_the_run() -> None:
    task = ijepa(momentum=0.9)
    views = task.views(batch(side=32), rng())
    before = {name: weight.clone() for name, weight in task.teacher.backbone.named_parameters()}
    with torch.no_grad():
        for weight in task.backbone.parameters():
            weight.add_(1.0)
    task.progress.fill_(0.5)
    task.after_step(task(views))  # .95 at half of the cosine from .9 to 1
    for name, weight in task.teacher.backbone.named_parameters():
        torch.testing.assert_close(weight, before[name] + 0.05, atol=1e-5, rtol=0.0)
    quick = ijepa()
    quick.steps.fill_(20.0)  # remembers 20 steps
    before = {name: weight.clone() for name, weight in quick.teacher.backbone.named_parameters()}
    with torch.no_grad():
        for weight in quick.backbone.parameters():
            weight.add_(1.0)
    quick.after_step({})
    for name, weight in quick.teacher.backbone.named_parameters():
        torch.testing.assert_close(weight, before[name] + 1 / 20, atol=1e-5, rtol=0.0)


@pytest.mark.parametrize(("backbone", "size", "side"), [("compact_convnet", 16, 4), ("compact_vit", 28, 7), ("compact_vit", 32, 8)])
def test_small_grids_have_something_to_predict(backbone: str, size: int, side: int) -> None:
    task = ijepa(backbone, size)
    assert task.side == side
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


def test_answers_are_the_patches_that_come_nearest_in_other_pictures() -> None:
    features = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[3.0, 0.1], [-1.0, 0.0]]])
    cut = torch.arange(4.0).reshape(2, 2, 1)
    predicted = torch.tensor([[[2.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 5.0]]])
    assert nearest_patches(predicted, features, cut)[:, :, 0].tolist() == [[2, 2], [0, 1]]
    assert nearest_patches(predicted[:1], features[:1], cut[:1])[:, :, 0].tolist() == [[0, 1]], "alone, from its own"


def test_what_is_shown_is_seen_or_asked() -> None:
    task = ijepa(size=28).eval()
    with torch.no_grad():
        shown = task.show(batch(4, side=28), rng())
    seen, asked = shown["context"] != 0.5, shown["targets"] != 0.5
    assert not (seen & asked).any()
    torch.testing.assert_close(shown["answered"][seen], shown["original"][seen])
    assert not torch.equal(shown["answered"][asked], shown["original"][asked])


# Collapse -------------------------------------------------------------------------------------------------------------------------


class Unprotected(IJEPA):
    """The teacher is the student, with gradients: all that has to be done is to make every token the same."""

    def forward(self, views: Views) -> Output:
        return super().forward(views) | {"teacher": self.backbone.tokens(views["image"])}


def warned(task: Any, steps: int, rate: float) -> set[str]:
    """The kinds of warnings that a short training on digits gives."""
    images = torch.from_numpy(load_digits().images[:512] / 16 * 255).to(torch.uint8)[:, None]
    watched = F.interpolate(images[:128] / 255, size=(task.backbone.size,) * 2)
    optimizer = torch.optim.AdamW([weight for weight in task.parameters() if weight.requires_grad], lr=rate)
    watch, found, losses = Watch(), set(), []
    task.steps.fill_(steps)
    for step in range(steps):
        task.progress.fill_(step / steps)
        rows = images[torch.randint(len(images), (32,), generator=rng(step))]
        loss = task.loss(output := task(task.views({"image": rows, "aspect": torch.ones(32)}, rng(step))))["prediction"]
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        task.after_step(output)
        losses.append(loss.item())
        if step % 10 == 0 or step == steps - 1:
            embedded = embed_sample(task.backbone, [watched])
            rank, spread = embedding_rank(embedded), embedding_spread(embedded)
            found |= set(watch.warnings(progress=(step + 1) / steps, loss=losses[-1], rank=rank, spread=spread))
    return found


def made(kind: type[IJEPA], **options: Any) -> IJEPA:
    torch.manual_seed(0)
    return kind(build_from(Settings("compact_vit", 16, channels=1, mean=(0.3,), std=(0.4,), patch=4)), **options)


def test_a_collapse_is_told_and_a_healthy_run_is_not_called_one() -> None:
    """At ten times the rate, so that 60 steps are enough for what takes longer otherwise."""
    assert "collapse" in warned(made(Unprotected, normalise="token"), 60, 10 * IJEPA.learning_rate)
    assert not warned(made(IJEPA), 60, IJEPA.learning_rate)
