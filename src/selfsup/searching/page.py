"""What was found as one HTML file with its pictures in it: to look at, and to pass on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selfsup.reporting.excerpts import EXCERPT, excerpt, passage
from selfsup.reporting.markup import Html, join, picture, section, tag
from selfsup.reporting.page import page
from selfsup.reporting.wording import plural
from selfsup.run import write_whole
from selfsup.searching.finding import Found, Hit
from selfsup.searching.thumbnails import thumbnail_asked, thumbnails

_PIXELS = 192
_TILE = 96
_LINE = 8


def write_page(found: Found, file: str | Path) -> Path:
    """Write one self-contained HTML file, whole or not at all."""
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    samples = "pictures" if found.side == "image" else "texts"
    body = _tiles(found) if found.side == "image" else _passages(found)
    lead = "Nearest first. The number is the cosine of the two embeddings: 1 for what is the same to the network."
    sections = [_opening(found), section("found", "Found", body, lead=lead)]
    content = page(f"Like {excerpt(found.query, 60)}", sections, samples=samples, way_out="")
    write_whole(file, content.encode("utf-8", "replace").decode("utf-8"))
    return file


def score_in_words(score: float) -> str:
    """As many digits as tell embeddings apart, which lie close together."""
    return f"{score:.3f}" if score < 0.9985 else f"{score:.5f}"


def _opening(found: Found) -> Html:
    told = f"{plural(len(found.hits), 'row')} of {found.index}" + (f" where {found.filter}" if found.filter else "")
    parts = (tag("p", "selfsup search", class_="eyebrow"), tag("h1", excerpt(found.query, 120)), tag("p", told, class_="under"))
    notes = [tag("p", note, class_="callout warn") for note in found.notes]
    return tag("header", *parts, *notes, class_="top good", id="summary")


def _tiles(found: Found) -> Html:
    asked = thumbnail_asked(found, most=_PIXELS)
    tiles = [] if asked is None else [tag("div", _image(asked, found.query), tag("span", "asked"), class_="query", title=found.query)]
    tiles += [_tile(hit, small) for hit, small in zip(found.hits, thumbnails(found, most=_PIXELS), strict=True)]
    lines = [tag("div", *tiles[start : start + _LINE], class_="near") for start in range(0, len(tiles), _LINE)]
    return tag("div", *lines, class_="solo")


def _tile(hit: Hit, small: NDArray[np.uint8] | None) -> Html:
    image = tag("span", "gone", class_="gone") if small is None else _image(small, hit.id)
    label = hit.fields.get("label")
    captions = [tag("span", score_in_words(hit.score)), tag("span", hit.id if label is None else label)]
    return tag("div", image, *captions, title="\n".join([hit.id, *(f"{name}: {value}" for name, value in hit.fields.items())]))


def _image(pixels: NDArray[np.uint8], name: str) -> Html:
    return picture(pixels, width=_TILE, height=_TILE, description=name)


def _passages(found: Found) -> Html:
    asked = found.query if found.asked is None else str(found.asked.fields.get("text", ""))
    cards = [tag("div", passage(excerpt(asked, EXCERPT)), class_="query"), *(_passage(hit) for hit in found.hits)]
    return tag("div", *cards, class_="alike")


def _passage(hit: Hit) -> Html:
    told = [tag("b", tag("bdi", excerpt(str(hit.fields["label"]), 40)))] if "label" in hit.fields else []
    about = [*told, f"similarity {score_in_words(hit.score)}", tag("code", tag("bdi", excerpt(hit.id, 80)))]
    return tag("div", tag("p", join(about, " "), class_="about"), passage(excerpt(str(hit.fields.get("text", "")), EXCERPT)))
