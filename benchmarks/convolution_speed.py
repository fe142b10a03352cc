"""Small convolutions: oneDNN against one matrix product over the unfolded input, pass by pass; then ResNet-18 whole.

python benchmarks/convolution_speed.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import timm
import torch
import torch.nn.functional as F
from torch import nn

from selfsup.backbones.convolution import flat, fold, unfold, use_matmul_convolutions

LAYERS = [(512, 512, 1, 512), (512, 512, 2, 256), (256, 256, 4, 256), (128, 128, 8, 256), (64, 64, 16, 256)]  # in, out, px, batch
NETWORKS = [("standard", 32, 512), ("standard", 64, 256), ("small", 32, 64)]  # stem, px, batch


def milliseconds(call: Callable[[], object], repeats: int = 7) -> float:
    """The shortest of several calls: noise only adds."""
    call()
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        spent.append(time.perf_counter() - start)
    return 1000 * min(spent)


def layer_row(channels: int, out: int, side: int, rows: int) -> str:
    image = torch.randn(rows, channels, side, side, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    weight = torch.randn(out, channels, 3, 3, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    gradient = torch.randn_like(F.conv2d(image, weight, None, 1, 1))
    backward = torch.ops.aten.convolution_backward
    cells = [milliseconds(lambda: F.conv2d(image, weight, None, 1, 1))]
    for mask in ([True, False, False], [False, True, False]):
        cells.append(milliseconds(lambda m=mask: backward(gradient, image, weight, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, m)))
    lines = gradient.permute(0, 2, 3, 1).reshape(-1, out)
    cells.append(milliseconds(lambda: unfold(image, 3, 1, 1) @ flat(weight).T))
    cells.append(milliseconds(lambda: fold(lines @ flat(weight), image.shape, 3, 1, 1)))
    cells.append(milliseconds(lambda: lines.T @ unfold(image, 3, 1, 1)))
    return f"| {channels}→{out}, {side} px, batch {rows} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |"


def network_row(stem: str, side: int, rows: int) -> str:
    network: nn.Module = timm.create_model("resnet18", num_classes=0)
    if stem == "small":
        network.conv1, network.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    network = network.to(memory_format=torch.channels_last)
    image = torch.rand(rows, 3, side, side).to(memory_format=torch.channels_last)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            result = network(image)
        result.float().square().mean().backward()
        network.zero_grad()

    speeds = []
    for wanted in (False, True):
        use_matmul_convolutions(network, wanted)
        speeds.append(1000 * rows / milliseconds(step, 4))
    return f"| {side} px, {stem} stem, batch {rows} | {speeds[0]:,.0f} | {speeds[1]:,.0f} |"


def main() -> None:
    print("| 3x3 convolution, bf16, ms | oneDNN: forward | input | weight gradient | product: forward | input | weight gradient |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for layer in LAYERS:
        print(layer_row(*layer), flush=True)
    print("\n| ResNet-18, bf16, views/s | oneDNN | products |\n|---|--:|--:|")
    for network in NETWORKS:
        print(network_row(*network), flush=True)


if __name__ == "__main__":
    main()
