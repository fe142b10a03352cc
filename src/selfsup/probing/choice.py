"""Choosing layer, pooling and strength of regularisation for a probe, from the labels it may use and from nothing else.

With 5 labels a class or more the choice is made by stratified cross-validation inside those labels; below that, by fixed defaults:
the mean of the last but one layer, and strength 10. Candidates are compared by their accuracy (balanced where classes are skewed) over
all held-back items, and where that is equal by the mean probability they gave to the truth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from selfsup.probing import logistic
from selfsup.probing.draws import stratified_folds, subsample
from selfsup.probing.metrics import item_weights
from selfsup.probing.probes import class_weights, neighbours_for, one_hot, vote
from selfsup.probing.sparse import Rows, dense

Features = Mapping[str, Rows]
"""Candidate features of the same items, by name ("layer/pool"); rows of words are sparse."""

Dense = Mapping[str, Float[np.ndarray, "n d"]]

FOLDS = 3
"""Three: with 10 labels a class each fold still judges three or four of every class, at 3/5 of the cost of five folds."""

FEWEST = 5
"""Labels a class from which cross-validation is worth more than the defaults."""

MOST = 2000
"""Labelled items that cross-validation uses at most; the probe itself is fitted on all of them."""

STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""scikit-learn's C for rows of squared length 1: C from 2e-4 to 2 on 512 features standardised the usual way."""

DEFAULT_STRENGTH = 10.0

TOLERANCE = 5e-3
"""Of the gradient, while choosing: which candidate is best does not change below it, and it takes a third of the time of 1e-4."""

TIE = 1e-9
"""What the mean probability counts beside accuracy: less than one item of many, however the classes weigh."""

CHUNK = 2**23
"""Numbers that the problems of one batch may hold."""


@dataclass(frozen=True)
class Choice:
    """What a probe uses: a layer with its pooling, and for the linear probe a strength (scikit-learn's C)."""

    layer: str
    strength: float = DEFAULT_STRENGTH


def choose(
    features: Features,
    targets: Int[np.ndarray, "n"],
    *,
    probe: str,
    labels_per_class: int | str,
    default: str,
    groups: Shaped[np.ndarray, "n"] | None = None,
    balanced: bool = False,
    seed: int = 0,
) -> Choice:
    """The best layer and strength for `probe`, judged inside these labelled items; `default` is the layer where they are too few.

    `groups` of items are held back whole; `default` also where that leaves one class to tell.
    """
    sizes = np.unique_counts(targets).counts
    if np.median(sizes) < FEWEST or (labels_per_class != "all" and int(labels_per_class) < FEWEST):
        return Choice(default)
    used = subsample(targets, limit=MOST, seed=seed)
    features, targets = {name: rows[used] for name, rows in features.items()}, targets[used]
    folds = stratified_folds(targets, folds=FOLDS, seed=seed, groups=None if groups is None else groups[used])
    if groups is not None and len(np.unique(targets[folds >= 0])) < 2:
        return Choice(default)
    return choose_in(folds, features, targets, probe=probe, labels_per_class=labels_per_class, balanced=balanced)


def choose_in(
    folds: Int[np.ndarray, "n"],
    features: Features,
    targets: Int[np.ndarray, "n"],
    *,
    probe: str,
    labels_per_class: int | str,
    balanced: bool,
) -> Choice:
    """The best layer and strength by what is said of each fold by a probe of the others."""
    names = list(features)
    chosen = {name: dense(features[name]) for name in names}
    strengths = STRENGTHS if probe == "linear" else (DEFAULT_STRENGTH,)
    if probe == "linear":
        truths = linear_truths(chosen, targets, folds, balanced=balanced)
    else:
        truths = _knn_truths(chosen, targets, folds, neighbours_for(labels_per_class), balanced)
    quality = np.concatenate([_quality(truth, targets, folds, balanced) for truth in truths])  # (layers, strengths)
    layer, strength = np.unravel_index(int(quality.argmax()), quality.shape)
    return Choice(names[int(layer)], strengths[int(strength)])


