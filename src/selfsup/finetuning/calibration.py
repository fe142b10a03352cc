"""Calibration: confidence that is right as often as it says, from what was said of labelled items that were held back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import stats
from scipy.optimize import minimize_scalar

BINS = 15
"""Bins of equal width, as Guo et al. have them (ICML 2017, arXiv 1706.04599, section 2)."""

FEWEST = 50
"""Held-back items from which a confidence may be called calibrated: its mean is then known to about 14 points either way at worst."""

MOST = 0.05
"""Expected error, beyond what chance makes of so few items, up to which a confidence is called calibrated."""

A_BIN = 10
"""Items a bin should hold on average: with fewer, the error measures how few they are, so there are fewer bins."""

COLDEST, HOTTEST = 0.05, 20.0
"""Bounds of the temperature."""


@dataclass(frozen=True)
class Calibration:
    """How far a confidence can be trusted. Scores are divided by `temperature` before the softmax.

    `error` is the expected calibration error over `held_back` labelled items with a temperature that did not see them, `untempered` the
    same without a temperature; `by_chance` is the error that a confidence without fault would have on so few (0 in models that did not
    keep it). `off_by` is by how much the mean confidence may be off from the share that is right, at 95 %. Without held-back items `error`
    is None, and `off_by` all there is between certainty and chance.
    """

    temperature: float
    held_back: int
    error: float | None
    untempered: float | None
    off_by: float
    by_chance: float = 0.0

    @property
    def calibrated(self) -> bool:
        """Whether enough labels were held back to say so, and they say so."""
        return self.error is not None and self.held_back >= FEWEST and self.error - self.by_chance <= MOST

    def words(self, noun: str) -> str:
        """How far to trust a confidence, in a sentence."""
        if self.error is None:
            return (
                f"The confidence is not calibrated: no labelled {noun} of two classes could be held back. "
                f"It may be off by up to {_points(self.off_by)}."
            )
        chance = f", of which chance explains {_points(self.by_chance)}" if 0 < self.by_chance < self.error else ""
        measured = f"expected calibration error {_points(self.error)} on {self.held_back} {noun} held back{chance}"
        if self.calibrated:
            return f"The confidence is calibrated: {measured}; its mean may be off by up to {_points(self.off_by)}."
        if self.held_back >= FEWEST:
            return (
                f"The confidence is not calibrated: {measured}, and calibrated is at most {_points(MOST)} beyond chance. "
                f"Its mean may be off by up to {_points(self.off_by)}."
            )
        return (
            f"The confidence is not calibrated: {self.held_back} labelled {noun} held back are too few ({FEWEST} are needed). "
            f"It may be off by up to {_points(self.off_by)} on average ({measured})."
        )


def calibrate(logits: Float[np.ndarray, "n K"], truth: Int[np.ndarray, "n"], folds: Int[np.ndarray, "n"]) -> Calibration:
    """From scores of held-back items before the softmax. To measure its error, the temperature of an item leaves out its fold."""
    if not len(truth):
        return Calibration(1.0, 0, None, None, 1 - 1 / logits.shape[1])
    parts = np.unique(folds)
    if len(parts) < 2:  # held back once: halves stand in for folds
        folds, parts = np.arange(len(truth)) % 2, np.arange(2)
    scaled = logits.copy()
    for part in parts:
        inside, outside = folds != part, folds == part
        scaled[outside] /= temperature_of(logits[inside], truth[inside])
    confidence, right = confidence_of(scaled, truth)
    return Calibration(
        temperature=temperature_of(logits, truth),
        held_back=len(truth),
        error=expected_error(confidence, right),
        untempered=expected_error(*confidence_of(logits, truth)),
        off_by=most_off(confidence, right),
        by_chance=chance_error(confidence),
    )


def temperature_of(logits: Float[np.ndarray, "n K"], truth: Int[np.ndarray, "n"]) -> float:
    """The temperature that makes the truth likeliest (Guo et al., section 4.2), held near 1 by a normal prior on its logarithm.

    The prior, of deviation 1, weighs as little as a few items do; without it, few items that are all told right ask for 0.
    """
    scores = torch.as_tensor(logits)
    targets = torch.as_tensor(truth)

    def loss(logarithm: float) -> float:
        likely = torch.log_softmax(scores / np.exp(logarithm), dim=1).gather(1, targets[:, None]).sum()
        return float(logarithm**2 / 2 - likely)

    found = minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded")
    return float(np.exp(found.x))


def confidence_of(logits: Float[np.ndarray, "n K"], truth: Int[np.ndarray, "n"]) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """The probability of the class that is told, and 1 where it is right."""
    probabilities = torch.softmax(torch.as_tensor(logits), dim=1).numpy()
    return np.asarray(probabilities.max(1)), np.asarray(probabilities.argmax(1) == truth, dtype=np.float64)


def expected_error(confidence: Float[np.ndarray, "n"], right: Float[np.ndarray, "n"]) -> float:
    """Expected calibration error: the gap between confidence and share right, bin by bin, weighted by items (Guo et al., equation 3)."""
    gaps = np.bincount(_bins(confidence), weights=right - confidence)
    return float(np.abs(gaps).sum() / len(right))


def chance_error(confidence: Float[np.ndarray, "n"]) -> float:
    """The same that is to be expected where every confidence is true: items of a bin are right or wrong by lot all the same.

    The gap of a bin is then nearly normal around 0, with the variance of its lots, and the mean size of such a number is its deviation
    times the root of 2 / pi.
    """
    variances = np.bincount(_bins(confidence), weights=confidence * (1 - confidence))
    return float(np.sqrt(2 / np.pi * variances).sum() / len(confidence))


def _bins(confidence: Float[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """The bin of each item: (low, high], as in the paper."""
    bins = int(np.clip(len(confidence) // A_BIN, 1, BINS))
    return np.asarray(np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1))


def most_off(confidence: Float[np.ndarray, "n"], right: Float[np.ndarray, "n"]) -> float:
    """The end of the 95 % interval of the mean gap between confidence and being right that is further from 0."""
    gap = right - confidence
    if len(gap) < 2:
        return 1.0
    half = float(stats.t.ppf(0.975, len(gap) - 1) * gap.std(ddof=1) / len(gap) ** 0.5)
    rare = min(1.0, 3 / len(gap))  # what is not seen in n items may still happen three times in n (Hanley, Lippman-Hand, JAMA 249, 1983)
    return min(1.0, abs(float(gap.mean())) + max(half, rare))


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"
