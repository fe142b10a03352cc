"""Watch: does the network learn, or have its embeddings collapsed? Answered in words while it trains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

SOLVED = 0.01
"""Share of its first loss below which a task that draws embeddings together has found the way that needs no content."""


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
    told: set[str] = field(default_factory=set)

    def remember(self, entries: list[dict[str, Any]]) -> None:
        """Take up what a resumed run saw and said before, from its log."""
        looks = [entry for entry in entries if entry.get("spread") is not None]
        self.losses += [float(entry["loss"]) for entry in looks]
        self.spreads += [float(entry["spread"]) for entry in looks]
        self.ranks += [float(entry["rank"]) for entry in looks]
        self.told |= {entry["kind"] for entry in entries if "kind" in entry}

    def warnings(
        self, *, progress: float, loss: float, rank: float, spread: float, blind: float | None = None, attracted: bool = False,
        falls: bool = True,
    ) -> dict[str, str]:  # fmt: skip
        """New warnings in words by their kind, at most one of each kind a run. `loss` is the mean since the last look.

        `blind` is the loss of a network that tells nothing apart, where that is known; `attracted` is the task's; `falls`, whether a loss
        that does not fall tells that nothing is learned.
        """
        self.losses.append(loss)
        self.spreads.append(spread)
        self.ranks.append(rank)
        found = {}
        # A large common part, as masked autoencoders have, makes the spread small but leaves many directions: that is no collapse. Means
        # over tokens begin close together and come closer, while as many directions are left: neither is that.
        alike = spread < 0.02 * self.spreads[0] or (spread < 0.01 and rank < 0.5 * self.ranks[0])
        if alike or rank < 1.5 or (spread < 0.1 * self.spreads[0] and rank < 4):
            found["collapse"] = (
                f"the embeddings have collapsed: inputs are hardly told apart any more (rank {rank:.1f}, spread {spread:.3f}, "
                f"at the start {self.spreads[0]:.3f}). Whatever loss is shown, nothing useful is being learned. "
                "Lower --learning-rate, or check the part of the task that keeps embeddings apart."
            )
        # The head may throw away what tells inputs apart while the backbone still has some: then the loss says it. Views of real pictures
        # never agree so well.
        if attracted and loss < SOLVED * self.losses[0]:
            found.setdefault("collapse", (
                f"the loss is next to nothing ({loss:.2g}, at first {self.losses[0]:.2g}): what the views are compared by has collapsed, "
                "and tells no input from another. Nothing useful is being learned. Check the part of the task that keeps embeddings apart."
            ))  # fmt: skip
        enough, least = falls and progress >= 0.3 and len(self.losses) >= 6, self.losses[0] - 0.01 * abs(self.losses[0])
        if enough and fmean(self.losses[-3:]) > least:
            found["flat"] = (
                f"the loss has not fallen: {self.losses[0]:.3f} at first, {fmean(self.losses[-3:]):.3f} now, {progress:.0%} of the way in. "
                "Nothing is being learned. Try another --learning-rate, and look at the views in the report: the task may be impossible."
            )
        if blind is not None and progress >= 0.3 and len(self.losses) >= 6 and _near(fmean(self.losses[-3:]), blind):
            found.pop("flat", None)
            found["blind"] = (
                f"the loss is stuck at {blind:.3f}, {progress:.0%} of the way in: that of a network that tells nothing in a batch apart. "
                "Nothing is being learned. Try a smaller --learning-rate, and look whether what the task brings together belongs together."
            )
        fresh = {kind: words for kind, words in found.items() if kind not in self.told}
        self.told |= set(found)
        return fresh


def _near(loss: float, blind: float) -> bool:
    return math.isclose(loss, blind, rel_tol=0.02, abs_tol=0.02)  # some losses are 0 where all is alike
