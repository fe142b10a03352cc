"""What is known of each unit's score, and how uncertain the difference of any two is.

A unit (a task on a backbone) has a table of rightness of shape (S seeds, D draws, N items). Draws and items are the same for all units and
are paired; seeds are not, and every unit may have its own number of them. The variance of a difference is the sum of three parts, as in
`selfsup.probing.intervals`, each estimated from what it varies over, so that the sum errs on the wide side:

- seeds: two or three a unit say little, so their variance is pooled over units, with the sum of their degrees of freedom;
- draws of labels: variance of the paired difference, draw by draw. Units with the same backbone err together, others do not, so pairs
  differ, and few draws say little of each. Each pair's variance is moderated by that of all pairs, as much as they are alike (Smyth,
  Statistical Applications in Genetics and Molecular Biology 3, 2004, section 6.2);
- tested items, or groups of them: the same over items.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special, stats

from selfsup.probing.intervals import LEVEL, Sample, influence_of, widened_by_overlap

ASSUMED_SEED_SPREAD = 0.02
"""Standard deviation of a score over seeds where no unit has two: on the wide side of what was seen (docs/results.md)."""

KNOWN = 1e6
"""Degrees of freedom of a variance that is taken as known."""

FEWEST = 3
"""So many variances are needed to see how alike they are."""


@dataclass(frozen=True)
class Errors:
    """Variance of the difference of every two units, and its degrees of freedom (Satterthwaite); zero and one on the diagonal."""

    variance: Float[np.ndarray, "K K"]
    freedom: Float[np.ndarray, "K K"]


@dataclass(frozen=True)
class Estimates:
    """Scores of K units and what they vary over.

    `seeds` counts trainings behind each unit, infinitely many for one that has no seed; `seed_variance` is that of one training;
    `seed_freedom` is 0 where it was assumed. `draws` (D, K) are means of draws, `influence` (G, K) what each item or group moved.
    """

    units: tuple[str, ...]
    values: Float[np.ndarray, "K"]
    seeds: Float[np.ndarray, "K"]
    seed_variance: float
    seed_freedom: float
    draws: Float[np.ndarray, "D K"]
    influence: Float[np.ndarray, "G K"]
    overlap: float

    @property
    def draw_factor(self) -> float:
        """From the variance of one draw to that of the mean over draws."""
        return widened_by_overlap(len(self.draws), self.overlap) / len(self.draws)

    def draw_part(self) -> tuple[Float[np.ndarray, "K K"], float]:
        """What draws add to the variance of the difference of every two units, and its degrees of freedom."""
        if len(self.draws) < 2:
            return np.zeros((len(self.units), len(self.units))), 1.0
        own = _of_differences(np.atleast_2d(np.cov(self.draws, rowvar=False)))
        return _moderated_pairs(own * self.draw_factor, len(self.draws) - 1.0)

    def item_part(self) -> Float[np.ndarray, "K K"]:
        """What items add to the variance of the difference of every two units."""
        return _of_differences(_cross(self.influence))

    def errors(self) -> Errors:
        """Of the difference of every two units."""
        seed = self.seed_variance * np.add.outer(1 / self.seeds, 1 / self.seeds)
        (draw, draw_freedom), item = self.draw_part(), self.item_part()
        squares = draw**2 / draw_freedom + item**2 / max(len(self.influence) - 1.0, 1.0)
        if self.seed_freedom > 0:
            squares += seed**2 / self.seed_freedom
        total = seed + draw + item
        freedom = np.divide(total**2, squares, out=np.full_like(total, KNOWN), where=squares > 0)
        # Where no variance was seen, three in n could still be missed (Hanley and Lippman-Hand, JAMA 249, 1983).
        total = np.where(total < 1e-15, (3 / len(self.influence) / stats.norm.isf((1 - LEVEL) / 2)) ** 2, total)
        np.fill_diagonal(total, 0)
        return Errors(total, freedom)

    def own_parts(self, unit: int) -> list[tuple[float, float]]:
        """Parts of the variance of one unit's score, each with its degrees of freedom."""
        parts = [(float(_cross(self.influence)[unit, unit]), max(len(self.influence) - 1.0, 1.0))]
        if len(self.draws) > 1:
            parts.append((float(self.draws[:, unit].var(ddof=1) * self.draw_factor), len(self.draws) - 1.0))
        if np.isfinite(self.seeds[unit]):
            parts.append((float(self.seed_variance / self.seeds[unit]), self.seed_freedom or KNOWN))
        return parts


