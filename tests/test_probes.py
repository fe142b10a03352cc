from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from selfsup.evaluation.predictions import Setting
from selfsup.evaluation.scoring import Task, score
from selfsup.probing import logistic
from selfsup.probing.choice import DEFAULT_STRENGTH, STRENGTHS, Choice, _quality, choose, default_layer
from selfsup.probing.draws import draw_labels
from selfsup.probing.probes import Standardiser, class_weights, knn, linear, neighbours_for, one_hot

IMAGES, TARGETS = load_digits(return_X_y=True)
RAW = np.maximum(IMAGES @ np.random.default_rng(0).normal(size=(64, 200)), 0)
FEATURES = Standardiser.of(RAW)(RAW)


def exact(train: np.ndarray, targets: np.ndarray, strength: float, weights: np.ndarray | None = None) -> LogisticRegression:
    return LogisticRegression(C=strength, tol=1e-8, max_iter=20000).fit(train, targets, sample_weight=weights)


@pytest.mark.parametrize("count", [100, 900])
@pytest.mark.parametrize("strength", STRENGTHS[:4])
@pytest.mark.parametrize("balanced", [False, True])
def test_linear_is_scikit_learns_logistic_regression(count: int, strength: float, balanced: bool) -> None:
    """With fewer rows than columns and with more, weighted and not."""
    train, targets, test = FEATURES[:count], TARGETS[:count], FEATURES[900:1200]
    ours = linear(train, targets, test, classes=10, strength=strength, balanced=balanced)
    theirs = exact(train, targets, strength, class_weights(targets, balanced=balanced)).predict_proba(test)
    assert np.abs(ours - theirs).max() < 0.02
    assert (ours.argmax(1) == theirs.argmax(1)).mean() > 0.995


def test_the_solver_reaches_the_optimum_of_many_problems_at_once() -> None:
    rows, targets = torch.as_tensor(FEATURES[:120]), TARGETS[:120]
    masks = torch.stack([torch.arange(120) % 3 != fold for fold in range(3)]).double()
    rotated = logistic.rotate(rows.expand(3, -1, -1), masks)
    fitted = logistic.fit(rotated.rows, one_hot(targets, 10), weights=masks, strengths=(1.0, 10.0), tolerance=1e-7)
    scores = torch.softmax(logistic.logits(rotated.rows, fitted), dim=3)
    for fold in range(3):
        inside = np.flatnonzero(masks[fold].numpy())
        for place, strength in enumerate((1.0, 10.0)):
            theirs = exact(FEATURES[inside], targets[inside], strength).predict_proba(FEATURES[:120])
            assert np.abs(scores[fold, place].numpy() - theirs).max() < 1e-4


def test_two_classes_are_scikit_learns_at_twice_the_strength() -> None:
    two = TARGETS < 2
    ours = linear(FEATURES[two][:80], TARGETS[two][:80], FEATURES[two][80:], classes=2, strength=5.0)
    theirs = exact(FEATURES[two][:80], TARGETS[two][:80], 10.0).predict_proba(FEATURES[two][80:])
    assert np.abs(ours - theirs).max() < 0.01


def test_knn_by_hand() -> None:
    train = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    scores = knn(train, np.array([0, 1, 1]), np.array([[2.0, 0.0]]), classes=2, neighbours=2)
    weights = np.exp(np.array([1.0, 0.8]) / 0.07)
    assert scores[0] == pytest.approx(weights / weights.sum(), rel=1e-4)
    assert knn(train, np.array([0, 1, 1]), train, classes=2, neighbours=20).shape == (3, 2)


def test_nearest_neighbour_is_scikit_learns() -> None:
    theirs = KNeighborsClassifier(1, metric="cosine").fit(RAW[:300], TARGETS[:300]).predict(RAW[300:600])
    assert (knn(RAW[:300], TARGETS[:300], RAW[300:600], classes=10, neighbours=1).argmax(1) == theirs).all()


