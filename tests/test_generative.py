"""Tasks that rebuild whole pictures: variational and denoising autoencoders, and the context encoder."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from selfsup.pretext import Pretext
from selfsup.tasks.vae import VariationalAutoencoder, normal_divergence
from selfsup.views import blob_holes, centre_holes, rim
from small_tasks import batch, make, rng


def trained(task: Pretext, given: dict[str, Tensor], steps: int, rate: float = 2e-3) -> dict[str, Tensor]:
    """A few steps at full progress, new views each; the last step's loss terms."""
    task.progress.fill_(1)
    optimizer = torch.optim.AdamW(task.parameters(), lr=rate)
    terms: dict[str, Tensor] = {}
    for step in range(steps):
        optimizer.zero_grad()
        terms = task.loss(task(task.views(given, rng(step))))
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return {name: term.detach() for name, term in terms.items()}


# Variational autoencoder ----------------------------------------------------------------------------------------------------------


def vae(size: int = 16, channels: int = 3, **options: Any) -> VariationalAutoencoder:
    task = make("vae", size, channels, **options)
    assert isinstance(task, VariationalAutoencoder)
    return task


def test_divergence_equals_torch_and_the_integral() -> None:
    mean, log_variance = torch.randn(5, 3, generator=rng(1)), torch.randn(5, 3, generator=rng(2))
    own = normal_divergence(mean, log_variance)
    normal = torch.distributions.Normal
    torch.testing.assert_close(own, torch.distributions.kl_divergence(normal(mean, (log_variance / 2).exp()), normal(0.0, 1.0)))
    # By its definition, the integral of q log(q / p), summed over a fine grid.
    mu, deviation = float(mean[0, 0]), math.exp(float(log_variance[0, 0]) / 2)
    integral = 0.0
    for n in range(-40_000, 40_000):
        x = mu + n * deviation / 4000
        q = math.exp(-0.5 * ((x - mu) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))
        log_ratio = -0.5 * ((x - mu) / deviation) ** 2 - math.log(deviation) + 0.5 * x**2
        integral += q * log_ratio * deviation / 4000
    assert float(own[0, 0]) == pytest.approx(integral, rel=1e-4)


def test_divergence_by_hand() -> None:
    """A standard normal costs nothing; a mean of 2 costs half its square; a variance of 4 costs (4 - 1 - ln 4) / 2."""
    own = normal_divergence(torch.tensor([[0.0, 2.0, 0.0]]), torch.tensor([[0.0, 0.0, math.log(4)]]))
    assert own[0].tolist() == pytest.approx([0.0, 2.0, (3 - math.log(4)) / 2])


def test_vae_loss_by_hand() -> None:
    """Two pictures of 2 x 2 pixels, off by .1 everywhere, and two dimensions, one of them with a mean of 2 in one picture."""
    task = vae(beta=3.0, scale=0.5, warm_up=0.5, free_bits=0.0)
    output = {
        "image": torch.zeros(2, 3, 2, 2), "rebuilt": torch.full((2, 3, 2, 2), 0.1),
        "mean": torch.tensor([[2.0, 0.0], [0.0, 0.0]]), "log_variance": torch.zeros(2, 2),
    }  # fmt: skip
    task.progress.fill_(0.25)  # half of the warm-up
    terms = task.loss(output)
    assert terms["reconstruction"].item() == pytest.approx(0.01 / (2 * 0.25))
    assert terms["kl"].item() == pytest.approx(3 * 0.5 * 1.0 / 1024)
    task.progress.fill_(0.9)
    assert task.loss(output)["kl"].item() == pytest.approx(3 * 1.0 / 1024)


