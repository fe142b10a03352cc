"""SwAV: its loss as lightly computes it, and the task's traps."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from selfsup.clusters import assigned
from selfsup.train.distributed import World
from selfsup.train.precision import Kernels
from selfsup.train.step import Step
from small_tasks import batch, make, rng, warned


def cosines(rows: int = 24, *, wide: int = 2, near: int = 3, count: int = 10) -> dict[str, Tensor]:
    """Cosines with prototypes of views of two sizes, as `forward` gives them."""
    views = torch.rand(rows, wide + near, count, generator=rng(1)) * 2 - 1
    return {"global": views[:, :wide], "local": views[:, wide:]}


@pytest.mark.parametrize("near", [0, 3])
@pytest.mark.parametrize("iterations", [1, 3])
def test_the_loss_equals_lightly(near: int, iterations: int) -> None:
    peer = pytest.importorskip("lightly.loss.swav_loss")
    output = cosines(near=near)
    given = {side: list(views.unbind(1)) for side, views in output.items()}
    loss = peer.SwaVLoss(temperature=0.2, sinkhorn_iterations=iterations, sinkhorn_epsilon=0.06)
    expected = float(loss(given["global"], given["local"]))
    task = make("swav", temperature=0.2, epsilon=0.06, iterations=iterations)
    assert float(task.loss(output)["assignment"]) == pytest.approx(expected, rel=1e-5)


def test_codes_are_of_global_views_have_no_gradient_and_are_not_told_from_their_own_view() -> None:
    """The gradient by a view's cosines is that of softmax minus the mean code of the other global views, and nothing else."""
    task = make("swav", epsilon=0.04)
    output = {side: views.clone().requires_grad_() for side, views in cosines().items()}
    task.loss(output)["assignment"].backward()
    codes = [assigned(view.detach(), epsilon=0.04, iterations=3) for view in output["global"].unbind(1)]
    pairs = 24 * 2 * 4
    for side, view, others in (("global", 0, codes[1:]), ("global", 1, codes[:1]), ("local", 0, codes), ("local", 2, codes)):
        leaf = output[side]
        assert leaf.grad is not None
        shares = (leaf.detach()[:, view] / 0.1).softmax(1)
        expected = sum((shares - code for code in others), torch.zeros(24, 10)) / 0.1 / pairs
        torch.testing.assert_close(leaf.grad[:, view], expected, atol=1e-6, rtol=1e-4)


def test_rows_that_are_all_alike_are_assigned_to_all_directions_alike() -> None:
    """So that a network that tells nothing apart is asked for the uniform distribution: ln K, and no cheap answer."""
    alike = torch.rand(1, 8, generator=rng(1)).expand(40, 8)
    torch.testing.assert_close(assigned(alike, epsilon=0.05, iterations=3), torch.full((40, 8), 1 / 8))
    task = make("swav", prototypes=8)
    same = {"global": torch.full((40, 2, 8), 0.3), "local": torch.full((40, 4, 8), 0.3)}
    assert float(task.loss(same)["assignment"]) == pytest.approx(task.blind_loss(40)) == pytest.approx(math.log(8))


def test_codes_are_those_of_the_whole_batch() -> None:
    """Of two micro-batches that were assigned one by one, the loss would be another."""
    task, views = make("swav"), {side: part.requires_grad_() for side, part in cosines(8).items()}
    halves = [{side: part[rows] for side, part in views.items()} for rows in (slice(4), slice(4, 8))]
    step = Step(task, dict, Kernels(), World(), torch.device("cpu"))  # its views are what forward gives
    together, parts = step.gradients([views])[0]["assignment"], step.gradients(halves)[0]["assignment"]
    assert float(parts) == pytest.approx(float(together), rel=1e-5)
    alone = torch.stack([task.loss(half)["assignment"].detach() for half in halves]).mean()
    assert abs(float(alone) - float(together)) > 1e-2


def test_views_of_two_sizes_give_cosines() -> None:
    task = make("swav", size=32, prototypes=7, local_views=3)
    views = task.views(batch(), rng())
    assert {side: tuple(view.shape) for side, view in views.items()} == {"global": (6, 2, 3, 32, 32), "local": (6, 3, 3, 16, 16)}
    output = task(views)
    assert {side: tuple(part.shape) for side, part in output.items()} == {"global": (6, 2, 7), "local": (6, 3, 7)}
    with pytest.raises(ValueError, match="prototypes is 1"):
        make("swav", prototypes=1)


SHORT: dict[str, Any] = {"task": "swav", "pictures": 600, "size": 8, "steps": 60, "batch_size": 64, "learning_rate": 5e-3}
FEW = {"flip": 0, "prototypes": 32, "dimensions": 16}


def test_it_is_told_when_directions_need_not_be_used_alike(tmp_path: Path) -> None:
    assert "collapse" in warned(tmp_path / "off", options={**FEW, "iterations": 0, "epsilon": 0.1}, **SHORT)


def test_of_a_healthy_run_nothing_is_told(tmp_path: Path) -> None:
    assert warned(tmp_path / "on", options=FEW, **SHORT) == []
