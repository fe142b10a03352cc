"""Convolutions on small maps as matrix products, where the convolution library of a CPU is slow.

In bf16 the weight gradient of a 3x3 convolution on maps of 8x8 and fewer pixels, and every pass on maps of 1x1 and 2x2, ran 2 to 80
times faster as one matrix product over the unfolded input than in oneDNN (`benchmarks/convolution_speed.py`). Whether that holds on
a given machine is measured when a run starts; the result is the same up to rounding.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

WHOLLY = 2  # px: up to this side of the output, forward and input gradient are matrix products as well
WEIGHTS = 8  # px: up to this side of the output, the weight gradient is one


class MatmulConv2d(nn.Conv2d):
    """An `nn.Conv2d` with the same parameters that multiplies matrices where its output is small."""

    def forward(self, input: Tensor) -> Tensor:
        side = (input.shape[-1] + 2 * int(self.padding[0]) - self.kernel_size[0]) // self.stride[0] + 1
        if side > WEIGHTS or not torch.is_grad_enabled():
            return super().forward(input)
        weight = self.weight
        if torch.is_autocast_enabled(input.device.type):
            dtype = torch.get_autocast_dtype(input.device.type)
            input, weight = input.to(dtype), weight.to(dtype)
        return convolve(input, weight, self.stride[0], int(self.padding[0]), side <= WHOLLY)


def use_matmul_convolutions(module: nn.Module, wanted: bool) -> None:
    """Turn every ungrouped, undilated convolution without bias in `module` into a `MatmulConv2d`, or back; parameters stay."""
    for layer in module.modules():
        if type(layer) is nn.Conv2d and wanted and _fits(layer):
            layer.__class__ = MatmulConv2d
        elif type(layer) is MatmulConv2d and not wanted:
            layer.__class__ = nn.Conv2d  # type: ignore[assignment]


def _fits(layer: nn.Conv2d) -> bool:
    if isinstance(layer.padding, str) or layer.bias is not None:
        return False
    square = all(len(set(pair)) == 1 for pair in (layer.kernel_size, layer.stride, layer.padding))
    return square and layer.groups == 1 and set(layer.dilation) == {1} and layer.padding_mode == "zeros"


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, weight: Tensor, stride: int, padding: int, wholly: bool) -> Tensor:
        ctx.settings = stride, padding, wholly
        if not wholly:
            ctx.save_for_backward(image, weight)
            return F.conv2d(image, weight, None, stride, padding)
        columns = unfold(image, weight.shape[-1], stride, padding)
        ctx.save_for_backward(columns, weight)
        ctx.shape = image.shape
        rows, out = len(image), len(weight)
        side = (image.shape[-1] + 2 * padding - weight.shape[-1]) // stride + 1
        return (columns @ flat(weight).T).view(rows, side, side, out).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        stride, padding, wholly = ctx.settings
        saved, weight = ctx.saved_tensors
        kernel = weight.shape[-1]
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        rows = gradient.permute(0, 2, 3, 1).reshape(-1, gradient.shape[1])
        columns = saved if wholly else unfold(saved, kernel, stride, padding)
        weight_gradient = (rows.T @ columns).view(len(weight), kernel, kernel, -1).permute(0, 3, 1, 2)
        image_gradient = None
        if ctx.needs_input_grad[0] and wholly:
            image_gradient = fold(rows @ flat(weight), ctx.shape, kernel, stride, padding)
        elif ctx.needs_input_grad[0]:
            image_gradient = torch.ops.aten.convolution_backward(
                gradient, saved, weight, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1, [True, False, False]
            )[0]
        return image_gradient, weight_gradient, None, None, None


def convolve(
    image: Float[Tensor, "B C H W"], weight: Float[Tensor, "O C k k"], stride: int, padding: int, wholly: bool
) -> Float[Tensor, "B O h w"]:
    """The convolution of `image` by `weight`; its weight gradient, and if `wholly` all of it, as matrix products."""
    result: Tensor = _Convolution.apply(image, weight, stride, padding, wholly)
    return result


def flat(weight: Float[Tensor, "O C k k"]) -> Float[Tensor, "O K"]:
    """The kernel as a matrix, in the order of `unfold`: row, column, channel. No copy if the weight is channels-last."""
    return weight.permute(0, 2, 3, 1).reshape(len(weight), -1)


def unfold(image: Float[Tensor, "B C H W"], kernel: int, stride: int, padding: int) -> Float[Tensor, "R K"]:
    """What each output pixel sees, a row each: R = B·h·w rows of K = kernel·kernel·C numbers, channels innermost."""
    padded = F.pad(image.permute(0, 2, 3, 1), (0, 0, padding, padding, padding, padding))
    windows = padded.unfold(1, kernel, stride).unfold(2, kernel, stride)  # (B, h, w, C, k, k)
    return windows.permute(0, 1, 2, 4, 5, 3).reshape(-1, kernel * kernel * padded.shape[3])


def fold(columns: Float[Tensor, "R K"], shape: torch.Size, kernel: int, stride: int, padding: int) -> Float[Tensor, "B C H W"]:
    """The adjoint of `unfold`: every number is added back to the pixel it came from."""
    rows, channels, height, width = shape
    padded = columns.new_zeros(rows, height + 2 * padding, width + 2 * padding, channels)
    high, wide = (padded.shape[1] - kernel) // stride + 1, (padded.shape[2] - kernel) // stride + 1
    grid = columns.view(rows, high, wide, kernel, kernel, channels)
    for y in range(kernel):
        for x in range(kernel):
            padded[:, y : y + stride * high : stride, x : x + stride * wide : stride] += grid[:, :, :, y, x]
    return padded[:, padding : padding + height, padding : padding + width].permute(0, 3, 1, 2)
