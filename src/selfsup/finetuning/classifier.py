"""A classifier: one layer of a backbone, pooled and standardised, and one linear layer on top."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from selfsup.embedding import Reading


@dataclass(frozen=True)
class Start:
    """What the part above the backbone begins as: a fitted linear probe of a layer, `NAME/POOL`, whose features are standardised.

    Scores of classes are `(features - mean) / scale @ weights.T + offsets`.
    """

    layer: str
    mean: Float[np.ndarray, "D"]
    scale: Float[np.ndarray, "D"]
    weights: Float[Tensor, "K D"]
    offsets: Float[Tensor, "K"]


class Classifier(nn.Module):
    """Scores of classes from a layer of a backbone, `reads` being how data is read for it. Takes what `view` of a reading gives.

    Without a `start` it reads the mean of the last layer as it is, and its linear layer is drawn from torch's global random numbers.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, backbone: Any, reads: type[Reading[Any]], classes: int, *, start: Start | None = None) -> None:
        super().__init__()
        self.backbone, self.reads = backbone, reads
        self.layer = f"{backbone.layers[-1]}/mean" if start is None else start.layer
        width = backbone.width if start is None else len(start.mean)
        self.linear = nn.Linear(width, classes)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        if start is not None:
            with torch.no_grad():
                self.mean.copy_(torch.as_tensor(start.mean))
                self.scale.copy_(torch.as_tensor(start.scale))
                self.linear.weight.copy_(start.weights)
                self.linear.bias.copy_(start.offsets)

    def forward(self, *inputs: Tensor) -> Float[Tensor, "B K"]:
        """Scores of classes before the softmax, for views."""
        return self.scores(self.reads.vectors(self.backbone, inputs, self.layer))

    def scores(self, vectors: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
        """The same from pooled features."""
        scores: Tensor = self.linear((vectors.float() - self.mean) / self.scale)
        return scores

    @torch.no_grad()
    def logits(self, reading: Reading[Any], rows: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n K"]:
        """Scores of classes before the softmax, for whole items."""
        self.eval()
        place, parts = self.linear.weight.device, []
        for _, features in reading.pooled(self.backbone, torch.as_tensor(rows, dtype=torch.long), [self.layer]):
            parts.append(self.scores(features[self.layer].to(place)).cpu())
        return np.asarray(torch.cat(parts).numpy(), dtype=np.float64)

    def predict(self, reading: Reading[Any], rows: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n K"]:
        """Probabilities of the classes for whole items."""
        return np.asarray(torch.softmax(torch.as_tensor(self.logits(reading, rows)), dim=1).numpy())


def between(start: Classifier, end: Classifier, share: float) -> Classifier:
    """The classifier that lies so far on the straight way from one to another: 0 gives `start`, 1 gives `end`.

    Weights of a network and of what it became by fine-tuning may be averaged (Wortsman et al., CVPR 2022, arXiv 2109.01903).
    """
    result = copy.deepcopy(end)
    with torch.no_grad():
        for own, first in zip(result.parameters(), start.parameters(), strict=True):
            own.lerp_(first.to(own.device), 1 - share)
    return result


def probe_classifier(backbone: Any, reads: type[Reading[Any]], classes: int, start: Start) -> Classifier:
    """The linear probe alone as a classifier: a copy of the backbone as it is below it."""
    return Classifier(copy.deepcopy(backbone), reads, classes, start=start).to(next(backbone.parameters()).device).eval()
