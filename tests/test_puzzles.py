"""Puzzles: rotation, relative location, jigsaw and colorization. What the contract of all tasks does not say."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from selfsup.backbones import build
from selfsup.heads import embed_patches, fitting_side
from selfsup.tasks.colorization import annealed_mean, rarity, soft_bins
from selfsup.tasks.jigsaw import distant_permutations
from selfsup.views import color_bins, lab, quarter_turns
from small_tasks import batch, make, rng


def settled(task: Any, views: dict[str, Tensor]) -> Any:
    """The task in evaluation mode after BatchNorm has seen these views: before, its answers hardly depend on what it is asked."""
    task.train()
    with torch.no_grad():
        for _ in range(40):
            task(views)
    return task.eval()


# Rotation -------------------------------------------------------------------------------------------------------------------------


def test_rotation_flips_before_it_turns() -> None:
    """A picture whose flip is certain: turned by k it must be the flipped picture turned by k, and the label says k."""
    task = make("rotation", flip=1.0, crop=1.0, every_turn=True)
    views = task.views(batch(1, side=16), rng())
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


@torch.no_grad()
def test_rotation_shows_right_and_wrong_guesses() -> None:
    """A network that always answers "one quarter turn": pictures turned once come back upright, the others do not."""
    task = make("rotation").eval()
    always = torch.tensor([0.0, 1.0, 0.0, 0.0])
    task.classifier.weight.zero_()
    task.classifier.bias.copy_(always)
    shown = task.show(batch(32), rng())
    upright, turned, back = shown["original"], shown["turned"], shown["turned back by its guess"]
    once = torch.rot90(upright, 1, (2, 3))
    right = [row for row in range(32) if torch.equal(turned[row], once[row])]
    assert 0 < len(right) < 32
    assert [row for row in range(32) if torch.equal(back[row], upright[row])] == right


# Relative location ----------------------------------------------------------------------------------------------------------------


def coordinates(rows: int, size: int) -> dict[str, Tensor]:
    """Pictures whose red says the column and whose green says the row of a pixel."""
    line = torch.arange(size, dtype=torch.uint8)
    image = torch.stack([line.expand(size, size), line[:, None].expand(size, size), torch.zeros(size, size, dtype=torch.uint8)])
    return {"image": image.expand(rows, 3, size, size), "aspect": torch.ones(rows)}


def centres(patches: Tensor) -> Tensor:
    """(…, 2) column and row of the middle of patches cut from `coordinates`."""
    return patches[..., :2, :, :].mean(dim=(-2, -1)) * 255


@pytest.mark.parametrize("pairs", ["all", "one"])
def test_places_are_directions_from_the_middle(pairs: str) -> None:
    """Labels 0 to 7 go row by row: left or right and above or below, told from where the pixels came from."""
    task = make("relative_location", size=30, pairs=pairs, crop=1.0, grey=0.0)
    views = task.views(coordinates(64, 30), rng())
    where = centres(views["patches"])
    step = ((where[:, 1:] - where[:, :1]) / 10).round()  # in cells
    directions = [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)]
    assert views["place"].shape == (64, 8 if pairs == "all" else 1)
    assert set(views["place"].flatten().tolist()) == set(range(8))
    for row in range(64):
        assert [tuple(pair) for pair in step[row].tolist()] == [directions[label] for label in views["place"][row].tolist()]


def test_relative_location_asks_about_the_pair_of_middle_and_neighbour() -> None:
    """The answer about a neighbour does not change with the other neighbours, and does with the middle."""
    task = make("relative_location", size=30)
    views = task.views(batch(side=30), rng())
    settled(task, views)
    patches = views["patches"]
    others, middle = patches.clone(), patches.clone()
    others[:, 2:] = others[:, 2:].flip(1)
    middle[:, 0] = middle[:, 5]
    place = torch.arange(8).expand(6, 8)
    answers = [task({"patches": each, "place": place})["logits"][:, 0] for each in (patches, others, middle)]
    torch.testing.assert_close(answers[0], answers[1], atol=1e-4, rtol=0)
    assert (answers[0] - answers[2]).abs().max() > 0.1


@pytest.mark.parametrize("name", ["relative_location", "jigsaw"])
def test_brightness_contrast_and_tint_of_patches_change_nothing(name: str) -> None:
    """What would give a patch away: every patch is scaled and shifted per channel at will, and the answers stay."""
    task = make(name, size=30)
    views = task.views(batch(side=30), rng())
    settled(task, views)
    key = next(key for key, view in views.items() if view.ndim == 5)
    patches = views[key] * 0.5 + 0.25
    draws = torch.rand(2, *patches.shape[:3], 1, 1, generator=rng(5))
    changed = 0.3 + 0.4 * draws[0] + (0.5 + 0.5 * draws[1]) * (patches - 0.5)
    one, two, others = (task(views | {key: each})["logits"] for each in (patches, changed, patches.flip(0)))
    torch.testing.assert_close(one, two, atol=1e-3, rtol=0)
    assert (one - others).abs().max() > 0.1


@pytest.mark.parametrize("name", ["relative_location", "jigsaw"])
def test_about_two_thirds_of_the_pictures_are_grey(name: str) -> None:
    views = make(name).views({"image": batch(1)["image"].expand(600, -1, -1, -1), "aspect": torch.ones(600)}, rng())
    patches = next(view for view in views.values() if view.ndim == 5)
    grey = (patches.amax(dim=2) - patches.amin(dim=2)).flatten(1).amax(dim=1) < 1e-5
    assert 0.58 < grey.float().mean() < 0.74


@pytest.mark.parametrize(("backbone", "size", "side"), [("compact_convnet", 28, 6), ("compact_vit", 28, 8), ("resnet18", 32, 7)])
def test_patches_enter_at_their_own_size_or_a_little_more(backbone: str, size: int, side: int) -> None:
    task = make("relative_location", size=size, backbone=backbone)
    assert task.side == side
    assert task(task.views(batch(), rng()))["logits"].shape == (6, 8, 8)


def test_backbones_of_one_size_only_get_patches_of_that_size() -> None:
    """A CaiT's positions are those of the pictures it was built for."""
    backbone = build("cait_xxs24_224", size=56)
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    assert fitting_side(backbone, 12) == 56
    assert backbone.training
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())


