"""Confidence in labels that were given: what a probe that learned from the other items says of each, and which labels that contradicts."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from selfsup.probing.choice import choose
from selfsup.probing.draws import stratified_folds
from selfsup.probing.probes import Standardiser, linear

FOLDS = 5


def out_of_fold(
    features: Float[np.ndarray, "n d"], targets: Int[np.ndarray, "n"], groups: Shaped[np.ndarray, "n"] | None = None, *, seed: int = 0
) -> Float[np.ndarray, "n K"]:
    """Probabilities of each item's classes by a linear probe of the folds it is not in; whole `groups` share a fold.

    Not a number where an item can be in no fold: the only one of its class, or of a group without which a class would be missing. The
    probe's strength is chosen by cross-validation on all of them.
    """
    classes = int(targets.max()) + 1
    rows = Standardiser.of(features)(features)
    folds = stratified_folds(targets, folds=FOLDS, seed=seed, groups=groups)
    choice = choose({"": rows}, targets, probe="linear", labels_per_class="all", default="", groups=groups, seed=seed)
    shares = np.full((len(targets), classes), np.nan)
    for fold in np.unique(folds[folds >= 0]):
        held = folds == fold
        shares[held] = linear(rows[~held], targets[~held], rows[held], classes=classes, strength=choice.strength)
    return shares


def margin_of(shares: Float[np.ndarray, "n K"], targets: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """By how much the given label leads every other, from -1 to 1. The "normalized margin" of Northcutt et al."""
    every = np.arange(len(targets))
    others = shares.copy()
    others[every, targets] = -np.inf
    return np.asarray(shares[every, targets] - others.max(1))


def likeliest_other(shares: Float[np.ndarray, "n K"], targets: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """The likeliest class that is not the given one."""
    others = np.nan_to_num(shares, nan=-1.0)
    others[np.arange(len(targets)), targets] = -2.0
    return np.asarray(others.argmax(1))


def contradicted(shares: Float[np.ndarray, "n K"], targets: Int[np.ndarray, "n"]) -> Bool[np.ndarray, "n"]:
    """Labels that confident learning holds to be wrong. Northcutt, Jiang, Chuang, JAIR 70, 2021, arXiv 1911.00068, section 3.1.

    A class is confident of an item that it gives at least as much as it gives, on average, to the items labelled with it; a label is
    contradicted where, of the classes that are confident of the item, the most likely is another.
    """
    known = ~np.isnan(shares).any(1)
    limits = np.array(
        [shares[known & (targets == k), k].mean() if (known & (targets == k)).any() else np.inf for k in range(shares.shape[1])]
    )
    confident = np.where(shares >= limits, shares, -1.0)  # not a number is not confident
    best = confident.argmax(1)
    return np.asarray((confident.max(1) >= 0) & (best != targets) & known)
