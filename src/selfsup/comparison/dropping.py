"""Which units a comparison may drop: those that together would hardly have made the choice better.

What a wrong choice costs is points of score, and not a hypothesis. So a unit is judged by its expected loss: how far it is expected to lie
above the one that is best now. That is much where it is close behind or little is known of it, and nothing where it is far behind.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from selfsup.comparison.estimates import estimate
from selfsup.probing.intervals import Sample

TOLERANCE = 0.01
"""Units are dropped together as long as that is expected to cost a score at most so much: a point."""


@dataclass(frozen=True)
class Dropping:
    """What is dropped, worst first, and what losing each unit is expected to cost, best first; the best itself costs infinitely much."""

    dropped: tuple[str, ...]
    losses: dict[str, float]


def droppable(
    tables: Mapping[str, Float[np.ndarray, "_ D N"]],
    sample: Sample,
    *,
    keep: int,
    protected: Collection[str] = (),
    tolerance: float = TOLERANCE,
    seed_spread: float | None = None,
) -> Dropping:
    """Drop the units whose expected losses sum to at most `tolerance`, smallest first; at least `keep` stay, and whoever is protected.

    The expected loss of a unit is that of its score above the one that scored best, by what is known of their difference (Chick and Inoue,
    Operations Research 49, 2001, section 2): with z standard errors e between them and v degrees of freedom, e ((v + z²) / (v - 1) f(z) -
    z F(-z)), f and F of Student's distribution. Their sum bounds what losing all of them costs, since the best of several lies above
    another by no more than the sum of how far each does. At a rung there is one training a unit, which says nothing of seeds:
    `seed_spread` (a standard deviation, or else `ASSUMED_SEED_SPREAD`) is added for both. Raises ValueError if `keep` is below 1.
    """
    if keep < 1:
        raise ValueError(f"keep came as {keep}: at least 1 unit has to stay")
    found = estimate(tables, sample, seed_spread=seed_spread)
    errors, order = found.errors(), np.argsort(-found.values, kind="stable")
    best = order[0]
    losses = {found.units[best]: np.inf}
    for unit in order[1:]:
        behind = float(found.values[best] - found.values[unit])
        losses[found.units[unit]] = expected_loss(behind, float(errors.variance[unit, best]) ** 0.5, float(errors.freedom[unit, best]))
    names = [found.units[unit] for unit in order]
    candidates = [name for name in reversed(names) if name not in protected]
    candidates = sorted(candidates[: max(0, len(names) - keep)], key=losses.__getitem__)
    cost = np.cumsum([losses[name] for name in candidates])
    return Dropping(tuple(candidates[: int((cost <= tolerance).sum())]), losses)


def expected_loss(behind: float, error: float, freedom: float) -> float:
    """How far a unit is expected to lie above another that it scored `behind`, 0 where it lies below; degrees of freedom above 1."""
    z, freedom = behind / error, max(freedom, 1.5)
    return float(error * ((freedom + z**2) / (freedom - 1) * stats.t.pdf(z, freedom) - z * stats.t.sf(z, freedom)))
