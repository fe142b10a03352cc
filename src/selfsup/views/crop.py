"""Where a view lies in its picture: boxes, flips and turns; the whole picture; quarter turns."""

from __future__ import annotations

import math
from itertools import product

import torch
from jaxtyping import Bool, Float, Int, Num, Shaped
from torch import Tensor
from torch.nn import functional

from selfsup.views.blur import blur
from selfsup.views.resample import Finish, parts, resample

ATTEMPTS = 10  # boxes drawn before falling back to a centred one, as torchvision's RandomResizedCrop does


def crop_boxes(
    rows: int,
    *,
    shape: tuple[int, int],
    area: tuple[float, float],
    ratio: tuple[float, float],
    rng: torch.Generator,
    aspect: Float[Tensor, " B"] | None = None,
) -> Float[Tensor, "B 4"]:
    """Draw one box a picture, as torchvision's RandomResizedCrop does: area uniform, ratio log-uniform, place uniform.

    `shape` is (height, width) of the stored pictures, `area` a share of the picture, `ratio` width by height. `aspect` is the true
    width by height of pictures that were stretched when stored: the ratio of a box is then true to the world. Returns
    (left, top, right, bottom) in whole stored pixels.
    """
    height, width = shape
    true = torch.full((rows, 1), width / height, device=rng.device) if aspect is None else aspect.to(rng.device)[:, None]

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(rows, ATTEMPTS, generator=rng, device=rng.device)

    share = uniform(*area)
    form = torch.exp(uniform(math.log(ratio[0]), math.log(ratio[1]))) / true
    across = torch.round(width * torch.sqrt(share * form)).clamp_(min=1)
    down = torch.round(height * torch.sqrt(share / form)).clamp_(min=1)
    fits = (across <= width) & (down <= height)
    first = fits.to(torch.uint8).argmax(dim=1, keepdim=True)
    # When no box fits (long pictures): the largest centred box of the nearest ratio allowed.
    nearest = true.clamp(*ratio) / true
    fitting = fits.any(dim=1, keepdim=True)
    across = torch.where(fitting, across.gather(1, first), torch.round(width * nearest.clamp(max=1)).clamp_(min=1))[:, 0]
    down = torch.where(fitting, down.gather(1, first), torch.round(height / nearest.clamp(min=1)).clamp_(min=1))[:, 0]
    place = torch.where(fitting.T, torch.rand(2, rows, generator=rng, device=rng.device), 0.5)
    left, top = (place[0] * (width - across + 1)).floor(), (place[1] * (height - down + 1)).floor()
    return torch.stack([left, top, left + across, top + down], dim=1)


def whole_boxes(image: Shaped[Tensor, "B C H W"]) -> Float[Tensor, "B 4"]:
    """The boxes that hold all of each picture."""
    corners = torch.tensor([0.0, 0.0, image.shape[3], image.shape[2]], device=image.device)
    return corners.expand(len(image), 4)


def flip_boxes(boxes: Float[Tensor, "B 4"], *, across: Bool[Tensor, " B"], down: Bool[Tensor, " B"]) -> Float[Tensor, "B 4"]:
    """Mirror views left to right where `across` is true and top to bottom where `down` is: a mirrored box has its ends exchanged."""
    left, top, right, bottom = boxes.unbind(dim=1)
    ends = (
        torch.where(across, right, left),
        torch.where(down, bottom, top),
        torch.where(across, left, right),
        torch.where(down, top, bottom),
    )
    return torch.stack(ends, dim=1)


