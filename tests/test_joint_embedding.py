"""Tasks that bring views of a picture together: each loss by hand, as its paper writes it, and as lightly computes it; and their traps."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import integrate
from sklearn.datasets import load_digits
from torch import Tensor

from selfsup.joint_embedding import by_view, prediction
from selfsup.pretext import Pretext
from selfsup.pretraining import pretrain
from selfsup.reporting import report
from selfsup.reporting.pictures import read_samples
from selfsup.tasks.barlow_twins import BarlowTwins, correlation
from selfsup.tasks.lejepa import normality
from selfsup.tasks.vicreg import VICReg, deadness, overlap
from selfsup.tasks.visreg import distance_from_normal
from small_tasks import batch, make, rng, warned

REDUNDANCY, SPREAD = ("barlow_twins", "vicreg"), ("lejepa", "visreg")


def two(rows: int = 12, width: int = 7) -> dict[str, Tensor]:
    """Two views that have something in common, with means and scales of their own."""
    a = torch.randn(rows, width, generator=rng(1)) * torch.linspace(0.2, 3, width) + 1
    return {"a": a, "b": a + torch.randn(rows, width, generator=rng(2))}


def values(task: Pretext, output: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(term.detach()) for name, term in task.loss(output).items()}


# Barlow Twins ---------------------------------------------------------------------------------------------------------------------


def test_barlow_twins_by_hand() -> None:
    """The corners of a square: two dimensions that do not correlate, agreeing, and then each with the other one's partner."""
    task: BarlowTwins = make("barlow_twins", redundancy=0.1)
    square = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert values(task, {"a": square, "b": 3 * square + 5}) == pytest.approx({"agreement": 0.0, "redundancy": 0.0}, abs=1e-6)
    assert values(task, {"a": square, "b": square.flip(1)}) == pytest.approx({"agreement": 2 / 2, "redundancy": 0.1 * 2 / 2}, abs=1e-4)


def test_correlation_written_as_the_paper_does() -> None:
    """Equation 2, sum by sum, of embeddings that are centred along the batch."""
    a, b = (rows - rows.mean(0) for rows in two().values())

    def entry(i: int, j: int) -> float:
        below = math.sqrt(sum(float(row[i]) ** 2 for row in a)) * math.sqrt(sum(float(row[j]) ** 2 for row in b))
        return sum(float(one[i] * other[j]) for one, other in zip(a, b, strict=True)) / below

    expected = torch.tensor([[entry(i, j) for j in range(7)] for i in range(7)])
    torch.testing.assert_close(correlation(**two()), expected, atol=2e-4, rtol=0)  # 1e-5 is added to variances of .04 and more


@pytest.mark.parametrize("rows", [2, 64])
def test_barlow_twins_equals_lightly(rows: int) -> None:
    loss = pytest.importorskip("lightly.loss")
    output = two(rows, 32)
    expected = float(loss.BarlowTwinsLoss(lambda_param=0.0051)(output["a"], output["b"]))
    assert 32 * sum(values(make("barlow_twins"), output).values()) == pytest.approx(expected, rel=1e-5)  # theirs grows with the width


# VICReg ---------------------------------------------------------------------------------------------------------------------------


def test_vicreg_by_hand() -> None:
    """One of four numbers differs, by 2. In `a` one dimension of two is dead; in `b` both do the same, with a variance of 2."""
    output = {"a": torch.tensor([[0.0, 0.0], [2.0, 0.0]]), "b": torch.tensor([[0.0, 0.0], [2.0, 2.0]])}
    expected = {"invariance": 25 * 2**2 / 4, "variance": 25 * ((0 + 0.99) / 2 + 0) / 2, "covariance": 1 * (0 + 2 * 2**2 / 2)}
    assert values(make("vicreg"), output) == pytest.approx(expected, abs=1e-5)


def test_vicregs_terms_written_as_the_paper_does() -> None:
    rows = two()["a"]
    columns = [[float(value) for value in column] for column in rows.T]
    deviations = [math.sqrt(np.var(column, ddof=1) + 1e-4) for column in columns]
    assert float(deadness(rows)) == pytest.approx(sum(max(0.0, 1 - s) for s in deviations) / 7, abs=1e-6)
    covariance = np.cov(np.array(columns))
    assert float(overlap(rows)) == pytest.approx(sum(covariance[i, j] ** 2 for i in range(7) for j in range(7) if i != j) / 7, rel=1e-5)


