from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from selfsup.backbones import Backbone, build
from selfsup.data import open_source, open_store
from selfsup.embedding import PictureReading
from selfsup.finetuning import Classifier, Recipe, train_classifier, tuned, tuning
from selfsup.finetuning.training import _loss_weights
from selfsup.views import Augment

DIGITS = load_digits()
TARGETS = DIGITS.target
GENTLE = Augment(8, crop=(0.7, 1.0), flip=0.0, jitter=0.0, grey=0.0)
ROWS = np.flatnonzero(TARGETS[:150] < 3)


@pytest.fixture(scope="module")
def pictures() -> PictureReading:
    source = open_source((DIGITS.images * 15).astype(np.uint8))
    return PictureReading(source, open_store(source, side=8, channels=1, progress=False))


@pytest.fixture
def backbone() -> Backbone:
    torch.manual_seed(0)
    return build("compact_convnet", size=8, channels=1)


def trained(backbone: Backbone, pictures: PictureReading, *, steps: int = 40, seed: int = 0, augment: Augment = GENTLE) -> Classifier:
    recipe = Recipe(augment, steps=steps)
    return train_classifier(backbone, pictures, rows=ROWS, targets=TARGETS[ROWS], classes=3, recipe=recipe, seed=seed)


def test_learns_to_tell_digits(backbone: Backbone, pictures: PictureReading) -> None:
    model = trained(backbone, pictures)
    fresh = 150 + np.flatnonzero(TARGETS[150:450] < 3)
    scores = model.predict(pictures, fresh)
    assert scores.sum(1) == pytest.approx(1, abs=1e-5)
    assert (scores.argmax(1) == TARGETS[fresh]).mean() > 0.9


def test_the_seed_decides_and_the_backbone_stays(backbone: Backbone, pictures: PictureReading) -> None:
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    torch.manual_seed(7)
    state = torch.get_rng_state()
    first, again, other = (trained(backbone, pictures, steps=3, seed=seed).predict(pictures, ROWS[:5]) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    assert all((before[name] == value).all() for name, value in backbone.state_dict().items())
    assert (torch.get_rng_state() == state).all()


def test_tuning_takes_the_rate_that_works(backbone: Backbone, pictures: PictureReading) -> None:
    recipe = Recipe(GENTLE, steps=60)
    found = tuned(backbone, pictures, rows=ROWS, targets=TARGETS[ROWS], recipe=recipe, options={"learning_rate": (1e-7, 2e-3)})
    assert found == replace(recipe, learning_rate=2e-3)


def test_options_are_settled_one_after_the_other(backbone: Backbone, pictures: PictureReading, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three views and two rates are four trials, not six; the rate is tried on the best views."""
    tried: list[tuple[float, float]] = []
    right = {(0.1, 1e-3): 0.2, (0.5, 1e-3): 0.9, (0.8, 1e-3): 0.4, (0.5, 2e-3): 0.7}

    class Fake:
        def __init__(self, recipe: Recipe) -> None:
            assert recipe.augment is not None
            tried.append((recipe.augment.crop[0], recipe.learning_rate))

        def predict(self, _: PictureReading, rows: np.ndarray) -> np.ndarray:
            truth = TARGETS[rows]
            share = right[tried[-1]]
            return np.where(np.eye(3)[truth] > 0, share, (1 - share) / 2)

    monkeypatch.setattr(tuning, "train_classifier", lambda *_, recipe, **__: Fake(recipe))
    augments = [Augment(8, crop=(low, 1.0)) for low in (0.1, 0.5, 0.8)]
    options = {"augment": augments, "learning_rate": (1e-3, 2e-3)}
    found = tuned(backbone, pictures, rows=ROWS, targets=TARGETS[ROWS], recipe=Recipe(GENTLE, learning_rate=1e-3), options=options)
    assert tried == [(0.1, 1e-3), (0.5, 1e-3), (0.8, 1e-3), (0.5, 2e-3)]
    assert found.augment is not None
    assert (found.augment.crop[0], found.learning_rate) == (0.5, 1e-3)


def test_too_few_labels_to_tune_with_take_the_first(backbone: Backbone, pictures: PictureReading) -> None:
    rows, targets = np.array([0, 1, 10]), np.array([0, 1, 0])
    found = tuned(backbone, pictures, rows=rows, targets=targets, recipe=Recipe(GENTLE), options={"learning_rate": (5e-3, 1.0)})
    assert found == Recipe(GENTLE, learning_rate=5e-3)


def test_steps_follow_the_labels() -> None:
    recipe = Recipe(GENTLE)
    assert [recipe.steps_for(labels) for labels in (2, 100, 800, 100_000)] == [150, 150, 500, 1500]
    assert Recipe(GENTLE, steps=7).steps_for(1000) == 7


def test_balanced_loss_hears_the_small_class(backbone: Backbone, pictures: PictureReading) -> None:
    """30 of one class and 2 of another: weights 32/60 and 32/4, so that both sum to 16; and the loss listens to them."""
    targets = np.repeat([0, 1], [30, 2])
    assert _loss_weights(targets, 2).tolist() == pytest.approx([32 / 60, 32 / 4])
    plain, balanced = Recipe(GENTLE, steps=3, learning_rate=1e-3), Recipe(GENTLE, steps=3, learning_rate=1e-3, balanced=True)
    models = [
        train_classifier(backbone, pictures, rows=ROWS[:32], targets=targets, classes=2, recipe=recipe) for recipe in (plain, balanced)
    ]
    assert not torch.equal(models[0].linear.weight, models[1].linear.weight)
