from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from selfsup.probing import metrics

TRUTH = np.array([0, 0, 0, 0, 1, 1])
CALLED = np.array([0, 0, 0, 1, 1, 0])


def test_by_hand() -> None:
    assert metrics.accuracy(TRUTH, CALLED) == pytest.approx(4 / 6)
    assert metrics.balanced_accuracy(TRUTH, CALLED) == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert metrics.recalls(TRUTH, CALLED, classes=3)[:2].tolist() == [0.75, 0.5]
    assert np.isnan(metrics.recalls(TRUTH, CALLED, classes=3)[2])
    assert metrics.confusion(TRUTH, CALLED, classes=2).tolist() == [[3, 1], [1, 1]]


def test_average_precision_by_hand() -> None:
    # Ranked: right, wrong, right. Precision at the two right ones: 1/1 and 2/3.
    truth, score = np.array([1, 0, 1]), np.array([0.9, 0.8, 0.7])
    values = metrics.average_precisions(truth, np.stack([1 - score, score, np.zeros(3)], axis=1))
    assert values[1] == pytest.approx((1 + 2 / 3) / 2)
    assert values[0] == pytest.approx(1 / 2)
    assert np.isnan(values[2])


def test_against_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, called = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    truth[:100] = 0
    assert metrics.balanced_accuracy(truth, called) == pytest.approx(balanced_accuracy_score(truth, called))


def test_item_weights_sum_to_one() -> None:
    assert metrics.item_weights(TRUTH, balanced=True).tolist() == pytest.approx([1 / 8] * 4 + [1 / 4] * 2)
    assert metrics.item_weights(TRUTH, balanced=False).sum() == pytest.approx(1)


@pytest.mark.parametrize(("counts", "skewed"), [([15, 10], False), ([16, 10], True), ([10, 10, 10], False)])
def test_skew(counts: list[int], skewed: bool) -> None:
    assert metrics.is_skewed(np.array(counts)) is skewed
