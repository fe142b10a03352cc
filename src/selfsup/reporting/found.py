"""Tested pictures with what is in them and what was found: boxes as outlines, masks as colours laid over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from selfsup.reporting.markup import Html, picture, tag
from selfsup.reporting.wording import task_title

Pixels = NDArray[np.uint8]

_TILE = 150
_COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167), (153, 153, 51),
            (136, 34, 85), (170, 170, 170))  # fmt: skip
"""Okabe and Ito, "Color universal design" (2002), and three of Tol's, by the number of the class."""


def found_sheet(folder: Path, facts: Mapping[str, Any]) -> Html:
    """Rows of pictures: what is true, then what each row of the scores found. Nothing where no pictures were kept, or are damaged."""
    name = {"detection": "detection.npz", "segmentation": "segmentation.npz"}.get(facts["use"])
    if name is None:
        return Html("")
    arrays = _arrays(folder / name)
    pictures = [_enlarged(pixels) for pixels in arrays.get("pictures", ())]
    if not pictures:
        return Html("")
    try:
        rows = _boxes(pictures, facts) if facts["use"] == "detection" else _masks(pictures, arrays)
    except (KeyError, IndexError, TypeError, ValueError):
        return tag("p", "The pictures that were kept do not fit the scores.", class_="empty")
    kinds = {row["row"]: row["kind"] for row in facts["rows"]}
    strips = [_strip(task_title(title) if kinds.get(title) == "run" else title, tiles) for title, tiles in rows]
    classes = [tag("span", tag("i", style=f"background: rgb{_colour(number)}"), name, class_="chip")
               for number, name in enumerate(facts["classes"]) if number < len(_COLOURS)]  # fmt: skip
    said = " · surest boxes of the first network of each row" if facts["use"] == "detection" else ""
    note = tag("p", f"Tested pictures, learned from {facts['primary']['labelled']}{said}. ", *classes, class_="note")
    return tag("div", note, tag("div", *strips, class_="sheet", tabindex="0"))


def _arrays(file: Path) -> dict[str, Pixels]:
    """Arrays of bytes; nothing from a file that is missing or damaged. Pickles are refused."""
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            return {name: content[name] for name in content.files if content[name].dtype == np.uint8}
    except (OSError, ValueError, BadZipFile, KeyError):
        return {}


def _enlarged(pixels: Pixels) -> Image.Image:
    """A stored picture (C, S, S) in colour, at the size of a tile."""
    image = Image.fromarray(pixels[0] if pixels.shape[0] == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    return image.convert("RGB").resize((_TILE, _TILE), Image.Resampling.BICUBIC)


def _boxes(pictures: Sequence[Image.Image], facts: Mapping[str, Any]) -> list[tuple[str, list[Pixels]]]:
    samples, classes = facts["samples"], facts["classes"]
    rows = [("true", [_outlined(image, sample["true"], classes) for image, sample in zip(pictures, samples, strict=True)])]
    for name in dict.fromkeys(name for sample in samples for name in sample["found"]):
        tiles = [_outlined(image, sample["found"].get(name, ()), classes) for image, sample in zip(pictures, samples, strict=True)]
        rows.append((name, tiles))
    return rows


def _outlined(image: Image.Image, boxes: Sequence[Sequence[float]], classes: Sequence[str]) -> Pixels:
    """Boxes with the beginning of their class's name."""
    drawn = image.copy()
    pen = ImageDraw.Draw(drawn)
    for left, top, right, bottom, kind, *_ in boxes:
        colour, corner = _colour(int(kind)), (left * (_TILE - 1), top * (_TILE - 1))
        pen.rectangle((*corner, right * (_TILE - 1), bottom * (_TILE - 1)), outline=colour, width=2)
        pen.text((corner[0] + 3, corner[1] + 1), classes[int(kind)][:8], fill=colour)
    return np.asarray(drawn)


def _masks(pictures: Sequence[Image.Image], arrays: Mapping[str, Pixels]) -> list[tuple[str, list[Pixels]]]:
    named = {"true": arrays["true"], **{name.removeprefix("found/"): one for name, one in arrays.items() if name.startswith("found/")}}
    return [(name, [_laid_over(image, mask) for image, mask in zip(pictures, masks, strict=True)]) for name, masks in named.items()]


def _laid_over(image: Image.Image, mask: Pixels) -> Pixels:
    """Every class but the first, which mostly is the background, as half a colour."""
    large = np.asarray(Image.fromarray(mask).resize((_TILE, _TILE), Image.Resampling.NEAREST))
    pixels = np.asarray(image).astype(np.float32)
    for number in np.unique(large[(large > 0) & (large < 255)]).tolist():
        inside = large == number
        pixels[inside] = 0.45 * pixels[inside] + 0.55 * np.array(_colour(number))
    return pixels.astype(np.uint8)


def _strip(name: str, tiles: Sequence[Pixels]) -> Html:
    shown = (picture(tile, width=_TILE, description=f"{name} {number + 1}") for number, tile in enumerate(tiles))
    return tag("div", tag("span", name, class_="name"), *shown, class_="strip")


def _colour(number: int) -> tuple[int, int, int]:
    return _COLOURS[number % len(_COLOURS)]
