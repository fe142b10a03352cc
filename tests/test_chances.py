from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from selfsup.comparison.chances import LARGEST_SPREAD, chances_of, own_variances


@pytest.mark.parametrize(("lead", "error"), [(0.02, 0.01), (0.005, 0.02), (0.10, 0.03)])
def test_two_units_as_by_integration(lead: float, error: float) -> None:
    """With two units the mean drops out: their difference has the prior N(0, 2 spread²) and is seen with the variance 2 error²."""

    def weight(spread: float) -> float:
        return float(stats.halfnorm.pdf(spread, scale=LARGEST_SPREAD) * stats.norm.pdf(lead, 0, (2 * spread**2 + 2 * error**2) ** 0.5))

    def best(spread: float) -> float:
        share = spread**2 / (spread**2 + error**2)
        return float(stats.norm.cdf(share * lead / (2 * share * error**2) ** 0.5)) if spread else 0.5

    def mean(of: object) -> float:
        return float(integrate.quad(lambda t: weight(t) * of(t), 0, 0.6)[0] / integrate.quad(weight, 0, 0.6)[0])  # type: ignore[operator]

    found = chances_of(np.array([0.8 + lead, 0.8]), np.full(2, error**2), freedom=1e6)
    assert found.best[0] == pytest.approx(mean(best), abs=0.015)
    drawn = mean(lambda spread: lead * spread**2 / (spread**2 + error**2))
    assert found.drawn[0] - found.drawn[1] == pytest.approx(drawn, abs=0.001)


def test_what_is_far_above_is_drawn_down() -> None:
    scores = np.array([0.86, 0.80, 0.79, 0.80, 0.81])
    found = chances_of(scores, np.full(5, 0.02**2), freedom=20)
    assert 0.80 < found.drawn[0] < 0.85
    assert found.best.sum() == pytest.approx(1)
    assert 0 < found.regret < 0.02


def test_equal_scores_are_equally_likely() -> None:
    found = chances_of(np.full(4, 0.7), np.full(4, 0.01**2), freedom=10)
    assert found.best == pytest.approx(np.full(4, 0.25), abs=0.02)


def test_own_variances_add_up_to_those_of_differences() -> None:
    own = np.array([1.0, 2.0, 5.0, 0.5])
    sums = np.add.outer(own, own) - 2 * np.diag(own)
    assert own_variances(sums) == pytest.approx(own)
    assert own_variances(np.array([[0.0, 4.0], [4.0, 0.0]])) == pytest.approx([2, 2])
