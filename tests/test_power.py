from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from selfsup.comparison.dropping import droppable, expected_loss
from selfsup.comparison.estimates import estimate
from selfsup.comparison.power import Design, Variation, needs, visible
from selfsup.probing.intervals import Sample

DESIGN = Design(units=5, seeds=3, draws=10, items=500)
VARIATION = Variation(seed=2 * 0.015**2, draw=2 * 0.012**2, item=0.04, overlap=0.0, shared_freedom=0.0, seeds_seen=True)


def even(items: int) -> Sample:
    return Sample(np.full(items, 1 / items))


def test_power_is_that_of_the_noncentral_t() -> None:
    """Only seeds vary: a t-test with 5 · 2 degrees of freedom, at 5 % over ten pairs."""
    only = replace(VARIATION, draw=0.0, item=0.0)
    shift = visible(only, DESIGN) / (only.seed / 3) ** 0.5
    threshold = stats.t.isf(0.05 / 20, 10)
    assert stats.nct.sf(threshold, 10, shift) == pytest.approx(0.8, abs=0.04)


def test_each_part_shrinks_with_what_it_is_of() -> None:
    nothing = Variation(0.0, 0.0, 0.0, 0.0, 1e9, seeds_seen=False)
    for only, more in (
        (replace(nothing, seed=0.01), replace(DESIGN, seeds=12)),
        (replace(nothing, draw=0.01), replace(DESIGN, draws=40)),
        (replace(nothing, item=0.01), replace(DESIGN, items=2000)),
    ):
        assert visible(only, more) == pytest.approx(visible(only, DESIGN) / 2, rel=0.01)


def test_more_draws_of_the_same_labels_help_only_so_far() -> None:
    shared = replace(VARIATION, overlap=0.5, seed=0.0, item=0.0)
    assert visible(shared, replace(DESIGN, draws=1000)) > 0.9 * visible(shared, replace(DESIGN, draws=100))


def test_what_is_needed_is_enough_and_no_more() -> None:
    rng = np.random.default_rng(0)
    hard = rng.random(300)
    tables = {str(k): (hard + rng.normal(0, 0.02, (3, 1, 1)) + rng.normal(0, 0.2, (3, 10, 300)) < 0.8).astype(float) for k in range(4)}
    found = needs(estimate(tables, even(300)), 0.03)
    assert found.visible > 0.03
    assert found.together is not None
    assert found.together.seeds > 3
    assert "cannot be seen" in found.words
    assert f"{found.together.items:,} tested items" in found.words
    assert needs(estimate(tables, even(300)), 0.0001).together is None
    assert needs(estimate(tables, even(300)), 0.5).words.count(".") == 2  # the point of the number, and the full stop


def test_units_are_dropped_that_hardly_cost_anything() -> None:
    rng = np.random.default_rng(0)
    tables = {name: (rng.random((1, 5, 400)) < level).astype(float) for name, level in (("a", 0.9), ("b", 0.88), ("c", 0.86), ("d", 0.5))}
    rung = droppable(tables, even(400), keep=2)
    assert rung.dropped == ("d", "c")
    assert list(rung.losses) == ["a", "b", "c", "d"]
    assert rung.losses["d"] < 1e-6 < rung.losses["c"] < 0.01 < rung.losses["a"] == np.inf
    assert droppable(tables, even(400), keep=1, tolerance=rung.losses["b"]).dropped == ("d", "c")  # it is the sum that counts
    assert droppable(tables, even(400), keep=1, tolerance=0.1).dropped == ("d", "c", "b")
    assert droppable(tables, even(400), keep=3, tolerance=0.1).dropped == ("d",)
    assert droppable(tables, even(400), keep=2, protected=["d"]).dropped == ("c",)
    assert droppable(tables, even(400), keep=9).dropped == ()
    assert droppable(tables, even(400), keep=2, seed_spread=0.3).dropped == ()
    with pytest.raises(ValueError, match="at least 1"):
        droppable(tables, even(400), keep=0)


@pytest.mark.parametrize(("behind", "freedom"), [(0.0, 4.0), (0.03, 4.0), (0.01, 60.0)])
def test_the_expected_loss_is_the_mean_of_what_lies_above(behind: float, freedom: float) -> None:
    drawn = -behind + 0.02 * stats.t.rvs(freedom, size=1_000_000, random_state=0)
    assert expected_loss(behind, 0.02, freedom) == pytest.approx(np.maximum(drawn, 0).mean(), rel=0.02)


def test_losses_know_the_spread_of_seeds_and_items() -> None:
    rng = np.random.default_rng(1)
    a, b = (rng.random((1, 1, 300)) < 0.9).astype(float), (rng.random((1, 1, 300)) < 0.88).astype(float)
    error = (2 * 0.01**2 + stats.sem((b - a)[0, 0]) ** 2) ** 0.5
    z = (a - b).mean() / error
    found = droppable({"a": a, "b": b}, even(300), keep=1, seed_spread=0.01).losses["b"]
    assert found == pytest.approx(error * (stats.norm.pdf(z) - z * stats.norm.sf(z)), rel=0.1)
