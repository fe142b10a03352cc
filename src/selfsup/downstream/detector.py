"""A small detection head: torchvision's feature pyramid and FCOS on the maps of a backbone, trained in seconds.

FCOS: Tian, Shen, Chen, He, ICCV 2019, arXiv 1904.01355. Feature pyramid: Lin and others, CVPR 2017, arXiv 1612.03144. One head serves all
levels; a position answers for the box it lies in the middle of, with a class and its distances to the four sides.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOS, FCOSHead
from torchvision.ops import FeaturePyramidNetwork

from selfsup.data.coco import Objects
from selfsup.downstream.average_precision import Boxes
from selfsup.downstream.maps import Maps

WIDTH, CONVOLUTIONS = 64, 0
"""Channels of the head, and 3x3 convolutions in each of its two towers, where the paper has 256 and 4. Without towers the scores are linear
in the features, as in a linear probe, and say what these are worth: with two towers a head on raw pixels reached an AP of .69 on digits on
a canvas and one on an untrained ConvNet .63 (640 pictures), without any .05 and .27."""

LEAST_SURE = 0.05
"""Boxes less sure than this are not kept, as in FCOS (torchvision's default of .2 cuts the precision-recall curve short)."""


UNASKED = -100.0
"""A logit so low that, where nothing is to be found, neither loss nor gradient is left of it."""


class Head(FCOSHead):  # type: ignore[misc]
    """FCOS's head, whose class loss asks nothing of positions in a crowd, unless they answer for a box of their own."""

    def compute_loss(
        self, targets: list[dict[str, Tensor]], head_outputs: dict[str, Tensor], anchors: list[Tensor], matched_idxs: list[Tensor]
    ) -> dict[str, Tensor]:
        """As torchvision's; `crowd` in each target holds the crowds' boxes (n, 4), `matched_idxs` are below 0 where no box is answered."""
        places = zip(targets, anchors, matched_idxs, strict=True)
        unasked = torch.stack([_inside(where, one["crowd"]) & (matched < 0) for one, where, matched in places])
        logits = head_outputs["cls_logits"].masked_fill(unasked[..., None], UNASKED)
        terms: dict[str, Tensor] = super().compute_loss(targets, {**head_outputs, "cls_logits": logits}, anchors, matched_idxs)
        return terms


def _inside(places: Float[Tensor, "P 4"], boxes: Float[Tensor, "n 4"]) -> Bool[Tensor, "P"]:
    """Whether the middle of each position lies in any of the boxes."""
    middle = (places[:, None, :2] + places[:, None, 2:]) / 2
    return ((middle > boxes[None, :, :2]) & (middle < boxes[None, :, 2:])).all(2).any(1)


class Detector(nn.Module):
    """Maps of pictures of `size` pixels a side to boxes of `classes` classes."""

    places: Tensor

    def __init__(self, levels: Sequence[tuple[int, int]], *, size: int, classes: int, convolutions: int = CONVOLUTIONS) -> None:
        """`levels` are channels and positions a side of each map, from fine to coarse."""
        super().__init__()
        neck = FeaturePyramidNetwork([channels for channels, _ in levels], WIDTH)
        neck.out_channels = WIDTH
        head = Head(WIDTH, 1, classes, num_convs=convolutions)
        nn.init.ones_(head.regression_head.bbox_reg.bias)  # distances begin at a stride: below 0 the ReLU behind would pass no gradient
        self.fcos: Any = FCOS(neck, classes, anchor_generator=AnchorGenerator(((8,),), ((1.0,),)), head=head, score_thresh=LEAST_SURE)
        self.size, self.counts = size, [side * side for _, side in levels]
        self.register_buffer("places", torch.cat([_places(side, size) for _, side in levels]), persistent=False)

    def forward(self, maps: Maps) -> dict[str, Tensor]:
        """Logits, distances and centrality at every position of every level."""
        named = OrderedDict((str(number), level) for number, level in enumerate(maps))
        outputs: dict[str, Tensor] = self.fcos.head(list(self.fcos.backbone(named).values()))
        return outputs

    def loss(self, maps: Maps, truth: Sequence[Objects]) -> Tensor:
        """The sum of FCOS's three losses on pictures with these things in them. In crowds nothing is wanted, and nothing is wrong."""
        targets = [
            {
                "boxes": torch.as_tensor(one.boxes[~one.crowd] * self.size, dtype=torch.float32, device=maps[0].device),
                "labels": torch.as_tensor(one.classes[~one.crowd], dtype=torch.long, device=maps[0].device),
                "crowd": torch.as_tensor(one.boxes[one.crowd] * self.size, dtype=torch.float32, device=maps[0].device),
            }
            for one in truth
        ]
        places = [self.places] * len(targets)
        terms: dict[str, Tensor] = self.fcos.compute_loss(targets, self(maps), places, self.counts)
        return torch.stack(list(terms.values())).sum()

    @torch.no_grad()
    def find(self, maps: Maps) -> list[Boxes]:
        """What is in some pictures, the surest first."""
        outputs = {name: list(values.split(self.counts, dim=1)) for name, values in self(maps).items()}
        places = [list(torch.split(self.places, self.counts))] * len(maps[0])
        found = self.fcos.postprocess_detections(outputs, places, [(self.size, self.size)] * len(maps[0]))
        return [
            Boxes(
                (one["boxes"].double() / self.size).cpu().numpy(), one["scores"].double().cpu().numpy(), one["labels"].long().cpu().numpy()
            )
            for one in found
        ]


def _places(side: int, size: int) -> Float[Tensor, "P 4"]:
    """A square as wide as the stride around the middle of each position, row by row: what FCOS measures distances in.

    Torchvision's own squares lie around the corners of positions.
    """
    stride = size / side
    middle = (torch.arange(side) + 0.5) * stride
    down, across = torch.meshgrid(middle, middle, indexing="ij")
    centre = torch.stack([across, down], dim=2).reshape(-1, 2)
    return torch.cat([centre - stride / 2, centre + stride / 2], dim=1)


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a head is trained: AdamW, a warm-up, half a cosine. The same for every row."""

    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    batch_size: int = 8
    passes: int = 30
    fewest: int = 150
    most: int = 400

    def steps(self, pictures: int) -> int:
        """How many steps to train on so many pictures."""
        return min(self.most, max(self.fewest, math.ceil(self.passes * pictures / self.batch_size)))


def train_head(
    head: nn.Module,
    loss: Callable[[Int[np.ndarray, "B"]], Tensor],
    rows: Int[np.ndarray, "m"],
    *,
    schedule: Schedule,
    seed: int,
    network: nn.Module | None = None,
    share: float = 1.0,
) -> None:
    """Train `head` on `loss` of batches of `rows`, and `network` under it at `share` of the rate. The order follows from `seed`."""
    steps, batch = schedule.steps(len(rows)), min(schedule.batch_size, len(rows))
    order = np.random.default_rng(seed)
    stream = np.concatenate([order.permutation(rows) for _ in range(math.ceil(steps * batch / len(rows)))])
    groups = [*_groups(head, 1.0, schedule), *(_groups(network, share, schedule) if network is not None else [])]
    optimizer = torch.optim.AdamW(groups, fused=True)
    following = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    head.train()
    for picked in stream[: steps * batch].reshape(steps, batch):
        value = loss(picked)
        optimizer.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_([p for group in groups for p in group["params"]], 10.0)
        optimizer.step()
        following.step()
    head.eval()


def _groups(module: nn.Module, share: float, schedule: Schedule) -> list[dict[str, Any]]:
    """Weight matrices decay; biases and the scales of normalisation do not."""
    every = [parameter for parameter in module.parameters() if parameter.requires_grad]
    rate = schedule.learning_rate * share
    return [
        {"params": [one for one in every if one.ndim > 1], "weight_decay": schedule.weight_decay, "lr": rate},
        {"params": [one for one in every if one.ndim <= 1], "weight_decay": 0.0, "lr": rate},
    ]


def _rate(step: int, steps: int) -> float:
    """Share of the full rate at a step: a straight rise over a tenth, then half a cosine down to 0."""
    warm = max(1, steps // 10)
    return (step + 1) / warm if step < warm else 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