def crop(
    image: Num[Tensor, "B C H W"],
    boxes: Float[Tensor, "B 4"],
    *,
    size: int,
    turn: Float[Tensor, " B"] | None = None,
    sigma: Float[Tensor, " B"] | None = None,
    finish: Finish | None = None,
) -> Float[Tensor, "B C size size"]:
    """Cut each box out of its picture and bring it to `size` pixels a side, bilinear, antialiased where it shrinks.

    `boxes` are (left, top, right, bottom) in pixels of `image`, inside it; left and right exchanged mirror the view, likewise top and
    bottom. `turn` turns the view counter-clockwise by degrees about the box's centre (the picture is mirrored beyond its edges),
    `sigma` blurs it (in pixels of the view, 0 for none). uint8 becomes float in [0, 1]; float stays in its range.
    `finish(views, rows, out)` may write something made of finished views to `out`, while they are in the processor's cache.
    Without a turn equal to torchvision's `resized_crop(antialias=True)`.
    """
    if turn is None:
        return resample(image, boxes, size=size, sigma=sigma, finish=finish)
    out = torch.empty(len(image), image.shape[1], size, size, device=image.device)
    for part in parts(image, size):
        view = _turned(image[part], boxes[part], turn[part], size)
        view = view if sigma is None else blur(view, sigma[part])
        if finish is None:
            out[part] = view
        else:
            finish(view, part, out[part])
    return out


def plain(image: Num[Tensor, "B C H W"], size: int) -> Float[Tensor, "B C size size"]:
    """The whole picture at `size` pixels a side, nothing random: what an embedding is made from."""
    if image.shape[2] == image.shape[3] == size:
        return _unit(image).clone() if image.is_floating_point() else _unit(image)
    return resample(image, whole_boxes(image), size=size)


def quarter_turns(image: Shaped[Tensor, "B C H W"], turns: Int[Tensor, " B"]) -> Shaped[Tensor, "B C H W"]:
    """Turn each picture counter-clockwise by its number of quarter turns, without touching a pixel's value.

    Raises ValueError for pictures that are not square.
    """
    if image.shape[2] != image.shape[3]:
        raise ValueError(f"quarter turns need square pictures, these are {image.shape[2]}x{image.shape[3]} pixels: crop them first.")
    turned = torch.empty_like(image)
    for quarter in range(4):
        rows = (turns % 4 == quarter).nonzero().squeeze(1)
        turned[rows] = torch.rot90(image[rows], quarter, (2, 3))
    return turned


def _turned(image: Tensor, boxes: Tensor, turn: Tensor, size: int) -> Tensor:
    """Crop, flip and turn as one affine sampling grid."""
    height, width = image.shape[2:]
    left, top, right, bottom = boxes.unbind(dim=1)
    cosine, sine = torch.cos(torch.deg2rad(turn)), torch.sin(torch.deg2rad(turn))
    across, down = (right - left) / width, (bottom - top) / height
    upper = torch.stack([across * cosine, -across * sine, (left + right) / width - 1], dim=1)
    lower = torch.stack([down * sine, down * cosine, (top + bottom) / height - 1], dim=1)
    grid = functional.affine_grid(torch.stack([upper, lower], dim=1), [len(image), 1, size, size], align_corners=False)
    # Where it shrinks, the mean of several samples. A triangle as wide as the scale s has variance s^2 / 6: what bilinear sampling (1 / 6)
    # lacks, samples spread evenly over a width w (w^2 / 12) make up for. How many samples follows from the shapes, not the boxes drawn.
    scale = (boxes[:, 2:] - boxes[:, :2]).abs() / size
    spread = (2 * (scale.square() - 1).clamp(min=0)).sqrt() * 2 / torch.tensor([width, height], device=image.device)
    samples = math.ceil(max(height, width) / size) + 1 if max(height, width) > size else 1
    pictures = _unit(image)
    view = torch.zeros(len(image), image.shape[1], size, size, device=image.device)
    for place in product(range(samples), repeat=2):
        shift = spread * ((torch.tensor(place, device=image.device) + 0.5) / samples - 0.5)
        points = grid + shift[:, None, None, :]
        view += functional.grid_sample(pictures, points, mode="bilinear", padding_mode="reflection", align_corners=False)
    return view.div_(samples**2)


def _unit(image: Tensor) -> Tensor:
    return image.float() if image.is_floating_point() else image.float().div_(255)
