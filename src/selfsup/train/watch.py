"""Watch: does the network learn, or have its embeddings collapsed? Answered in words while it trains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

FEWEST_DIRECTIONS = 2.0
"""Below so many directions what a loss draws together lies along a line: one number is all that tells inputs apart."""

LEAST_EXTENT = 0.25
"""Share of its first extent below which what a loss draws together has become a point."""

ROWS = 16, 256
"""Fewer rows of a batch tell nothing of directions, and more are not looked at."""


def embedding_rank(embeddings: Float[Tensor, "N D"]) -> float:
    """RankMe of the centred embeddings: exp of the entropy of the normalised singular values, from 1 to min(N, D).

    Garrido, Balestriero, Najman, LeCun, ICML 2023, arXiv 2210.02885, equation 3; centred here, since a common offset is no content.
    It compares moments of one run. It never ranks tasks.
    """
    values = torch.linalg.svdvals((embeddings - embeddings.mean(0)).double())
    share = values / values.sum().clamp_min(1e-12) + 1e-7
    return float(torch.exp(-(share * share.log()).sum()))


def embedding_spread(embeddings: Float[Tensor, "N D"]) -> float:
    """Mean standard deviation of the normalised embeddings' dimensions, times sqrt(D): 1 if they fill the sphere, 0 if equal.

    Chen, He, CVPR 2021, arXiv 2011.10566, section 4.1.
    """
    normalised = F.normalize(embeddings.double(), dim=1)
    return float(normalised.std(0).mean() * embeddings.shape[1] ** 0.5)


def directions_and_extent(rows: Float[Tensor, "B *views D"]) -> tuple[float, float] | None:
    """In how many directions rows differ, and how far they lie apart: the rank, and the mean standard deviation of a dimension.

    Of several views a row the first is taken. None where rows are too few to tell.
    """
    some = rows[: ROWS[1]].flatten(1, -2)[:, 0] if rows.ndim > 2 else rows[: ROWS[1]]
    if len(some) < ROWS[0]:
        return None
    some = some.detach().float().cpu()  # MPS has no float64
    return embedding_rank(some), float(some.std(0).mean())


@torch.no_grad()
def embed_sample(backbone: Any, sample: Sequence[Tensor]) -> Float[Tensor, "N D"]:
    """Embeddings of a fixed sample, as `embed` takes it, in evaluation mode, so that watching changes nothing in training."""
    training = backbone.training
    backbone.eval()
    embeddings: Tensor = backbone.embed(*sample).float().cpu()  # MPS has no float64
    backbone.train(training)
    return embeddings


@dataclass
class Watch:
    """Keeps the losses and embeddings' state of a run, and says once in words what goes wrong."""

    losses: list[float] = field(default_factory=list)
    spreads: list[float] = field(default_factory=list)
    ranks: list[float] = field(default_factory=list)
    directions: list[float] = field(default_factory=list)
    extents: list[float] = field(default_factory=list)
    told: set[str] = field(default_factory=set)

    def remember(self, entries: list[dict[str, Any]]) -> None:
        """Take up what a resumed run saw and said before, from its log."""
        for entry in entries:
            if entry.get("spread") is not None:
                self._see(entry["loss"], entry["rank"], entry["spread"], entry.get("directions"), entry.get("extent"))
        self.told |= {entry["kind"] for entry in entries if "kind" in entry}

    def warnings(
        self, *, progress: float, loss: float, rank: float, spread: float, directions: float | None = None, extent: float | None = None,
        blind: float | None = None, falls: bool = True,
    ) -> dict[str, str]:  # fmt: skip
        """New warnings in words by their kind, at most one of each kind a run. `loss` is the mean since the last look.

        `directions` and `extent` are those of what the task's loss draws together, where it does; `blind` is the loss of a network that
        tells nothing apart, where that is known; `falls`, whether a loss that does not fall tells that nothing is learned.
        """
        self._see(loss, rank, spread, directions, extent)
        found = {"collapse": self._collapse() or self._collapse_of_head()}
        if progress >= 0.3 and len(self.losses) >= 6:
            found["blind"] = self._blind(blind, progress)
            found["flat"] = None if found["blind"] or not falls else self._flat(progress)
        told = {kind: words for kind, words in found.items() if words is not None}
        fresh = {kind: words for kind, words in told.items() if kind not in self.told}
        self.told |= set(told)
        return fresh

    def _see(self, loss: float, rank: float, spread: float, directions: float | None, extent: float | None) -> None:
        self.losses.append(float(loss))
        self.ranks.append(float(rank))
        self.spreads.append(float(spread))
        self.directions += [] if directions is None else [float(directions)]
        self.extents += [] if extent is None else [float(extent)]

    def _collapse(self) -> str | None:
        """Of the embeddings.

        A large common part, as masked autoencoders have, makes the spread small but leaves many directions: that is no collapse. Means
        over tokens begin close together and come closer, while as many directions are left: neither is that.
        """
        rank, spread = self.ranks[-1], self.spreads[-1]
        alike = spread < 0.02 * self.spreads[0] or (spread < 0.01 and rank < 0.5 * self.ranks[0])
        if not (alike or rank < 1.5 or (spread < 0.1 * self.spreads[0] and rank < 4)):
            return None
        return (
            f"the embeddings have collapsed: inputs are hardly told apart any more (rank {rank:.1f}, spread {spread:.3f}, "
            f"at the start {self.spreads[0]:.3f}). Whatever loss is shown, nothing useful is being learned. "
            "Lower --learning-rate, or check the part of the task that keeps embeddings apart."
        )

    def _collapse_of_head(self) -> str | None:
        """Of what the loss draws together, while the embeddings before the head still differ. A batch is a small sample: three are seen."""
        if len(self.directions) < 3:
            return None
        directions, extent = median(self.directions[-3:]), median(self.extents[-3:]) / max(self.extents[0], 1e-12)
        if directions >= FEWEST_DIRECTIONS and extent >= LEAST_EXTENT:
            return None
        return (
            f"what views are compared by has collapsed: it differs in {directions:.1f} directions, and {extent:.0%} as far as at first, "
            "and hardly tells inputs apart. Whatever loss is shown, nothing useful is being learned. "
            "Lower --learning-rate, or check the part of the task that keeps embeddings apart."
        )

    def _blind(self, blind: float | None, progress: float) -> str | None:
        """For six looks: a loss that falls from above may be there for three, and need not stay."""
        lately = (fmean(self.losses[-6:-3]), fmean(self.losses[-3:]))
        if blind is None or not all(math.isclose(loss, blind, rel_tol=0.02) for loss in lately):
            return None
        return (
            f"the loss is stuck at {blind:.3f}, {progress:.0%} of the way in: that of a network that tells nothing in a batch apart. "
            "Nothing is being learned. Try a smaller --learning-rate, and look whether what the task brings together belongs together."
        )

    def _flat(self, progress: float) -> str | None:
        first, now = self.losses[0], fmean(self.losses[-3:])
        if now <= first - 0.01 * abs(first):
            return None
        return (
            f"the loss has not fallen: {first:.3f} at first, {now:.3f} now, {progress:.0%} of the way in. "
            "Nothing is being learned. Try another --learning-rate, and look at the views in the report: the task may be impossible."
        )
