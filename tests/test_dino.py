"""DINO: its loss and centre against lightly, and the traps."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from selfsup.clusters import assigned, crossed_entropy
from selfsup.pretraining import pretrain
from selfsup.train.distributed import World
from selfsup.train.precision import Kernels
from selfsup.train.step import Step
from small_tasks import batch, make, rng


def test_dino_equals_lightly_with_its_centre_over_several_steps() -> None:
    peer = pytest.importorskip("lightly.loss").DINOLoss(12, warmup_teacher_temp=0.04, teacher_temp=0.07, student_temp=0.1)
    task = make("dino", outputs=12, centring="mean", teacher_temperature=0.07)
    for step in range(4):
        teacher = torch.randn(5, 2, 12, generator=rng(step)) / 3 + torch.linspace(-1, 1, 12)
        scores = torch.randn(5, 4, 12, generator=rng(10 + step))
        task.progress.fill_(step / 10)
        expected = peer(list(teacher.unbind(1)), list(scores.unbind(1)), teacher_temp=0.04 + 0.03 * step / 3)
        output = {"global": scores[:, :2], "local": scores[:, 2:], "teacher": teacher}
        torch.testing.assert_close(task.loss(output)["answers"], expected, atol=1e-5, rtol=1e-5)
        task.after_step(output)
        torch.testing.assert_close(task.centre, peer.center.flatten(), atol=1e-6, rtol=1e-5)


def test_with_sinkhorn_the_answers_of_each_view_are_made_even() -> None:
    task = make("dino", outputs=5, first_temperature=0.06)
    answers = torch.rand(9, 2, 5, generator=rng(1))
    scores = torch.rand(9, 2, 5, generator=rng(2))
    targets = torch.stack([assigned(answers[:, view], epsilon=0.06, iterations=3) for view in range(2)], dim=1)
    loss = task.loss({"global": scores, "teacher": answers})["answers"]
    torch.testing.assert_close(loss, crossed_entropy(targets, scores, 0.1))


def test_the_teacher_gets_no_gradient_and_sees_the_large_views_only() -> None:
    task = make("dino", local_views=4)
    views = task.views(batch(), rng())
    output = task(views)
    assert not output["teacher"].requires_grad
    torch.autograd.backward(task.loss(output)["answers"])
    assert all(weight.grad is None for weight in task.teacher.parameters())
    other = task({"global": views["global"], "local": 1 - views["local"]})
    torch.testing.assert_close(other["teacher"], output["teacher"])
    assert not torch.allclose(other["local"], output["local"])
    assert output["local"].shape == (6, 4, 128)
    assert output["teacher"].shape == output["global"].shape == (6, 2, 128)


def test_views_have_the_sizes_asked_for() -> None:
    views = make("dino", size=32, local_views=3, local_side=12).views(batch(side=40), rng())
    assert views["global"].shape == (6, 2, 3, 32, 32)
    assert views["local"].shape == (6, 3, 3, 12, 12)
    assert set(make("dino", local_views=0).views(batch(), rng())) == {"global"}


def test_the_teachers_temperature_rises_and_then_stays() -> None:
    task = make("dino", outputs=3, warm_up=0.5, teacher_temperature=0.07, centring="mean")
    answers = torch.tensor([[0.1, 0.0, -0.1]])
    for progress, temperature in ((0.0, 0.04), (0.25, 0.055), (0.5, 0.07), (1.0, 0.07)):
        task.progress.fill_(progress)
        torch.testing.assert_close(task.spread(answers, task.centre), (answers / temperature).softmax(-1))
    at_once = make("dino", outputs=3, warm_up=0, teacher_temperature=0.07, centring="mean")
    torch.testing.assert_close(at_once.spread(answers, at_once.centre), (answers / 0.07).softmax(-1))


def test_the_centre_is_that_of_all_micro_batches() -> None:
    task = make("dino", backbone="compact_vit", normalise=False)
    views = task.views(batch(8), rng())
    step = Step(task, task, Kernels(), World(), torch.device("cpu"))
    _, whole = step.gradients([views])
    _, parts = step.gradients([{name: view[start : start + 4] for name, view in views.items()} for start in (0, 4)])
    torch.testing.assert_close(parts["teacher"], whole["teacher"])
    task.after_step(parts)
    torch.testing.assert_close(task.centre, 0.1 * whole["teacher"].mean((0, 1)), atol=1e-7, rtol=1e-4)


def test_a_teacher_that_gives_all_answers_to_each_picture_is_blind() -> None:
    task = make("dino", outputs=8)
    same = {name: torch.full((20, 2, 8), 0.3) for name in ("global", "teacher")}
    assert float(task.loss(same)["answers"]) == pytest.approx(task.blind_loss(20)) == pytest.approx(math.log(8))


def told(folder: Path, task: str, **options: Any) -> set[str]:
    """What the log warns of in a short run on digits."""
    images: np.ndarray[Any, Any] = load_digits().images[:600] / 16.0
    run = pretrain(
        images, task=task, size=8, steps=80, batch_size=64, out=folder, precision="fp32", options={"flip": 0, "turn": 10, **options},
        learning_rate=2e-3,
    )  # fmt: skip
    return {entry["kind"] for line in run.metrics_file.read_text().splitlines() if "kind" in (entry := json.loads(line))}


@pytest.mark.parametrize("task", ["dino", "ibot"])
def test_of_a_healthy_run_nothing_is_told(tmp_path: Path, task: str) -> None:
    assert told(tmp_path, task) == set()


@pytest.mark.parametrize("task", ["dino", "ibot"])
def test_without_anything_that_spreads_answers_the_log_tells_the_collapse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    """The paper's head, since BatchNorm is another way to keep answers apart, and a centre that stays at 0."""
    monkeypatch.setattr("selfsup.tasks.dino.CENTRE", 1.0)
    assert told(tmp_path, task, normalise=False, centring="mean", warm_up=0) & {"collapse", "blind"}
