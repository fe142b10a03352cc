from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from selfsup.comparison.differences import differences, p_values
from selfsup.comparison.estimates import ASSUMED_SEED_SPREAD, Errors, estimate, moderated
from selfsup.probing.intervals import Sample, difference_interval


def even(items: int, *, overlap: float = 0.0) -> Sample:
    return Sample(np.full(items, 1 / items), overlap=overlap)


def by_seed(scores: np.ndarray) -> np.ndarray:
    """A table in which nothing but seeds varies."""
    return np.tile(np.asarray(scores)[:, None, None], (1, 1, 40))


def noisy(rng: np.random.Generator, levels: list[float], *, seeds: int = 3, draws: int = 5, items: int = 150) -> dict[str, np.ndarray]:
    """Rightness with effects of seed (1.5 points), draw and item, at these levels."""
    shared = rng.normal(0, 0.1, (1, draws, 1)) + rng.normal(0, 0.8, (1, 1, items))
    tables = {}
    for number, level in enumerate(levels):
        own = rng.normal(0, 0.05, (1, draws, 1)) + rng.normal(0, 0.06, (seeds, 1, 1)) + rng.normal(0, 0.3, (seeds, 1, items))
        latent = stats.norm.ppf(level) + shared + own + rng.normal(0, 0.5, (seeds, draws, items))
        tables[f"unit {number}"] = (latent > 0).astype(float)
    return tables


def test_only_seeds_vary_students_test() -> None:
    a, b = np.array([0.80, 0.82, 0.83]), np.array([0.76, 0.79, 0.78, 0.75])
    found = differences({"a": by_seed(a), "b": by_seed(b)}, even(40))
    peer = stats.ttest_ind(a, b)
    assert found.standings[1].unit == "b"
    assert found.standings[1].p == pytest.approx(peer.pvalue)
    assert (found.pairs[0].plain.low, found.pairs[0].plain.high) == pytest.approx(tuple(peer.confidence_interval()))
    assert found.seed_freedom == 5


def test_only_items_vary_paired_test() -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.random((1, 1, 200)) < [[[0.8]], [[0.7]]]).astype(float)[:, None]
    found = differences({"a": first, "b": second}, even(200), without_seed=["a", "b"])
    peer = stats.ttest_rel(first[0, 0], second[0, 0])
    assert found.standings[1].p == pytest.approx(peer.pvalue)
    assert (found.pairs[0].plain.low, found.pairs[0].plain.high) == pytest.approx(tuple(peer.confidence_interval()))


def test_only_draws_vary_paired_test() -> None:
    rng = np.random.default_rng(0)
    first, second = (np.tile(rng.normal(level, 0.02, (1, 6, 1)), (1, 1, 30)) for level in (0.8, 0.77))
    found = differences({"a": first, "b": second}, even(30), without_seed=["a", "b"])
    assert found.standings[1].p == pytest.approx(stats.ttest_rel(first[0, :, 0], second[0, :, 0]).pvalue)


def test_two_units_as_in_evaluation_but_for_pooled_seeds() -> None:
    tables = noisy(np.random.default_rng(1), [0.85, 0.8])
    sample = even(150, overlap=0.2)
    pair = differences(tables, sample).pairs[0].plain
    unpooled = difference_interval(*tables.values(), sample=sample)
    assert pair.value == pytest.approx(unpooled.value)
    assert pair.high - pair.low == pytest.approx(unpooled.high - unpooled.low, rel=0.05)


def test_intervals_of_all_pairs_are_little_wider_than_tukeys() -> None:
    rng = np.random.default_rng(3)
    scores = [rng.normal(0.8, 0.01, 3) for _ in range(6)]
    found = differences({f"{number}": by_seed(score) for number, score in enumerate(scores)}, even(40))
    tukey = stats.tukey_hsd(*scores).confidence_interval()
    for pair in found.pairs:
        low, high = (float(bound[int(pair.first), int(pair.second)]) for bound in (tukey.low, tukey.high))
        assert 1.0 <= (pair.together.high - pair.together.low) / (high - low) < 1.1


def test_units_go_out_one_by_one() -> None:
    """Three units with errors of 1 point: 2.5 and 6 points below. Worked with the normal distribution."""
    errors = Errors(np.full((3, 3), 1e-4) - np.diag([1e-4] * 3), np.full((3, 3), 1e9))
    found = p_values(np.array([0.8, 0.775, 0.74]), errors)
    assert found[2] == pytest.approx(6 * stats.norm.sf(6.0), rel=1e-3)
    assert found[1] == pytest.approx(2 * stats.norm.sf(2.5), rel=1e-3)  # of two, and no longer of three
    assert found[0] == 1


def test_a_step_is_never_surer_than_those_before() -> None:
    errors = Errors(np.full((3, 3), 1e-4) - np.diag([1e-4] * 3), np.full((3, 3), 1e9))
    found = p_values(np.array([0.8, 0.777, 0.776]), errors)
    assert found[2] == pytest.approx(6 * stats.norm.sf(2.4), rel=1e-3)
    assert found[1] == found[2]  # by itself it would have been 2 * sf(2.3)