@pytest.mark.parametrize("rows", [2, 64])
def test_vicreg_equals_lightly(rows: int) -> None:
    loss = pytest.importorskip("lightly.loss")
    output = two(rows, 32)
    assert sum(values(make("vicreg"), output).values()) == pytest.approx(float(loss.VICRegLoss()(output["a"], output["b"])), rel=1e-5)


def test_vicregs_invariance_is_a_mean_over_pictures_and_dimensions_and_its_variance_is_halved() -> None:
    """Twice the pictures and twice the dimensions change no term but the covariance; two dead views cost the weight, not twice it."""
    task: VICReg = make("vicreg")
    one = values(task, two())
    wide = values(task, {side: rows.repeat(1, 2) for side, rows in two().items()})
    assert (wide["invariance"], wide["variance"]) == pytest.approx((one["invariance"], one["variance"]), rel=1e-5)
    assert values(task, {side: rows.repeat(2, 1) for side, rows in two().items()})["invariance"] == pytest.approx(one["invariance"])
    dead = values(task, {"a": torch.zeros(4, 3), "b": torch.ones(4, 3)})
    assert dead["variance"] == pytest.approx(25 * 0.99)


# LeJEPA and VISReg ----------------------------------------------------------------------------------------------------------------


def many(rows: int = 9, *, wide: int = 2, near: int = 3, dimensions: int = 64) -> dict[str, Tensor]:
    """Projections of views of two sizes, and directions, as `forward` gives them."""
    shared = torch.randn(rows, 1, dimensions, generator=rng(1)) * torch.linspace(0.2, 2, dimensions) + 0.3
    views = shared + torch.randn(rows, wide + near, dimensions, generator=rng(2))
    directions = torch.randn(rows, 4, dimensions, generator=rng(3))
    return {"global": views[:, :wide], "local": views[:, wide:], "directions": directions}


def test_normality_written_as_an_integral() -> None:
    """With scipy's own rule over as many points from -3 to 3, and complex numbers."""
    rows, along = torch.randn(30, 5, generator=rng(1)) + 0.5, F.normalize(torch.randn(4, 5, generator=rng(2)), dim=1)
    t = np.linspace(-3, 3, 33)
    found = []
    for direction in along:
        characteristic = np.exp(1j * np.outer((rows @ direction).numpy(), t)).mean(0)
        found.append(30 * integrate.trapezoid(np.abs(characteristic - np.exp(-(t**2) / 2)) ** 2 * np.exp(-(t**2) / 2), t))
    assert float(normality(rows, along)) == pytest.approx(np.mean(found), rel=1e-5)


def test_normality_of_one_row_at_zero_by_hand() -> None:
    """Its characteristic function is 1. Over all t, (1 - g)² g has the integral sqrt(2 pi) (1 - sqrt 2 + 1 / sqrt 3), g = exp(-t²/2)."""
    found = float(normality(torch.zeros(1, 3), torch.eye(3)))
    whole = math.sqrt(2 * math.pi) * (1 - math.sqrt(2) + 1 / math.sqrt(3))
    beyond = math.sqrt(2 * math.pi) * math.erfc(3 / math.sqrt(2))  # at |t| > 3 nearly all is g
    assert found == pytest.approx(whole - beyond, abs=2e-3)


def test_normality_tells_normal_rows_from_others() -> None:
    normal, along = torch.randn(512, 8, generator=rng(1)), F.normalize(torch.randn(64, 8, generator=rng(2)), dim=1)
    least = float(normality(normal, along))
    assert all(float(normality(other, along)) > 5 * least for other in (normal + 0.5, 2 * normal, normal * 0, normal[:, :1].expand(-1, 8)))


