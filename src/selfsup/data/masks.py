"""Masks of pictures: which class each pixel is of, from a PNG beside each picture, or from polygons in a COCO file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from selfsup.data.coco import SHAPE_TOLERANCE, Objects, read_coco
from selfsup.data.matching import Matcher
from selfsup.data.undecodable import MOST_PIXELS

VOID = 255
"""The pixel value of what is of no known class, as in Pascal VOC: neither learned from nor counted."""

BACKGROUND = "background"


@dataclass(frozen=True)
class Masks:
    """For each id a mask (S, S) of numbers of `classes`, or VOID; None where there is none. `skipped` names masks that cannot be used."""

    classes: list[str]
    masks: list[UInt8[np.ndarray, "S S"] | None]
    skipped: dict[str, str]


def read_masks(masks: str | Path, ids: Sequence[str], *, side: int, aspects: Float[np.ndarray, "N"]) -> Masks:
    """Masks of the pictures `ids`, stretched to `side` x `side` as the pictures are, without mixing classes.

    `masks` is a folder with a PNG for each picture, of the same name below it (a.jpg and a.png; pixels are class numbers, grey or palette;
    255 is void), or a COCO file, whose polygons lie on background, later ones on top. Raises ValueError where nothing fits.
    """
    place = Path(masks).expanduser()
    if place.is_dir():
        return _from_folder(place, ids, side, aspects)
    if not place.is_file():
        raise ValueError(f"masks={str(masks)!r} is neither a folder of PNG files nor a COCO file.")
    found = read_coco(place, ids, aspects=aspects, outlines=True)
    if len(found.classes) > VOID - 1:
        raise ValueError(f"{place} has {len(found.classes)} categories: expected at most {VOID - 1}.")
    drawn = [None if one is None else _drawn(one, side) for one in found.objects]
    return Masks([BACKGROUND, *found.classes], drawn, found.skipped)


def _drawn(things: Objects, side: int) -> UInt8[np.ndarray, "S S"]:
    image = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(image)
    for outlines, kind, crowd in zip(things.outlines, things.classes.tolist(), things.crowd.tolist(), strict=True):
        for corners in outlines:
            # A corner at x lies between pixels x - 1 and x; Pillow counts from the middle of pixels.
            pen.polygon([(x * side - 0.5, y * side - 0.5) for x, y in corners.tolist()], fill=VOID if crowd else kind + 1)
    return np.array(image, dtype=np.uint8)


def _from_folder(folder: Path, ids: Sequence[str], side: int, aspects: Float[np.ndarray, "N"]) -> Masks:
    matcher, skipped = Matcher(ids), dict[str, str]()
    found: list[np.ndarray | None] = [None] * len(ids)
    files = sorted(folder.rglob("*.png"))
    for file in files:
        name = file.relative_to(folder).as_posix()
        places = matcher.find(name) or matcher.find(name.removesuffix(".png"))
        try:
            if len(places) != 1:
                raise ValueError("may mean several pictures" if places else "means no picture there is")
            found[places[0]] = _read(file, side, float(aspects[places[0]]))
        except (ValueError, OSError, SyntaxError, Image.DecompressionBombError) as error:
            skipped[name] = str(error) or type(error).__name__
    values = np.unique(np.concatenate([np.unique(one) for one in found if one is not None] or [np.zeros(0, dtype=np.uint8)]))
    values = values[values != VOID]
    if len(values) < 2:
        reason = f" ({next(f'{name}: {why}' for name, why in skipped.items())})" if skipped else ""
        raise ValueError(
            f"{folder} has {len(files)} PNG files, of which {sum(one is not None for one in found)} are masks of the pictures there are, "
            f"with {len(values)} classes{reason}: expected files of the pictures' names, and at least 2 class numbers as pixel values."
        )
    table = np.full(256, VOID, dtype=np.uint8)
    table[values] = np.arange(len(values))
    return Masks([str(value) for value in values], [None if one is None else table[one] for one in found], skipped)


def _read(file: Path, side: int, aspect: float) -> np.ndarray:
    """Pixel values stretched to a square, each the nearest. Raises ValueError for what is no mask of this picture."""
    with Image.open(file, formats=["PNG"]) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError("too many pixels to be safe")
        if image.mode not in ("L", "P", "1"):
            raise ValueError(f"its pixels are {image.mode}; expected one class number a pixel (grey or palette, 8 bits)")
        if abs(math.log(image.width / image.height / aspect)) > SHAPE_TOLERANCE:
            raise ValueError(f"is {image.width} x {image.height} px, but the picture has another shape")
        return np.array(image.resize((side, side), Image.Resampling.NEAREST)).astype(np.uint8)
