"""Learned directions that stand for classes: how near rows are to them, to which they are assigned, and the loss across views."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from selfsup.heads import projector
from selfsup.ranges import above


class Prototypes(nn.Module):
    """How near rows are to each of `count` learned directions: cosines `(N, D) -> (N, count)`, in fp32 also under autocast.

    Both sides have length 1 whenever they are compared, so that no direction wins by its length: SwAV's prototypes, and DINO's last layer
    with weight normalisation and a fixed gain of 1. Temperatures divide by .05 and less, which bf16 has too few digits for.
    """

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.directions = nn.Parameter(F.normalize(torch.randn(count, width), dim=1))

    def forward(self, rows: Float[Tensor, "N D"]) -> Float[Tensor, "N K"]:
        with torch.autocast(rows.device.type, enabled=False):
            cosines: Tensor = F.linear(F.normalize(rows.to(self.directions.dtype), dim=1), F.normalize(self.directions, dim=1))
        return cosines


def cluster_head(width: int, hidden: int, bottleneck: int, count: int, *, normalise: bool) -> nn.Sequential:
    """Three linear layers, then prototypes, `(N, width) -> (N, count)`: DINO's head. Caron et al., arXiv 2104.14294, section 3.1.

    The paper has GELU and no BatchNorm between layers, and starts with answers that are nearly the same for all pictures: cosines of
    .9 (ConvNet) to .99 (ViT) before the prototypes. With `normalise` BatchNorm and ReLU stand there, and a BatchNorm without scale at the
    end, so that they are 0 on average.
    """
    above(0, hidden=hidden, bottleneck=bottleneck)
    if normalise:
        return nn.Sequential(projector(width, hidden, bottleneck, layers=3, normalise_last=True), Prototypes(bottleneck, count))
    perceptron = [nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, bottleneck)]
    return nn.Sequential(nn.Sequential(*perceptron), Prototypes(bottleneck, count))


@torch.no_grad()
def assigned(scores: Float[Tensor, "N K"], *, epsilon: float, iterations: int) -> Float[Tensor, "N K"]:
    """The shares in which N rows are assigned to K directions, so that each direction gets about as much; each row sums to 1.

    exp(scores / epsilon) with columns and rows scaled in turn, columns first (Sinkhorn and Knopp; Cuturi, NeurIPS 2013, arXiv
    1306.0895; SwAV, equation 4), in logarithms. Three iterations, the authors' number, do not converge and are not meant to; without
    any it is a softmax.
    """
    logs = scores / epsilon
    for _ in range(iterations):
        logs = logs.log_softmax(dim=0).log_softmax(dim=1)
    return logs.softmax(dim=1)


def crossed_entropy(targets: Float[Tensor, "B G K"], scores: Float[Tensor, "B V K"], temperature: float) -> Float[Tensor, ""]:
    """Mean cross-entropy of telling the target of one view from the scores of another, over all pairs of different views.

    The first G of the V views are those of the targets, in the same order: no view is matched with itself. Caron et al., SwAV,
    NeurIPS 2020, arXiv 2006.09882, equations 2 and 6; Caron et al., DINO, ICCV 2021, arXiv 2104.14294, equation 3. Each target sums to 1.
    """
    rows, given, _ = targets.shape
    nats = F.log_softmax(scores / temperature, dim=-1)
    every, own = (targets.sum(dim=1) * nats.sum(dim=1)).sum(), (targets * nats[:, :given]).sum()
    return (own - every) / (rows * given * (scores.shape[1] - 1))
