"""Which units successive halving may drop at a rung: only those that lie clearly below the cut."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from selfsup.comparison.estimates import estimate
from selfsup.probing.intervals import LEVEL, Interval, Sample


@dataclass(frozen=True)
class Dropping:
    """What is dropped, and the difference of every unit to the one at the cut. `seed_spread` is what was added for seeds."""

    dropped: tuple[str, ...]
    cut: str
    below: dict[str, Interval]
    seed_spread: float


def clearly_below(
    tables: Mapping[str, Float[np.ndarray, "_ D N"]],
    sample: Sample,
    *,
    keep: int,
    protected: Collection[str] = (),
    without_seed: Collection[str] = (),
    seed_spread: float | None = None,
) -> Dropping:
    """Drop the units whose paired 95 % interval of the difference to the `keep`-th best lies below 0; never a protected one.

    At a rung there is one training a unit, which says nothing of seeds: `seed_spread` (a standard deviation; pooled from earlier
    comparisons on the same data, or else `ASSUMED_SEED_SPREAD`) is added for both. As n units stand at the cut or above it, the best is
    dropped only if it falls clearly below all of these, so no correction for their number is needed; benchmarks/comparison_statistics.py
    counts how often that happens. Raises ValueError if `keep` is below 1.
    """
    if keep < 1:
        raise ValueError(f"keep came as {keep}: at least 1 unit has to stay")
    found = estimate(tables, sample, without_seed=without_seed, seed_spread=seed_spread)
    errors, order = found.errors(), np.argsort(-found.values, kind="stable")
    cut = int(order[min(keep, len(order)) - 1])
    below = {}
    for unit in map(int, order):
        value = float(found.values[unit] - found.values[cut])
        half = float(stats.t.isf((1 - LEVEL) / 2, errors.freedom[unit, cut]) * errors.variance[unit, cut] ** 0.5)
        below[found.units[unit]] = Interval(value, value - half, value + half)
    dropped = tuple(name for name, interval in below.items() if interval.high < 0 and name not in protected)
    return Dropping(dropped, found.units[cut], below, found.seed_variance**0.5)
