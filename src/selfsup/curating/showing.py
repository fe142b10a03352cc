"""Items on a page: pictures as thumbnails side by side, documents as excerpts under one another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from selfsup.curating.collection import Collection
from selfsup.embedding.pictures import PictureReading
from selfsup.embedding.text_reading import TextReading
from selfsup.reporting.excerpts import excerpt, passage
from selfsup.reporting.markup import Html, join, picture, section, tag
from selfsup.reporting.page import page
from selfsup.run import write_whole

PIXELS = 144
"""Longest side of a picture in the file: shown at 96, and still sharp on fine screens."""

TILE = 96


@dataclass(frozen=True)
class Tile:
    """A row of the collection with a caption; `mood` is "query", "same", "other" or none of them."""

    row: int
    caption: str
    mood: str = ""


class Showing:
    """What items of a collection look like, once it is said which are wanted."""

    def __init__(self, collection: Collection, rows: Iterable[int]) -> None:
        self.collection = collection
        self.reading = collection.reading
        self._texts: Mapping[int, str] = {}
        if isinstance(self.reading, TextReading):
            wanted = np.unique(np.fromiter(rows, dtype=np.int64))
            texts = self.reading.texts.some(wanted)
            self._texts = {row: excerpt(text) for row, text in zip(wanted.tolist(), texts, strict=True)}

    def line(self, tiles: Sequence[Tile]) -> Html:
        """Items that belong together."""
        if isinstance(self.reading, PictureReading):
            return tag("div", *(self._picture(tile) for tile in tiles), class_="near")
        return tag("div", *(self._document(tile) for tile in tiles), class_="alike")

    def sheet(self, tiles: Sequence[Tile], *, across: int = 10) -> Html:
        """Many items, so many pictures in a line."""
        lines = [tiles[start : start + across] for start in range(0, len(tiles), across)]
        return join(self.line(line) for line in lines)

    @staticmethod
    def solo(lines: Sequence[Html]) -> Html:
        """Lines with large pictures."""
        return tag("div", *lines, class_="solo")

    def _picture(self, tile: Tile) -> Html:
        assert isinstance(self.reading, PictureReading)
        store, name = self.reading.store, self.reading.ids[tile.row]
        pixels = store.take(torch.tensor([tile.row]))[0].permute(1, 2, 0).numpy()
        image = picture(_in_shape(pixels, float(store.aspects[tile.row])), width=TILE, description=name)
        return tag("div", image, tag("span", tile.caption), class_=tile.mood or None, title=f"{name}, {tile.caption}")

    def _document(self, tile: Tile) -> Html:
        about = tag("p", tag("b", tile.caption), " ", tag("code", tag("bdi", excerpt(self.reading.ids[tile.row], 80))), class_="about")
        return tag("div", about, passage(self._texts[tile.row]), class_=tile.mood or None)


def _in_shape(pixels: np.ndarray, aspect: float) -> np.ndarray:
    """A picture that was stretched to a square, in its own shape; enlarged only where that is needed for its shape."""
    side = min(PIXELS, len(pixels))
    width, height = (side, side / aspect) if aspect >= 1 else (side * aspect, side)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    return np.asarray(image.resize((max(1, round(width)), max(1, round(height))), Image.Resampling.LANCZOS))


def opening(collection: Collection, verb: str, headline: str, under: str, *, mood: str = "good") -> Html:
    """The head of a page."""
    name = Path(collection.reading.name.replace("\\", "/")).name or collection.reading.name
    parts = (tag("p", f"selfsup {verb} of {name}", class_="eyebrow"), tag("h1", headline), tag("p", under, class_="under"))
    return tag("header", *parts, class_=f"top {mood}", id="summary")


def block(title: str, *parts: Html) -> Html:
    """Something with a heading of its own; pictures in it are shown large."""
    return tag("div", tag("h3", title), *parts, class_="solo")


def how(lines: Sequence[str]) -> Html:
    """The last section: how it was done."""
    return section("method", "How it was found", tag("ul", *(tag("li", line) for line in lines), class_="notes"))


def write_page(file: Path, title: str, sections: Sequence[Html], collection: Collection, *, without_samples: bool = False) -> Path:
    """Write one self-contained HTML file, whole or not at all."""
    samples = "pictures" if isinstance(collection.reading, PictureReading) else "texts"
    file.parent.mkdir(parents=True, exist_ok=True)
    content = page(title, sections, samples=samples, without_samples=without_samples)
    write_whole(file, content.encode("utf-8", "replace").decode("utf-8"))
    return file
