"""The random view: crop, flip, turn, colour, blur, solarise and noise, drawn for a whole batch and applied to it at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor

from selfsup.views.color import Jitter, draw_jitter, recolor, solarise
from selfsup.views.corrupt import gaussian
from selfsup.views.crop import crop, crop_boxes, flip_boxes


@dataclass(frozen=True)
class Draw:
    """What was drawn for each picture of a batch; None where an operation is off."""

    boxes: Float[Tensor, "B 4"]  # (left, top, right, bottom) in stored pixels, exchanged where flipped
    turn: Float[Tensor, " B"] | None  # degrees, counter-clockwise
    sigma: Float[Tensor, " B"] | None  # of the blur, in pixels of the view; 0 for none
    jitter: Jitter | None
    solarised: Bool[Tensor, " B"] | None


@dataclass(frozen=True)
class Augment:
    """Random views of a batch of pictures: `augment(image, rng)` gives float (B, C, size, size) in [0, 1].

    `crop` is the range of the area, `ratio` of width by height, `turn` the most degrees either way, `jitter` the strength of the colour
    jitter (1: SimCLR's ranges), `blur_sigma` pixels of the view, `noise` a standard deviation; `flip`, `vertical_flip`,
    `jitter_probability`, `grey`, `blur` and `solarise` are probabilities. The blur joins the crop, before the colour is clamped.

    Raises ValueError for values out of range.
    """

    size: int
    crop: tuple[float, float] = (0.2, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    vertical_flip: float = 0.0
    turn: float = 0.0
    jitter: float = 0.5
    jitter_probability: float = 0.8
    grey: float = 0.2
    blur: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    solarise: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name in ("flip", "vertical_flip", "jitter_probability", "grey", "blur", "solarise"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a probability between 0 and 1, not {getattr(self, name)}.")
        for name in ("turn", "jitter", "noise"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 (off) or more, not {getattr(self, name)}.")
        for name, most in (("crop", 1.0), ("ratio", float("inf")), ("blur_sigma", float("inf"))):
            low, high = getattr(self, name)
            if not 0 < low <= high <= most:
                raise ValueError(f"{name} is a range of two positive numbers up to {most}, the smaller one first, not {(low, high)}.")
        if self.size < 1:
            raise ValueError(f"size is the side of a view in pixels, at least 1, not {self.size}.")

    def __call__(
        self, image: Num[Tensor, "B C H W"], rng: torch.Generator, aspect: Float[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B C size size"]:
        """One random view of each picture (uint8, or float in [0, 1]); `aspect` is the true width by height of stretched pictures."""
        draw = self.draw(len(image), shape=(image.shape[2], image.shape[3]), rng=rng, aspect=aspect)
        view = self.apply(image, draw)
        return gaussian(view, self.noise, rng) if self.noise > 0 else view

    def changed(self, **parts: float | None) -> Augment:
        """The same views, but for what is named and not None: those of the other picture of a pair."""
        return replace(self, **{name: value for name, value in parts.items() if value is not None})  # type: ignore[arg-type]

    def draw(self, rows: int, *, shape: tuple[int, int], rng: torch.Generator, aspect: Float[Tensor, " B"] | None = None) -> Draw:
        """Draw every parameter for `rows` pictures stored at (height, width) `shape`."""

        def uniform(low: float = 0.0, high: float = 1.0) -> Tensor:
            return low + (high - low) * torch.rand(rows, generator=rng, device=rng.device)

        boxes = crop_boxes(rows, shape=shape, area=self.crop, ratio=self.ratio, rng=rng, aspect=aspect)
        boxes = flip_boxes(boxes, across=uniform() < self.flip, down=uniform() < self.vertical_flip)
        turn = uniform(-self.turn, self.turn) if self.turn > 0 else None
        sigma = torch.where(uniform() < self.blur, uniform(*self.blur_sigma), 0.0) if self.blur > 0 else None
        jitter = None
        if (self.jitter > 0 and self.jitter_probability > 0) or self.grey > 0:
            jitter = draw_jitter(rows, strength=self.jitter, probability=self.jitter_probability, grey=self.grey, rng=rng)
        solarised = uniform() < self.solarise if self.solarise > 0 else None
        return Draw(boxes, turn, sigma, jitter, solarised)

    def apply(self, image: Num[Tensor, "B C H W"], draw: Draw) -> Float[Tensor, "B C size size"]:
        """Carry out what was drawn."""

        def finish(view: Tensor, rows: slice, out: Tensor) -> None:
            if draw.jitter is None:
                torch.clamp(view, 0, 1, out=out)
            else:
                recolor(view, draw.jitter[rows], out=out)
            if draw.solarised is not None:
                out.copy_(solarise(out, draw.solarised[rows]))

        return crop(image, draw.boxes, size=self.size, turn=draw.turn, sigma=draw.sigma, finish=finish)