def test_balanced_votes_count_classes_alike() -> None:
    train, targets = np.array([[1.0, 0.0]] * 3 + [[1.0, 0.0]]), np.array([0, 0, 0, 1])
    assert knn(train, targets, train[:1], classes=2, neighbours=4, balanced=True)[0] == pytest.approx([0.5, 0.5])


def test_neighbours_grow_with_the_labels() -> None:
    assert [neighbours_for(count) for count in (1, 5, 10, 50, "all")] == [1, 5, 5, 20, 20]


def test_a_constant_feature_is_harmless() -> None:
    features = np.concatenate([RAW[:50][:, RAW[:50].std(0) > 0][:, :5], np.full((50, 1), 3.0)], axis=1)
    turned = Standardiser.of(features)(features)
    assert np.isfinite(turned).all()
    assert (turned[:, 5] == 0).all()
    assert np.square(turned).sum(1).mean() == pytest.approx(5 / 6)


@pytest.mark.parametrize("probe", ["linear", "knn"])
def test_the_layer_that_tells_the_labels_is_chosen(probe: str) -> None:
    noise = np.random.default_rng(0).normal(size=(100, 32))
    chosen = choose({"a/mean": noise, "b/mean": FEATURES[:100]}, TARGETS[:100], probe=probe, labels_per_class=10, default="a/mean")
    assert chosen.layer == "b/mean"


@pytest.mark.parametrize("probe", ["linear", "knn"])
def test_below_five_labels_a_class_the_default_stands(probe: str) -> None:
    draw = draw_labels(TARGETS, count=4, draws=1)[0]
    features = {"a/mean": np.zeros((len(draw), 2)), "b/mean": FEATURES[draw]}
    assert choose(features, TARGETS[draw], probe=probe, labels_per_class=4, default="a/mean") == Choice("a/mean", DEFAULT_STRENGTH)


def test_the_default_is_the_mean_of_the_last_but_one_layer() -> None:
    assert default_layer(["one/mean", "one/max", "two/mean", "two/max", "three/mean", "three/max"]) == "two/mean"
    assert default_layer(["one/mean", "one/max"]) == "one/mean"


def test_a_class_with_one_label_can_be_chosen_with() -> None:
    targets = np.append(np.repeat([0, 1], 10), 2)
    features = {"a/mean": np.random.default_rng(0).normal(size=(21, 8)), "b/mean": np.eye(3)[targets]}
    for probe in ("linear", "knn"):
        assert choose(features, targets, probe=probe, labels_per_class="all", default="a/mean").layer == "b/mean"


def test_tested_items_never_choose() -> None:
    """Other truths of the tested items change neither layers nor predictions."""
    draws: dict[int | str, list[np.ndarray]] = {10: draw_labels(TARGETS[:1000], count=10, draws=2)}
    features = {"a/mean": RAW, "b/mean": np.tanh(RAW / 50)}
    settings = [Setting("linear", 10), Setting("knn", 10)]
    told = []
    for shift in (0, 3):
        targets = np.where(np.arange(len(TARGETS)) < 1000, TARGETS, (TARGETS + shift) % 10)
        task = Task(targets, 10, np.arange(1000, 1300), draws, np.arange(500))
        told.append(score(features, task, settings, default="a/mean"))
    for setting in settings:
        first, second = told[0][setting], told[1][setting]
        assert (first.predicted == second.predicted).all()
        assert (first.layers == second.layers).all()
        assert first.right(TARGETS[1000:1300]).mean() > 0.8


def test_one_item_told_right_outweighs_any_certainty() -> None:
    """Of 300 held-back items the first candidate tells all, hardly; the second tells one less, and is sure of the others."""
    targets, folds = np.tile([0, 1], 150), np.arange(300) % 3
    right = torch.eye(2)[torch.as_tensor(targets)]
    hardly, sure = 0.5 + 0.02 * (right - 0.5), right.clone()
    sure[7] = torch.tensor([1.0, 0.0])
    for balanced in (False, True):
        first, second = _quality(torch.stack([hardly, sure])[:, :, None], targets, folds, balanced)[:, 0]
        assert first > second
        level, surer = _quality(torch.stack([hardly, right])[:, :, None], targets, folds, balanced)[:, 0]
        assert surer > level