def test_lejepa_equals_lightly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every view by itself, over its pictures; several views together would give up to so many times as much."""
    peer = pytest.importorskip("lightly.loss.lejepa_loss")
    task, output = make("lejepa"), many()
    along = task.along(output)
    monkeypatch.setattr(peer.SIGReg, "_generate_unit_vectors", lambda *_: along.T)
    expected = peer.LeJEPALoss(lambda_param=0.05)(local_proj=output["local"].transpose(0, 1), global_proj=output["global"].transpose(0, 1))
    assert sum(values(task, output).values()) == pytest.approx(float(expected), rel=1e-5)
    alone = [float(normality(rows, along)) for rows in by_view(output)]
    assert values(task, output)["sigreg"] == pytest.approx(0.05 * np.mean(alone), rel=1e-5)


def test_the_target_is_the_mean_of_the_global_views() -> None:
    """Two global views at 1 and 3, a local one at 5: their target is 2, not 3. Distances 1, 1, 9."""
    output = {"global": torch.tensor([[[1.0], [3.0]]]), "local": torch.tensor([[[5.0]]])}
    assert float(prediction(output)) == pytest.approx(11 / 3)
    assert float(prediction({"global": output["global"]})) == pytest.approx(1.0)
    leaf = output["global"].clone().requires_grad_()
    prediction({"global": leaf, "local": output["local"]}).backward()  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    assert leaf.grad.flatten().tolist() == pytest.approx([-5 / 3, -1 / 3])  # through the mean as well


def test_visreg_equals_lightly(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = pytest.importorskip("lightly.loss.visreg_loss")
    task, output = make("visreg", regularity=0.7, centre=2.0, scale=3.0, shape=0.5), many()
    along = task.along(output)
    monkeypatch.setattr(torch, "randn", lambda *_, **__: along.T.clone())
    loss = peer.VISRegLoss(lambda_param=0.7, lambda_center=2.0, lambda_scale=3.0, lambda_shape=0.5, num_slices=len(along))
    parts = loss.forward_components(local_proj=output["local"].transpose(0, 1), global_proj=output["global"].transpose(0, 1))
    expected = {"prediction": 0.3 * parts.pred, "centre": 1.4 * parts.center, "scale": 2.1 * parts.scale, "shape": 0.35 * parts.shape}
    assert values(task, output) == pytest.approx({name: float(term) for name, term in expected.items()}, rel=1e-5)


def test_distance_from_normal_by_hand() -> None:
    """Rows 0 and 2, scaled to -1 and 1, against the quantiles at a third and two thirds."""
    quantile = NormalDist().inv_cdf(2 / 3)
    found = float(distance_from_normal(torch.tensor([[2.0], [0.0]]), torch.ones(1, 1)))
    assert found == pytest.approx((1 - quantile) ** 2, rel=1e-3)


def test_the_shape_is_that_at_any_centre_and_scale_and_no_gradient_flows_through_the_scale() -> None:
    rows = torch.randn(40, 3, generator=rng(1)).double().exp().requires_grad_()
    along = F.normalize(torch.randn(16, 3, generator=rng(2)).double(), dim=1)
    found = distance_from_normal(rows, along)
    assert float(distance_from_normal(3 * rows.detach() + 5, along)) == pytest.approx(float(found.detach()), rel=1e-3)
    (own,) = torch.autograd.grad(found, [rows])
    fixed = rows.detach().std(dim=0, correction=0) + 1e-4
    quantiles = torch.tensor([NormalDist().inv_cdf((i + 1) / 41) for i in range(40)]).double()
    sorted_ones = (((rows - rows.mean(0)) / fixed) @ along.T).sort(dim=0).values
    (expected,) = torch.autograd.grad((sorted_ones - quantiles[:, None]).square().mean(), [rows])
    torch.testing.assert_close(own, expected, atol=1e-7, rtol=0)


@pytest.mark.parametrize("name", SPREAD)
def test_views_of_two_sizes_and_directions_are_drawn_from_the_generator(name: str) -> None:
    task = make(name, size=32, backbone="compact_vit", local_views=3)
    views = task.views(batch(), rng())
    assert {part: tuple(view.shape) for part, view in views.items()} == {
        "global": (6, 2, 3, 32, 32), "local": (6, 3, 3, 16, 16), "directions": (6, 4, 64)
    }  # fmt: skip
    output = task(views)
    assert torch.equal(output["directions"], views["directions"])
    along = task.along(output)
    torch.testing.assert_close(along.norm(dim=1), torch.ones(24))
    assert task.along({"directions": torch.randn(128, 4, 64, generator=rng())}).shape == (256, 64)
    assert "local" not in make(name, local_views=0).views(batch(), rng())


# All of them ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REDUNDANCY + SPREAD)
@pytest.mark.parametrize("rows", [2, 5])
def test_dimensions_that_are_dead_give_numbers_and_gradients(name: str, rows: int) -> None:
    output = {side: part.detach().clone().requires_grad_() for side, part in (two(rows) if name in REDUNDANCY else many(rows)).items()}
    learned = [part for side, part in output.items() if side != "directions"]
    for part in learned:
        part.data[..., 2:4] = 1.5
    total = torch.stack(list(make(name).loss(output).values())).sum()
    total.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(total)
    assert all(part.grad is not None and torch.isfinite(part.grad).all() for part in learned)


@pytest.mark.parametrize("name", REDUNDANCY)
def test_the_second_view_can_be_drawn_otherwise(name: str) -> None:
    """Black pictures, of which a solarised view is black too; white ones, of which it is black and a plain one white."""
    image = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 3, 20, 20)
    task = make(name, jitter=0, grey=0, blur=0.5, second_blur=0, solarise=1.0)
    views = task.views({"image": image}, rng())
    assert [float(view[1].mean()) for view in views.values()] == pytest.approx([1.0, 0.0])
    assert (task.default_views.blur, task.second_views.blur) == (0.5, 0)
    assert make(name).second_views == make(name).default_views


@pytest.mark.parametrize("name", REDUNDANCY + SPREAD)
def test_two_rows_are_enough(name: str) -> None:
    task = make(name)
    terms = task.loss(task(task.views(batch(2), rng())))
    assert all(torch.isfinite(term) for term in terms.values())


def test_the_report_shows_views_of_every_size(tmp_path: Path) -> None:
    run = pretrain(digits(), task="lejepa", size=16, steps=1, batch_size=32, out=tmp_path / "run", precision="fp32")
    samples = read_samples(run)
    assert {name: samples[name].shape for name in samples if name != "source"} == {
        "views/global": (8, 2, 1, 16, 16), "views/local": (8, 4, 1, 8, 8)
    }  # fmt: skip
    page = report(run.folder).read_text(encoding="utf-8")
    assert "16 × 16 and 8 × 8 px" in page
    assert all(f"{name} {crop}" in page for name, crops in (("global", 2), ("local", 4)) for crop in range(1, crops + 1))


def digits(count: int = 120) -> np.ndarray[Any, Any]:
    images: np.ndarray[Any, Any] = load_digits().images[:count] / 16.0
    return images


SHORT: dict[str, Any] = {"pictures": 120, "size": 16, "steps": 42, "batch_size": 32, "learning_rate": 0.01}


OFF: dict[str, dict[str, Any]] = {
    "barlow_twins": {"redundancy": 0}, "vicreg": {"variance": 0}, "lejepa": {"sigreg": 0}, "visreg": {"regularity": 0}
}  # fmt: skip


@pytest.mark.usefixtures("frequent_looks")
@pytest.mark.parametrize("name", list(OFF))
def test_a_collapse_is_told_when_what_prevents_it_is_off(tmp_path: Path, name: str) -> None:
    assert "collapse" in warned(tmp_path / "off", name, options=OFF[name], **SHORT)


@pytest.mark.usefixtures("frequent_looks")
@pytest.mark.parametrize("name", ["barlow_twins", "vicreg"])
def test_no_collapse_is_told_where_there_is_none(tmp_path: Path, name: str) -> None:
    assert "collapse" not in warned(tmp_path / "on", name, **SHORT)


def test_a_name_that_is_no_part_of_the_output_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(make("vicreg")), "attracted", "z")
    with pytest.raises(ValueError, match="VICReg names 'z' as attracted; expected a part of its output: a, b"):
        pretrain(digits(), task="vicreg", size=16, steps=1, batch_size=16, out=tmp_path / "run", precision="fp32")
