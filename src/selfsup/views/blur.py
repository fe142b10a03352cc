"""Gaussian blur with a sigma of its own for every picture, as a product with one banded matrix a side."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

TRUNCATE = 3.0  # the kernel ends at three sigma, where 0.3 % of its weight is left


def blur(image: Float[Tensor, "B C H W"], sigma: Float[Tensor, " B"]) -> Float[Tensor, "B C H W"]:
    """Blur each picture with its own Gaussian; `sigma` is in pixels, and 0 leaves a picture as it is.

    The kernel reaches ceil(3 sigma) pixels to each side and the picture is mirrored at its edges, as in
    `torchvision.transforms.v2.functional.gaussian_blur` with a kernel of 2 ceil(3 sigma) + 1.
    """
    chosen = sigma.nonzero().squeeze(1)
    if len(chosen) == 0:
        return image.clone()
    pictures, deviations = image[chosen], sigma[chosen]
    rows, channels, height, width = pictures.shape
    pictures = torch.bmm(pictures.reshape(rows, channels * height, width), blur_matrix(deviations, width).transpose(1, 2))
    pictures = torch.matmul(blur_matrix(deviations, height)[:, None], pictures.view(rows, channels, height, width))
    return image.index_copy(0, chosen, pictures)


def blur_matrix(sigma: Float[Tensor, " B"], size: int) -> Float[Tensor, "B size size"]:
    """The matrices that blur a line of `size` pixels: row i holds the weights of pixel i's neighbours, edges mirrored."""
    weights, neighbours = gaussian_kernel(sigma, size)
    shape = (len(sigma), size, len(neighbours))
    matrix = torch.zeros(len(sigma), size, size, device=sigma.device, dtype=sigma.dtype)
    return matrix.scatter_add_(2, neighbours.T.expand(shape), weights[:, None, :].expand(shape))


def gaussian_kernel(sigma: Float[Tensor, " B"], size: int) -> tuple[Float[Tensor, "B K"], Int[Tensor, "K size"]]:
    """Each picture's kernel, as weights that add up to one, and the pixels it weighs: column i lists the neighbours of pixel i."""
    reach = min(int(torch.ceil(TRUNCATE * sigma.max()).item()), size - 1)
    offsets = torch.arange(-reach, reach + 1, device=sigma.device)
    weights = torch.exp(-0.5 * (offsets / sigma[:, None].clamp(min=1e-6)).square())
    # Each kernel is cut at its own reach, so that it does not depend on the largest sigma of the batch.
    weights = weights * (offsets.abs() <= torch.ceil(TRUNCATE * sigma)[:, None])
    weights = weights / weights.sum(dim=1, keepdim=True)
    neighbours = (torch.arange(size, device=sigma.device) + offsets[:, None]).abs()
    return weights, (size - 1) - ((size - 1) - neighbours).abs()
