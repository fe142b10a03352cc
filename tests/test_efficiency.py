from __future__ import annotations

import math

import numpy as np
import pytest

from selfsup.comparison.efficiency import label_efficiency
from selfsup.probing.intervals import Sample

ITEMS = 400
SAMPLE = Sample(np.full(ITEMS, 1 / ITEMS))
SAMPLES = dict.fromkeys((1.0, 10.0, 100.0), SAMPLE)


def exact(score: float, *, seeds: int = 1, draws: int = 1) -> np.ndarray:
    """A table in which nothing varies."""
    return np.full((seeds, draws, ITEMS), score)


SCRATCH = {1.0: exact(0.5), 10.0: exact(0.6), 100.0: exact(0.8)}


def test_halfway_in_score_is_halfway_in_the_logarithm() -> None:
    (found,) = label_efficiency({10.0: exact(0.7)}, SCRATCH, SAMPLES)
    assert (found.times, found.low, found.high) == pytest.approx((10**0.5,) * 3)
    assert found.words == "as good as supervised from scratch with 3.2 times the labels (3.2 to 3.2)"


def test_what_was_not_measured_stays_open() -> None:
    above, below = label_efficiency({10.0: exact(0.9), 100.0: exact(0.4)}, SCRATCH, SAMPLES)
    assert (above.times, above.most) == (math.inf, 10)
    assert ">10 times" in above.words
    assert (below.times, below.least) == (0, 0.01)
    assert "<0.01 times" in below.words


def test_a_curve_that_falls_by_chance_is_made_level() -> None:
    scratch = {1.0: exact(0.5), 10.0: exact(0.72), 100.0: exact(0.68), 1000.0: exact(0.9)}
    (found,) = label_efficiency({10.0: exact(0.8)}, scratch, {**SAMPLES, 1000.0: SAMPLE})
    assert found.times == pytest.approx(10**1.5)  # from 0.7 at 100 to 0.9 at 1000


def test_interval_holds_the_truth() -> None:
    """Scores of 55, 65 and 75 % with 20 draws, each with its network; the pretrained unit's 70 % are worth 10^1.5 labels."""
    rng, held, widths, trials = np.random.default_rng(0), 0, [], 200
    for _ in range(trials):
        hard = rng.random(ITEMS)

        def table(score: float, *, seeds: int = 1, hard: np.ndarray = hard) -> np.ndarray:
            level = score + rng.normal(0, 0.02, (1, 20, 1)) + rng.normal(0, 0.01, (seeds, 1, 1))
            own = (hard + 0.3 * rng.random((seeds, 1, ITEMS)) + 0.3 * rng.random((seeds, 20, ITEMS))) % 1  # uniform again
            return (own < level).astype(float)

        scratch = {1.0: table(0.55), 10.0: table(0.65), 100.0: table(0.75)}
        (found,) = label_efficiency({10.0: table(0.70, seeds=3)}, scratch, SAMPLES, seeds=(0.01, 10))
        held += found.low <= 10**0.5 <= found.high
        widths.append(found.high / max(found.low, 0.1))
    assert held / trials >= 0.92
    assert np.median(widths) < 20


def test_a_score_that_could_be_anywhere_cannot_tell() -> None:
    rng = np.random.default_rng(0)
    small = Sample(np.full(8, 1 / 8))
    tables = {count: (rng.random((1, 2, 8)) < 0.5).astype(float) for count in (1.0, 10.0)}
    (found,) = label_efficiency({1.0: (rng.random((2, 2, 8)) < 0.5).astype(float)}, tables, dict.fromkeys((1.0, 10.0), small))
    assert found.words.startswith("cannot tell")


def test_one_number_of_labels_is_no_curve() -> None:
    with pytest.raises(ValueError, match="two numbers of labels"):
        label_efficiency({10.0: exact(0.7)}, {10.0: exact(0.6)}, SAMPLES)
