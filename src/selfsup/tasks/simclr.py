"""SimCLR: recognise the other view of the same picture among all pictures of the batch."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from selfsup.backbones import Backbone
from selfsup.heads import projector
from selfsup.joint_embedding import TwoViews
from selfsup.pretext import Output
from selfsup.ranges import above


class SimCLR(TwoViews):
    """Recognise the other view of a picture among all others. Chen, Kornblith, Norouzi, Hinton, ICML 2020, arXiv 2002.05709.

    Options: `temperature` (.1 for long ImageNet runs, .5 on CIFAR in the paper's appendix B.9; between them for short runs);
    `hidden`, `dimensions` of the projection head; the others are those of `TwoViews`. (The paper does not blur 32 px; here it helped.)
    """

    kind = "contrastive"

    def __init__(self, backbone: Backbone, *, temperature: float = 0.2, hidden: int = 512, dimensions: int = 128, **views: Any) -> None:
        above(0, temperature=temperature)
        super().__init__(backbone, projector(backbone.width, hidden, dimensions, normalise_last=True), **views)
        self.temperature = temperature

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"contrast": contrast(output["a"], output["b"], self.temperature)}


def contrast(a: Float[Tensor, "B D"], b: Float[Tensor, "B D"], temperature: float) -> Float[Tensor, ""]:
    """NT-Xent, the paper's equation 1: cross-entropy of finding row i of `b` for row i of `a`, and back, among 2B - 1 others."""
    rows = F.normalize(torch.cat([a, b]), dim=1)
    similarity = rows @ rows.T / temperature
    similarity = similarity.masked_fill(torch.eye(len(rows), dtype=torch.bool, device=rows.device), -torch.inf)
    partner = torch.arange(len(rows), device=rows.device).roll(len(a))
    return F.cross_entropy(similarity, partner)
