"""Scores that are no mean over items (average precision, mean IoU, R2), with what seeds, draws and other tested items would change.

Seeds and draws are repeated, and their spread is seen. What other items would change comes from the jackknife that leaves out a part of the
tested items at a time (Shao and Wu, Annals of Statistics 17, 1989; groups stay whole): the score is computed again without each part. The
parts of the variance are then summed, as everywhere (selfsup.probing.intervals). Paired differences use the same parts and draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from selfsup.probing.intervals import Interval, Sample, draw_part, influence_part, interval_around, spread_part

PARTS = 25
"""Parts of the tested items, each left out once: 24 degrees of freedom, and 26 times the arithmetic of one score."""

Judge = Callable[[Bool[np.ndarray, "N"] | None], dict[str, float]]
"""Scores on some of the tested items (on all with None), by the metric's name."""


@dataclass(frozen=True)
class Metric:
    """A score's name, the range it lies in, and whether more of it is better."""

    name: str
    low: float = 0.0
    high: float = 1.0
    more_is_better: bool = True


@dataclass(frozen=True)
class Scored:
    """What S seeds scored in D draws in M metrics, on all `items` that are tested, and without each of G parts of them."""

    values: Float[np.ndarray, "S D M"]
    without: Float[np.ndarray, "S D M G"]
    items: int

    @classmethod
    def stacked(cls, seeds: Sequence[Scored]) -> Scored:
        """Several seeds as one."""
        return cls(np.concatenate([one.values for one in seeds]), np.concatenate([one.without for one in seeds]), seeds[0].items)

    @classmethod
    def of(cls, draws: Sequence[Judge], parts: Int[np.ndarray, "N"], metrics: Sequence[Metric]) -> Scored:
        """One seed, from a judge for each draw."""
        count, names = int(parts.max()) + 1, [metric.name for metric in metrics]
        values = np.array([[_told(judge(None), names)] for judge in draws]).transpose(1, 0, 2)
        left = np.array([[_told(judge(parts != part), names) for part in range(count)] for judge in draws])  # D G M
        return cls(values, left.transpose(0, 2, 1)[None], len(parts))


def _told(found: dict[str, float], names: Sequence[str]) -> list[float]:
    return [found[name] for name in names]


def parts_of(count: int, groups: Shaped[np.ndarray, "N"] | None, *, seed: int) -> Int[np.ndarray, "N"]:
    """The part of each of `count` tested items: at most `PARTS` of nearly equal size, whole groups in one. Raises ValueError below two."""
    names = np.arange(count) if groups is None else np.unique(groups, return_inverse=True)[1]
    clusters = int(names.max()) + 1 if count else 0
    if clusters < 2:
        raise ValueError(f"{clusters or 'no'} item or group is left to test on: expected 2 at least, to tell how sure a score is.")
    order = np.random.default_rng([seed, clusters]).permutation(clusters) % PARTS
    return np.asarray(order[names])


def score_interval(scored: Scored, place: int, metric: Metric, *, overlap: float) -> Interval:
    """The mean over seeds and draws of the metric at `place`; draws share the part `overlap` of their labels."""
    values = scored.values[:, :, place]
    parts = [spread_part(values.mean(1)), _drawn(values.mean(0), overlap), influence_part(_influence(scored, place))]
    value = float(values.mean())
    found = interval_around(value, parts, low=metric.low, high=metric.high)
    reach = metric.high - metric.low
    if np.isfinite(reach) and min(value - metric.low, metric.high - value) < 1e-9:  # three in n could be missed, as for means
        least = reach * min(1.0, 3 / scored.items)
        return Interval(value, min(found.low, max(metric.low, value - least)), max(found.high, min(metric.high, value + least)))
    return found


def score_difference(first: Scored, second: Scored, place: int, metric: Metric, *, overlap: float) -> Interval:
    """The mean of `first` minus that of `second`: draws and tested items are paired, seeds are not."""
    a, b = first.values[:, :, place], second.values[:, :, place]
    parts = [
        spread_part(a.mean(1)),
        spread_part(b.mean(1)),
        _drawn(a.mean(0) - b.mean(0), overlap),
        influence_part(_influence(first, place) - _influence(second, place)),
    ]
    reach = metric.high - metric.low
    return interval_around(float(a.mean() - b.mean()), parts, low=-reach, high=reach)


def _drawn(means: Float[np.ndarray, "D"], overlap: float) -> tuple[float, float]:
    """Variance of the mean over draws that share the part `overlap` of their labels, and its degrees of freedom."""
    return draw_part(means[:, None], Sample(np.ones(1), overlap=overlap))


def _influence(scored: Scored, place: int) -> Float[np.ndarray, "G"]:
    """How much each part moves the mean. For a mean of equally weighted parts this is its deviation over their number."""
    values, without = scored.values[:, :, place, None], scored.without[:, :, place]
    moved = np.where(np.isfinite(without), values - without, 0.0)
    count = without.shape[2]
    return np.asarray(moved.mean((0, 1)) * (count - 1) / count)
