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
from selfsup.tasks import TASKS, find_task
from selfsup.tasks.mae import MaskedAutoencoder, patches, unpatched
from selfsup.tasks.simclr import contrast
from selfsup.train.step import total

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
    net = build(backbone or ("compact_vit" if kind.needs_patches else "compact_convnet"), size=size, channels=channels)
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
    pictures = [view for view in one.values() if view.is_floating_point()]
    assert all(view.min() >= 0 and view.max() <= 1 for view in pictures)


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


def test_grey_pictures_work_or_are_refused_in_words(task: Pretext) -> None:
    name = next(name for name in TASKS if isinstance(task, find_task(name)))
    if task.needs_color:
        with pytest.raises(ValueError, match="colour"):
            make(name, channels=1, size=28)
        return
    grey = make(name, channels=1, size=28)
    terms = grey.loss(grey(grey.views(batch(channels=1, side=28), rng())))
    assert all(torch.isfinite(term) for term in terms.values())


def test_tasks_work_on_a_vit_and_where_they_can_on_a_resnet(task: Pretext) -> None:
    name = next(name for name in TASKS if isinstance(task, find_task(name)))
    vit = make(name, size=32, backbone="compact_vit")
    assert torch.isfinite(torch.stack(list(vit.loss(vit(vit.views(batch(), rng()))).values()))).all()
    if task.needs_patches:
        with pytest.raises(ValueError, match="compact_vit"):
            make(name, size=32, backbone="resnet18")
    else:
        resnet = make(name, size=32, backbone="resnet18")
        assert torch.isfinite(torch.stack(list(resnet.loss(resnet(resnet.views(batch(), rng()))).values()))).all()


def test_generative_tasks_and_puzzles_show_pictures(task: Pretext) -> None:
    with torch.no_grad():
        made = task.eval().show(batch(), rng())
    assert bool(made) == (task.kind in ("generative", "puzzle"))
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


# Masked autoencoder ---------------------------------------------------------------------------------------------------------------


def masked() -> MaskedAutoencoder:
    task = make("mae", size=32)
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


def test_masks_differ_between_pictures_and_hide_the_share_asked_for() -> None:
    task = masked()
    views = task.views(batch(32, side=32), rng())
    total = task.side**2
    assert views["hidden"].shape[1] == round(0.75 * total)
    assert len({tuple(row.tolist()) for row in views["hidden"]}) > 25
    for kept, hidden in zip(views["kept"], views["hidden"], strict=True):
        assert sorted(kept.tolist() + hidden.tolist()) == list(range(total))


def test_hidden_pixels_do_not_reach_the_prediction() -> None:
    task = masked()
    task.eval()
    views = task.views(batch(4, side=32), rng())
    grid = torch.zeros(4, task.side**2).scatter(1, views["hidden"], 1.0).reshape(4, 1, task.side, task.side)
    noise = F.interpolate(grid, scale_factor=task.patch) * torch.rand(views["image"].shape, generator=rng(9))
    changed = views | {"image": (views["image"] + noise) / 2}
    kept_only = views | {"image": torch.where(F.interpolate(grid, scale_factor=task.patch) > 0, noise, views["image"])}
    assert torch.equal(task(views)["prediction"], task(kept_only)["prediction"])
    assert not torch.equal(task(views)["prediction"], task(changed)["prediction"])


# Denoising autoencoder ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("corruption", ["gaussian", "masking", "salt_and_pepper"])
def test_denoising_rebuilds_the_clean_picture_from_the_corrupted(corruption: str) -> None:
    kind = find_task("dae")
    task = kind(build("compact_convnet", size=16), **task_options(kind, {"corruption": corruption}))
    views = task.views(batch(), rng())
    assert not torch.equal(views["clean"], views["corrupted"])
    output = task(views)
    pairs = zip(output["rebuilt"].flatten().tolist(), views["clean"].flatten().tolist(), strict=True)
    by_hand = sum((rebuilt - clean) ** 2 for rebuilt, clean in pairs) / views["clean"].numel()
    assert task.loss(output)["reconstruction"].item() == pytest.approx(by_hand, rel=1e-4)