def default_layer(names: Sequence[str]) -> str:
    """The mean of the last but one layer (of the only one, if there is one), from names like "stage3/mean", shallow to deep."""
    layers = list(dict.fromkeys(name.rpartition("/")[0] for name in names))
    wanted = f"{layers[-2:][0]}/mean"
    return wanted if wanted in names else names[0]


def _quality(scores: Float[Tensor, "L n S K"], targets: Int[np.ndarray, "n"], folds: Int[np.ndarray, "n"], balanced: bool) -> np.ndarray:
    """Accuracy over the items that were held back once, and as little of the truth's mean probability as settles what is equal."""
    judged = np.flatnonzero(folds >= 0)
    weights = torch.as_tensor(item_weights(targets[judged], balanced=balanced), dtype=torch.float64)[None, :, None]
    truth = torch.as_tensor(targets[judged])
    right = (scores[:, judged].argmax(3) == truth[None, :, None]).double()
    probability = scores[:, judged].gather(3, truth[None, :, None, None].expand(scores.shape[0], -1, scores.shape[2], 1)).squeeze(3)
    return np.asarray(((right + TIE * probability.double()) * weights).sum(1).numpy())


def linear_truths(features: Dense, targets: np.ndarray, folds: np.ndarray, *, balanced: bool) -> Iterator[Float[Tensor, "L n S K"]]:
    """Probabilities each item gets from the problem of the fold that held it back, a few layers at a time."""
    weights = np.stack([np.where(folds == fold, 0.0, class_weights(targets, balanced=balanced)) for fold in range(FOLDS)])
    masks, wanted = torch.as_tensor(weights), one_hot(targets, int(targets.max()) + 1).float()
    for names in _batches(features, len(targets)):
        widest = max(min(features[name].shape) for name in names)
        turned = []
        for name in names:
            rows = torch.as_tensor(features[name], dtype=torch.float64).expand(FOLDS, -1, -1)
            rows = logistic.rotate(rows, masks).rows.float()
            turned.append(F.pad(rows, (0, widest - rows.shape[2])))
        rows, several = torch.cat(turned), masks.float().repeat(len(names), 1)
        fitted = logistic.fit(rows, wanted, weights=several, strengths=STRENGTHS, tolerance=TOLERANCE)
        scores = torch.softmax(logistic.logits(rows, fitted), dim=3).transpose(1, 2)
        yield _held_back(scores.reshape(len(names), FOLDS, *scores.shape[1:]), folds)


def _batches(features: Dense, items: int) -> Iterator[Sequence[str]]:
    """Names of layers whose problems are solved together: as many as `CHUNK` allows, at least one."""
    batch: list[str] = []
    for name, rows in features.items():
        widest = max(min(features[other].shape) for other in [*batch, name])
        if batch and (len(batch) + 1) * FOLDS * items * widest > CHUNK:
            yield batch
            batch = []
        batch.append(name)
        assert len(rows) == items
    yield batch


def _held_back(scores: Float[Tensor, "L folds n S K"], folds: Int[np.ndarray, "n"]) -> Float[Tensor, "L n S K"]:
    """For each item the scores of its own fold (of the first, where it has none)."""
    which = torch.as_tensor(np.maximum(folds, 0))
    return scores[:, which, torch.arange(len(folds))]


def _knn_truths(
    features: Dense, targets: np.ndarray, folds: np.ndarray, neighbours: int, balanced: bool
) -> Iterator[Float[Tensor, "L n S K"]]:
    """Votes each item gets from the items of the other folds, layer by layer."""
    votes = one_hot(targets, int(targets.max()) + 1).float()
    votes *= torch.as_tensor(class_weights(targets, balanced=balanced), dtype=torch.float32)[:, None]
    same = torch.as_tensor((folds[:, None] == folds[None, :]) & (folds[:, None] >= 0))
    same |= torch.eye(len(targets), dtype=torch.bool)
    fewest = int((~same).sum(1).min())
    for rows in features.values():
        unit = F.normalize(torch.as_tensor(rows, dtype=torch.float32), dim=1)
        similarities = (unit @ unit.T).masked_fill(same, -torch.inf)
        yield vote(similarities, votes, neighbours=min(neighbours, fewest))[None, :, None, :]
