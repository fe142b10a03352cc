"""Intervals that hold everything that varies: the seed of pretraining, the draw of labels, and the items (or groups) tested on.

A table of rightness has the shape (S seeds, D draws, N items): 1 where an item was told right. Seeds, draws and items are crossed random
effects. The mean over all three is estimated by the mean of the table, and its variance by the sum of three parts, each the variance of
the means over one of the factors: clustering along several ways (Cameron, Gelbach, Miller, Journal of Business & Economic Statistics 29,
2011) without taking off the overlaps, so that it errs on the wide side. Degrees of freedom follow Satterthwaite (Biometrics 2, 1946).
A factor that has one level only says nothing about its variance and is left out; `evaluate` notes that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped
from scipy import stats

LEVEL = 0.95

MOST_OVERLAP = 0.5
"""Draws that share more than this of their labels say too little about other labels to be scaled up."""


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """What a difference with this interval says: "better", "worse" or "not told apart"."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "not told apart"


@dataclass(frozen=True)
class Sample:
    """What the tested items are: how much each counts (summing to 1), the group each belongs to, and how far draws overlap (0 to 1)."""

    weights: Float[np.ndarray, "N"]
    groups: Shaped[np.ndarray, "N"] | None = None
    overlap: float = 0.0


def mean_interval(right: Float[np.ndarray, "S D N"], sample: Sample) -> Interval:
    """The weighted mean of being right, within [0, 1]."""
    table = np.asarray(right, dtype=float)
    value = float(table.mean((0, 1)) @ sample.weights)
    parts = [_seed_part(table, sample), draw_part(table.mean(0), sample), _item_part(table.mean((0, 1)), sample)]
    half = _half_width(parts)
    if min(value, 1 - value) < 1e-9:  # no variance was seen; three in n could still be missed (Hanley, Lippman-Hand, JAMA 249, 1983)
        half = max(half, min(1.0, 3 / _clusters(sample)))
    return Interval(value, max(0.0, value - half), min(1.0, value + half))


def difference_interval(first: Float[np.ndarray, "S D N"], second: Float[np.ndarray, "T D N"], *, sample: Sample) -> Interval:
    """The mean of `first` minus that of `second`. Draws and items are the same for both and are paired; seeds are not."""
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    assert a.shape[1:] == b.shape[1:], "both need the same draws and items"
    change = a.mean(0) - b.mean(0)
    value = float(change.mean(0) @ sample.weights)
    parts = [_seed_part(a, sample), _seed_part(b, sample), draw_part(change, sample), _item_part(change.mean(0), sample)]
    half = _half_width(parts)
    return Interval(value, max(-1.0, value - half), min(1.0, value + half))


def ratio_interval(above: Float[np.ndarray, "S N"], below: Float[np.ndarray, "S N"], *, low: float = 0.0, high: float = np.inf) -> Interval:
    """The sum of `above` over the sum of `below`, a mean over seeds, with what other items and seeds would change, within [low, high]."""
    total = below.sum(1, keepdims=True)
    values = above.sum(1, keepdims=True) / total
    influence = ((above - values * below) / total).mean(0)
    return interval_around(float(values.mean()), [influence_part(influence), spread_part(values[:, 0])], low=low, high=high)


def interval_around(value: float, parts: Sequence[tuple[float, float]], *, low: float = 0.0, high: float = 1.0) -> Interval:
    """The interval of an estimate whose variance is the sum of parts, each with its degrees of freedom; within [low, high]."""
    half = _half_width(parts)
    return Interval(value, max(low, value - half), min(high, value + half))


def influence_part(influence: Float[np.ndarray, "N"]) -> tuple[float, float]:
    """Variance of an estimate, and its degrees of freedom, from how much each item (or group) moved it: the linearised jackknife."""
    clusters = len(influence)
    if clusters < 2:
        return 0.0, 1.0
    return float(clusters / (clusters - 1) * influence @ influence), clusters - 1.0


def _seed_part(table: Float[np.ndarray, "S D N"], sample: Sample) -> tuple[float, float]:
    """Variance of the mean over seeds, and its degrees of freedom."""
    return spread_part(table.mean(1) @ sample.weights)


def widened_by_overlap(draws: int, overlap: float) -> float:
    """What the variance of a mean over draws is multiplied by, since draws share labels.

    Draws come from one set of labelled items, which is itself a sample. If each takes the share f of it, their variance v is (1 - f)
    of that of a fresh draw, and the set adds v f / (1 - f) that all draws have in common (sampling without replacement; Cochran,
    Sampling Techniques, 1977, section 2.6).
    """
    share = min(overlap, MOST_OVERLAP)
    return 1 + draws * share / (1 - share)


def draw_part(table: Float[np.ndarray, "D N"], sample: Sample) -> tuple[float, float]:
    """Variance of the mean over draws, and its degrees of freedom."""
    variance, freedom = spread_part(table @ sample.weights)
    return variance * widened_by_overlap(len(table), sample.overlap), freedom


def _item_part(means: Float[np.ndarray, "N"], sample: Sample) -> tuple[float, float]:
    """The same over items or groups."""
    return influence_part(influence_of(means, sample))


def influence_of(means: Float[np.ndarray, "N"], sample: Sample) -> Float[np.ndarray, "G"]:
    """How much each item, or each group where there are groups, moved a weighted mean: the linearised jackknife over clusters."""
    influence = sample.weights * (means - means @ sample.weights)
    if sample.groups is None:
        return np.asarray(influence)
    return np.bincount(np.unique(sample.groups, return_inverse=True)[1], weights=influence)


def spread_part(means: Sequence[float] | Float[np.ndarray, "L"]) -> tuple[float, float]:
    """Variance of the mean of independent values, and its degrees of freedom; nothing for a single value."""
    if len(means) < 2:
        return 0.0, 1.0
    return float(np.var(means, ddof=1) / len(means)), len(means) - 1.0


def _half_width(parts: Sequence[tuple[float, float]]) -> float:
    """Half of the interval from parts of the variance with their degrees of freedom (Welch and Satterthwaite)."""
    total = sum(variance for variance, _ in parts)
    if total <= 0:
        return 0.0
    freedom = total**2 / sum(variance**2 / degrees for variance, degrees in parts)
    return float(stats.t.ppf((1 + LEVEL) / 2, freedom) * total**0.5)


def _clusters(sample: Sample) -> int:
    return len(sample.weights) if sample.groups is None else len(np.unique(sample.groups))