@pytest.mark.parametrize("levels", [[0.8] * 8, [0.8, 0.8, 0.65, 0.65, 0.65]])
def test_what_is_as_good_as_the_best_is_seldom_called_worse(levels: list[float]) -> None:
    rng, best, wrong = np.random.default_rng(0), [level == max(levels) for level in levels], 0
    for _ in range(200):
        found = estimate(noisy(rng, levels), even(150))
        wrong += bool((p_values(found.values, found.errors()) <= 0.05)[best].any())
    assert wrong <= 18  # 5 % and three standard errors


def test_clear_differences_are_told() -> None:
    found = differences(noisy(np.random.default_rng(0), [0.9, 0.75, 0.7, 0.6]), even(150))
    assert found.answer == "the best is told"
    assert [standing.verdict for standing in found.standings] == ["the best", "worse", "worse", "worse"]
    assert found.standings[0].chance > 0.99
    assert found.regret < 0.001


def test_permuted_labels_cannot_tell() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 10, 300)
    said = {
        f"unit {number}": np.where(rng.random((3, 5, 300)) < 0.9 - 0.1 * number, truth, rng.integers(0, 10, (3, 5, 300)))
        for number in range(6)
    }
    assert differences({name: (row == truth).astype(float) for name, row in said.items()}, even(300)).answer == "the best is told"
    permuted = rng.permutation(truth)
    found = differences({name: (row == permuted).astype(float) for name, row in said.items()}, even(300))
    assert found.answer == "cannot tell"
    assert {standing.verdict for standing in found.standings} == {"not told apart from the best"}


def test_one_seed_each_is_said_and_assumed() -> None:
    tables = noisy(np.random.default_rng(0), [0.85, 0.8, 0.7], seeds=1)
    found, sure = differences(tables, even(150)), differences(tables, even(150), seed_spread=0.0)
    assert not found.seeds_seen
    assert found.seed_spread == ASSUMED_SEED_SPREAD
    assert found.pairs[0].plain.high > sure.pairs[0].plain.high


def test_one_seed_takes_its_variance_from_the_others() -> None:
    rng = np.random.default_rng(0)
    tables = {"a": by_seed(rng.normal(0.8, 0.01, 3)), "b": by_seed(rng.normal(0.8, 0.01, 3)), "c": by_seed(np.array([0.7]))}
    found = estimate(tables, even(40))
    pooled = (tables["a"][:, 0, 0].var(ddof=1) + tables["b"][:, 0, 0].var(ddof=1)) / 2
    assert found.seed_variance == pytest.approx(pooled)
    assert found.seed_freedom == 4
    assert found.errors().variance[0, 2] == pytest.approx(pooled * (1 / 3 + 1))
    assert found.errors().freedom[0, 2] == pytest.approx(4)


def test_groups_count_and_not_their_items() -> None:
    rng = np.random.default_rng(0)
    small = {name: (rng.random((1, 1, 40)) < level).astype(float) for name, level in (("a", 0.8), ("b", 0.6))}
    large = {name: np.repeat(table, 10, axis=2) for name, table in small.items()}
    grouped = Sample(np.full(400, 1 / 400), np.repeat(np.arange(40), 10))
    alone, found = differences(small, even(40)).pairs[0], differences(large, grouped).pairs[0]
    assert (found.plain.low, found.plain.high) == pytest.approx((alone.plain.low, alone.plain.high))


def test_nothing_varied_is_no_certainty() -> None:
    found = differences({"a": np.ones((1, 1, 50)), "b": np.ones((1, 1, 50)), "c": np.zeros((1, 1, 50))}, even(50), without_seed="abc")
    assert [standing.verdict for standing in found.standings] == ["not told apart from the best", "not told apart from the best", "worse"]
    assert found.pairs[0].plain.high == pytest.approx(3 / 50, rel=1e-4)


def test_variances_are_drawn_together_as_far_as_they_are_alike() -> None:
    rng = np.random.default_rng(0)
    alike = 4.0 * rng.chisquare(4, 2000) / 4
    drawn, freedom = moderated(alike, freedom=4, most=1e6)
    assert drawn == pytest.approx(np.full(2000, 4.0), rel=0.1)
    assert freedom > 200
    unlike = alike * 6 / rng.chisquare(6, 2000)
    assert moderated(unlike, freedom=4, most=1e6)[1] == pytest.approx(10, rel=0.15)
    assert moderated(unlike, freedom=4, most=2.0)[1] == 6
    few = np.array([1.0, 2.0])
    assert moderated(few, freedom=4, most=8.0)[0] is few


def test_moderation_follows_smyth_by_hand() -> None:
    values, freedom = np.array([0.01, 1.0, 3.0, 50.0]), 4
    logs = np.log(values) - special.digamma(2) + np.log(2)
    wanted = logs.var(ddof=1) - special.polygamma(1, 2)
    drawn, total = moderated(values, freedom=freedom, most=100)
    prior = total - freedom
    assert special.polygamma(1, prior / 2) == pytest.approx(wanted)
    scale = np.exp(logs.mean() + special.digamma(prior / 2) - np.log(prior / 2))
    assert drawn == pytest.approx((prior * scale + 4 * values) / total)


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="two or more"):
        differences({"a": np.ones((1, 1, 5))}, even(5))
    with pytest.raises(ValueError, match="same draws and items"):
        differences({"a": np.ones((1, 1, 5)), "b": np.ones((1, 2, 5))}, even(5))
