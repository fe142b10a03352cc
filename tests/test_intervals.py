from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from selfsup.probing.intervals import Interval, Sample, difference_interval, mean_interval


def even(items: int) -> np.ndarray:
    return np.full(items, 1 / items)


def test_one_seed_and_one_draw_is_the_t_interval_of_the_items() -> None:
    right = np.random.default_rng(0).random(50) < 0.7
    found = mean_interval(right[None, None].astype(float), Sample(even(50)))
    low, high = stats.t.interval(0.95, 49, loc=right.mean(), scale=stats.sem(right))
    assert (found.value, found.low, found.high) == pytest.approx((right.mean(), low, high))


def test_parts_add_up() -> None:
    # Two draws that differ for every item alike, and items that do not differ: the draws' variance is all there is.
    table = np.stack([np.tile([1.0, 0, 1, 1], 25), np.tile([0.0, 1, 0, 0], 25)])[None]
    means = table[0] @ even(100)
    found = mean_interval(table, Sample(even(100)))
    draws = means.var(ddof=1) / 2
    assert found.high - found.low == pytest.approx(2 * stats.t.ppf(0.975, 1) * draws**0.5) or found.high == 1


def test_groups_are_what_varies() -> None:
    rng = np.random.default_rng(0)
    by_group = (rng.random(40) < 0.6).astype(float)
    found = mean_interval(np.repeat(by_group, 10)[None, None], Sample(even(400), np.repeat(np.arange(40), 10)))
    alone = mean_interval(by_group[None, None], Sample(even(40)))
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high))


def test_overlapping_draws_widen() -> None:
    table = (np.random.default_rng(0).random((1, 5, 100)) < np.linspace(0.5, 0.9, 5)[None, :, None]).astype(float)
    apart, overlapping = (mean_interval(table, Sample(even(100), overlap=share)) for share in (0.0, 0.4))
    assert overlapping.high - overlapping.low > apart.high - apart.low


def test_pairing_takes_out_what_both_share() -> None:
    rng = np.random.default_rng(0)
    hard = rng.random(200)[None, None]
    a, b = ((hard + 0.02 * rng.standard_normal((1, 5, 200)) < limit).astype(float) for limit in (0.62, 0.55))
    sample = Sample(even(200))
    paired = difference_interval(a, b, sample=sample)
    alone = mean_interval(a, sample)
    assert paired.high - paired.low < 0.8 * (alone.high - alone.low)
    assert paired.verdict == "better"


def test_no_mistake_seen_is_no_certainty() -> None:
    assert mean_interval(np.ones((1, 5, 60)), Sample(even(60))).low == pytest.approx(0.95)


def test_verdicts() -> None:
    assert [Interval(0, low, high).verdict for low, high in ((0.01, 0.2), (-0.2, -0.01), (-0.1, 0.1), (0, 0.1))] == [
        "better", "worse", "not told apart", "not told apart",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seeds", "seed_spread", "draw_spread"), [(3, 0.2, 0.2), (5, 0.4, 0.1), (3, 0.05, 0.3), (5, 0.0, 0.0), (1, 0.0, 0.2)]
)
def test_coverage_with_crossed_effects(seeds: int, seed_spread: float, draw_spread: float) -> None:
    """A probit model with effects of seed, draw and item has a mean that is known: 95 % intervals hold it 90 to 99 times of 100."""
    rng = np.random.default_rng(0)
    items, trials = 150, 500
    sample = Sample(even(items))
    total = (seed_spread**2 + 1.25 * draw_spread**2 + 1.25 + 0.25) ** 0.5
    truth = stats.norm.cdf(np.array([1.0, 0.8]) / total)

    def table(level: float, count: int, draw: np.ndarray, item: np.ndarray) -> np.ndarray:
        own = rng.normal(0, draw_spread / 2, (1, 5, 1)) + rng.normal(0, 0.5, (1, 1, items))
        latent = level + rng.normal(0, seed_spread, (count, 1, 1)) + draw + item + own + rng.normal(0, 0.5, (count, 5, items))
        return np.asarray(latent > 0, dtype=float)

    held = np.zeros(2)
    for _ in range(trials):
        draw, item = rng.normal(0, draw_spread, (1, 5, 1)), rng.normal(0, 1, (1, 1, items))
        a, b = table(1.0, seeds, draw, item), table(0.8, max(seeds, 2), draw, item)
        alone, paired = mean_interval(a, sample), difference_interval(a, b, sample=sample)
        held += alone.low <= truth[0] <= alone.high, paired.low <= truth[0] - truth[1] <= paired.high
    assert (held / trials >= 0.90).all()
    assert (held / trials <= 0.99).all()
