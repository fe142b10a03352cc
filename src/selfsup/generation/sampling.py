"""Which token comes next: from scores to one choice a row."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn.

    Scores are divided by `temperature`; at 0 the likeliest token is taken, and nothing is drawn. Of what there is to draw from, `top_k`
    keeps the likeliest tokens (Fan, Lewis, Dauphin, ACL 2018, arXiv 1805.04833), then `top_p` the fewest likeliest that together have at
    least this probability, the nucleus (Holtzman et al., ICLR 2020, arXiv 1904.09751, section 3.1). None keeps all.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise ValueError(f"temperature is {self.temperature}; expected 0 (always the likeliest) or more; 1 draws as was learned.")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top-k is {self.top_k}; expected at least 1: how many of the likeliest tokens there are to draw from.")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top-p is {self.top_p}; expected more than 0 and at most 1: the share of probability to draw from.")


def choose(
    logits: Float[Tensor, "B V"], sampling: Sampling, rng: torch.Generator, *, forbidden: Bool[Tensor, " V"] | None = None
) -> Int[Tensor, " B"]:
    """One token a row, drawn with `rng` alone, never a forbidden one. Raises ValueError where scores are no numbers."""
    allowed = logits if forbidden is None else logits.masked_fill(forbidden, float("-inf"))
    best, likeliest = allowed.max(dim=1)
    if not bool(best.isfinite().all()):
        raise ValueError(
            f"of the {logits.shape[1]:,} scores of the next token, none is a finite number: the weights of this run are broken."
        )
    if sampling.temperature == 0:
        return likeliest
    left = allowed / sampling.temperature
    if sampling.top_k is not None:
        left = keep_likeliest(left, sampling.top_k)
    if sampling.top_p is not None:
        left = keep_nucleus(left, sampling.top_p)
    return torch.multinomial(left.softmax(dim=1), 1, generator=rng).squeeze(1)


def keep_likeliest(logits: Float[Tensor, "B V"], count: int) -> Float[Tensor, "B V"]:
    """The `count` highest scores of each row, and what equals the last of them; the others become minus infinity."""
    last = logits.topk(min(count, logits.shape[1]), dim=1).values[:, -1:]
    return logits.masked_fill(logits < last, float("-inf"))


def keep_nucleus(logits: Float[Tensor, "B V"], share: float) -> Float[Tensor, "B V"]:
    """The fewest likeliest tokens of each row that together have the probability `share`; the others become minus infinity."""
    chances, order = logits.softmax(dim=1).sort(dim=1, descending=True)
    likelier = chances.cumsum(dim=1) - chances  # what those before it have together: 0 for the first, which always stays
    outside = (likelier >= share).scatter(1, order, likelier >= share)
    return logits.masked_fill(outside, float("-inf"))
