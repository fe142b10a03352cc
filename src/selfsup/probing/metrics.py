"""Numbers that say how good predictions are. Targets and predictions are class numbers; scores are (n, K), higher meaning likelier."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from sklearn.metrics import average_precision_score

SKEW = 1.5
"""Classes are called skewed where the largest has more than this many times the labelled items of the smallest."""


def is_skewed(counts: Int[np.ndarray, "K"]) -> bool:
    """Whether plain accuracy would mostly speak of the largest class."""
    return bool(counts.max() > SKEW * counts.min())


def accuracy(targets: Int[np.ndarray, "n"], predicted: Int[np.ndarray, "n"]) -> float:
    """Share of the items that were told right."""
    return float((targets == predicted).mean())


def balanced_accuracy(targets: Int[np.ndarray, "n"], predicted: Int[np.ndarray, "n"]) -> float:
    """Mean of the recalls of the classes that occur in `targets`: every class counts alike."""
    return float(np.average(targets == predicted, weights=item_weights(targets, balanced=True)))


def item_weights(targets: Int[np.ndarray, "n"], *, balanced: bool) -> Float[np.ndarray, "n"]:
    """What each item counts in the metric, summing to 1. A weighted mean of being right is the accuracy or the balanced accuracy."""
    if not balanced:
        return np.full(len(targets), 1 / len(targets))
    counts = np.bincount(targets)
    return np.asarray(1 / (counts[targets] * (counts > 0).sum()))


def recalls(targets: Int[np.ndarray, "n"], predicted: Int[np.ndarray, "n"], *, classes: int) -> Float[np.ndarray, "K"]:
    """Share of each class that was told right; not a number for a class that does not occur."""
    matrix = confusion(targets, predicted, classes=classes)
    totals = matrix.sum(1)
    return np.asarray(np.divide(np.diag(matrix), totals, out=np.full(classes, np.nan), where=totals > 0))


def confusion(targets: Int[np.ndarray, "n"], predicted: Int[np.ndarray, "n"], *, classes: int) -> Int[np.ndarray, "K K"]:
    """How many items of each true class (row) were called each class (column)."""
    return np.asarray(np.bincount(targets * classes + predicted, minlength=classes * classes).reshape(classes, classes))


def average_precisions(targets: Int[np.ndarray, "n"], scores: Float[np.ndarray, "n K"]) -> Float[np.ndarray, "K"]:
    """Average precision of each class against the rest, as scikit-learn defines it; not a number for a class that does not occur.

    It is the mean, over the items of a class, of the precision at the rank of that item (no interpolation).
    """
    present = np.bincount(targets, minlength=scores.shape[1]) > 0
    values = np.full(scores.shape[1], np.nan)
    for label in np.flatnonzero(present):
        values[label] = average_precision_score(targets == label, scores[:, label])
    return values
