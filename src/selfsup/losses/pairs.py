"""Losses of pictures and texts that belong together, over a whole batch of pairs."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

CHUNK = 2**22
"""Similarities that are held at a time in the sigmoid loss: beyond, they are computed a second time for the gradients."""

Alike = Callable[[slice], Bool[Tensor, "b B"]]
"""For some pictures: which of the texts of all pairs say something of them too, so that they are no negatives."""


def alike_pairs(
    picture: Int[Tensor, " B"], drawn: Int[Tensor, " B"], captions: Int[Tensor, "B K"], rows: slice = slice(None)
) -> Bool[Tensor, "b B"]:
    """Whether text j belongs to picture i as well: it is one of its `captions`, or was `drawn` for a picture of the same pixels.

    Numbers are equal where pictures, or texts, are.
    """
    same = picture[rows, None] == picture
    for own in captions[rows].unbind(1):
        same |= own[:, None] == drawn
    return same


def matching(
    image: Float[Tensor, "B D"], text: Float[Tensor, "B D"], scale: Float[Tensor, ""], alike: Bool[Tensor, "B B"]
) -> Float[Tensor, ""]:
    """The mean cross-entropy of finding the text of each picture and the picture of each text. CLIP, figure 3.

    Rows of `image` and `text` have length 1. What is `alike` beyond a pair's own two sides is left out of the sums.
    """
    own = torch.eye(len(image), dtype=torch.bool, device=image.device)
    logits = (scale * image @ text.T).masked_fill(alike & ~own, -torch.inf)
    target = torch.arange(len(image), device=image.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def pairwise_sigmoid(
    image: Float[Tensor, "B D"],
    text: Float[Tensor, "B D"],
    scale: Float[Tensor, ""],
    bias: Float[Tensor, ""],
    alike: Alike,
    *,
    chunk: int = CHUNK,
) -> Float[Tensor, ""]:
    """`-log sigmoid(z (scale x·y + bias))` summed over all B² pairs, z = 1 for those that belong together and -1 for others, by B.

    Zhai et al., ICCV 2023, arXiv 2303.15343, equation 1. What is `alike` beyond a pair's own two sides is left out. Rows of pictures are
    taken so many at a time that `chunk` similarities are held.
    """
    size = max(1, chunk // len(text))
    parts = [slice(start, min(start + size, len(image))) for start in range(0, len(image), size)]

    def part(rows: slice) -> Tensor:
        return _summed(image[rows], text, scale, bias, alike(rows), rows.start)

    if len(parts) == 1:
        return part(parts[0]) / len(image)
    sums = [checkpoint(part, rows, use_reentrant=False, preserve_rng_state=False) for rows in parts]
    return torch.stack(sums).sum() / len(image)


def _summed(image: Tensor, text: Tensor, scale: Tensor, bias: Tensor, alike: Tensor, start: int) -> Tensor:
    row = torch.arange(len(image), device=image.device)
    own = row[:, None] + start == torch.arange(len(text), device=image.device)
    logits = scale * image @ text.T + bias
    nats = -F.logsigmoid(torch.where(own, logits, -logits))
    return nats.masked_fill(alike & ~own, 0.0).sum()