def test_free_bits_are_a_floor_for_the_mean_of_the_batch_in_each_dimension() -> None:
    """Dimension means of 1 and 0 nats at a floor of .25: 1 + .25. A floor under each picture would give 2 + .25 and .25 + .25, halved."""
    task = vae(free_bits=0.25, beta=1.0, warm_up=0.0)
    output = {"image": torch.zeros(2, 3, 2, 2), "rebuilt": torch.zeros(2, 3, 2, 2)}
    mean = torch.tensor([[2.0, 0.0], [0.0, 0.0]], requires_grad=True)
    log_variance = torch.zeros(2, 2, requires_grad=True)
    kl = task.loss(output | {"mean": mean, "log_variance": log_variance})["kl"]
    assert kl.item() == pytest.approx(1.25 / 1024)
    kl.backward()  # type: ignore[no-untyped-call]
    assert mean.grad is not None
    assert mean.grad[0, 0] > 0
    assert (mean.grad[:, 1] == 0).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_the_balance_of_the_terms_does_not_change_with_the_picture_size(channels: int) -> None:
    """The same pictures enlarged, equally wrong, from the same codes: the same terms."""
    coarse, wrong = torch.rand(2, 4, channels, 16, 16, generator=rng(1))
    codes = {"mean": torch.randn(4, 8, generator=rng(2)), "log_variance": torch.randn(4, 8, generator=rng(3))}
    found = []
    for size in (16, 32, 64):
        task = vae(size, channels, latent=8)
        task.progress.fill_(1)
        pictures = {name: F.interpolate(p, scale_factor=size // 16) for name, p in (("image", coarse), ("rebuilt", wrong))}
        found.append({name: term.item() for name, term in task.loss(pictures | codes).items()})
    assert found[0] == pytest.approx(found[1])
    assert found[0] == pytest.approx(found[2])


def test_the_noise_is_one_standard_normal_number_a_dimension_and_reaches_the_picture() -> None:
    task = vae(latent=50).eval()
    given = {name: rows[:1].expand(400, *rows.shape[1:]) for name, rows in batch().items()}
    noise = task.views(given, rng())["noise"]
    assert noise.shape == (400, 50)
    assert abs(float(noise.mean())) < 0.03  # four standard errors of 20,000 numbers
    assert float(noise.std()) == pytest.approx(1, abs=0.02)
    views = task.views(batch(), rng())
    rebuilt = task(views)["rebuilt"]
    assert not torch.equal(rebuilt, task(views | {"noise": -views["noise"]})["rebuilt"])
    with torch.no_grad():  # no deviation left: the noise changes nothing
        task.log_variance.weight.zero_()
        task.log_variance.bias.fill_(-200.0)
    torch.testing.assert_close(task(views)["rebuilt"], task(views | {"noise": -views["noise"]})["rebuilt"], atol=1e-3, rtol=0.0)


def test_codes_collapse_under_a_heavy_kl_unless_bits_are_free() -> None:
    """At 1,000 times the paper's KL nothing is worth coding. With a tenth of a nat free in each dimension, they do."""
    nats = {}
    for free_bits in (0.0, 0.1):
        task = vae(latent=8, beta=1000.0, free_bits=free_bits)
        trained(task, batch(16), 70)
        output = task(task.views(batch(16), rng(99)))
        nats[free_bits] = normal_divergence(output["mean"], output["log_variance"]).mean(0).sum().item()
    assert nats[0.0] < 0.1
    assert nats[0.1] > 0.3


def test_vae_shows_what_it_says() -> None:
    task = vae(latent=8)
    trained(task, batch(8), 20)
    task.eval()
    shown = task.show(batch(8), rng(1))
    assert list(shown) == ["original", "rebuilt", "sampled", "from first to last"]
    between = shown["from first to last"]
    torch.testing.assert_close(between[[0, -1]], shown["rebuilt"][[0, -1]], atol=1e-5, rtol=0.0)
    again = task.show(batch(8), rng(1))
    assert torch.equal(shown["sampled"], again["sampled"])
    assert not torch.equal(shown["sampled"], task.show(batch(8), rng(2))["sampled"])


@pytest.mark.parametrize("options", [{"scale": 0}, {"beta": -1}, {"latent": 0}, {"free_bits": -0.1}])
def test_vae_refuses_what_makes_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected a latent width"):
        vae(**options)


# Context encoder ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [16, 28, 96, 200])
def test_blobs_cover_the_share_asked_for_and_differ(size: int) -> None:
    holes = blob_holes(200, size, share=(0.2, 0.3), rng=rng())
    covered = holes.float().mean(dim=(1, 2, 3))
    slack = 0.01 + 1 / size**2
    assert 0.2 - slack <= covered.min() <= 0.21 + slack
    assert 0.29 - slack <= covered.max() <= 0.3 + slack
    assert len({tuple(hole.flatten().tolist()) for hole in holes}) == 200
    # Blobs, not salt: a hole's neighbour to the right is nearly always in it too (by chance it would be in a quarter of the cases).
    both = (holes[..., :-1] & holes[..., 1:]).sum() / holes[..., :-1].sum()
    assert both > (0.5 if size < 28 else 0.7)


def test_blobs_lie_everywhere() -> None:
    rate = blob_holes(2000, 28, share=(0.25, 0.25), rng=rng()).float().mean(0)
    assert 0.1 < rate.min() <= rate.max() < 0.4


def test_the_hole_in_the_middle_and_its_rim() -> None:
    """At 128 px the authors predict the middle 64 x 64, of which they hide 56 x 56."""
    hole = centre_holes(1, 128, overlap=4, device=torch.device("cpu"))
    assert hole.sum() == 56**2
    assert hole[0, 0, 36:92, 36:92].all()
    band = rim(hole, 4)
    assert (hole | band).sum() == 64**2
    assert (hole | band)[0, 0, 32:96, 32:96].all()
    assert not (hole & band).any()


@pytest.mark.parametrize("hole", ["blobs", "centre"])
def test_what_is_in_the_hole_does_not_reach_the_network(hole: str) -> None:
    task = make("context_encoder", size=32, hole=hole).eval()
    given = batch(side=32)
    views = task.views(given, rng())
    assert torch.equal(torch.where(views["hole"], 0.5, views["image"]), views["holed"])  # the mean of a backbone that was told none
    other = {"image": 255 - given["image"], "aspect": given["aspect"]}
    hidden = task.views(other, rng())
    assert torch.equal(views["hole"], hidden["hole"])
    assert (hidden["holed"] == 0.5).expand_as(hidden["holed"])[views["hole"].expand_as(views["holed"])].all()
    output = task(views)
    assert torch.equal(output["filled"], task(views | {"image": hidden["image"]})["filled"])


@pytest.mark.parametrize("hole", ["blobs", "centre"])
def test_filling_loss_pixel_by_pixel(hole: str) -> None:
    """Squared error in the hole, ten times that on the rim of a hole in the middle, nothing elsewhere."""
    task = make("context_encoder", size=16, hole=hole)
    output = task(task.views(batch(3), rng()))
    means = []
    for row in range(3):
        above, below = 0.0, 0.0
        for y in range(16):
            for x in range(16):
                weight = float(output["hole"][row, 0, y, x])
                if hole == "centre" and 4 <= y < 12 and 4 <= x < 12 and not weight:
                    weight = 10.0
                error = (output["filled"][row, :, y, x] - output["image"][row, :, y, x]).square().mean().item()
                above, below = above + weight * error, below + weight
        means.append(above / below)
    assert task.loss(output)["reconstruction"].item() == pytest.approx(sum(means) / 3, rel=1e-5)


def test_only_the_hole_is_shown_filled() -> None:
    task = make("context_encoder", size=16).eval()
    views, shown = task.views(batch(), rng()), task.show(batch(), rng())
    assert list(shown) == ["holed", "filled", "original"]
    assert torch.equal(torch.where(views["hole"], 0.0, shown["filled"]), torch.where(views["hole"], 0.0, shown["original"]))


def test_holes_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        blob_holes(2, 16, share=(0.3, 0.2), rng=rng())
    with pytest.raises(ValueError, match="overlap of 4 px"):
        centre_holes(2, 16, overlap=4, device=torch.device("cpu"))


# Denoising autoencoder ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("corruption", ["gaussian", "masking", "salt_and_pepper"])
def test_denoising_rebuilds_the_clean_picture_from_the_corrupted(corruption: str) -> None:
    task = make("dae", corruption=corruption)
    views = task.views(batch(), rng())
    assert not torch.equal(views["clean"], views["corrupted"])
    output = task(views)
    pairs = zip(output["rebuilt"].flatten().tolist(), views["clean"].flatten().tolist(), strict=True)
    by_hand = sum((rebuilt - clean) ** 2 for rebuilt, clean in pairs) / views["clean"].numel()
    assert task.loss(output)["reconstruction"].item() == pytest.approx(by_hand, rel=1e-4)


@pytest.mark.parametrize("backbone", ["compact_convnet", "compact_vit"])
@pytest.mark.parametrize("corruption", ["gaussian", "masking", "salt_and_pepper"])
def test_every_corruption_is_undone(corruption: str, backbone: str) -> None:
    """After a few steps the rebuilt pictures are nearer to the clean ones than the corrupted are."""
    task = make("dae", backbone=backbone, corruption=corruption, crop=1.0, flip=0.0)
    trained(task, batch(8), 60)
    views = task.views(batch(8), rng(99))
    rebuilt = task(views)["rebuilt"]
    assert F.mse_loss(rebuilt, views["clean"]) < 0.5 * F.mse_loss(views["corrupted"], views["clean"])


@pytest.mark.parametrize("corruption", ["masking", "salt_and_pepper"])
def test_emphasis_pixel_by_pixel(corruption: str) -> None:
    """Vincent 2010, section 4.2: alpha times the errors of corrupted pixels plus beta times those of the others."""
    task = make("dae", corruption=corruption, corrupted=2.0, untouched=0.5, crop=1.0, flip=0.0)
    dark = {"image": torch.zeros(2, 3, 16, 16, dtype=torch.uint8), "aspect": torch.ones(2)}
    dark["image"][..., 8:] = 200
    views = task.views(dark, rng())
    changed = (views["corrupted"] != views["clean"]).any(dim=1, keepdim=True)
    assert views["chosen"][changed].all()
    assert views["chosen"].sum() > changed.sum()  # a black pixel that was blackened is corrupted, though it looks the same
    output = task(views)
    expected = 0.0
    for row in range(2):
        for y in range(16):
            for x in range(16):
                weight = 2.0 if output["chosen"][row, 0, y, x] else 0.5
                expected += weight * (output["rebuilt"][row, :, y, x] - output["clean"][row, :, y, x]).square().sum().item()
    assert task.loss(output)["reconstruction"].item() == pytest.approx(expected / output["clean"].numel(), rel=1e-5)


def test_noise_cannot_be_emphasised() -> None:
    with pytest.raises(ValueError, match="no pixel untouched"):
        make("dae", corruption="gaussian", untouched=0.5)
    with pytest.raises(ValueError, match="not 0 for both"):
        make("dae", corrupted=0.0, untouched=0.0)


@pytest.mark.parametrize(("backbone", "size"), [("compact_convnet", 28), ("compact_convnet", 96), ("compact_vit", 28), ("compact_vit", 96)])
@pytest.mark.parametrize("name", ["dae", "vae", "context_encoder"])
def test_pictures_come_back_in_their_size(name: str, backbone: str, size: int) -> None:
    shown = make(name, size, 1, backbone).eval().show(batch(2, 1, size), rng())
    assert all(picture.shape == (2, 1, size, size) for picture in shown.values())
