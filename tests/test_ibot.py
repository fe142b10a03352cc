"""iBOT: its patches and KoLeo against lightly, and the traps of hiding."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from selfsup.tasks.ibot import loneliness
from selfsup.views import patch_mask
from small_tasks import batch, make, rng


def test_the_loss_of_patches_equals_lightly_with_its_centre_over_several_steps() -> None:
    peer = pytest.importorskip("lightly.loss").IBOTPatchLoss(12, teacher_temp=0.04, student_temp=0.1)
    task = make("ibot", outputs=12, centring="mean", teacher_temperature=0.04)
    mask = torch.zeros(5, 3, 3, dtype=torch.bool)
    mask[:, 0, :2] = mask[:, 1, :2] = True
    for step in range(4):
        teacher = torch.randn(5, 4, 12, generator=rng(step)) / 3 + torch.linspace(-1, 1, 12)
        patches = torch.randn(5, 4, 12, generator=rng(10 + step))
        pictures = torch.rand(5, 2, 12, generator=rng(20 + step))
        output = {"global": pictures, "teacher": pictures, "patches": patches, "patch teacher": teacher}
        expected = peer(teacher.flatten(0, 1), patches.flatten(0, 1), mask)
        torch.testing.assert_close(task.loss(output)["patches"], expected, atol=1e-5, rtol=1e-5)
        task.after_step(output)
        torch.testing.assert_close(task.patch_centre, peer.center.center.flatten(), atol=1e-6, rtol=1e-5)


def test_koleo_equals_lightly_and_is_summed_over_views() -> None:
    peer = pytest.importorskip("lightly.loss").KoLeoLoss()
    rows = torch.randn(9, 2, 6, generator=rng())
    for view in range(2):
        torch.testing.assert_close(loneliness(rows[:, view]), peer(rows[:, view]))
    task = make("ibot", koleo=0.1)
    views = task.views(batch(), rng())
    output = task(views) | {"embedded": rows}
    torch.testing.assert_close(task.loss(output)["koleo"], 0.1 * (peer(rows[:, 0]) + peer(rows[:, 1])))
    assert "koleo" not in make("ibot").loss(output)


def test_of_rows_that_are_the_same_koleo_has_a_gradient() -> None:
    rows = torch.ones(4, 3, requires_grad=True)
    loneliness(rows).backward()  # type: ignore[no-untyped-call]
    assert rows.grad is not None
    assert rows.grad.isfinite().all()


def test_pictures_are_told_as_dino_tells_them() -> None:
    task, dino = make("ibot"), make("dino")
    output = task(task.views(batch(), rng()))
    torch.testing.assert_close(task.loss(output)["answers"], dino.loss({name: output[name] for name in ("global", "teacher")})["answers"])


@pytest.mark.parametrize(("backbone", "size"), [("compact_vit", 32), ("compact_convnet", 32), ("compact_convnet", 28), ("resnet18", 32)])
def test_hidden_pixels_reach_the_teacher_only(backbone: str, size: int) -> None:
    task = make("ibot", backbone=backbone, size=size).eval()
    views = task.views(batch(side=size), rng())
    mask = patch_mask(views["hidden"], shape=(size, size), patch=task.backbone.stride)
    first = task(views)
    for shown, same in ((~mask, True), (mask, False)):  # pixels that change: the hidden ones, the visible ones
        other = views["global"].clone()
        other[:, 0] = torch.where(shown, other[:, 0], 1 - other[:, 0])
        second = task(views | {"global": other})
        for name in ("global", "patches", "embedded"):
            assert torch.equal(first[name], second[name]) is same, name
        assert not torch.equal(first["teacher"], second["teacher"])


def test_which_patches_are_hidden_is_drawn_for_each_picture() -> None:
    task = make("ibot", size=32)
    hidden = task.views(batch(16), rng())["hidden"]
    assert hidden.shape == (16, round(0.3 * task.backbone.map_side**2))
    assert len({tuple(row.tolist()) for row in hidden}) > 10
    assert not torch.equal(hidden, task.views(batch(16), rng(1))["hidden"])


def test_blocks_hide_as_many_patches_that_lie_together() -> None:
    def touching(blocks: bool) -> float:
        """Of hidden patches, the share whose right neighbour is hidden, too."""
        task = make("ibot", size=32, backbone="compact_vit", blocks=blocks)
        side = task.backbone.map_side
        hidden = task.views(batch(64), rng())["hidden"]
        assert hidden.shape == (64, round(0.3 * side**2))
        grid = torch.zeros(64, side**2).scatter_(1, hidden, 1.0).view(64, side, side)
        return float((grid[:, :, :-1] * grid[:, :, 1:]).sum() / grid[:, :, :-1].sum())

    assert touching(blocks=False) < 0.4 < 0.6 < touching(blocks=True)


@pytest.mark.parametrize("options", [{}, {"shared_head": False}, {"koleo": 0.1}, {"local_views": 2}])
def test_the_teacher_gets_no_gradient_and_follows_in_all_its_parts(options: dict[str, Any]) -> None:
    task = make("ibot", size=32, **options)
    output = task(task.views(batch(side=32), rng()))
    torch.autograd.backward(sum(task.loss(output).values()))
    assert not output["teacher"].requires_grad
    assert not output["patch teacher"].requires_grad
    assert all(weight.grad is None for weight in task.teacher.parameters())
    parts = ["backbone", "projector", *([] if options.get("shared_head", True) else ["patch_projector"])]
    assert [name for name, _ in task.teacher.named_children()] == parts
    for part in parts:
        assert any(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in task.get_submodule(part).parameters()), part
    assert task.masked.token.grad.abs().sum() > 0


def test_a_single_position_hides_nothing() -> None:
    with pytest.raises(ValueError, match=r"hidden_patches=0.3 of the 1 x 1 positions of 'resnet18' at 8 px"):
        make("ibot", size=8, backbone="resnet18")
    with pytest.raises(ValueError, match="expected a share between 0 and 1"):
        make("ibot", size=32, hidden_patches=1.0)
