"""How likely each unit is the best, with tasks as random effects.

True scores are taken as drawn from a normal distribution of unknown mean and spread, and observed with errors. What is far above the
others is in part lucky, so all are drawn to their mean, the more the less they differ beyond their errors (Efron and Morris, Journal of
the American Statistical Association 70, 1975). The spread is not put at its likeliest value, which with few units is often 0, but all its
values count as much as the data and a half-normal prior say (Gelman, Bayesian Analysis 1, 2006; Gelman et al., Bayesian Data Analysis, 3rd
edition, section 5.4). The same is done with a common factor of the errors' variances, which are known to some degrees of freedom only.

Errors are taken as independent between units, apart from what all share: their covariance matrix has as many dimensions as there are draws,
and weights made from it would trust correlations that are chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

LARGEST_SPREAD = 0.1
"""Scale of the half-normal prior of the spread between units: tasks on one backbone differ by a few points, seldom by over twenty."""

LEAST_SHARE = 0.1
"""A unit's own variance is at least this share of the mean: smaller ones come from the noise of the variances."""

SPREADS = 40
FACTORS = 9
SAMPLES = 20_000


@dataclass(frozen=True)
class Chances:
    """For each unit its score drawn to the others', and the chance of being the best.

    `regret` is how far the unit that scored best is expected to lie below the best.
    """

    drawn: Float[np.ndarray, "K"]
    best: Float[np.ndarray, "K"]
    regret: float


def chances_of(values: Float[np.ndarray, "K"], variances: Float[np.ndarray, "K"], *, freedom: float, seed: int = 0) -> Chances:
    """What scores with independent errors of these variances, known to `freedom` degrees, say of the true scores."""
    rng = np.random.default_rng(seed)
    spreads = LARGEST_SPREAD * stats.halfnorm.isf((np.arange(SPREADS) + 0.5) / SPREADS)
    factors = freedom / stats.chi2.isf((np.arange(FACTORS) + 0.5) / FACTORS, freedom)
    settings = [(variances * factor, float(spread**2)) for spread in spreads for factor in factors]  # equally likely before
    logs = np.array([_evidence(values, errors + between) for errors, between in settings])
    weights = np.exp(logs - logs.max())
    counts = rng.multinomial(SAMPLES, weights / weights.sum())
    truths = np.concatenate([
        _truths(values, errors, between=between, rng=rng, count=count)
        for (errors, between), count in zip(settings, counts.tolist(), strict=True) if count
    ])  # fmt: skip
    best = np.bincount(truths.argmax(1), minlength=len(values)) / SAMPLES
    return Chances(truths.mean(0), best, float((truths.max(1) - truths[:, values.argmax()]).mean()))


def own_variances(of_differences: Float[np.ndarray, "K K"]) -> Float[np.ndarray, "K"]:
    """For each unit the variance that, added for two units, comes nearest to that of their difference (least squares over pairs)."""
    units, rows = len(of_differences), of_differences.sum(1)
    total = rows.sum() / 2 / (units - 1)
    own = (rows - total) / (units - 2) if units > 2 else np.full(units, total / 2)
    return np.asarray(np.maximum(own, max(LEAST_SHARE * total / units, 1e-12)))


def _evidence(values: Float[np.ndarray, "K"], variances: Float[np.ndarray, "K"]) -> float:
    """Log of the restricted likelihood of independent scores, their mean being unknown."""
    precision = (1 / variances).sum()
    mean = (values / variances).sum() / precision
    return -0.5 * float(np.log(variances).sum() + np.log(precision) + ((values - mean) ** 2 / variances).sum())


def _truths(
    values: Float[np.ndarray, "K"], errors: Float[np.ndarray, "K"], *, between: float, rng: np.random.Generator, count: int
) -> Float[np.ndarray, "count K"]:
    """True scores as they may be, given the variances of the errors and that between units."""
    total = errors + between
    precision = (1 / total).sum()
    mean = (values / total).sum() / precision + rng.standard_normal((count, 1)) / precision**0.5
    middle = values - errors / total * (values - mean)
    return np.asarray(middle + np.sqrt(errors * between / total) * rng.standard_normal((count, len(values))))
