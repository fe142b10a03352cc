"""How far what is said of one view agrees with what is said of the other."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def by_picture(rows: Float[Tensor, "N D"]) -> Float[Tensor, "B 2 D"]:
    """All first views and then all second ones, as one pass through a network gives them, as the two of each picture."""
    return torch.stack(rows.chunk(2), dim=1)


def crossed_cosine(predicted: Float[Tensor, "B 2 D"], target: Float[Tensor, "B 2 D"]) -> Float[Tensor, ""]:
    """The mean cosine of what is predicted from each view and the target that the other view gives."""
    return F.cosine_similarity(predicted, target.flip(1), dim=2).mean()
