"""A logistic regression on the positions of maps: all levels side by side at the finest, scores enlarged to pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from selfsup.data.masks import VOID
from selfsup.downstream.maps import Kept, Maps
from selfsup.probing import logistic

MOST = 6000
"""Positions that are learned from at most, drawn at random: neighbours say nearly the same."""

CHUNK = 32
"""Pictures whose maps are held at full width together."""

STRENGTH = 10.0
"""scikit-learn's C for rows of squared length about 1, the default of the linear probe; the same for every row."""


@dataclass(frozen=True)
class PixelProbe:
    """Weights of a fitted probe."""

    axes: Float[Tensor, "d r"]
    centre: Float[Tensor, "1 d"]
    coefficients: Float[Tensor, "q K"]

    def __call__(self, kept: Kept, rows: Int[np.ndarray, "B"], *, side: int) -> UInt8[np.ndarray, "B S S"]:
        """The class of every pixel of some pictures, `side` pixels a side."""
        maps = joined(kept.take(rows, torch.device("cpu")))
        flat = maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1]).double()
        scores = ((flat - self.centre) @ self.axes) @ self.coefficients[:-1] + self.coefficients[-1]
        grid = scores.float().reshape(len(rows), *maps.shape[2:], -1).permute(0, 3, 1, 2)
        pixels = F.interpolate(grid, size=(side, side), mode="bilinear")
        return np.asarray(pixels.argmax(1).to(torch.uint8).numpy())


def joined(maps: Maps) -> Float[Tensor, "B C h w"]:
    """All levels at the resolution of the finest, divided so that a position has a squared length of about 1."""
    side = maps[0].shape[-1]
    every = torch.cat([level if level.shape[-1] == side else F.interpolate(level, size=(side, side), mode="bilinear") for level in maps], 1)
    return every.div(every.shape[1] ** 0.5)


def fit_pixels(kept: Kept, rows: Int[np.ndarray, "m"], masks: UInt8[np.ndarray, "m S S"], *, classes: int, seed: int = 0) -> PixelProbe:
    """Fit on the positions of some pictures. What a position has to say is the share of each class among its pixels; void does not count.

    Minimising the cross-entropy of shares is minimising the mean cross-entropy over the pixels of each position.
    """
    order, each = np.random.default_rng([seed, len(rows)]), -(-MOST // len(rows))
    parts = [_positions(kept, rows[at : at + CHUNK], masks[at : at + CHUNK], classes, each, order) for at in range(0, len(rows), CHUNK)]
    inside, wanted = torch.cat([features for features, _ in parts])[None], torch.cat([shares for _, shares in parts])
    weights = wanted.sum(1)
    turned = logistic.rotate(inside, weights[None])
    fitted = logistic.fit(turned.rows, wanted / weights[:, None], weights=weights[None], strengths=[STRENGTH], tolerance=1e-4, limit=200)
    return PixelProbe(turned.axes[0], turned.centre[0], fitted[0, 0])


def _positions(
    kept: Kept, rows: Int[np.ndarray, "b"], masks: UInt8[np.ndarray, "b S S"], classes: int, each: int, order: np.random.Generator
) -> tuple[Float[Tensor, "p C"], Float[Tensor, "p K"]]:
    """`each` positions a picture that are not all void, drawn at random, with the share of each class among their pixels."""
    maps = joined(kept.take(rows, torch.device("cpu")))
    hot = F.one_hot(torch.as_tensor(np.where(masks == VOID, classes, masks), dtype=torch.long), classes + 1)[..., :classes]
    shares = F.adaptive_avg_pool2d(hot.permute(0, 3, 1, 2).float(), maps.shape[-1]).permute(0, 2, 3, 1).reshape(-1, classes)
    known = torch.nonzero(shares.sum(1) > 0).flatten()
    picked = known[torch.as_tensor(order.permutation(len(known))[: each * len(rows)])]
    features = maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])
    return features[picked].double(), shares[picked].double()
