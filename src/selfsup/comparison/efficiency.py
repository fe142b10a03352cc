"""What pretraining is worth in labels: "as good as supervised from scratch with N times the labels".

The score of a pretrained unit at n labels is looked up on the curve of training from scratch, as effective data is in Hernandez, Kaplan,
Henighan and McCandlish, Scaling Laws for Transfer (2021, arXiv 2102.01293). Between the numbers of labels that were measured,
the curve is taken as linear in the logarithm of labels. The interval holds every number of labels at which the paired 95 % interval of the
difference holds 0 (a test turned round, as Fieller did for ratios: Journal of the Royal Statistical Society B 16, 1954), so it is open
where the curve never reaches the score for sure. Isotonic regression mends the difference and its bounds where noise makes supervised
scores fall with more labels; as it keeps order, bounds that hold a falling truth still hold it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import optimize

from selfsup.probing.intervals import Interval, Sample, draw_part, influence_of, influence_part, interval_around, spread_part


@dataclass(frozen=True)
class Efficiency:
    """At `labels` labels (a class), supervised from scratch would need `times` as many, with the bounds of the 95 % interval.

    Infinite: more than `most`, the largest that was measured. Zero: fewer than `least`, the smallest.
    """

    labels: float
    times: float
    low: float
    high: float
    least: float
    most: float

    @property
    def words(self) -> str:
        """For a reader: "as good as supervised from scratch with 4.2 times the labels (2.5 to >8)"."""
        if self.low == 0 and math.isinf(self.high):
            return "cannot tell how many times the labels supervised training would need"
        times, low, high = (self._times(value) for value in (self.times, self.low, self.high))
        return f"as good as supervised from scratch with {times} times the labels ({low} to {high})"

    def _times(self, value: float) -> str:
        if math.isinf(value):
            return f">{self.most:.3g}"
        return f"<{self.least:.3g}" if value == 0 else f"{value:.2g}" if value < 10 else f"{value:.3g}"


def label_efficiency(
    pretrained: Mapping[float, Float[np.ndarray, "_ _ N"]],
    scratch: Mapping[float, Float[np.ndarray, "_ _ N"]],
    samples: Mapping[float, Sample],
    *,
    seeds: tuple[float, float] | None = None,
) -> list[Efficiency]:
    """For each number of labels in `pretrained`, how many times as many `scratch` needs for the same score.

    Tables of rightness (S seeds, D draws, N items) by number of labels; items are the same in all, draws where the numbers of labels are.
    `samples` has one for each number of labels. `seeds` is the standard deviation over seeds and its degrees of freedom, pooled over units;
    without it, a unit's own seeds are used. One seed a draw from scratch is part of its draws. Raises ValueError for fewer than two
    numbers of labels from scratch.
    """
    if len(scratch) < 2:
        raise ValueError(f"supervised scores came at {sorted(scratch)} labels: at least two numbers of labels are needed for a curve")
    counts = sorted(scratch)
    found = []
    for labels in sorted(pretrained):
        lead = [
            _difference(pretrained[labels], scratch[count], samples[labels], samples[count], paired=count == labels, seeds=seeds)
            for count in counts
        ]
        times, low, high = (float(value) / labels for value in _crossings(np.log(counts), lead))
        found.append(Efficiency(labels, times, low, high, counts[0] / labels, counts[-1] / labels))
    return found


def _difference(
    first: Float[np.ndarray, "_ _ N"],
    second: Float[np.ndarray, "_ _ N"],
    sample: Sample,
    other: Sample,
    *,
    paired: bool,
    seeds: tuple[float, float] | None,
) -> Interval:
    """Score of the pretrained unit at one number of labels minus that from scratch at another."""
    a, b = first.mean((0, 1)), second.mean((0, 1))
    parts = [influence_part(influence_of(a - b, sample))]
    if seeds is None:
        parts += [spread_part(table.mean(1) @ sample.weights) for table in (first, second)]
    else:
        parts.append((seeds[0] ** 2 / len(first), seeds[1] or 1e6))
    if paired:
        parts.append(draw_part(first.mean(0) - second.mean(0), sample))
    else:
        parts += [draw_part(first.mean(0), sample), draw_part(second.mean(0), other)]
    return interval_around(float((a - b) @ sample.weights), parts, low=-1.0, high=1.0)


def _crossings(logs: Float[np.ndarray, "M"], lead: list[Interval]) -> tuple[float, float, float]:
    """Where the lead is 0, where it first may be, and where it last may be, in labels: 0 below and infinite above what was measured."""
    curves = ([getattr(interval, name) for interval in lead] for name in ("value", "low", "high"))
    value, low, high = (_first_below(logs, optimize.isotonic_regression(curve, increasing=False).x) for curve in curves)
    return value, low, high


def _first_below(logs: Float[np.ndarray, "M"], curve: Float[np.ndarray, "M"]) -> float:
    """The number of labels at which a curve first reaches 0 from above."""
    below = np.flatnonzero(curve <= 0)
    if not len(below):
        return math.inf
    place = int(below[0])
    if place == 0:
        return math.exp(logs[0]) if curve[0] == 0 else 0.0
    share = curve[place - 1] / (curve[place - 1] - curve[place])
    return math.exp(logs[place - 1] + share * (logs[place] - logs[place - 1]))
