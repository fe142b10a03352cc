"""Probes: ways to turn embeddings and a few labels into scores of classes for other items.

Features are float arrays (n, d), or sparse ones; targets class numbers; scores (n, K) sum to 1 a row. With `balanced`, every class weighs
the same in what is fitted, whatever its share of the labels: that is what balanced accuracy asks for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from selfsup.probing import logistic
from selfsup.probing.sparse import Rows, both_dense, cosines, is_sparse, large_linear

PROBES = ("linear", "knn")

TEMPERATURE = 0.07
"""Neighbours vote with the weight exp(similarity / 0.07). Wu, Xiong, Yu, Lin, CVPR 2018, arXiv 1805.01978, section 3.4; DINO keeps it."""

CHUNK = 2**25
"""Similarities held in memory at once."""

MOST_DENSE = 2000
"""Labelled rows of words that are brought onto as many columns: an eigenvalue problem of that size, some seconds. More stay sparse."""


@dataclass(frozen=True)
class Standardiser:
    """Takes off the mean and divides by the standard deviation and by the square root of the width.

    A row then has a squared length of about 1, so that one grid of strengths serves every width. Mean and deviation come from
    training items (no label is read, no test item seen); a feature that is constant there is only centred.
    """

    mean: Float[np.ndarray, "d"]
    scale: Float[np.ndarray, "d"]

    @classmethod
    def of(cls, features: Float[np.ndarray, "n d"]) -> Standardiser:
        """The standardiser that these training items call for."""
        spread = features.std(0, dtype=np.float64)
        scale = np.where(spread > 1e-7 * max(float(spread.max()), 1e-12), spread, 1.0)
        return cls(features.mean(0, dtype=np.float64), scale * features.shape[1] ** 0.5)

    def __call__(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        return np.asarray((features - self.mean) / self.scale, dtype=features.dtype)


def neighbours_for(labels_per_class: int | str) -> int:
    """How many neighbours vote: 1 at fewer than 5 labels a class, 5 up to 10, 20 above (DINO and others use 20 at full labels)."""
    if labels_per_class == "all" or int(labels_per_class) > 10:
        return 20
    return 1 if int(labels_per_class) < 5 else 5


def class_weights(targets: Int[np.ndarray, "n"], *, balanced: bool) -> Float[np.ndarray, "n"]:
    """A weight for each labelled item, 1 on average; with `balanced`, classes have equal sums."""
    if not balanced:
        return np.ones(len(targets))
    counts = np.bincount(targets)
    return np.asarray(len(targets) / (counts[targets] * (counts > 0).sum()))


def one_hot(targets: Int[np.ndarray, "n"], classes: int) -> Float[Tensor, "n K"]:
    """Targets as rows of zeros with a one at the class, in float64."""
    return F.one_hot(torch.as_tensor(targets), classes).double()


def knn(
    train: Rows,
    targets: Int[np.ndarray, "n"],
    test: Rows,
    *,
    classes: int,
    neighbours: int,
    balanced: bool = False,
    temperature: float = TEMPERATURE,
) -> Float[np.ndarray, "m K"]:
    """Scores by the nearest labelled items in cosine similarity, each voting with exp(similarity / temperature)."""
    votes = one_hot(targets, classes).float() * torch.as_tensor(class_weights(targets, balanced=balanced), dtype=torch.float32)[:, None]
    rows = max(1, CHUNK // train.shape[0])
    scores = [vote(near, votes, neighbours=neighbours, temperature=temperature) for near in cosines(test, train, rows=rows)]
    return np.asarray(torch.cat(scores).numpy(), dtype=np.float64)


def vote(
    similarities: Float[Tensor, "m n"], votes: Float[Tensor, "n K"], *, neighbours: int, temperature: float = TEMPERATURE
) -> Float[Tensor, "m K"]:
    """The weighted share of each class among the nearest `neighbours` (or all there are)."""
    near, which = similarities.topk(min(neighbours, similarities.shape[1]), dim=1)
    weights = torch.softmax(near / temperature, dim=1)
    scores = torch.einsum("mk,mkc->mc", weights, votes[which])
    return scores / scores.sum(1, keepdim=True)


def linear(
    train: Rows, targets: Int[np.ndarray, "n"], test: Rows, *, classes: int, strength: float, balanced: bool = False
) -> Float[np.ndarray, "m K"]:
    """Probabilities by L2 logistic regression on the features as they are, with C = `strength` in scikit-learn's sense."""
    weights = class_weights(targets, balanced=balanced)
    if is_sparse(train) and train.shape[0] > MOST_DENSE:
        return large_linear(train, targets, test, classes=classes, strength=strength, weights=weights)
    rows, others = both_dense(train, test)
    planes, offsets = linear_weights(rows, targets, classes=classes, strength=strength, balanced=balanced)
    scores = torch.as_tensor(others, dtype=torch.float64) @ planes.T + offsets
    return np.asarray(torch.softmax(scores, dim=1).numpy())


def linear_weights(
    train: Float[np.ndarray, "n d"], targets: Int[np.ndarray, "n"], *, classes: int, strength: float, balanced: bool = False
) -> tuple[Float[Tensor, "K d"], Float[Tensor, "K"]]:
    """The fitted linear probe itself, in float64: scores before the softmax are `x @ weights.T + offsets`."""
    several = torch.as_tensor(class_weights(targets, balanced=balanced))[None]
    rotated = logistic.rotate(torch.as_tensor(train, dtype=torch.float64)[None], several)
    fitted = logistic.fit(rotated.rows, one_hot(targets, classes), weights=several, strengths=[strength])[0, 0]
    planes = rotated.axes[0] @ fitted[:-1]
    return planes.T.contiguous(), fitted[-1] - (rotated.centre[0] @ planes)[0]
