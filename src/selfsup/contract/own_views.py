"""The contract of a function of views: float pictures of the size asked for, drawn from rng alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from selfsup.contract.findings import Findings

SLACK = 1e-4  # rounding of a blur or a crop may leave [0, 1] by less

ViewsFunction = Callable[[Tensor, torch.Generator], Tensor]


def generator(seed: int) -> torch.Generator:
    """A generator on the CPU, where everything is tried."""
    return torch.Generator().manual_seed(seed)


def check_views(function: ViewsFunction, image: Tensor, found: Findings, *, size: int | None = None) -> int | None:
    """Try `function` on uint8 pictures `(B, C, H, W)`; what it gives has to have `size` px a side, if that is known.

    Returns the side of its views, None where it is broken.
    """
    before = image.clone()
    rng = generator(1)
    with found.at("views", rng):
        view = function(image, rng)
    rows, channels = image.shape[:2]
    shape = f"({rows}, {channels}, {size or 'size'}, {size or 'size'})"
    if not isinstance(view, Tensor):
        found.stop("views", "tensor", f"returned {type(view).__name__}; expected a float tensor {shape}: return the pictures alone.")
    side = view.shape[-1] if view.ndim else 0
    if tuple(view.shape) != (rows, channels, size or side, size or side):
        came, given = tuple(view.shape), tuple(image.shape)
        found.stop("views", "shape", f"returned shape {came} for {given}; expected {shape}: rows and channels as they came, square.")
    check_untouched(found, {"image": before}, {"image": image})
    check_pictures(found, "views", {"the view": view}, channels)
    rng = generator(1)
    with found.at("views", rng):
        again = function(image.clone(), rng)
    check_same(found, {"the view": view}, {"the view": again})
    return int(side)


def check_untouched(found: Findings, before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> None:
    """The batch is as it was before views were drawn from it."""
    for name, tensor in before.items():
        if name not in after or not torch.equal(tensor, after[name]):
            words = f"changed {name!r} of the batch in place, which the next view is made from; expected it as it was: work on a .clone()."
            found.add("views", f"untouched {name}", words)


def check_same(found: Findings, one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> None:
    """The same generator state gives equal views; told only where no hidden draw explained it already."""
    if any(item.place == "views" and item.sign.startswith(("draw", "global")) for item in found.found):
        return
    for name, tensor in one.items():
        if name not in two or tensor.shape != two[name].shape or not torch.equal(torch.nan_to_num(tensor), torch.nan_to_num(two[name])):
            words = (
                f"gave another {name!r} for the same state of rng, so a run could not be repeated; draw from rng alone and keep no count."
            )
            found.add("views", "same", words)
            return


def check_pictures(found: Findings, place: str, pictures: Mapping[str, Tensor], channels: int) -> None:
    """Pictures are float, finite and in [0, 1]. Those with `noise` in their names may lie anywhere."""
    for name, picture in pictures.items():
        if picture.ndim < 4 or picture.shape[-3] != channels or "noise" in name:
            continue
        if picture.dtype == torch.uint8:
            words = f"returned {name!r} as uint8; expected float in [0, 1]: use self.augment(batch, rng), or divide by 255."
        elif not picture.is_floating_point():
            continue
        elif not bool(picture.isfinite().all()):
            words = f"returned {name!r} with values that are no numbers; expected [0, 1]: look for a division by zero."
        elif float(picture.min()) < -SLACK or float(picture.max()) > 1 + SLACK:
            low, high = float(picture.min()), float(picture.max())
            mend = "divide by 255" if high > 16 else "clamp them, or leave out the normalisation, which the backbone does itself"
            words = f"returned {name!r} with values from {low:.3g} to {high:.3g}; expected [0, 1]: {mend}."
        else:
            continue
        found.add(place, f"range {name}", words)
