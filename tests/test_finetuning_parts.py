"""What fine-tuning is made of, each beside something independent: the probe it begins as, depth, frozen statistics, calibration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from finetuning_fixture import CONTEXT, IMAGES, TARGETS, text_run
from selfsup.backbones import Backbone, build
from selfsup.data import open_source, open_store
from selfsup.embedding import PictureReading, TextReading
from selfsup.finetuning import Classifier, Recipe, Start, train_classifier
from selfsup.finetuning.beginning import Frozen, frozen_features
from selfsup.finetuning.calibration import Calibration, calibrate, chance_error, expected_error, most_off, temperature_of
from selfsup.finetuning.classifier import between, probe_classifier
from selfsup.finetuning.depth import depths, parameter_groups
from selfsup.finetuning.fitting import _best
from selfsup.finetuning.held_back import HeldBack
from selfsup.probing.choice import Choice
from selfsup.probing.probes import Standardiser
from selfsup.views import Augment

GENTLE = Augment(8, crop=(0.7, 1.0), flip=0.0, jitter=0.0, grey=0.0)
ROWS = np.arange(60)


@pytest.fixture(scope="module")
def pictures() -> PictureReading:
    source = open_source(IMAGES[:300])
    return PictureReading(source, open_store(source, side=8, channels=1, progress=False))


def network(name: str = "compact_convnet", size: int = 8) -> Backbone:
    torch.manual_seed(0)
    return build(name, size=size, channels=1).eval()


def start_of(backbone: Any, reading: Any, layer: str) -> Start:
    frozen = frozen_features(
        backbone, reading, rows=ROWS, targets=TARGETS[ROWS], reference=np.arange(200), classes=10, balanced=False
    )  # fmt: skip
    return frozen.start(Choice(layer, 10.0))


def test_it_begins_as_the_linear_probe_of_scikit_learn(pictures: PictureReading) -> None:
    backbone = network()
    model = probe_classifier(backbone, PictureReading, 10, start_of(backbone, pictures, "stage2/quarters"))
    features = pictures.embeddings(backbone, range(300), layers=["stage2/quarters"])["stage2/quarters"].astype(np.float64)
    spread = features[:200].std(0)
    features = (features - features[:200].mean(0)) / np.where(spread > 1e-7 * spread.max(), spread, 1) / features.shape[1] ** 0.5
    peer = LogisticRegression(C=10.0, tol=1e-8, max_iter=5000).fit(features[ROWS], TARGETS[ROWS])
    assert model.predict(pictures, np.arange(60, 300)) == pytest.approx(peer.predict_proba(features[60:]), abs=2e-4)


@pytest.mark.parametrize("name", ["compact_convnet", "compact_vit", "resnet18"])
def test_vectors_of_views_are_the_features_of_whole_pictures(pictures: PictureReading, name: str) -> None:
    backbone, rows = network(name), torch.arange(5)
    whole = pictures.view(backbone, rows, augment=None, rng=torch.Generator())
    layers = PictureReading.layers(backbone)
    expected = pictures.embeddings(backbone, rows, layers=layers)
    for layer in layers:
        found = PictureReading.vectors(backbone, whole, layer)
        assert found.requires_grad
        np.testing.assert_allclose(found.detach().numpy(), expected[layer], rtol=1e-4, atol=1e-5)
    last = PictureReading.vectors(backbone, whole, Classifier(backbone, PictureReading, 3).layer)
    torch.testing.assert_close(last, backbone.embed(*whole), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["bert-tiny", "gpt2-tiny"])
def test_vectors_of_texts_that_fit_the_context_are_their_features(tmp_path: Path, name: str) -> None:
    """Texts of different lengths in one padded batch, an empty one among them, beside each text by itself without padding."""
    (tmp_path / "texts").mkdir()
    for number, words in enumerate(["a lamp", "the lamp of room seven hums", "orders come late again"]):
        (tmp_path / "texts" / f"{number}.txt").write_text(words, encoding="utf-8")
    run = text_run(tmp_path / "run", tmp_path / "texts", name=name)
    reading, backbone = TextReading.of(run, TextReading.opened(tmp_path / "texts")), TextReading.network(run).eval()
    ids, attended = reading.view(backbone, torch.arange(3), augment=None, rng=torch.Generator())
    assert ids.shape[1] < CONTEXT
    ids, attended = (torch.cat([each, torch.zeros_like(each[:1])]) for each in (ids, attended))
    layers = TextReading.layers(backbone)
    expected = reading.embeddings(backbone, range(3), layers=layers)
    for layer in layers:
        found = TextReading.vectors(backbone, (ids, attended), layer).detach().numpy()
        np.testing.assert_allclose(found[:3], expected[layer], rtol=1e-3, atol=1e-4)
        assert (found[3] == 0).all()


def test_depth_is_the_first_layer_that_a_parameter_takes_part_in() -> None:
    """The seven convolutions of the compact network end its stages at the 1st, 3rd, 5th and 7th; in a ResNet names say the stage."""
    found = depths(network(), (torch.rand(1, 1, 8, 8),))
    assert [found[f"convolutions.{n}.weight"] for n in range(7)] == [0, 1, 1, 2, 2, 3, 3]
    assert [found[f"norms.{n}.bias"] for n in range(7)] == [0, 1, 1, 2, 2, 3, 3]
    residual = network("resnet18", 32)
    found = depths(residual, (torch.rand(1, 1, 32, 32),))
    first = len(residual.layers) - 4
    for name, number in found.items():
        if "layer" in name:
            assert number == first + int(name.partition("layer")[2][0]) - 1, name
    assert set(found) == {name for name, parameter in residual.named_parameters() if parameter.requires_grad}


def test_rates_fall_with_depth_and_unused_layers_stay_out(pictures: PictureReading) -> None:
    model = Classifier(network(), PictureReading, 10, start=start_of(network(), pictures, "stage3/mean"))
    groups = parameter_groups(model, Recipe(GENTLE, learning_rate=1.0, weight_decay=0.1, layer_decay=0.5), (torch.rand(1, 1, 8, 8),))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    rates = {names[id(member)]: (group["lr"], group["weight_decay"]) for group in groups for member in group["params"]}
    assert rates["linear.weight"] == (1.0, 0.1)
    assert rates["linear.bias"] == (1.0, 0.0)
    assert rates["backbone.convolutions.4.weight"] == (0.5, 0.1)
    assert rates["backbone.norms.2.weight"] == (0.25, 0.0)
    assert rates["backbone.convolutions.0.weight"] == (0.125, 0.1)
    assert not any("convolutions.5" in name or "norms.6" in name for name in rates)


def trained(pictures: PictureReading, *, frozen_statistics: bool, learning_rate: float = 1e-3) -> Classifier:
    recipe = Recipe(GENTLE, steps=4, batch_size=2, frozen_statistics=frozen_statistics, learning_rate=learning_rate, layer_decay=0.5)
    start = start_of(network(), pictures, "stage3/mean")
    return train_classifier(network(), pictures, rows=ROWS[:3], targets=TARGETS[ROWS[:3]], classes=10, recipe=recipe, start=start)


def test_statistics_of_batch_norm_stay_and_batches_of_two_do_no_harm(pictures: PictureReading) -> None:
    """With a rate of nearly 0 nothing may change. With statistics of batches of two pictures, what the network says does."""
    still, moved = (trained(pictures, frozen_statistics=frozen, learning_rate=1e-12) for frozen in (True, False))
    begun = probe_classifier(network(), PictureReading, 10, start_of(network(), pictures, "stage3/mean"))
    rows = np.arange(100, 140)
    assert still.logits(pictures, rows) == pytest.approx(begun.logits(pictures, rows), abs=1e-4)
    assert np.abs(moved.logits(pictures, rows) - begun.logits(pictures, rows)).max() > 0.01
    norms = [module for module in trained(pictures, frozen_statistics=True).backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    before = [module for module in network().modules() if isinstance(module, nn.BatchNorm2d)]
    assert all(torch.equal(own.running_mean, old.running_mean) for own, old in zip(norms, before, strict=True))  # type: ignore[arg-type]
    assert not all(torch.equal(own.weight, old.weight) for own, old in zip(norms, before, strict=True))


def test_between_two_classifiers_lie_their_averages(pictures: PictureReading) -> None:
    first = probe_classifier(network(), PictureReading, 10, start_of(network(), pictures, "stage3/mean"))
    last = trained(pictures, frozen_statistics=True)
    for share in (0.0, 0.25, 1.0):
        for own, a, b in zip(between(first, last, share).parameters(), first.parameters(), last.parameters(), strict=True):
            torch.testing.assert_close(own, (1 - share) * a + share * b)


def test_the_temperature_that_scores_were_multiplied_by_is_found() -> None:
    """Truths drawn from the softmax of scores, which are then made three times too sure."""
    rng = np.random.default_rng(0)
    honest = rng.normal(size=(4000, 4)) * 2
    shares = np.exp(honest) / np.exp(honest).sum(1, keepdims=True)
    truth = (shares.cumsum(1) > rng.random((4000, 1))).argmax(1)
    assert temperature_of(3 * honest, truth) == pytest.approx(3, rel=0.06)
    found = calibrate(3 * honest, truth, np.arange(4000) % 3)
    assert found.calibrated
    assert found.error is not None
    assert found.untempered is not None
    assert found.error < 0.03 < 0.1 < found.untempered
    assert found.off_by < 0.03


def test_the_expected_error_is_that_of_the_formula() -> None:
    """Twenty items make two bins: (0, .5] with gaps of -.1 in the mean, (.5, 1] with +.1 in the mean, by hand."""
    confidence = np.repeat([0.4, 0.5, 0.9], [5, 5, 10])
    right = np.array([1, 1, 0, 0, 0, 1, 0, 0, 0, 1, *[1] * 10], dtype=float)
    first = abs(right[:10].mean() - 0.45) * 10
    assert expected_error(confidence, right) == pytest.approx((first + 0.1 * 10) / 20)


def test_the_error_that_chance_makes_is_that_of_lots() -> None:
    """Confidences that are true by construction, judged on lots drawn from them two thousand times."""
    rng = np.random.default_rng(0)
    for n in (60, 150, 600):
        confidence = rng.uniform(0.5, 1.0, n)
        drawn = [expected_error(confidence, (rng.random(n) < confidence).astype(float)) for _ in range(2000)]
        assert chance_error(confidence) == pytest.approx(np.mean(drawn), rel=0.06)


def test_a_confidence_that_is_wrong_is_not_called_calibrated() -> None:
    """Half of what is sure is right, whatever the temperature makes of the rest; and a faultless one stays calibrated on few items."""
    wrong = Calibration(1.0, 400, error=0.18, untempered=0.2, off_by=0.21, by_chance=0.06)
    assert not wrong.calibrated
    said = wrong.words("pictures")
    assert "is not calibrated: expected calibration error 18.0 points" in said
    assert "6.0 points" in said
    assert Calibration(1.0, 60, error=0.1, untempered=0.2, off_by=0.2, by_chance=0.09).calibrated
    assert Calibration(1.0, 400, error=0.04, untempered=0.2, off_by=0.2).calibrated, "models made before chance was kept"
    assert not Calibration(1.0, 49, error=0.01, untempered=0.2, off_by=0.2).calibrated
    rng = np.random.default_rng(1)
    side = rng.integers(0, 2, 400)
    sure = np.where(side, 4.0, -0.3)  # half are sure, and wrong as often as not; the others doubt, and are right
    truth = np.where(side, rng.integers(0, 2, 400), 1)
    found = calibrate(np.stack([sure, np.zeros(400)], axis=1), truth, np.arange(400) % 3)
    assert found.error is not None
    assert found.error - found.by_chance > 0.05
    assert not found.calibrated


def test_few_labels_say_by_how_much_a_confidence_may_be_off() -> None:
    nothing = calibrate(np.zeros((0, 4)), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    assert (nothing.temperature, nothing.error, nothing.off_by, nothing.calibrated) == (1.0, None, 0.75, False)
    assert "not calibrated" in nothing.words("pictures")
    sure = np.eye(2)[np.array([0, 1] * 5)] * 20
    few = calibrate(sure, np.array([0, 1] * 5), np.arange(10) % 3)
    assert few.temperature > 0.04, "ten items that are all told right are no reason for certainty"
    assert few.off_by >= 0.3, "what did not happen in ten may still happen three times in ten"
    assert "may be off by up to" in few.words("pictures")
    assert most_off(np.full(100, 0.8), np.array([1.0] * 60 + [0.0] * 40)) == pytest.approx(0.2 + 1.984 * 0.4924 / 10, abs=1e-3)


def test_recipe_and_share_are_those_that_told_held_back_items_best() -> None:
    """Two recipes and two shares, of which one tells all four items; the shorter way where two tell the same as surely."""
    truth = np.array([0, 1, 0, 1])
    told, missed = np.eye(2)[truth] * 4, np.eye(2)[1 - truth] * 4

    def held(half: np.ndarray, whole: np.ndarray) -> HeldBack:
        logits = {0.0: missed, 0.25: missed, 0.5: half, 0.75: missed, 1.0: whole}
        return HeldBack(logits, truth, np.array([0, 0, 1, 1]), balanced=False)

    first, second = Recipe(GENTLE, learning_rate=1e-3), Recipe(GENTLE, learning_rate=1e-2)
    tried = [(first, held(missed, missed)), (second, held(missed, told))]
    assert _best(tried, None, True)[::2] == (second, 1.0)
    assert _best([(first, held(told, told)), (second, held(missed, told))], None, True)[::2] == (first, 0.5)
    assert _best(tried, None, False)[::2] == (second, 1.0)
    assert _best(tried, 0.5, True)[2] == 0.5
    surer = held(told / 2, told)
    assert _best([(first, surer)], None, True)[2] == 1.0, "equally right, and surer of it"


@pytest.mark.parametrize("grouped", [False, True])
def test_a_layer_that_only_knows_groups_is_not_chosen_where_groups_are_held_back(grouped: bool) -> None:
    """Twelve groups of one class each: one layer names the group, another the class, nine times in ten."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 8)
    targets = groups % 2
    seen = np.where(rng.random(96) < 0.9, targets, 1 - targets)
    layers = {"names/mean": np.eye(12)[groups], "last/mean": np.stack([seen, 1 - seen], axis=1).astype(float)}
    standardisers = {name: Standardiser(np.zeros(rows.shape[1]), np.ones(rows.shape[1])) for name, rows in layers.items()}
    frozen = Frozen(layers, standardisers, targets, 2, balanced=False)
    assert frozen.choice(groups=groups if grouped else None).layer == ("last/mean" if grouped else "names/mean")
    assert frozen.choice(groups=targets).layer == "names/mean", "nothing to judge by: the default, last but one"


def test_one_item_told_right_outweighs_any_certainty() -> None:
    """Of 300 held-back items one way tells all, hardly; the other tells one less, and is sure of the rest."""
    truth = np.tile([0, 1], 150)
    sure = np.eye(2)[truth] * 9
    hardly, one_less = sure / 500, sure.copy()
    one_less[7] = one_less[7, ::-1]
    for balanced in (False, True):
        held = HeldBack({0.0: hardly, 0.5: one_less, 1.0: sure}, truth, np.arange(300) % 3, balanced)
        assert held.quality(0.5) < held.quality(0.0) < held.quality(1.0)
