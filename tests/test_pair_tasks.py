"""CLIP and SigLIP: their losses against numbers worked by hand, the papers' formulas written another way, and `transformers`."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from selfsup.contract.pair_trials import made_up_pairs
from selfsup.contract.text_trials import byte_vocabulary
from selfsup.heads import LearnedScale
from selfsup.losses import alike_pairs, matching, pairwise_sigmoid
from selfsup.train.watch import Watch
from small_pairs import make, trial
from small_tasks import rng


def directions(rows: int, width: int, seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(rows, width, generator=rng(seed), dtype=torch.float64), dim=1)


def nothing_alike(rows: int) -> torch.Tensor:
    return torch.eye(rows, dtype=torch.bool)


def scalar(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


# CLIP -----------------------------------------------------------------------------------------------------------------------------


def test_matching_by_hand() -> None:
    """Two pairs at right angles with scale 2: each side has its own at 2 and one other at 0."""
    sides = torch.eye(2, dtype=torch.float64)
    assert matching(sides, sides, scalar(2.0), nothing_alike(2)) == pytest.approx(math.log(1 + math.exp(-2)), abs=1e-12)


def test_matching_equals_transformers() -> None:
    from transformers.models.clip.modeling_clip import image_text_contrastive_loss

    image, text = directions(7, 5, 1), directions(7, 5, 2)
    expected = image_text_contrastive_loss(13.0 * text @ image.T)
    assert matching(image, text, scalar(13.0), nothing_alike(7)) == pytest.approx(float(expected), abs=1e-12)


def test_what_is_alike_is_no_negative() -> None:
    """Pairs 0 and 2 have the same caption: the loss is that of sums, written out, without each other's text and picture."""
    image, text = directions(4, 3, 1), directions(4, 3, 2)
    text[2] = text[0]
    captions = torch.tensor([[10, -1], [11, -1], [10, -1], [12, -1]])
    alike = alike_pairs(torch.arange(4), captions[:, 0], captions)
    own = (3.0 * image @ text.T).tolist()
    left_out = {(0, 2), (2, 0)}
    expected = 0.0
    for i in range(4):
        across = sum(math.exp(own[i][j]) for j in range(4) if (i, j) not in left_out)
        down = sum(math.exp(own[j][i]) for j in range(4) if (j, i) not in left_out)
        expected -= (math.log(math.exp(own[i][i]) / across) + math.log(math.exp(own[i][i]) / down)) / 8
    assert matching(image, text, scalar(3.0), alike) == pytest.approx(expected, abs=1e-12)


def test_alike_are_captions_of_the_same_picture_and_pictures_of_the_same_pixels() -> None:
    captions = torch.tensor([[1, 2], [3, -1], [2, 4], [5, -1]])
    drawn = torch.tensor([1, 3, 2, 5])
    alike = alike_pairs(torch.tensor([7, 8, 9, 8]), drawn, captions)
    expected = torch.eye(4, dtype=torch.bool)
    expected[0, 2] = True  # what was drawn for picture 2 is a caption of picture 0 too
    expected[1, 3] = expected[3, 1] = True  # equal pixels
    assert torch.equal(alike, expected)
    assert torch.equal(alike_pairs(torch.tensor([7, 8, 9, 8]), drawn, captions, slice(1, 3)), expected[1:3])


# SigLIP ---------------------------------------------------------------------------------------------------------------------------


def siglip(image: torch.Tensor, text: torch.Tensor, scale: float, bias: float, **chunks: int) -> torch.Tensor:
    count = torch.arange(len(image))
    return pairwise_sigmoid(image, text, scalar(scale), scalar(bias), partial(alike_pairs, count, count, count[:, None]), **chunks)


def test_pairwise_sigmoid_by_hand() -> None:
    """Two pairs at right angles, scale 2, bias -1: two that belong together at 1, two that do not at -1, and all four cost the same."""
    sides = torch.eye(2, dtype=torch.float64)
    assert siglip(sides, sides, 2.0, -1.0) == pytest.approx(2 * math.log(1 + math.exp(-1)), abs=1e-12)


def test_pairwise_sigmoid_equals_transformers() -> None:
    from transformers import SiglipConfig, SiglipModel

    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision, words = {**small, "image_size": 8, "patch_size": 4}, {**small, "vocab_size": 40, "max_position_embeddings": 6}
    torch.manual_seed(0)
    model: Any = SiglipModel(SiglipConfig(text_config=words, vision_config=vision)).double()
    model.eval()
    torch.nn.init.constant_(model.logit_scale, math.log(10))
    torch.nn.init.constant_(model.logit_bias, -10.0)
    pixels, ids = torch.randn(6, 3, 8, 8, dtype=torch.float64), torch.randint(0, 40, (6, 6))
    with torch.no_grad():
        out = model(pixel_values=pixels, input_ids=ids, return_loss=True)
    assert siglip(out.image_embeds, out.text_embeds, 10.0, -10.0) == pytest.approx(float(out.loss), rel=1e-9)


