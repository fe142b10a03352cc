"""Boxes and outlines of things in pictures, from a file in COCO's JSON format, matched to the source's ids.

The format: Lin and others, ECCV 2014, arXiv 1405.0312, and cocodataset.org/#format-data. One bad entry is skipped and named, and costs no
other picture. What it marked is not taken for empty: where it lies is treated as a crowd, and a picture in which that is not known is left
out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from selfsup.data.encodings import decode_all
from selfsup.data.matching import Matcher

SHAPE_TOLERANCE = 0.05
"""Relative difference of width / height between the file and the picture above which the boxes cannot belong to this picture."""

UNKNOWN = -1
"""The class of a crowd that may be of any."""

Outline = Float[np.ndarray, "p 2"]


@dataclass(frozen=True)
class Objects:
    """The things in one picture: `boxes` are left, top, right, bottom in shares of the picture's width and height, so that they follow it
    to any square. `crowd` marks boxes around many things, or around what could not be read, which are neither learned from nor counted; the
    class of the latter is UNKNOWN. `outlines` are polygons, in shares.
    """

    boxes: Float[np.ndarray, "n 4"]
    classes: Int[np.ndarray, "n"]
    crowd: Bool[np.ndarray, "n"]
    outlines: list[list[Outline]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True)
class Annotations:
    """For each id the things in it, None where the file does not list the picture or does not say what is where in it. `skipped` names bad
    entries, with the reason.
    """

    classes: list[str]
    objects: list[Objects | None]
    skipped: dict[str, str]


def read_coco(
    file: str | Path, ids: Sequence[str], *, aspects: Float[np.ndarray, "N"] | None = None, outlines: bool = False
) -> Annotations:
    """What a COCO file says of the pictures `ids`. A picture it lists without annotations is one in which there is nothing.

    `aspects` are the true width / height of the pictures: entries that speak of another shape are skipped. With `outlines`, annotations
    need a polygon. One that cannot be used leaves a crowd of UNKNOWN class behind (with `outlines` its bbox as a rectangle, before the
    others), or, where its bbox cannot be used either, costs its picture. Classes are the categories that occur, in the order of their
    numbers. Raises ValueError for a file that is no such file, or of which nothing fits.
    """
    content = _content(Path(file).expanduser())
    skipped: dict[str, str] = {}
    frames = _frames(content["images"], ids, aspects, skipped)
    if not frames:
        listed = next((str(one.get("file_name")) for one in content["images"] if isinstance(one, dict)), "none")
        raise ValueError(
            f"{file} lists {len(content['images']):,} pictures, for example {listed!r}, but none of the pictures there are, for example "
            f"{ids[0]!r}{_because(skipped)}. Expected `file_name` to be a path below the folder of the pictures."
        )
    names = {one["id"]: str(one.get("name", one["id"])) for one in content["categories"] if isinstance(one, dict) and "id" in one}
    found = _things(content["annotations"], frames, names, outlines, skipped)
    used = {thing.category for things in found.values() for thing in things if thing.known}
    places = {category: place for place, category in enumerate(sorted(used, key=lambda one: (isinstance(one, str), one)))}
    if not places:
        raise ValueError(f"{file} has no annotation that can be used{_because(skipped)}.")
    objects = [_objects(found[row], places) if row in found else None for row in range(len(ids))]
    return Annotations([names[category] for category in places], objects, skipped)


@dataclass(frozen=True)
class _Frame:
    """One picture of the file: the row of the id it matches, its name, and its size in pixels."""

    row: int
    name: str
    width: float
    height: float


@dataclass(frozen=True)
class _Thing:
    """One annotation. `known` is False for one that could not be used, and `drawn` is False where a rectangle stands for its outline."""

    box: tuple[float, float, float, float]
    category: Any
    crowd: bool
    outlines: list[Outline]
    known: bool = True
    drawn: bool = True


def _content(file: Path) -> dict[str, list[Any]]:
    if not file.is_file():
        raise ValueError(f"there is no file {file}: expected annotations in COCO's JSON format.")
    try:
        content = json.loads(decode_all(file.read_bytes()))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{file} cannot be read as JSON: {error}. Expected annotations in COCO's format.") from None
    lists = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(isinstance(content.get(name), list) for name in lists):
        had = ", ".join(content) if isinstance(content, dict) else type(content).__name__
        raise ValueError(
            f"{file} has {had or 'nothing'}: expected COCO's format, an object with the lists images, annotations, categories."
        )
    return content


def _frames(
    images: Sequence[Any], ids: Sequence[str], aspects: Float[np.ndarray, "N"] | None, skipped: dict[str, str]
) -> dict[Any, _Frame]:
    """The pictures that can be used, by their number in the file. Of entries that mean the same picture, all count."""
    matcher, frames = Matcher(ids), dict[Any, _Frame]()
    for number, entry in enumerate(images):
        name = str(entry.get("file_name", "")) if isinstance(entry, dict) else ""
        try:
            places = matcher.find(name)
            if len(places) != 1:
                raise ValueError("may mean several pictures" if places else "means no picture there is")
            width, height = float(entry["width"]), float(entry["height"])
            if not (0 < width < math.inf and 0 < height < math.inf):
                raise ValueError(f"its size is {width:g} x {height:g} px")
            if aspects is not None and abs(math.log(width / height / float(aspects[places[0]]))) > SHAPE_TOLERANCE:
                raise ValueError(f"is {width:g} x {height:g} px there, but the picture has another shape (turned, or cut?)")
            frames[_hashable(entry["id"])] = _Frame(places[0], name, width, height)
        except KeyError as error:
            skipped[name or f"picture {number}"] = f"has no {error.args[0]}"
        except (ValueError, TypeError) as error:
            skipped[name or f"picture {number}"] = str(error)
    return frames


def _things(
    annotations: Sequence[Any], frames: Mapping[Any, _Frame], names: Mapping[Any, str], outlines: bool, skipped: dict[str, str]
) -> dict[int, list[_Thing]]:
    """The annotations by the row of their picture. Rows are missing where an annotation says neither what is there nor where."""
    found: dict[int, list[_Thing]] = {frame.row: [] for frame in frames.values()}
    lost = set[int]()
    for number, entry in enumerate(annotations):
        frame = frames.get(_hashable(entry.get("image_id"))) if isinstance(entry, dict) else None
        thing: _Thing | None
        try:
            thing = _thing(entry, frame, names, outlines)
        except (ValueError, TypeError, OverflowError) as error:
            reason = str(error)
            try:
                thing = _hidden(entry, frame, outlines)
            except (ValueError, TypeError, OverflowError):
                thing = None
                if frame is not None:
                    lost.add(frame.row)
                    reason += "; the picture is left out, as what is where in it is not known"
            skipped[f"annotation {entry.get('id', number) if isinstance(entry, dict) else number}"] = reason
        if thing is not None and frame is not None:
            found[frame.row].append(thing)
    return {row: things for row, things in found.items() if row not in lost}


def _thing(entry: Any, frame: _Frame | None, names: Mapping[Any, str], outlines: bool) -> _Thing:
    """One annotation of a picture. Raises ValueError or TypeError with the reason it cannot be used."""
    if not isinstance(entry, dict):
        raise ValueError("is no object")
    category = _hashable(entry.get("category_id"))
    if frame is None:
        raise ValueError(f"its picture, {entry.get('image_id')!r}, is unknown or was skipped")
    if category not in names:
        raise ValueError(f"its category, {entry.get('category_id')!r}, is unknown")
    polygons = _polygons(entry.get("segmentation"), frame) if outlines else []
    if outlines and not polygons:
        raise ValueError(f"in {frame.name}: has no polygon (run lengths are not read)")
    box = _box(entry.get("bbox"), frame) if not outlines else (0.0, 0.0, 1.0, 1.0)
    return _Thing(box, category, bool(entry.get("iscrowd", 0)), polygons)


def _hidden(entry: Any, frame: _Frame | None, outlines: bool) -> _Thing | None:
    """What an annotation that cannot be used leaves in its picture: a crowd. Raises ValueError or TypeError where its place is unknown."""
    if frame is None:
        return None
    if not outlines:
        return _Thing(_box(entry.get("bbox"), frame), None, True, [], known=False)
    try:
        polygons = _polygons(entry.get("segmentation"), frame)
    except (ValueError, TypeError, OverflowError):
        polygons = []
    if polygons:
        return _Thing((0.0, 0.0, 1.0, 1.0), None, True, polygons, known=False)
    left, top, right, bottom = box = _box(entry.get("bbox"), frame)
    return _Thing(box, None, True, [np.array([[left, top], [right, top], [right, bottom], [left, bottom]])], known=False, drawn=False)


def _box(given: Any, frame: _Frame) -> tuple[float, float, float, float]:
    """Left, top, width, height in pixels as left, top, right, bottom in shares; what sticks out is cut off."""
    if not (isinstance(given, list | tuple) and len(given) == 4):
        raise ValueError(f"in {frame.name}: its bbox is {given!r}; expected [left, top, width, height]")
    left, top, width, height = (float(number) for number in given)
    if not all(map(math.isfinite, (left, top, width, height))):
        raise ValueError(f"in {frame.name}: its bbox {given} holds what is no number")
    if width <= 0 or height <= 0:
        raise ValueError(f"in {frame.name}: its bbox {given} has no area")
    right, bottom = min((left + width) / frame.width, 1.0), min((top + height) / frame.height, 1.0)
    left, top = max(left / frame.width, 0.0), max(top / frame.height, 0.0)
    if left >= right or top >= bottom:
        raise ValueError(f"in {frame.name}: its bbox {given} lies outside of the picture, which is {frame.width:g} x {frame.height:g} px")
    return left, top, right, bottom


def _polygons(given: Any, frame: _Frame) -> list[Outline]:
    """Lists of x, y, x, y, … in pixels as corners in shares; fewer than three corners enclose nothing. Raises ValueError or TypeError."""
    if not isinstance(given, list):
        return []
    found = []
    for numbers in given:
        corners = np.asarray(numbers, dtype=np.float64)
        if corners.ndim != 1 or len(corners) % 2 or not np.isfinite(corners).all():
            raise ValueError(f"in {frame.name}: has an outline that is no list of x, y, x, y, …")
        if len(corners) >= 6:
            found.append(corners.reshape(-1, 2) / (frame.width, frame.height))
    return found


def _objects(things: Sequence[_Thing], places: Mapping[Any, int]) -> Objects:
    # Rectangles go beneath: a pixel inside an outline that was drawn is known, whatever the rectangle is around.
    things = sorted(things, key=lambda thing: thing.drawn)
    return Objects(
        np.array([thing.box for thing in things], dtype=np.float64).reshape(-1, 4),
        np.array([places[thing.category] if thing.known else UNKNOWN for thing in things], dtype=np.int64),
        np.array([thing.crowd for thing in things], dtype=bool),
        [thing.outlines for thing in things],
    )


def _hashable(value: Any) -> Any:
    return value if isinstance(value, int | str) else repr(value)


def _because(skipped: Mapping[str, str]) -> str:
    return f" ({next(f'{name}: {reason}' for name, reason in skipped.items())})" if skipped else ""
