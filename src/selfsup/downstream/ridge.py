"""Probes for numbers: ridge regression, and the mean of the nearest, with layer and penalty chosen by leaving one item out at a time."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.linear_model import Ridge

from selfsup.downstream.vectors import Vectors
from selfsup.probing.probes import TEMPERATURE

RIDGES = (10.0, 1.0, 0.1, 0.01, 0.001)
"""Penalties of rows of squared length about 1."""

MOST = 1000
"""Labelled items that layer and penalty are chosen on at most; the probe itself is fitted on all."""


def left_out_errors(rows: Float[np.ndarray, "n d"], values: Float[np.ndarray, "n"]) -> Float[np.ndarray, "P"]:
    """Mean squared error of each item's prediction by ridge regression on all others, for every penalty in RIDGES.

    Ridge regression is a linear smoother with the matrix H, of which the intercept is a part: an item left out is predicted with the error
    e_i / (1 - H_ii) (Golub, Heath, Wahba, Technometrics 21, 1979; exact, no model is fitted again).
    """
    count = len(rows)
    centred = np.asarray(rows - rows.mean(0), dtype=np.float64)
    spectrum, axes = np.linalg.eigh(centred @ centred.T)
    spectrum, residual = spectrum.clip(min=0), values - values.mean()
    turned = axes.T @ residual
    errors = []
    for penalty in RIDGES:
        shrink = spectrum / (spectrum + penalty)
        hat = (axes**2) @ shrink + 1 / count
        errors.append(float(np.mean(((residual - axes @ (shrink * turned)) / np.maximum(1 - hat, 1e-9)) ** 2)))
    return np.array(errors)


def ridge(
    vectors: Vectors, values: Float[np.ndarray, "n"], learned: Int[np.ndarray, "m"], tested: Int[np.ndarray, "N"]
) -> tuple[Float[np.ndarray, "N"], str]:
    """Predictions of ridge regression, and its layer. They go no further beyond the learned values than these lie apart."""
    inside = learned[:: -(-len(learned) // MOST)]
    errors = {name: left_out_errors(rows[inside], values[inside]) for name, rows in vectors.items()}
    layer = min(errors, key=lambda name: float(errors[name].min()))
    penalty = RIDGES[int(errors[layer].argmin())]
    rows = np.asarray(vectors[layer], dtype=np.float64)
    fitted = Ridge(alpha=penalty * len(learned) / len(inside)).fit(rows[learned], values[learned])
    known = values[learned]
    return np.clip(fitted.predict(rows[tested]), 2 * known.min() - known.max(), 2 * known.max() - known.min()), layer


def nearest(
    vectors: Vectors, values: Float[np.ndarray, "n"], learned: Int[np.ndarray, "m"], tested: Int[np.ndarray, "N"]
) -> tuple[Float[np.ndarray, "N"], str]:
    """Means of the nearest labelled items in cosine similarity, weighed as in the kNN probe, and the layer they are near in."""
    neighbours = 5 if len(learned) <= 100 else 20
    inside = learned[:: -(-len(learned) // MOST)]
    errors = {}
    for name, rows in vectors.items():
        likeness = _cosines(rows[inside], rows[inside])
        np.fill_diagonal(likeness, -np.inf)
        errors[name] = float(np.mean((_weighed(likeness, values[inside], min(neighbours, len(inside) - 1)) - values[inside]) ** 2))
    layer = min(errors, key=lambda name: errors[name])
    found = _weighed(_cosines(vectors[layer][tested], vectors[layer][learned]), values[learned], min(neighbours, len(learned)))
    return found, layer


def _cosines(first: Float[np.ndarray, "m d"], second: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "m n"]:
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(min=1e-12) for rows in (first, second)]
    return np.asarray(unit[0] @ unit[1].T, dtype=np.float64)


def _weighed(likeness: Float[np.ndarray, "m n"], values: Float[np.ndarray, "n"], neighbours: int) -> Float[np.ndarray, "m"]:
    near, which = torch.as_tensor(likeness).topk(neighbours, dim=1)
    return np.asarray((torch.softmax(near / TEMPERATURE, dim=1).numpy() * values[which.numpy()]).sum(1))