def test_chunks_give_the_same_loss_and_gradients() -> None:
    sides = directions(9, 4, 1).requires_grad_(), directions(9, 4, 2).requires_grad_()
    whole = siglip(sides[0], sides[1], 5.0, -3.0)
    expected = torch.autograd.grad(whole, sides)
    parts = siglip(sides[0], sides[1], 5.0, -3.0, chunk=18)  # two pictures at a time, and one
    torch.testing.assert_close(parts, whole, rtol=1e-12, atol=0.0)
    for found, wanted in zip(torch.autograd.grad(parts, sides), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-14)


def test_alike_pairs_cost_nothing_in_the_sigmoid_loss() -> None:
    image, text = directions(3, 4, 1), directions(3, 4, 2)
    drawn = torch.tensor([1, 1, 2])
    found = pairwise_sigmoid(image, text, scalar(5.0), scalar(-2.0), partial(alike_pairs, torch.arange(3), drawn, drawn[:, None]))
    logits = (5.0 * image @ text.T - 2.0).tolist()
    expected = sum(math.log1p(math.exp(-logits[i][i])) for i in range(3))
    expected += sum(math.log1p(math.exp(logits[i][j])) for i in range(3) for j in range(3) if i != j and {i, j} != {0, 1})
    assert found == pytest.approx(expected / 3, abs=1e-12)


# The tasks ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "term"), [("clip", "contrast"), ("siglip", "pairs")])
def test_a_blind_network_has_the_blind_loss(name: str, term: str) -> None:
    """With one direction for everything, and what the best bias would be, the loss is the one that the warning looks for."""
    task, count = make(name), 16
    same = F.normalize(torch.ones(count, 4), dim=1)
    number = torch.arange(count)
    output = {"image": same, "text": same, "scale": torch.ones(count), "picture": number, "drawn": number, "captions": number[:, None]}
    prior = math.log(1 / (count - 1))  # log-odds of one pair in so many
    output["bias"] = torch.full((count,), prior - 1.0)
    assert float(task.loss(output)[term]) == pytest.approx(task.blind_loss(count), abs=1e-5)


def test_every_caption_is_drawn_alike_often_and_with_its_own_length() -> None:
    task, batch = make("clip"), made_up_pairs(6, 3, 20, 12, byte_vocabulary())
    batch["tokens"] = batch["tokens"] % 60
    seen: dict[int, set[int]] = {row: set() for row in range(6)}
    for seed in range(40):
        views = task.views(batch, rng(seed))
        for row, (drawn, attended) in enumerate(zip(views["drawn"].tolist(), views["attended"].sum(1).tolist(), strict=True)):
            place = batch["caption"][row].tolist().index(drawn)
            assert attended == int(batch["length"][row, place])
            assert torch.equal(views["tokens"][row], batch["tokens"][row, place])
            seen[row].add(drawn)
    assert {row: len(drawn) for row, drawn in seen.items()} == {row: 1 + row % 3 for row in range(6)}


def test_the_scale_never_passes_its_limit_and_comes_back() -> None:
    scale = LearnedScale(99.0, most=100.0)
    optimizer = torch.optim.SGD(scale.parameters(), lr=1e-3)
    for direction in (-1.0, -1.0, -1.0, 1.0):  # three pushes up, the third of which comes when the limit is passed; then one back
        optimizer.zero_grad()
        torch.autograd.backward(direction * scale(4).mean())
        optimizer.step()
        assert scale(1).item() <= 100.0 + 1e-4
    assert scale(1).item() < 100.0


def test_a_loss_stuck_at_that_of_blindness_is_said_in_words() -> None:
    watch, blind = Watch(), math.log(64)
    told: dict[str, str] = {}
    for look in range(8):
        told |= watch.warnings(progress=(look + 1) / 8, loss=blind + 0.01, rank=20.0, spread=0.5, blind=blind)
    assert set(told) == {"blind"}
    assert "4.159" in told["blind"]
    assert "tells nothing in a batch apart" in told["blind"]
    learning = Watch()
    for look in range(8):
        assert not learning.warnings(progress=(look + 1) / 8, loss=blind - 0.2 * look, rank=20.0, spread=0.5, blind=blind)
    passing = Watch()
    for look in range(16):  # slowly, from above
        assert not passing.warnings(progress=(look + 1) / 16, loss=blind + 0.35 - 0.05 * look, rank=20.0, spread=0.5, blind=blind)


def test_a_frozen_side_stays_as_it_is() -> None:
    from small_pairs import network

    net = network(frozen="image")
    from selfsup.tasks.clip import CLIP

    task = CLIP(net).train()
    before = {name: value.clone() for name, value in net.image.state_dict().items()}
    batch = trial().batch()
    batch["tokens"] = batch["tokens"] % 60
    optimizer = torch.optim.AdamW([parameter for parameter in task.parameters() if parameter.requires_grad], lr=0.1)
    for seed in range(2):
        optimizer.zero_grad()
        torch.autograd.backward(task.loss(task(task.views(batch, rng(seed))))["contrast"])
        optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in net.image.state_dict().items()), "BatchNorm's statistics too"
    assert all(parameter.grad is not None for parameter in task.parameters() if parameter.requires_grad)
    assert not net.image.training
    assert net.text.training
