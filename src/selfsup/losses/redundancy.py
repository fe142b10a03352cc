"""How much dimensions tell that others tell already."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def off_diagonal(table: Float[Tensor, "D D"]) -> Float[Tensor, ""]:
    """The sum of the squares of all that is not on the diagonal: of a correlation or covariance, what dimensions share."""
    return table.clone().fill_diagonal_(0.0).square().sum()
