"""Antialiased resampling of one box a picture as two batched matrix products.

Cropping, resizing and flipping along the axes is linear and separable: `view = Y @ picture @ X.T` with one matrix a side and a picture.
A Gaussian blur is another such product, so it is worked into the matrices beforehand and costs little.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Num, Shaped
from torch import Tensor

from selfsup.views.blur import blur_matrix

CACHED = 1 << 20  # floats worked on at once, 4 MB: a compromise between the size of caches and the cost of a call
WINDOWED = 96 * 96  # pixels from which it pays to handle pictures one by one and multiply only what lies under the box

# Called with finished views (contiguous), their rows of the batch, and where to write what becomes of them.
Finish = Callable[[Tensor, slice, Tensor], None]


class Taps(NamedTuple):
    """How each pixel of a resampled line is made: of which `pixels` of the line, with which `weights`."""

    pixels: Int[Tensor, "B T S"]
    weights: Float[Tensor, "B T S"]


def resize_taps(first: Float[Tensor, " B"], last: Float[Tensor, " B"], *, source: int, size: int) -> Taps:
    """Bring the span from `first` to `last` of a line of `source` pixels to `size` pixels; `last` < `first` reads it backwards.

    A pixel is made by a triangle around its centre, one source pixel wide to each side, or as wide as the scale where the line shrinks
    (the filter of PIL's and torchvision's antialiased bilinear). Weights outside the span are dropped and the rest add up to one.
    """
    scale = (last - first)[:, None, None] / size
    reach = scale.abs().clamp(min=1.0)
    centre = first[:, None, None] + scale * (torch.arange(size, device=first.device) + 0.5)
    most = math.ceil(2 * max(source / size, 1.0))
    pixels = torch.ceil(centre - 0.5 - reach) + torch.arange(most, device=first.device)[:, None]
    weights = (pixels + 0.5 - centre).div_(reach).abs_().neg_().add_(1).clamp_(min=0)
    low, high = torch.minimum(first, last).floor()[:, None, None], torch.maximum(first, last).ceil()[:, None, None]
    weights.mul_(pixels >= low).mul_(pixels < high)
    weights /= weights.sum(dim=1, keepdim=True)
    return Taps(pixels.clamp_(0, source - 1).long(), weights)


def resize_matrix(taps: Taps, out: Float[Tensor, "B S source"]) -> Float[Tensor, "B S source"]:
    """Write to `out`, and return, the matrices that resample lines as `taps` say."""
    size, source = out.shape[1:]
    lines = (torch.arange(len(out) * size, device=out.device) * source).view(-1, 1, size)
    out.zero_().view(-1).scatter_add_(0, (taps.pixels + lines).flatten(), taps.weights.flatten())
    return out


def resample(
    image: Num[Tensor, "B C H W"],
    boxes: Float[Tensor, "B 4"],
    *,
    size: int,
    sigma: Float[Tensor, " B"] | None = None,
    finish: Finish | None = None,
) -> Float[Tensor, "B C size size"]:
    """Bring each box (left, top, right, bottom; exchanged: mirrored) to `size` pixels a side, blurred by `sigma`; uint8 becomes [0, 1]."""
    rows, channels, height, width = image.shape
    down = resize_taps(boxes[:, 1], boxes[:, 3], source=height, size=size)
    along = resize_taps(boxes[:, 0], boxes[:, 2], source=width, size=size)
    if not image.is_floating_point():
        down.weights.div_(255)
    out = torch.empty(rows, channels, size, size, device=image.device)
    scratch = Scratch(image, size)
    for part in parts(image, size):
        target = out[part] if finish is None else scratch.take("view", *out[part].shape)
        lower = resize_matrix(Taps(*(tap[part] for tap in down)), scratch.take("down", len(target), size, height))
        across = resize_matrix(Taps(*(tap[part] for tap in along)), scratch.take("along", len(target), size, width))
        if sigma is not None and len(chosen := sigma[part].nonzero().squeeze(1)):
            gaussian = blur_matrix(sigma[part][chosen], size)
            for matrix in (lower, across):
                matrix[chosen] = torch.bmm(gaussian, matrix[chosen])
        _multiply_windows(image[part], boxes[part], lower, across, target, scratch)
        if finish is not None:
            finish(target, part, out[part])
        elif not image.is_floating_point():
            target.clamp_(max=1)  # white may have come out as 1 + 1e-7
    return out


def parts(image: Shaped[Tensor, "B C H W"], size: int) -> list[slice]:
    """The batch in runs of as many pictures as stay in the cache of one core; on an accelerator, in one."""
    rows, channels, height, width = image.shape
    step = CACHED // (channels * max(height, size) * max(width, size)) if image.device.type == "cpu" else rows
    step = max(1, min(rows, step))
    return [slice(start, start + step) for start in range(0, rows, step)]


class Scratch:
    """Memory for one part of the batch. Each thread keeps its own between calls: fresh pages would cost as much as the products."""

    kept = threading.local()

    def __init__(self, image: Shaped[Tensor, "B C H W"], size: int) -> None:
        channels, height, width = image.shape[1:]
        floats = channels * max(height, size) * max(width, size)
        each = {"lines": floats, "half": floats, "view": channels * size * size, "down": size * height, "along": size * width}
        rows = len(image[parts(image, size)[0]]) if len(image) else 0
        counts = [rows * count for count in each.values()]
        self.memory = dict(zip(each, torch.split(self.allocate(sum(counts), image.device), counts), strict=True))

    def allocate(self, floats: int, device: torch.device) -> Tensor:
        """What this thread kept, if it is enough, or new memory. Accelerators have allocators that keep it themselves."""
        if device.type != "cpu" or floats > 8 * CACHED:  # a huge picture's memory is given back
            return torch.empty(floats, device=device)
        kept: Tensor | None = getattr(self.kept, "memory", None)
        if kept is None or len(kept) < floats:
            with torch.inference_mode(False):  # or it could not be written to outside of inference mode
                kept = torch.empty(floats)
            self.kept.memory = kept
        return kept[:floats]

    def take(self, name: str, *shape: int) -> Tensor:
        """A tensor of this shape in the named memory, with whatever values were left there."""
        return self.memory[name][: math.prod(shape)].view(shape)


def _multiply_windows(image: Tensor, boxes: Tensor, down: Tensor, along: Tensor, out: Tensor, scratch: Scratch) -> None:
    """Multiply all at once, or large pictures one by one and only what lies under the box: half of the picture on average."""
    if image.device.type != "cpu" or image.shape[2] * image.shape[3] < WINDOWED:
        _multiply(image, down, along, out, scratch)
        return
    lows = torch.minimum(boxes[:, :2], boxes[:, 2:]).floor().clamp(min=0).long().tolist()
    highs = torch.maximum(boxes[:, :2], boxes[:, 2:]).ceil().long().tolist()
    for row, ((left, top), (right, bottom)) in enumerate(zip(lows, highs, strict=True)):
        one, tall, wide = slice(row, row + 1), slice(top, bottom), slice(left, right)
        _multiply(image[one, :, tall, wide], down[one, :, tall], along[one, :, wide], out[one], scratch)


def _multiply(image: Tensor, down: Tensor, along: Tensor, out: Tensor, scratch: Scratch) -> None:
    """Write `down @ image @ along.T` of each picture and channel to `out`."""
    rows, channels, height, width = image.shape
    size = out.shape[3]
    # Channels between height and width: both products then are one large matrix a picture.
    lines = scratch.take("lines", rows, height, channels, width).copy_(image.permute(0, 2, 1, 3)).view(rows, height, -1)
    half = torch.bmm(down, lines, out=scratch.take("half", rows, size, channels * width)).view(rows, -1, width)
    full = torch.bmm(half, along.transpose(1, 2), out=scratch.take("lines", rows, size * channels, size))
    out.copy_(full.view(rows, size, channels, size).permute(0, 2, 1, 3))
