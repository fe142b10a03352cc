"""Masks of pictures: which class each pixel is of, from a PNG beside each picture, or from polygons in a COCO file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw

from selfsup.data.coco import SHAPE_TOLERANCE, Objects, read_coco
from selfsup.data.matching import Matcher
from selfsup.data.undecodable import MOST_PIXELS

VOID = 255
"""The pixel value of what is of no known class, as in Pascal VOC: neither learned from nor counted."""

BACKGROUND = "background"


@dataclass(frozen=True)
class Masks:
    """For each id a mask (S, S) of numbers of `classes`, or VOID; None where there is none. `skipped` names masks that cannot be used,
    `notes` say how the others were understood.
    """

    classes: list[str]
    masks: list[UInt8[np.ndarray, "S S"] | None]
    skipped: dict[str, str]
    notes: list[str] = field(default_factory=list)


def read_masks(masks: str | Path, ids: Sequence[str], *, side: int, aspects: Float[np.ndarray, "N"]) -> Masks:
    """Masks of the pictures `ids`, stretched to `side` x `side` as the pictures are, without mixing classes.

    `masks` is a folder with a PNG for each picture, of the same name below it (a.jpg and a.png or a_mask.png; pixels are class numbers,
    grey or palette; 255 is void, unless all masks are of 0 and 255 alone), or a COCO file, whose polygons lie on background, later ones on
    top; the bbox of what has no polygon is void. Raises ValueError where nothing fits.
    """
    place = Path(masks).expanduser()
    if place.is_dir():
        return _from_folder(place, ids, side, aspects)
    if not place.is_file():
        raise ValueError(f"masks={str(masks)!r} is neither a folder of PNG files nor a COCO file.")
    found = read_coco(place, ids, aspects=aspects, outlines=True)
    if len(found.classes) > VOID - 1:
        raise ValueError(f"{place} has {len(found.classes)} categories: expected at most {VOID - 1}.")
    drawn = [None if one is None else _known(_drawn(one, side)) for one in found.objects]
    return Masks([BACKGROUND, *found.classes], drawn, found.skipped)


def _known(mask: UInt8[np.ndarray, "S S"]) -> UInt8[np.ndarray, "S S"] | None:
    """The mask, or none where no pixel is of a known class."""
    return None if (mask == VOID).all() else mask


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
    found: list[UInt8[np.ndarray, "S S"] | None] = [None] * len(ids)
    seen = np.zeros(256, dtype=bool)
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() == ".png")
    for file in files:
        name = file.relative_to(folder).as_posix()
        try:
            place = _place(matcher, name)
            if found[place] is not None:
                raise ValueError(f"is a second mask of {ids[place]}")
            found[place], values = _read(file, side, float(aspects[place]))
            seen |= values
        except (ValueError, OSError, SyntaxError, Image.DecompressionBombError) as error:
            skipped[name] = str(error) or type(error).__name__
    binary = np.flatnonzero(seen).tolist() == [0, VOID]
    values = np.unique(np.concatenate([np.unique(one) for one in found if one is not None] or [np.zeros(0, dtype=np.uint8)]))
    values = values if binary else values[values != VOID]
    if len(values) < 2:
        reason = f" ({next(f'{name}: {why}' for name, why in skipped.items())})" if skipped else ""
        raise ValueError(
            f"{folder} has {len(files)} PNG files, of which {sum(one is not None for one in found)} are masks of the pictures there are, "
            f"with {len(values)} classes{reason}: expected files of the pictures' names, and at least 2 class numbers as pixel values."
        )
    table = np.full(256, VOID, dtype=np.uint8)
    table[values] = np.arange(len(values))
    notes = ["The masks are of 0 and 255 alone: 255 was taken as a class, where other masks have it as void."] if binary else []
    return Masks([str(value) for value in values], [None if one is None else _known(table[one]) for one in found], skipped, notes)


def _place(matcher: Matcher, name: str) -> int:
    """The place of the picture that a mask is of. Raises ValueError where it is not clear."""
    stem = name[: -len(".png")]
    places = matcher.find(name) or matcher.find(stem) or matcher.find(stem.removesuffix("_mask"))
    if len(places) != 1:
        raise ValueError("may mean several pictures" if places else "means no picture there is")
    return places[0]


def _read(file: Path, side: int, aspect: float) -> tuple[UInt8[np.ndarray, "S S"], Bool[np.ndarray, "256"]]:
    """Pixel values stretched to a square, each the nearest, and which values there are, also of pixels that are lost by it.

    Raises ValueError for what is no mask of this picture.
    """
    with Image.open(file, formats=["PNG"]) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError("too many pixels to be safe")
        if image.mode not in ("L", "P", "1"):
            raise ValueError(f"its pixels are {image.mode}; expected one class number a pixel (grey or palette, 8 bits)")
        if abs(math.log(image.width / image.height / aspect)) > SHAPE_TOLERANCE:
            raise ValueError(f"is {image.width} x {image.height} px, but the picture has another shape")
        there = np.bincount(np.asarray(image).astype(np.uint8).ravel(), minlength=256) > 0
        return np.array(image.resize((side, side), Image.Resampling.NEAREST)).astype(np.uint8), there
