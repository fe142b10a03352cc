"""The contract every task in the table keeps, and the independent checks of each loss."""

from __future__ import annotations

import math

import pytest
import torch

from selfsup.contract.trials import check_class
from selfsup.pretext import Pretext
from selfsup.tasks import TASKS, find_task
from selfsup.tasks.ibot import IBOT
from selfsup.tasks.simclr import contrast
from small_tasks import PICTURE_TASKS, batch, make, rng


@pytest.fixture(params=PICTURE_TASKS)
def task(request: pytest.FixtureRequest) -> Pretext:
    made: Pretext = make(request.param)
    return made


@pytest.mark.parametrize("name", sorted(TASKS))
def test_a_task_keeps_the_contract(name: str) -> None:
    """The same check as of a user's own task: colour and grey, several sizes, an odd number of rows, each kind of backbone that fits."""
    checked = check_class(find_task(name), name)
    assert checked.findings == ()
    assert checked.reached == set(checked.places)


def test_views_differ_with_the_generator(task: Pretext) -> None:
    one, other = task.views(batch(), rng(1)), task.views(batch(), rng(2))
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_tasks_work_on_a_vit_and_on_a_resnet(task: Pretext) -> None:
    """I-JEPA computes nothing but a part of the patches, and says which backbones can."""
    name = next(name for name in PICTURE_TASKS if isinstance(task, find_task(name)))
    if name == "ijepa":
        with pytest.raises(ValueError, match="take compact_vit, or any plain ViT"):
            make(name, size=32, backbone="resnet18")
    for backbone in ("compact_vit",) if name == "ijepa" else ("compact_vit", "resnet18"):
        made = make(name, size=32, backbone=backbone)
        assert torch.isfinite(torch.stack(list(made.loss(made(made.views(batch(), rng()))).values()))).all()


def test_tasks_that_hide_or_spoil_show_pictures(task: Pretext) -> None:
    with torch.no_grad():
        made = task.eval().show(batch(), rng())
    assert bool(made) == (task.kind in ("generative", "puzzle", "latent prediction") or isinstance(task, IBOT))  # it hides something
    for picture in made.values():
        assert picture.is_floating_point()
        assert picture.ndim == 4
        assert picture.shape[:2] == (6, 3)
        assert picture.min() >= 0
        assert picture.max() <= 1


# SimCLR ---------------------------------------------------------------------------------------------------------------------------


def test_contrast_by_hand() -> None:
    """Two pictures whose two views agree exactly, at right angles to each other: every row has one partner at 1 and two others at 0."""
    a = torch.eye(2)
    expected = -math.log(math.exp(1 / 0.5) / (math.exp(1 / 0.5) + 2 * math.exp(0)))
    assert contrast(a, a, 0.5) == pytest.approx(expected, abs=1e-6)


def test_contrast_written_as_the_paper_does() -> None:
    """Equation 1, loop by loop."""
    a, b = torch.randn(5, 8, generator=rng(1)), torch.randn(5, 8, generator=rng(2))
    z = [row / row.norm() for pair in zip(a, b, strict=True) for row in pair]

    def term(i: int, j: int) -> float:
        below = sum(math.exp(float(z[i] @ z[k]) / 0.3) for k in range(10) if k != i)
        return -math.log(math.exp(float(z[i] @ z[j]) / 0.3) / below)

    expected = sum(term(2 * k, 2 * k + 1) + term(2 * k + 1, 2 * k) for k in range(5)) / 10
    assert contrast(a, b, 0.3) == pytest.approx(expected, abs=1e-5)


def test_contrast_equals_lightly() -> None:
    loss = pytest.importorskip("lightly.loss")
    a, b = torch.randn(16, 32, generator=rng(1)), torch.randn(16, 32, generator=rng(2))
    assert contrast(a, b, 0.5) == pytest.approx(float(loss.NTXentLoss(temperature=0.5)(a, b)), abs=1e-5)