@torch.no_grad()
def test_relative_location_shows_where_it_puts_patches() -> None:
    """A network that answers the first place for every patch: one patch lies there, all other places are grey."""
    task = make("relative_location", size=30).eval()
    last = task.head.classify[-1]
    last.weight.zero_()
    last.bias.copy_(torch.tensor([9.0] + [0.0] * 7))
    shown = task.show(batch(side=30), rng())
    patch = task.grid.patch
    cells = [
        (slice(r * (patch + 1), r * (patch + 1) + patch), slice(c * (patch + 1), c * (patch + 1) + patch))
        for r in range(3)
        for c in range(3)
    ]
    put, original, question = shown["where it puts them"], shown["original"], shown["in any order"]
    for cell, (down, across) in enumerate(cells):
        piece = put[:, :, down, across]
        assert bool((piece == 0.5).all()) == (cell not in (0, 4))
    assert torch.equal(put[..., cells[4][0], cells[4][1]], original[..., cells[4][0], cells[4][1]])
    assert torch.equal(question.flatten(1).sort(1).values, original.flatten(1).sort(1).values)


# Jigsaw ---------------------------------------------------------------------------------------------------------------------------


def hamming(one: tuple[int, ...], two: tuple[int, ...]) -> int:
    return sum(a != b for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize(("tiles", "count", "seed"), [(3, 6, 0), (4, 10, 1), (5, 30, 2)])
def test_permutations_are_the_farthest_by_brute_force(tiles: int, count: int, seed: int) -> None:
    every = list(permutations(range(tiles)))
    chosen = [tuple(row) for row in distant_permutations(tiles, count, seed=seed).tolist()]
    assert len(set(chosen)) == count
    for n in range(1, count):
        before = chosen[:n]
        scores = {p: (min(hamming(p, q) for q in before), sum(hamming(p, q) for q in before)) for p in every}
        assert scores[chosen[n]] == max(scores.values())


def test_permutations_follow_their_seed_and_lie_far_apart() -> None:
    one, other = distant_permutations(9, 64, seed=0), distant_permutations(9, 64, seed=1)
    distant_permutations.cache_clear()
    assert torch.equal(one, distant_permutations(9, 64, seed=0))
    assert not torch.equal(one, other)
    apart = (one[:, None] != one[None]).sum(2) + 9 * torch.eye(64, dtype=torch.long)
    assert apart.min() >= 6
    assert (one.sort(1).values == torch.arange(9)).all()


def test_permutations_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected 2 to 362,880"):
        make("jigsaw", permutations=1)
    with pytest.raises(ValueError, match="24"):
        distant_permutations(4, 25)


def test_jigsaw_shuffles_as_its_label_says() -> None:
    """Answers about shuffled embeddings are those about tiles that were shuffled before they were embedded."""
    task = make("jigsaw", size=30)
    views = task.views(batch(side=30), rng())
    settled(task, views)
    order = task.permutations[views["permutation"][:, 1]]
    moved = torch.stack([torch.stack([tiles[k] for k in row]) for tiles, row in zip(views["tiles"], order.tolist(), strict=True)])
    as_they_lie = torch.arange(9).expand(6, 1, 9)
    expected, unmoved = (task.head(embed_patches(task.backbone, each, task.side), as_they_lie)[:, 0] for each in (moved, views["tiles"]))
    torch.testing.assert_close(task(views)["logits"][:, 1], expected, atol=1e-4, rtol=0)
    assert (expected - unmoved).abs().max() > 0.1


@torch.no_grad()
def test_jigsaw_shows_a_right_guess_as_the_original() -> None:
    """A network that always believes in the first permutation is right for those shuffled by it, and for no other."""
    task = make("jigsaw", size=30, permutations=3).eval()
    last = task.head.classify[-1]
    last.weight.zero_()
    last.bias.copy_(torch.tensor([1.0, 0.0, 0.0]))
    given = batch(32, side=30)
    truth = task.views(given, rng())["permutation"][:, 0]
    shown = task.show(given, rng())
    right = [torch.equal(a, b) for a, b in zip(shown["put back by its guess"], shown["original"], strict=True)]
    assert right == (truth == 0).tolist()
    assert 0 < sum(right) < 32


# Colorization ---------------------------------------------------------------------------------------------------------------------


def plain_color(*values: float, rows: int = 2, side: int = 16) -> dict[str, Tensor]:
    """Pictures of one sRGB colour."""
    image = (torch.tensor(values) * 255).round().to(torch.uint8).reshape(1, 3, 1, 1).expand(rows, 3, side, side)
    return {"image": image, "aspect": torch.ones(rows)}


def test_colors_are_hidden_from_the_network() -> None:
    """Two pictures of the same lightness in different colours: the same grey, three times over, but other bins."""
    task = make("colorization")
    red = task.views(plain_color(1.0, 0.0, 0.0), rng())  # L* 53.24
    grey_of_red = red["grey"][0, :, 0, 0].tolist()
    assert grey_of_red == pytest.approx([0.532408] * 3, abs=1e-4)
    violet = task.views(plain_color(0.607, 0.39, 0.9), rng())
    assert violet["grey"][0, 0, 0, 0].item() == pytest.approx(0.532, abs=0.02)
    assert not torch.equal(red["nearest"], violet["nearest"])


def test_views_keep_their_colors() -> None:
    """No jitter and no grey: what is to be told is the colour of the picture."""
    task = make("colorization")
    views = task.views(plain_color(1.0, 0.0, 0.0, rows=64), rng())
    told = (views["share"][..., None] * task.bins[views["nearest"]]).sum(dim=1)
    assert (told - torch.tensor([80.0925, 67.2032])).abs().max() < 3  # to the fineness of a bin


def test_soft_bins_by_loops() -> None:
    bins = color_bins()
    colors = torch.tensor([[3.0, 4.0], [-41.5, 12.3], [80.0925, 67.2032]])
    nearest, share = soft_bins(colors, bins)
    for row, (a, b) in enumerate(colors.tolist()):
        distances = sorted((math.hypot(a - x, b - y), n) for n, (x, y) in enumerate(bins.tolist()))[:5]
        weights = [math.exp(-(distance**2) / 50) for distance, _ in distances]
        assert nearest[row, 0] == distances[0][1]
        assert sorted(nearest[row].tolist()) == sorted(n for _, n in distances)
        assert sorted(share[row].tolist()) == pytest.approx(sorted(weight / sum(weights) for weight in weights), abs=1e-4)


def test_rarity_by_hand() -> None:
    """Frequencies 3/4 and 1/4, mixed half and half with 1/2: 5/8 and 3/8. Weights 8/5 and 8/3, of mean 28/15: 6/7 and 10/7."""
    torch.testing.assert_close(rarity(torch.tensor([0.75, 0.25]), 0.5), torch.tensor([6 / 7, 10 / 7]))
    torch.testing.assert_close(rarity(torch.tensor([0.75, 0.25]), 1.0), torch.ones(2))


def test_colorization_loss_by_loops() -> None:
    task = make("colorization", rebalance=0.6)
    task.after_step(task(task.views(batch(), rng(1))))
    output = task(task.views(batch(2), rng()))
    bins: Any = task.bins
    frequency: Any = task.frequency
    smoothed = [0.0] * len(bins)
    for q, at in enumerate(bins.tolist()):
        spread = [math.exp(-(math.dist(at, other) ** 2) / 50) for other in bins.tolist()]
        for p, share in enumerate(spread):
            smoothed[p] += float(frequency[q]) * share / sum(spread)
    weights = [1 / (0.4 * p + 0.6 / len(bins)) for p in smoothed]
    mean = sum(p * w for p, w in zip(smoothed, weights, strict=True))
    expected = []
    for row in range(2):
        for down in range(4):
            for across in range(4):
                logits = output["logits"][row, :, down, across].tolist()
                log_sum = math.log(sum(math.exp(logit) for logit in logits))
                near = output["nearest"][row, :, down, across].tolist()
                shares = output["share"][row, :, down, across].tolist()
                surprise = -sum(share * (logits[q] - log_sum) for q, share in zip(near, shares, strict=True))
                expected.append(weights[near[0]] / mean * surprise)
    assert task.loss(output)["color"].item() == pytest.approx(sum(expected) / len(expected), rel=1e-4)


def test_frequencies_are_the_mean_over_batches() -> None:
    """A red batch and a blue one: half and half, and the same whether red comes in one batch or in two parts of the step."""
    task = make("colorization")
    outputs = [task(task.views(plain_color(*color), rng())) for color in ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0))]
    before = task.loss(outputs[0])["color"]
    for output in outputs:
        task.after_step(output)
    seen = {int(q): float(task.frequency[q]) for q in task.frequency.nonzero()[:, 0]}
    assert seen == {int(output["nearest"][0, 0, 0, 0]): pytest.approx(0.5) for output in outputs}
    assert task.loss(outputs[0])["color"] < before  # red is no longer as rare as the rest
    assert "frequency" in task.state_dict()
    assert "batches" in task.state_dict()


