"""What more budget would probably bring, from the scores at the rungs of successive halving.

Scores mostly rise ever more slowly: as a - b t^-c for a budget t (Hestness et al., Deep Learning Scaling is Predictable, Empirically,
2017, arXiv 1712.00409), of which the limit for small c is linear in log t. Three or four rungs cannot tell the rate c, so each of several
counts as much as the scores say, and the interval holds what they do not agree on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from selfsup.comparison.chances import own_variances
from selfsup.comparison.estimates import estimate
from selfsup.probing.intervals import LEVEL, Interval, Sample

FEWEST_RUNGS = 3
RATES = (0.0, 0.125, 0.25, 0.5, 1.0)
"""Exponents of learning curves: Hestness et al. found 0.07 to 0.35 for data; small networks that begin to learn are faster."""

QUANTILES = 2001


@dataclass(frozen=True)
class Outlook:
    """Expected gain of doubling the budget, None where there are too few rungs; `told` only where its interval leaves out 0."""

    gain: Interval | None
    told: bool
    words: str


def outlook(budgets: Sequence[float], values: Float[np.ndarray, "R"], variances: Float[np.ndarray, "R"]) -> Outlook:
    """What doubling the largest of `budgets` would bring. Scores `values` have independent errors of these `variances`."""
    if len(set(budgets)) < FEWEST_RUNGS:
        return Outlook(None, False, f"cannot tell what more budget would bring: {len(set(budgets))} rungs, {FEWEST_RUNGS} are needed")
    times = np.log(np.asarray(budgets, dtype=float) / max(budgets))  # 0 for the largest
    fits = [_fit(_shape(times, rate), values, variances, step=float(_shape(np.log(2.0), rate))) for rate in RATES]
    evidence = np.array([fit[2] for fit in fits])
    weights = np.exp(evidence - evidence.max())
    points = (np.arange(QUANTILES) + 0.5) / QUANTILES
    gains = np.concatenate([gain + spread * stats.norm.ppf(points) for gain, spread, _ in fits])
    order, shares = np.argsort(gains), np.repeat(weights / weights.sum() / QUANTILES, QUANTILES)
    reached = np.cumsum(shares[order])
    low, high = (float(gains[order][np.searchsorted(reached, share)]) for share in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    gain = Interval(float(np.average([fit[0] for fit in fits], weights=weights)), low, high)
    return _said(gain)


def outlook_of(tables: Mapping[float, Float[np.ndarray, "_ D N"]], sample: Sample, *, seed_spread: float | None = None) -> Outlook:
    """The same from tables of rightness by budget, of one unit. Draws and items are the same at all rungs, so what they share drops out.

    `seed_spread` is what a score would differ by if it were trained again, as a standard deviation; taken as independent between rungs.
    """
    if len(tables) < FEWEST_RUNGS:
        return outlook(list(tables), np.zeros(len(tables)), np.ones(len(tables)))
    found = estimate({str(budget): table for budget, table in tables.items()}, sample, seed_spread=seed_spread)
    return outlook(list(tables), found.values, own_variances(found.errors().variance))


def _shape(logs: Float[np.ndarray, "..."] | float, rate: float) -> np.ndarray:
    """(1 - t^-c) / c of log t, which is log t for a rate c of 0 (Box and Cox, Journal of the Royal Statistical Society B 26, 1964)."""
    return np.asarray(-np.expm1(-rate * np.asarray(logs)) / rate if rate else logs)


def _fit(
    shape: Float[np.ndarray, "R"], values: Float[np.ndarray, "R"], variances: Float[np.ndarray, "R"], *, step: float
) -> tuple[float, float, float]:
    """Gain of the next `step` along the shape, its standard error, and the log evidence, by weighted least squares.

    The shape is scaled to its range, so that before the data every rate expects the same rise over the rungs. Where scores lie further
    from the line than their errors say, these are widened (Birge, Physical Review 40, 1932).
    """
    extent = float(np.ptp(shape))
    design = np.stack([np.ones_like(shape), shape / extent], axis=1)
    precision = design.T @ (design / variances[:, None])
    level, slope = np.linalg.solve(precision, design.T @ (values / variances))
    misfit = float(((values - level - slope * design[:, 1]) ** 2 / variances).sum())
    wide = max(1.0, misfit / (len(values) - 2))
    spread = float((np.linalg.inv(precision)[1, 1] * wide) ** 0.5) * step / extent
    return float(slope) * step / extent, spread, -0.5 * (misfit + float(np.linalg.slogdet(precision)[1]))


def _said(gain: Interval) -> Outlook:
    bounds = f"{100 * gain.value:+.1f} points ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
    if gain.low <= 0 <= gain.high:
        return Outlook(gain, False, f"cannot tell what more budget would bring: twice as much {bounds}")
    return Outlook(gain, True, f"twice the budget would probably bring {bounds}")