def estimate(
    tables: Mapping[str, Float[np.ndarray, "_ D N"]],
    sample: Sample,
    *,
    without_seed: Collection[str] = (),
    seed_spread: float | None = None,
) -> Estimates:
    """Scores of the units of `tables`, and what they vary over.

    `without_seed` names units that no seed would change (raw pixels, weights that were given), or whose draws had a network each.
    `seed_spread`, a standard deviation, is used instead of what seeds show; without either it is `ASSUMED_SEED_SPREAD`.
    Raises ValueError for tables of different draws or items.
    """
    shapes = {name: table.shape[1:] for name, table in tables.items()}
    if len(set(shapes.values())) != 1:
        raise ValueError(f"units came with tables of (draws, items) {shapes}: all need the same draws and items, in the same order")
    seeds = {name: table.mean(1, dtype=float) @ sample.weights for name, table in tables.items()}
    means = np.stack([table.mean(0, dtype=float) for table in tables.values()])
    variance, freedom = _pooled([values for name, values in seeds.items() if name not in without_seed], seed_spread)
    return Estimates(
        units=tuple(tables),
        values=means.mean(1) @ sample.weights,
        seeds=np.array([np.inf if name in without_seed else float(len(values)) for name, values in seeds.items()]),
        seed_variance=variance,
        seed_freedom=freedom,
        draws=np.asarray((means @ sample.weights).T),
        influence=np.stack([influence_of(row, sample) for row in means.mean(1)], axis=1),
        overlap=sample.overlap,
    )


def _pooled(seeds: list[np.ndarray], assumed: float | None) -> tuple[float, float]:
    """Variance of one training within a unit, pooled over units, and its degrees of freedom; 0 of these where it is assumed."""
    freedom = float(sum(len(values) - 1 for values in seeds))
    if assumed is not None or not freedom:
        return (ASSUMED_SEED_SPREAD if assumed is None else assumed) ** 2, 0.0
    return float(sum(((values - values.mean()) ** 2).sum() for values in seeds) / freedom), freedom


def moderated(variances: Float[np.ndarray, "n"], *, freedom: float, most: float) -> tuple[Float[np.ndarray, "n"], float]:
    """Variances, each known to `freedom` degrees, drawn to what they have in common, and the degrees of freedom they then have.

    They are taken to follow a scaled inverse chi-square, whose two numbers are found from the mean and the variance of their logarithms
    (Smyth 2004, section 6.2). `most` is the largest number of degrees of freedom that the others can give.
    """
    seen = variances[variances > 0]
    if len(seen) < FEWEST:
        return variances, freedom
    logarithms = np.log(seen) - special.digamma(freedom / 2) + np.log(freedom / 2)
    excess = float(logarithms.var(ddof=1) - special.polygamma(1, freedom / 2))
    prior = min(2 * _inverse_trigamma(excess), most) if excess > 0 else most
    scale = np.exp(logarithms.mean() + special.digamma(prior / 2) - np.log(prior / 2))
    return (prior * scale + freedom * variances) / (prior + freedom), prior + freedom


def _moderated_pairs(variances: Float[np.ndarray, "K K"], freedom: float) -> tuple[Float[np.ndarray, "K K"], float]:
    """The same for the differences of all pairs. These share units: the others hold K - 2 independent differences and no more."""
    rows = np.triu_indices(len(variances), 1)
    found, freedom = moderated(variances[rows], freedom=freedom, most=(len(variances) - 2) * freedom)
    result = np.zeros_like(variances)
    result[rows] = found
    return result + result.T, freedom


def _inverse_trigamma(value: float) -> float:
    """The number whose trigamma is `value`, by Newton's method on the reciprocal, which is convex (Smyth 2004, appendix)."""
    if value > 1e7:
        return float(value**-0.5)
    guess = 0.5 + 1 / value
    for _ in range(50):
        trigamma = special.polygamma(1, guess)
        step = trigamma * (1 - trigamma / value) / special.polygamma(2, guess)
        guess += step
        if abs(step) < 1e-8 * guess:
            break
    return float(guess)


def _cross(influence: Float[np.ndarray, "G K"]) -> Float[np.ndarray, "K K"]:
    """Covariance of scores from how much each item or group moved them."""
    clusters = len(influence)
    if clusters < 2:
        return np.zeros((influence.shape[1], influence.shape[1]))
    return np.asarray(clusters / (clusters - 1) * influence.T @ influence)


def _of_differences(covariance: Float[np.ndarray, "K K"]) -> Float[np.ndarray, "K K"]:
    """Variances of the differences of all pairs."""
    own = np.diag(covariance)
    return np.asarray(np.maximum(np.add.outer(own, own) - 2 * covariance, 0))
