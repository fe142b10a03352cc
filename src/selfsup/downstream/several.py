"""The probe for several labels an item: a logistic regression for each label, on one layer and at one strength for all."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from selfsup.downstream.vectors import Vectors
from selfsup.probing.choice import DEFAULT_STRENGTH, FOLDS, STRENGTHS, linear_truths
from selfsup.probing.probes import linear

FEWEST_CHOSEN = 15
"""Labelled items from which layer and strength are chosen by cross-validation."""

MOST_CHOSEN = 8
"""Labels that the choice is made on, the most frequent ones: it is one for all."""

MOST = 1000
"""Items that the choice is made on at most."""


def average_precision(positive: Bool[np.ndarray, "n"], scores: Float[np.ndarray, "n"]) -> float:
    """Area under precision over recall without interpolation, as scikit-learn defines it; not a number without positives."""
    total = int(positive.sum())
    if not total:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # equal scores are one step
    hits = np.cumsum(positive[order])[ends]
    return float((hits / (ends + 1)) @ np.diff(hits, prepend=0) / total)


def tag_scores(truth: Bool[np.ndarray, "n K"], said: Float[np.ndarray, "n K"]) -> dict[str, float]:
    """ "mAP", the mean over labels of each one's average precision (those that nobody has left out), and "micro AP" over all pairs."""
    values = [average_precision(truth[:, place], said[:, place]) for place in range(truth.shape[1])]
    there = [value for value in values if value == value]
    return {"mAP": float(np.mean(there)) if there else float("nan"), "micro AP": average_precision(truth.ravel(), said.ravel())}


def one_against_rest(
    vectors: Vectors, table: Bool[np.ndarray, "n K"], learned: Int[np.ndarray, "m"], tested: Int[np.ndarray, "N"], *, default: str
) -> tuple[Float[np.ndarray, "N K"], str]:
    """Probabilities of every label, and the layer; `default` is taken where labelled items are too few to choose.

    A label that all or none of the labelled items have gets their share.
    """
    targets = table[learned].astype(np.int64)
    layer, strength = _chosen({name: rows[learned] for name, rows in vectors.items()}, targets, default)
    said = np.tile(targets.mean(0), (len(tested), 1))
    for place in np.flatnonzero(np.ptp(targets, axis=0)):
        rows = vectors[layer]
        said[:, place] = linear(rows[learned], targets[:, place], rows[tested], classes=2, strength=strength)[:, 1]
    return said, layer


def _chosen(inside: Vectors, targets: Int[np.ndarray, "m K"], default: str) -> tuple[str, float]:
    """Layer and strength by cross-validation inside the labelled items: the best mean average precision over frequent labels."""
    every = -(-len(targets) // MOST)
    inside, targets = {name: rows[::every] for name, rows in inside.items()}, targets[::every]
    rarer = np.minimum(targets.sum(0), (1 - targets).sum(0))
    judged = [place for place in np.argsort(-rarer, kind="stable")[:MOST_CHOSEN] if rarer[place] >= FOLDS]
    if len(targets) < FEWEST_CHOSEN or not judged:
        return default, DEFAULT_STRENGTH
    folds = np.random.default_rng([0, len(targets)]).permutation(len(targets)) % FOLDS
    quality = np.zeros((len(inside), len(STRENGTHS)))
    for place in judged:
        truth, layer = targets[:, place].astype(bool), 0
        for scores in linear_truths(inside, targets[:, place], folds, balanced=False):
            for one in scores.numpy()[..., 1]:
                quality[layer] += [average_precision(truth, one[:, number]) for number in range(len(STRENGTHS))]
                layer += 1
    best, strength = np.unravel_index(int(quality.argmax()), quality.shape)
    return list(inside)[int(best)], STRENGTHS[int(strength)]
