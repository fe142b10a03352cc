"""Which units are the best, which are not told apart from it, and which are worse.

The unit that scores best was chosen by the same data that would tell it from the others, so comparing all with it, as if it had been
named before, finds differences where there are none. Here no unit is named: all pairs of those still in are compared, and as long as
some pair differs, the unit that is most surely below another goes out and the rest begins anew. What is left is a set that holds the best
(the model confidence set of Hansen, Lunde and Nason, Econometrica 79, 2011). If one unit is left, it is the best.

Pairs are compared by t-tests with the paired variance of `estimates` and its Satterthwaite degrees of freedom, corrected by Bonferroni
for the pairs of those still in. So the chance that any unit as good as the best is called worse is at most 5 % where all are equal; where
some are better than others, it was counted for many cases (benchmarks/comparison_statistics.py). Other procedures were tried:
docs/decisions/comparison.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy import stats

from selfsup.comparison.chances import Chances, chances_of, own_variances
from selfsup.comparison.estimates import Errors, Estimates, estimate
from selfsup.probing.intervals import LEVEL, Interval, Sample, interval_around

Verdict = Literal["the best", "not told apart from the best", "worse"]
Answer = Literal["the best is told", "some are worse", "cannot tell"]


@dataclass(frozen=True)
class Pair:
    """First minus second. `plain` is the 95 % interval of this pair by itself; those in `together` hold for all pairs at once."""

    first: str
    second: str
    plain: Interval
    together: Interval


@dataclass(frozen=True)
class Standing:
    """One unit: its score by itself; the score drawn to the others', as all of them together would guess it; how likely it is the best.

    `behind` is its difference to the unit that scored best (to the second, for that one), an interval that holds for all pairs at once.
    `p` is corrected for all comparisons: at most 0.05 means "worse". As it is decided step by step, a unit can be worse although
    `behind` still holds 0.
    """

    unit: str
    value: Interval
    drawn: float
    chance: float
    behind: Interval
    p: float
    verdict: Verdict


@dataclass(frozen=True)
class Differences:
    """Units from best to worst, all pairs, and what was known of seeds and draws.

    `seed_spread` is the standard deviation of a score over seeds, with `seed_freedom` degrees of freedom, 0 where it was assumed.
    `draws` counts draws of labels; one says nothing of others. `regret` is how far the unit that scored best is expected to lie below
    the best.
    """

    standings: tuple[Standing, ...]
    pairs: tuple[Pair, ...]
    seed_spread: float
    seed_freedom: int
    draws: int
    regret: float

    @property
    def answer(self) -> Answer:
        """What can be said of all units."""
        worse = sum(standing.verdict == "worse" for standing in self.standings)
        if not worse:
            return "cannot tell"
        return "the best is told" if worse == len(self.standings) - 1 else "some are worse"

    @property
    def seeds_seen(self) -> bool:
        """Whether any unit had two seeds. Otherwise their part was assumed and is in truth unknown."""
        return self.seed_freedom > 0


def differences(
    tables: Mapping[str, Float[np.ndarray, "_ D N"]],
    sample: Sample,
    *,
    without_seed: Collection[str] = (),
    seed_spread: float | None = None,
    rng_seed: int = 0,
) -> Differences:
    """Compare units by their tables of rightness (S seeds, D draws, N items): draws and items are the same for all, seeds need not be.

    `without_seed` names units that no seed would change. `seed_spread`, as a standard deviation, is used instead of what seeds show.
    Chances are counted with random numbers that `rng_seed` starts. Raises ValueError for fewer than two units or unequal draws and items.
    """
    if len(tables) < 2:
        raise ValueError(f"{len(tables)} unit came to be compared, {', '.join(tables)}: expected two or more")
    found = estimate(tables, sample, without_seed=without_seed, seed_spread=seed_spread)
    errors = found.errors()
    freedom = float(np.median(errors.freedom[np.triu_indices(len(tables), 1)]))
    chances = chances_of(found.values, own_variances(errors.variance), freedom=freedom, seed=rng_seed)
    adjusted = p_values(found.values, errors)
    order = np.argsort(-found.values, kind="stable")
    return Differences(
        tuple(_standing(found, errors, chances, order=order, unit=int(unit), adjusted=adjusted) for unit in order),
        tuple(_pair(found, errors, int(a), int(b)) for place, a in enumerate(order) for b in order[place + 1 :]),
        found.seed_variance**0.5, int(found.seed_freedom), len(found.draws), chances.regret,
    )  # fmt: skip


def p_values(values: Float[np.ndarray, "K"], errors: Errors) -> Float[np.ndarray, "K"]:
    """For each unit the p-value of being as good as the best: the largest of the steps up to the one at which it goes out."""
    ahead = values[None] - values[:, None]  # how far the unit of the row lies below that of the column
    below = stats.t.sf(ahead / np.sqrt(errors.variance + np.eye(len(values))), errors.freedom)
    np.fill_diagonal(below, 1.0)
    alive, adjusted, highest = np.arange(len(values)), np.ones(len(values)), 0.0
    while len(alive) > 1:
        steps = below[np.ix_(alive, alive)]
        out = int(steps.min(1).argmin())
        highest = max(highest, min(1.0, len(alive) * (len(alive) - 1) * float(steps.min())))
        adjusted[alive[out]] = highest
        alive = np.delete(alive, out)
    return adjusted


def _standing(
    found: Estimates, errors: Errors, chances: Chances, *, order: np.ndarray, unit: int, adjusted: Float[np.ndarray, "K"]
) -> Standing:
    rival = int(order[1] if unit == order[0] else order[0])
    worse = adjusted <= 1 - LEVEL
    alone: Verdict = "the best" if worse.sum() == len(worse) - 1 else "not told apart from the best"
    return Standing(
        unit=found.units[unit],
        value=interval_around(float(found.values[unit]), found.own_parts(unit)),
        drawn=float(chances.drawn[unit]),
        chance=float(chances.best[unit]),
        behind=_pair(found, errors, unit, rival).together,
        p=float(adjusted[unit]),
        verdict="worse" if worse[unit] else alone,
    )  # fmt: skip


def _pair(found: Estimates, errors: Errors, first: int, second: int) -> Pair:
    value = float(found.values[first] - found.values[second])
    scale, freedom = float(errors.variance[first, second]) ** 0.5, errors.freedom[first, second]
    count = len(found.units) * (len(found.units) - 1) / 2
    plain, together = (float(stats.t.isf((1 - LEVEL) / 2 / pairs, freedom)) * scale for pairs in (1, count))
    return Pair(
        found.units[first], found.units[second],
        *(Interval(value, max(-1.0, value - half), min(1.0, value + half)) for half in (plain, together)),
    )  # fmt: skip
