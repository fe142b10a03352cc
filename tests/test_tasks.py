"""The contract every task in the table keeps, and the independent checks of each loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from selfsup.backbones import build
from selfsup.options import task_options
from selfsup.pretext import Pretext
from selfsup.samples import pictures_of
from selfsup.tasks import TASKS, find_task
from selfsup.tasks.simclr import contrast
from selfsup.train.step import total
from selfsup.views import quarter_turns

DRAWS = {
    torch.rand, torch.randn, torch.randint, torch.randperm, torch.bernoulli, torch.multinomial, torch.normal,
    Tensor.uniform_, Tensor.normal_,
    Tensor.random_, Tensor.exponential_, Tensor.bernoulli_, F.dropout, torch.rand_like, torch.randn_like, torch.randint_like,
}  # fmt: skip
FACTORIES = {torch.rand, torch.randn, torch.randint, torch.randperm}


class RefuseHiddenRandomness(TorchFunctionMode):
    """Fails on a draw that does not name its generator, or that makes a tensor without naming the device."""

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.dropout and (kwargs.get("p", args[1] if len(args) > 1 else 0.5) == 0 or not kwargs.get("training", True)):
            return func(*args, **kwargs)  # draws nothing
        if func in DRAWS and kwargs.get("generator") is None:
            raise AssertionError(f"{func} drew without generator=")
        if func in FACTORIES and "device" not in kwargs:
            raise AssertionError(f"{func} drew without device=")
        return func(*args, **kwargs)


def make(name: str, size: int = 16, channels: int = 3, backbone: str | None = None) -> Pretext:
    kind = find_task(name)
    torch.manual_seed(0)
    net = build(backbone or ("compact_vit" if kind.prefers_patches else "compact_convnet"), size=size, channels=channels)
    return kind(net, **task_options(kind, {}))


def batch(rows: int = 6, channels: int = 3, side: int = 20) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(3)
    image = torch.randint(256, (rows, channels, side, side), generator=rng, dtype=torch.uint8)
    smooth = F.avg_pool2d(image.float(), 5, 1, 2).to(torch.uint8)
    return {"image": smooth, "aspect": torch.linspace(0.5, 2, rows), "index": torch.arange(rows)}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=sorted(TASKS))
def task(request: pytest.FixtureRequest) -> Pretext:
    return make(request.param)


def test_views_follow_the_generator_alone_and_leave_the_batch_untouched(task: Pretext) -> None:
    given = batch()
    before = {name: rows.clone() for name, rows in given.items()}
    with RefuseHiddenRandomness():
        one, same, other = task.views(given, rng(1)), task.views(given, rng(1)), task.views(given, rng(2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)
    assert all(torch.equal(given[name], before[name]) for name in given)
    assert all(len(rows) == 6 for rows in one.values())
    assert all(view.min() >= 0 and view.max() <= 1 for view in pictures_of(one).values())


def test_forward_and_loss_draw_nothing(task: Pretext) -> None:
    views = task.views(batch(), rng())
    task.train()
    state = torch.get_rng_state()
    with RefuseHiddenRandomness():
        terms = task.loss(task(views))
    assert torch.equal(state, torch.get_rng_state())
    assert all(term.ndim == 0 for term in terms.values())


def test_outputs_are_rows_without_tables(task: Pretext) -> None:
    output = task(task.views(batch(), rng()))
    assert all(len(rows) == 6 for rows in output.values())


def test_rows_do_not_see_each_other(task: Pretext) -> None:
    """In evaluation mode, where BatchNorm uses running statistics, the first three rows are the same alone and in company."""
    task.eval()
    views = task.views(batch(), rng())
    whole, half = task(views), task({name: rows[:3] for name, rows in views.items()})
    for name in whole:
        torch.testing.assert_close(whole[name][:3], half[name], atol=1e-5, rtol=1e-4)


def test_every_trained_parameter_gets_a_gradient(task: Pretext) -> None:
    task.train()
    total(task.loss(task(task.views(batch(), rng())))).backward()  # type: ignore[no-untyped-call]
    for name, parameter in task.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name


def test_parameter_groups_hold_every_trained_parameter_once(task: Pretext) -> None:
    grouped = [id(parameter) for group in task.parameter_groups() for parameter in group["params"]]
    assert sorted(grouped) == sorted(id(parameter) for parameter in task.parameters() if parameter.requires_grad)


def test_state_goes_round(task: Pretext) -> None:
    name = next(name for name in TASKS if isinstance(task, find_task(name)))
    other = make(name)
    with torch.no_grad():
        for parameter in task.parameters():
            parameter.add_(0.01)
    other.load_state_dict(task.state_dict())
    views = task.views(batch(), rng())
    task.eval()
    other.eval()
    one, two = task(views), other(views)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_the_loss_falls_on_fixed_views(task: Pretext) -> None:
    task.train()
    views = task.views(batch(8), rng())
    optimizer = torch.optim.AdamW(task.parameters(), lr=2e-3)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = total(task.loss(task(views)))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.9 * losses[0]


def test_grey_pictures_work(task: Pretext) -> None:
    name = next(name for name in TASKS if isinstance(task, find_task(name)))
    grey = make(name, channels=1, size=28)
    terms = grey.loss(grey(grey.views(batch(channels=1, side=28), rng())))
    assert all(torch.isfinite(term) for term in terms.values())


def test_tasks_work_on_a_vit_and_on_a_resnet(task: Pretext) -> None:
    name = next(name for name in TASKS if isinstance(task, find_task(name)))
    vit = make(name, size=32, backbone="compact_vit")
    assert torch.isfinite(torch.stack(list(vit.loss(vit(vit.views(batch(), rng()))).values()))).all()
    resnet = make(name, size=32, backbone="resnet18")
    assert torch.isfinite(torch.stack(list(resnet.loss(resnet(resnet.views(batch(), rng()))).values()))).all()


def test_generative_tasks_show_pictures(task: Pretext) -> None:
    made = task.eval().show(batch(), rng())
    assert bool(made) == (task.kind == "generative")
    for picture in made.values():
        assert picture.shape == (6, 3, 16, 16)
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


# Rotation -------------------------------------------------------------------------------------------------------------------------


def test_rotation_flips_before_it_turns() -> None:
    """A picture whose flip is certain: turned by k it must be the flipped picture turned by k, and the label says k."""
    kind = find_task("rotation")
    task = kind(build("compact_convnet", size=16), **task_options(kind, {"flip": 1.0, "crop": 1.0, "every_turn": True}))
    image = batch(1, side=16)["image"]
    views = task.views({"image": image, "aspect": torch.ones(1)}, rng())
    flipped = views["image"][0, 0]
    assert views["turn"].tolist() == [[0, 1, 2, 3]]
    for k in range(4):
        assert torch.equal(views["image"][0, k], torch.rot90(flipped, k, (1, 2)))


def test_turns_are_exact_and_leak_nothing() -> None:
    """The turned picture has the same pixels: no resampling tells a turn of 90 from none."""
    image = torch.rand(4, 3, 9, 9, generator=rng())
    turned = quarter_turns(image, torch.arange(4))
    assert all(torch.equal(turned[k].flatten(1).sort(1).values, image[k].flatten(1).sort(1).values) for k in range(4))


def test_turns_are_drawn_evenly() -> None:
    task = make("rotation")
    given = {"image": batch(1)["image"].expand(2000, -1, -1, -1), "aspect": torch.ones(2000)}
    counts = task.views(given, rng())["turn"].flatten().bincount(minlength=4)
    assert counts.min() > 430  # 500 expected, standard deviation 19
