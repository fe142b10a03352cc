"""Numbers and kernels: which precision, attention and convolution are fastest here for this network, found by trying them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from functools import partial

import torch
from torch import nn

from selfsup.backbones.attention import use_attention
from selfsup.backbones.backbone import Attention
from selfsup.backbones.convolution import MatmulConv2d, use_matmul_convolutions
from selfsup.timing import shortest


@dataclass(frozen=True)
class Kernels:
    """What a training step is computed with. Measured once, then kept in `run.json`, since another choice rounds otherwise."""

    precision: str = "fp32"  # or "bf16": matrix products and convolutions under autocast, weights stay fp32
    attention: Attention = "fused"  # or "plain": matmul, softmax, matmul
    convolution: str = "library"  # or "matmul": small maps as matrix products

    def autocast(self, device: torch.device) -> AbstractContextManager[object]:
        """The context the forward pass runs in."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def apply(self, module: nn.Module) -> None:
        """Make `module` use these kernels."""
        use_attention(module, self.attention)
        use_matmul_convolutions(module, self.convolution == "matmul")

    def described(self) -> dict[str, str]:
        """As `run.json` holds them."""
        return asdict(self)


def candidates(module: nn.Module, device: torch.device) -> list[Kernels]:
    """What is worth trying for this network on this device, the safest first."""
    plain = Kernels()
    if device.type != "cpu":
        return [plain, replace(plain, precision="bf16")]
    half = replace(plain, precision="bf16")
    tried = [plain, half]
    if any(isinstance(layer, nn.Conv2d | MatmulConv2d) and layer.kernel_size[0] == 3 for layer in module.modules()):
        tried.append(replace(half, convolution="matmul"))
    if any(hasattr(layer, "fused_attn") for layer in module.modules()):
        tried.append(replace(half, attention="plain"))
    return tried


def fastest_kernels(
    module: nn.Module, step: Callable[[Kernels], None], device: torch.device, *, precision: str = "auto"
) -> tuple[Kernels, dict[str, float]]:
    """The kernels with the shortest `step`, and the seconds each took. `step` runs one forward and backward pass, changing nothing.

    A choice has to win by 5 % to be preferred to a safer one.
    """
    tried = [kernels for kernels in candidates(module, device) if precision in ("auto", kernels.precision)]
    if not tried:
        raise ValueError(f"precision {precision!r} is not known; expected auto, fp32 or bf16.")

    def trial(kernels: Kernels) -> None:
        kernels.apply(module)
        step(kernels)

    seconds = dict(zip(tried, shortest([partial(trial, kernels) for kernels in tried], device=device), strict=True))
    best = tried[0]
    for kernels in tried[1:]:
        if seconds[kernels] < 0.95 * seconds[best]:
            best = kernels
    best.apply(module)
    return best, {"/".join(kernels.described().values()): round(spent, 4) for kernels, spent in seconds.items()}
