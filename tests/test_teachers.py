"""Slow teachers: how they follow, and how slowly."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from selfsup.backbones import build
from selfsup.pretext import Pretext
from selfsup.teachers import Teacher, momentum_at


class Student(Pretext):
    """A task with a head and a teacher of both."""

    def __init__(self) -> None:
        super().__init__(build("compact_convnet", size=16))
        self.projector = nn.Linear(self.backbone.width, 4)
        self.teacher = Teacher(self, "backbone", "projector")


def test_a_teacher_starts_as_its_student_shares_nothing_with_it_and_is_not_trained() -> None:
    torch.manual_seed(0)
    task = Student().eval()
    image = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(task.teacher.projector(task.teacher.backbone.embed(image)), task.projector(task.backbone.embed(image)))
    shared = {id(weight) for weight in task.teacher.parameters()} & {
        id(weight) for part in (task.backbone, task.projector) for weight in part.parameters()
    }
    assert not shared
    assert not any(weight.requires_grad for weight in task.teacher.parameters())
    trained = {id(weight) for group in task.parameter_groups() for weight in group["params"]}
    assert not trained & {id(weight) for weight in task.teacher.parameters()}


def test_it_follows_by_the_share_that_momentum_leaves() -> None:
    torch.manual_seed(0)
    task = Student()
    before = {name: weight.clone() for name, weight in task.teacher.named_parameters()}
    with torch.no_grad():
        for weight in task.parameters():
            if weight.requires_grad:
                weight.add_(1.0)
    task.teacher.follow(task, 0.9)
    for name, weight in task.teacher.named_parameters():
        torch.testing.assert_close(weight, before[name] + 0.1)
    task.teacher.follow(task, 0.0)
    torch.testing.assert_close(task.teacher.projector.weight, task.projector.weight)


def test_statistics_of_batch_norm_are_its_own() -> None:
    task = Student().train()
    task.backbone.embed(torch.rand(4, 3, 16, 16))
    task.teacher.follow(task, 0.0)
    assert all(not bool(buffer) for name, buffer in task.teacher.named_buffers() if name.endswith("num_batches_tracked"))


@pytest.mark.parametrize(("steps", "first"), [(260, 1 - 1 / 13), (20, 0.0), (5, 0.0), (10**6, 0.996)])
def test_a_short_run_has_a_quick_teacher(steps: int, first: float) -> None:
    assert momentum_at(torch.tensor(0.0), torch.tensor(float(steps)), start=None) == pytest.approx(first)


def test_momentum_rises_to_one_along_a_cosine() -> None:
    steps = torch.tensor(1000.0)
    assert momentum_at(torch.tensor(0.0), steps, start=0.99) == pytest.approx(0.99)
    assert momentum_at(torch.tensor(0.25), steps, start=0.99) == pytest.approx(1 - 0.01 * (1 + math.sqrt(0.5)) / 2)
    assert momentum_at(torch.tensor(0.5), steps, start=0.99) == pytest.approx(0.995)
    assert momentum_at(torch.tensor(1.0), steps, start=0.99) == pytest.approx(1.0)
