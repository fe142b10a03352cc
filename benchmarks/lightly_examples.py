"""lightly's PyTorch examples for tasks on two views: its transform, head and loss, as they stand there."""

from __future__ import annotations

from typing import Any

from torch import nn

HEADS = {"simclr": (512, 128), "barlow_twins": (2048, 2048), "vicreg": (2048, 2048)}
"""Hidden and last width of the head, for ours too, so that both compute the same."""


def example(task: str, width: int, size: int, *, blur: float, **more: Any) -> tuple[Any, nn.Module, nn.Module]:
    """Transform, head and loss for embeddings of `width` and views of `size` px; `more` are options of each view's transform."""
    from lightly import loss, transforms
    from lightly.models.modules import heads

    hidden, out = HEADS[task]
    settings = {"input_size": size, "gaussian_blur": blur, **more}
    if task == "simclr":
        return transforms.SimCLRTransform(**settings), heads.SimCLRProjectionHead(width, hidden, out), loss.NTXentLoss()
    if task == "vicreg":
        return transforms.VICRegTransform(**settings), heads.VICRegProjectionHead(width, hidden, out), loss.VICRegLoss()
    first, second = transforms.BYOLView1Transform(**settings), transforms.BYOLView2Transform(**settings)
    return transforms.BYOLTransform(first, second), heads.BarlowTwinsProjectionHead(width, hidden, out), loss.BarlowTwinsLoss()
