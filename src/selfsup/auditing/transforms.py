"""The transforms that are audited: each makes some random views of pictures, at the strength that tasks use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from selfsup.views import Jitter, crop, crop_boxes, plain, recolor, whole_boxes

RATIO = (3 / 4, 4 / 3)
"""Width by height of crops, as in `Augment`."""

JITTER = 0.8
"""Strength of colour changes: SimCLR's default here. Factors are then within 1 +- 0.64, hues within +- 0.16 of the circle."""

SIGMA = (0.1, 2.0)
"""Range of the blur in pixels of a view, as in `Augment`."""

TURNED, OTHER = 4, 3
"""Random views a picture, of turns and of other transforms: each costs as much as the whole pictures do."""

CHANGED, TAKEN = 0.1, 1 / 3
"""Share of what labels can be told by, whose loss breaks them: of changes to the picture, and of crops, which take parts away."""


@dataclass(frozen=True)
class Pictures:
    """Pictures as stored, uint8, their true width by height, the side of a view in pixels, and that of a task's view for the blur."""

    image: UInt8[Tensor, "B C H W"]
    aspect: Float[Tensor, " B"]
    size: int
    task_size: int

    def whole(self) -> Float[Tensor, "B C S S"]:
        """Pictures as they are."""
        return plain(self.image, self.size)


Make = Callable[[Pictures, torch.Generator], list[Tensor]]


@dataclass(frozen=True)
class Transform:
    """`views` makes float views (B, C, S, S) in [0, 1], one list entry a view of each picture; `words` says what it does.

    `blind`: a network that ignores the transform sees all views of a picture as one, so they are judged together; otherwise, where a view
    lacks something, one by one. `margin` is the share of predictability whose loss breaks the labels. `option` and `strength` are the
    task's option it speaks for, and the value it was tried at.
    """

    name: str
    words: str
    option: str
    strength: float
    views: Make
    blind: bool = True
    margin: float = CHANGED


def transforms(channels: int) -> list[Transform]:
    """What is audited of pictures with so many channels: colours of three only."""
    found = [
        Transform("flip", "mirrored left to right, or not", "flip", 0.5, _upright_and(lambda whole: whole.flip(3))),
        Transform("vertical flip", "mirrored top to bottom, or not", "vertical_flip", 0.5, _upright_and(lambda whole: whole.flip(2))),
        Transform("turn 20", "turned by up to 20 degrees", "turn", 20, _turned(20)),
        Transform("turn 90", "turned by up to 90 degrees", "turn", 90, _turned(90)),
        Transform("turn 180", "turned by any angle", "turn", 180, _turned(180)),
        Transform("half turn", "upside down, or not", "half_turn", 0.5, _upright_and(lambda whole: whole.rot90(2, (2, 3)))),
        Transform("quarter turns", "turned by 0, 90, 180 or 270 degrees", "quarter_turns", 0.75, quarters),
        *(_crop(smallest) for smallest in (0.5, 0.25, 0.08)),
        Transform("blur", "blurred by a Gaussian of up to 2 pixels of a view", "blur", 1, _blurred, blind=False),
        Transform("brightness", "brighter or darker, with more or less contrast", "jitter", JITTER, _brightness),
    ]
    if channels == 3:
        found.append(Transform("hue", "other hues, stronger or paler colours", "jitter", JITTER, _hue))
        found.append(Transform("grey", "without colour", "grey", 1, _grey, blind=False))
    return found


def quarters(pictures: Pictures, rng: torch.Generator) -> list[Tensor]:
    """Each picture at all four quarter turns, counter-clockwise from upright."""
    whole = pictures.whole()
    return [whole.rot90(turn, (2, 3)).contiguous() for turn in range(4)]


def _upright_and(change: Callable[[Tensor], Tensor]) -> Make:
    """The picture as it is and changed: all there is to draw from, so nothing is drawn."""

    def views(pictures: Pictures, rng: torch.Generator) -> list[Tensor]:
        whole = pictures.whole()
        return [whole, change(whole).contiguous()]

    return views


def _turned(most: float) -> Make:
    """Angles drawn one from each of `TURNED` equal parts of the range, so that few views cover it."""

    def views(pictures: Pictures, rng: torch.Generator) -> list[Tensor]:
        angles = [_stratum(pictures, number, TURNED, (-most, most), rng) for number in range(TURNED)]
        boxes = whole_boxes(pictures.image)
        return [crop(pictures.image, boxes, size=pictures.size, turn=angle).clamp_(0, 1) for angle in angles]

    return views


def _crop(smallest: float) -> Transform:
    def views(pictures: Pictures, rng: torch.Generator) -> list[Tensor]:
        shape = (pictures.image.shape[2], pictures.image.shape[3])
        drawn = [
            crop_boxes(len(pictures.image), shape=shape, area=(smallest, 1.0), ratio=RATIO, rng=rng, aspect=pictures.aspect)
            for _ in range(OTHER)
        ]
        return [crop(pictures.image, boxes, size=pictures.size).clamp_(0, 1) for boxes in drawn]

    return Transform(f"crop {smallest}", f"a part of at least {smallest:.0%} of the area", "crop", smallest, views, False, TAKEN)


def _blurred(pictures: Pictures, rng: torch.Generator) -> list[Tensor]:
    ends = (SIGMA[0] * pictures.size / pictures.task_size, SIGMA[1] * pictures.size / pictures.task_size)
    boxes = whole_boxes(pictures.image)
    sigmas = [_stratum(pictures, number, 2, ends, rng) for number in range(2)]
    return [crop(pictures.image, boxes, size=pictures.size, sigma=sigma).clamp_(0, 1) for sigma in sigmas]


def _brightness(pictures: Pictures, rng: torch.Generator) -> list[Tensor]:
    def drawn(rows: int) -> Jitter:
        return _jitter(rows, brightness=_factor(rows, rng), contrast=_factor(rows, rng))

    return _recolored(pictures, drawn)


def _hue(pictures: Pictures, rng: torch.Generator) -> list[Tensor]:
    def drawn(rows: int) -> Jitter:
        return _jitter(rows, saturation=_factor(rows, rng), hue=0.2 * JITTER * (2 * torch.rand(rows, generator=rng) - 1))

    return _recolored(pictures, drawn)


def _grey(pictures: Pictures, rng: torch.Generator) -> list[Tensor]:
    return [recolor(pictures.whole(), _jitter(len(pictures.image), grey=torch.ones(len(pictures.image), dtype=torch.bool)))]


def _recolored(pictures: Pictures, drawn: Callable[[int], Jitter]) -> list[Tensor]:
    whole = pictures.whole()
    return [recolor(whole, drawn(len(whole))) for _ in range(OTHER)]


def _jitter(rows: int, **factors: Tensor) -> Jitter:
    """Factors that change nothing, but for those given."""
    one = torch.ones(rows)
    same = {"brightness": one, "contrast": one, "saturation": one, "hue": torch.zeros(rows), "grey": torch.zeros(rows, dtype=torch.bool)}
    return Jitter(**(same | factors))


def _factor(rows: int, rng: torch.Generator) -> Tensor:
    return 1 + 0.8 * JITTER * (2 * torch.rand(rows, generator=rng) - 1)


def _stratum(pictures: Pictures, number: int, count: int, ends: tuple[float, float], rng: torch.Generator) -> Tensor:
    """One number a picture, from the `number`-th of `count` equal parts of a range."""
    low, high = ends
    return low + (high - low) * (number + torch.rand(len(pictures.image), generator=rng)) / count