def test_annealed_mean_lies_between_mean_and_mode() -> None:
    """Two bins with chances 3/4 and 1/4: sharpened to the power 1 / 0.38, their odds are 3 ** 2.6316 = 18.02 to 1."""
    logits = torch.tensor([0.75, 0.25]).log().reshape(1, 2, 1, 1)
    mean = annealed_mean(logits, torch.tensor([[100.0, 0.0], [0.0, 100.0]])).flatten()
    assert mean.tolist() == pytest.approx([100 * 18.02 / 19.02, 100 / 19.02], abs=0.02)


def test_grey_pictures_stored_as_color_are_refused() -> None:
    grey = {"image": batch(channels=1)["image"].expand(-1, 3, -1, -1), "aspect": torch.ones(6)}
    with pytest.raises(ValueError, match="grey, stored as colour"):
        make("colorization").views(grey, rng())
    with pytest.raises(ValueError, match="another task"):
        make("colorization", channels=1)
    with pytest.raises(ValueError, match="rebalance is 2"):
        make("colorization", rebalance=2.0)


@torch.no_grad()
def test_colorization_shows_grey_guess_and_original() -> None:
    """A network sure of red's bin paints in reddish colours, at the lightness of the picture."""
    task = make("colorization").eval()
    last = task.decoder.paint
    last.weight.zero_()
    red = int(soft_bins(torch.tensor([[60.0, 40.0]]), task.bins)[0][0, 0])
    last.bias.copy_(30 * F.one_hot(torch.tensor(red), len(task.bins)))
    shown = task.show(plain_color(0.2, 0.5, 0.5), rng())
    guess = lab(shown["coloured by its guess"])
    assert guess[0, 1:, 3, 3].tolist() == pytest.approx([60, 40], abs=1)
    torch.testing.assert_close(guess[:, :1], lab(shown["original"])[:, :1], atol=0.5, rtol=0)
    torch.testing.assert_close(shown["grey"][:, 0], shown["grey"][:, 2])
