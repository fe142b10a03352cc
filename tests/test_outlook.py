from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from selfsup.comparison import outlook as module
from selfsup.comparison.outlook import outlook, outlook_of
from selfsup.probing.intervals import Sample

BUDGETS = [1.0, 2.0, 4.0, 8.0]


def test_one_rate_is_weighted_least_squares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RATES", (0.0,))
    values, spreads = np.array([0.70, 0.731, 0.75, 0.779]), np.array([0.01, 0.02, 0.01, 0.03])
    (slope, _), covariance = np.polyfit(np.log2(BUDGETS), values, 1, w=1 / spreads, cov="unscaled")
    found = outlook(BUDGETS, values, spreads**2)
    assert found.gain is not None
    assert found.gain.value == pytest.approx(slope)
    half = stats.norm.ppf(0.975) * covariance[0, 0] ** 0.5
    assert (found.gain.low, found.gain.high) == pytest.approx((slope - half, slope + half), abs=3e-4)


@pytest.mark.parametrize("rate", [0.125, 0.25, 0.5, 1.0])
def test_a_power_law_is_followed(rate: float) -> None:
    curve = [0.9 - 0.3 * budget**-rate for budget in (*BUDGETS, 16.0)]
    found = outlook(BUDGETS, np.array(curve[:4]), np.full(4, 1e-8))
    assert found.told
    assert found.gain is not None
    assert found.gain.value == pytest.approx(curve[4] - curve[3], rel=0.05)
    assert found.words.startswith("twice the budget would probably bring +")


def test_flat_or_few_cannot_tell() -> None:
    flat = outlook(BUDGETS, np.array([0.8, 0.79, 0.81, 0.80]), np.full(4, 0.01**2))
    assert not flat.told
    assert "cannot tell" in flat.words
    few = outlook([1.0, 2.0], np.array([0.7, 0.8]), np.full(2, 1e-6))
    assert few.gain is None
    assert "2 rungs, 3 are needed" in few.words


@pytest.mark.parametrize("rise", [0.0, 0.03])
def test_interval_holds_the_truth(rise: float) -> None:
    rng, held, told = np.random.default_rng(0), 0, 0
    for _ in range(200):
        found = outlook(BUDGETS, 0.7 + rise * np.log2(BUDGETS) + rng.normal(0, 0.01, 4), np.full(4, 0.01**2))
        assert found.gain is not None
        held += found.gain.low <= rise <= found.gain.high
        told += found.told
    assert held >= 180
    assert told <= 18 if rise == 0 else told > 20


def test_from_tables_what_rungs_share_drops_out() -> None:
    rng = np.random.default_rng(0)
    hard, draws = rng.random((1, 1, 500)), rng.normal(0, 0.05, (1, 10, 1))
    tables = {budget: (hard + draws < 0.6 + 0.04 * np.log2(budget)).astype(float) for budget in BUDGETS}
    found = outlook_of(tables, Sample(np.full(500, 1 / 500)), seed_spread=0.003)
    assert found.told
    assert found.gain is not None
    assert found.gain.value == pytest.approx(0.04, abs=0.02)
    assert not outlook_of(tables, Sample(np.full(500, 1 / 500)), seed_spread=0.2).told
    assert outlook_of({1.0: tables[1.0]}, Sample(np.full(500, 1 / 500))).gain is None
