"""MoCo: recognise what a slow copy of the network makes of the other view, among what it made of other pictures."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from selfsup.backbones import Backbone
from selfsup.heads import projector
from selfsup.joint_embedding import TwoViews
from selfsup.losses import by_picture
from selfsup.pretext import Batch, Output, Views
from selfsup.ranges import above, share
from selfsup.teachers import Teacher, momentum_at


class MoCo(TwoViews):
    """Recognise a slow teacher's other view among those of other pictures. Chen, Xie, He (v3), ICCV 2021, arXiv 2104.02057, algorithm 1.

    Other pictures are those of the batch and, with a `queue`, those of batches before, as in the first version (He et al., CVPR 2020,
    arXiv 1911.05722). A picture is no negative of its own copies, in the batch or in the queue, whose teacher then normalises
    by running statistics: those of a batch would tell which keys are not from it.

    Options: `queue` is how many keys are remembered (0 for none); `predictor` whether there is one (not in version 2); `temperature` of
    the cosine; `momentum` of the teacher at the start, by default what suits the length of the run; `hidden` and `dimensions` of projector
    and predictor; `frozen_patches` keeps the layer of a ViT that projects patches as it begins (section 4.2: large batches are unstable by
    it); the others are those of `TwoViews`.
    """

    loss_falls = False  # it rises while a queue fills; `blind_loss` knows how full it is
    kind = "contrastive"
    compared = False
    keys: Tensor
    owners: Tensor
    place: Tensor

    def __init__(
        self, backbone: Backbone, *, queue: int = 0, predictor: bool = True, temperature: float = 0.2, momentum: float | None = None,
        hidden: int = 512, dimensions: int = 128, frozen_patches: bool = False, **views: Any,
    ) -> None:  # fmt: skip
        if queue < 0:
            raise ValueError(f"queue={queue}: expected how many keys are remembered, 0 for none.")
        above(0, temperature=temperature)
        share(momentum=momentum)
        if frozen_patches:
            freeze_patches(backbone)
        super().__init__(backbone, projector(backbone.width, hidden, dimensions, normalise_last=True), **views)
        self.predictor = projector(dimensions, hidden, dimensions, normalise_last=True) if predictor else nn.Identity()
        self.teacher = Teacher(self, "backbone", "projector", own_statistics=queue == 0)
        self.temperature, self.momentum = temperature, momentum
        self.register_buffer("keys", torch.zeros(queue, dimensions))
        self.register_buffer("owners", torch.full((queue,), -1))
        self.register_buffer("place", torch.tensor(0))

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        return {**super().views(batch, rng), "index": batch["index"].clone()}

    def forward(self, views: Views) -> Output:
        both = torch.cat([views["a"], views["b"]])
        query = self.predictor(self.projector(self.backbone.embed(both)))
        return {"query": by_picture(query), "key": by_picture(self.teacher.project(both)), "index": views["index"]}

    def loss(self, output: Output) -> dict[str, Tensor]:
        index = output["index"]
        others = torch.cat([index[:, None] == index, (index[:, None] == self.owners) | (self.owners < 0)], dim=1)
        sides = zip(output["query"].unbind(1), output["key"].flip(1).unbind(1), strict=True)
        nats = [recognition(query, key, self.keys, others, self.temperature) for query, key in sides]
        # Times 2T, so that gradients do not grow as it gets small: the paper's algorithm 1.
        return {"contrast": 2 * self.temperature * torch.stack(nats).sum()}

    def blind_loss(self, rows: int) -> float:
        return 4 * self.temperature * math.log(rows + int((self.owners >= 0).sum()))

    def after_step(self, output: Output) -> None:
        self.teacher.follow(self, momentum_at(self.progress, self.steps, start=self.momentum))
        if len(self.keys):
            self._remember(output["key"], output["index"])

    def _remember(self, key: Float[Tensor, "B 2 D"], index: Int[Tensor, " B"]) -> None:
        """Put the keys of both views where the oldest are; of more than there is room for, the last ones."""
        room = len(self.keys)
        fresh, owners = F.normalize(key.flatten(0, 1), dim=1)[-room:], index.repeat_interleave(2)[-room:]
        places = (self.place + torch.arange(len(fresh), device=fresh.device)) % room
        self.keys.index_copy_(0, places, fresh.to(self.keys.dtype))
        self.owners.index_copy_(0, places, owners)
        self.place.copy_((self.place + len(fresh)) % room)


def freeze_patches(backbone: Backbone) -> None:
    """Train all but the layer that projects patches. Raises ValueError where there is none."""
    layer = getattr(getattr(backbone, "model", None), "patch_embed", None)
    if not isinstance(layer, nn.Module):
        raise ValueError(f"frozen_patches=true, and {backbone.name!r} projects no patches: take compact_vit, or a ViT or Swin of timm's.")
    layer.requires_grad_(False)


def recognition(
    query: Float[Tensor, "B D"],
    key: Float[Tensor, "B D"],
    queue: Float[Tensor, "Q D"],
    no_negatives: Bool[Tensor, "B C"],
    temperature: float,
) -> Float[Tensor, ""]:
    """Cross-entropy of finding row i of `key` for row i of `query` among all keys and the `queue`, whose rows have length 1: InfoNCE.

    Of the C = B + Q candidates those that are `no_negatives` of a query are left out, but for its own key.
    """
    candidates = torch.cat([F.normalize(key, dim=1), queue])
    similarity = F.normalize(query, dim=1) @ candidates.T / temperature
    target = torch.arange(len(query), device=query.device)
    own = F.one_hot(target, len(candidates)).bool()
    return F.cross_entropy(similarity.masked_fill(no_negatives & ~own, -torch.inf), target)
