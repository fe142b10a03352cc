"""Other ways to say which units are worse than the best, beside that of `selfsup.comparison.differences`; each returns K booleans."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

from selfsup.comparison.chances import own_variances
from selfsup.comparison.differences import p_values
from selfsup.comparison.estimates import Estimates

ALPHA = 0.05
SIMULATED = 2000


def shrinking_set(found: Estimates) -> np.ndarray:
    """What is used: all pairs of those still in, Bonferroni; the surest one out, and again."""
    return np.asarray(p_values(found.values, found.errors()) <= ALPHA)


def against_the_best(found: Estimates, *, corrected: bool = True) -> np.ndarray:
    """Two-sided tests against the unit that scored best, as if it had been named before; Holm's correction or none."""
    best, errors = int(found.values.argmax()), found.errors()
    others = np.delete(np.arange(len(found.values)), best)
    t = (found.values[best] - found.values[others]) / errors.variance[others, best] ** 0.5
    worse = np.zeros(len(found.values), dtype=bool)
    p = 2 * stats.t.sf(t, errors.freedom[others, best])
    worse[others] = (holm(p) if corrected else p) <= ALPHA
    return worse


def all_pairs(found: Estimates) -> np.ndarray:
    """Bonferroni over all pairs at once."""
    return np.asarray(one_sided(found).min(1) * len(found.values) * (len(found.values) - 1) <= ALPHA)


def holm_over_units(found: Estimates) -> np.ndarray:
    """Each unit's smallest p-value times K - 1, and Holm over units: proven for any dependence, but all comparisons count to the end."""
    return np.asarray(holm(np.minimum(1, (len(found.values) - 1) * one_sided(found).min(1))) <= ALPHA)


def multiple_comparisons_with_the_best(found: Estimates) -> np.ndarray:
    """Hsu (Annals of Statistics 12, 1984): each unit as Dunnett's control. Keeps the best in the set, and calls units equal to it worse."""
    return np.asarray(deviations(found) > np.quantile(simulated(found).max(2), 1 - ALPHA, axis=0))


def largest_deviation(found: Estimates) -> np.ndarray:
    """Step-down by the simulated largest t-value of those still in against all (Romano and Wolf, Econometrica 73, 2005)."""
    observed, largest = deviations(found), simulated(found).max(2)
    worse = np.zeros(len(observed), dtype=bool)
    while not worse.all():
        out = ~worse & (observed > np.quantile(largest[:, ~worse].max(1), 1 - ALPHA))
        if not out.any():
            break
        worse |= out
    return worse


def deviations(found: Estimates) -> np.ndarray:
    """For each unit how far it lies below another at most, on the scale of a normal deviate."""
    return np.asarray(stats.norm.isf(one_sided(found).min(1)))


def simulated(found: Estimates) -> np.ndarray:
    """Deviates of all pairs where nothing differs."""
    own = own_variances(found.errors().variance)
    noise = np.random.default_rng(0).standard_normal((SIMULATED, len(own))) * own**0.5
    return np.asarray((noise[:, None, :] - noise[:, :, None]) / np.sqrt(np.add.outer(own, own)))


def one_sided(found: Estimates) -> np.ndarray:
    """p-values of the row's unit lying below the column's."""
    errors = found.errors()
    p = stats.t.sf((found.values[None] - found.values[:, None]) / np.sqrt(errors.variance + np.eye(len(found.values))), errors.freedom)
    np.fill_diagonal(p, 1.0)
    return np.asarray(p)


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values (Scandinavian Journal of Statistics 6, 1979)."""
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


PROCEDURES: dict[str, Callable[[Estimates], np.ndarray]] = {
    "shrinking set (used)": shrinking_set,
    "each against the one that scored best, no correction": lambda found: against_the_best(found, corrected=False),
    "each against the one that scored best, Holm": against_the_best,
    "Hsu's comparisons with the best": multiple_comparisons_with_the_best,
    "all pairs, Bonferroni": all_pairs,
    "Holm over units": holm_over_units,
    "step-down of the largest deviation": largest_deviation,
}
