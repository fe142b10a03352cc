"""iBOT: DINO, and from what is visible of a view tell what the teacher makes of each hidden patch."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from selfsup.backbones import Backbone
from selfsup.clusters import cluster_head
from selfsup.heads import MaskedPixels
from selfsup.pretext import Batch, Output, Views
from selfsup.ranges import at_least
from selfsup.tasks.dino import DINO, follow
from selfsup.teachers import Teacher
from selfsup.views import block_patches, paint, random_patches


class IBOT(DINO):
    """Tell what a slow teacher makes of other views, and of patches that are hidden. Zhou et al., ICLR 2022, arXiv 2111.07832, section 3.

    Some patches of the first global view are hidden from the network, and their answers told from the rest; the other views stay whole.
    (The paper hides patches of each view with probability one half: here it is one of two.) The teacher sees everything.

    Options: `hidden_patches` the share of positions that is hidden; `blocks` whether they lie in blocks, as in the paper, or anywhere;
    `patches` the weight of telling them, of views that have some hidden (both papers' is .5: they weigh them by 1, and take the mean over
    all views, of which half have); `shared_head` whether one head answers for pictures and patches (DINOv2 has two, Oquab et al., 2024,
    arXiv 2304.07193, section 4); `koleo` the weight of a term that drives each picture away from its nearest neighbour in the batch,
    summed over the global views (.1 in DINOv2); the others are those of `DINO` and `ManyViews`.
    """

    patch_centre: Tensor

    def __init__(
        self, backbone: Backbone, *, hidden_patches: float = 0.3, blocks: bool = False, patches: float = 1.0, shared_head: bool = True,
        koleo: float = 0.0, outputs: int = 128, hidden: int = 512, bottleneck: int = 32, normalise: bool = True, **others: Any,
    ) -> None:  # fmt: skip
        super().__init__(backbone, outputs=outputs, hidden=hidden, bottleneck=bottleneck, normalise=normalise, **others)
        side = backbone.map_side
        if not 0 < hidden_patches < 1 or side < 2:
            raise ValueError(
                f"hidden_patches={hidden_patches} of the {side} x {side} positions of {backbone.name!r} at {backbone.size} px: "
                "expected a share between 0 and 1, of more than one position. Take larger pictures (--size), or a ViT with smaller patches."
            )
        at_least(0, patches=patches, koleo=koleo)
        self.hidden_patches, self.blocks, self.weight = hidden_patches, blocks, patches
        self.koleo, self.shared_head = koleo, shared_head
        self.masked = MaskedPixels(backbone)
        if not shared_head:
            self.patch_projector = cluster_head(backbone.width, hidden, bottleneck, outputs, normalise=normalise)
            self.teacher = Teacher(self, "backbone", "projector", "patch_projector")
        self.register_buffer("patch_centre", torch.zeros(outputs))

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        rows, side = len(batch["image"]), self.backbone.map_side
        hidden = (
            block_patches(rows, side, hidden=self.hidden_patches, rng=rng)
            if self.blocks
            else random_patches(rows, side**2, hidden=self.hidden_patches, rng=rng)
        )[1]
        return {**super().views(batch, rng), "hidden": hidden}

    def forward(self, views: Views) -> Output:
        wide, hidden = views["global"], views["hidden"]
        seen = torch.cat([self.masked.at(wide[:, 0], hidden, self.backbone)[:, None], wide[:, 1:]], dim=1)
        tokens = self.backbone.tokens(seen.flatten(0, 1))
        tokens = tokens.reshape(*wide.shape[:2], *tokens.shape[1:])
        embedded = {"global": tokens.mean(dim=2).flatten(0, 1)}
        if "local" in views:
            embedded["local"] = self.backbone.embed(views["local"].flatten(0, 1))
        with torch.no_grad():
            whole = self.teacher.backbone.tokens(wide.flatten(0, 1))
            answers = self.teacher.projector(whole.mean(dim=1)).reshape(*wide.shape[:2], -1)
            whole = whole.reshape(*wide.shape[:2], *whole.shape[1:])
            patch_answers = self.of_patches(self.teacher, whole, hidden)
        return {
            **self.projected(embedded, len(wide)), "patches": self.of_patches(self, tokens, hidden),
            "teacher": answers, "patch teacher": patch_answers, "embedded": tokens.mean(dim=2),
        }  # fmt: skip

    def of_patches(self, side: nn.Module, tokens: Float[Tensor, "B G T D"], hidden: Int[Tensor, "B M"]) -> Float[Tensor, "B M K"]:
        """What the head of the network or of its teacher makes of the first view's tokens where patches are hidden."""
        head = side.get_submodule("projector" if self.shared_head else "patch_projector")
        picked = tokens[:, 0].gather(1, hidden[:, :, None].expand(-1, -1, tokens.shape[-1]))
        made: Tensor = head(picked.flatten(0, 1))
        return made.reshape(*hidden.shape, -1)

    def loss(self, output: Output) -> dict[str, Tensor]:
        target = self.spread(output["patch teacher"].flatten(0, 1), self.patch_centre)
        nats = F.log_softmax(output["patches"].flatten(0, 1) / self.temperature, dim=1)
        terms = {**super().loss(output), "patches": -self.weight * (target * nats).sum(dim=1).mean()}
        if self.koleo:
            terms["koleo"] = self.koleo * torch.stack([loneliness(rows) for rows in output["embedded"].unbind(1)]).sum()
        return terms

    def after_step(self, output: Output) -> None:
        super().after_step(output)
        follow(self.patch_centre, output["patch teacher"])

    def blind_loss(self, rows: int) -> float | None:
        return None if self.koleo else (1 + self.weight) * math.log(len(self.centre))

    def show(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        views = self.views(batch, rng)
        first = views["global"][:, 0]
        return {"hidden": paint(first, views["hidden"], patch=self.backbone.stride, value=0.5), "whole": first}


def loneliness(rows: Float[Tensor, "B D"]) -> Float[Tensor, ""]:
    """Minus the mean logarithm of the distance to the nearest other row, rows at length 1: Kozachenko and Leonenko's estimate of entropy.

    Sablayrolles et al., ICLR 2019, arXiv 1806.03198, equation 5; DINOv2's KoLeo regulariser. In fp32.
    """
    unit = F.normalize(rows.float(), dim=1)
    nearest = unit[(unit @ unit.T).detach().fill_diagonal_(-2.0).argmax(dim=1)]
    return -F.pairwise_distance(unit, nearest, eps=1e-8).add(1e-8).log().mean()  # twice: rows may be the same
