"""Small pictures of what was found, read again from where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selfsup.data import Source, Undecodable, decode, open_source
from selfsup.reporting.neighbours import unstretched
from selfsup.searching.finding import Found, Hit

Pixels = NDArray[np.uint8]


def thumbnails(found: Found, *, most: int) -> list[Pixels | None]:
    """Each hit inside a square of `most` pixels, uint8 (h, w) or (h, w, 3); None for what is gone, or was never a picture."""
    if found.side != "image":
        return [None] * len(found.hits)
    archive = _archive(found.data, found.hits)
    places = {} if archive is None else {item.id: place for place, item in enumerate(archive.items)}
    small: list[Pixels | None] = []
    for hit in found.hits:
        try:
            if (file := _file_of(hit)) is not None:
                pixels, shape = decode(file, side=most)
            elif archive is not None and hit.id in places:
                pixels, shape = archive.read(places[hit.id], side=most)
            else:
                raise Undecodable("it is in no file")
        except Undecodable:
            small.append(None)
        else:
            small.append(unstretched(pixels, shape, most=most))
    return small


def thumbnail_asked(found: Found, *, most: int) -> Pixels | None:
    """The picture that was asked with, a row's or a file's, if it was one."""
    if found.asked is not None:
        return thumbnails(replace(found, hits=[found.asked]), most=most)[0]
    try:
        return unstretched(*decode(Path(found.query).expanduser(), side=most), most=most)
    except (Undecodable, OSError):
        return None


def _archive(data: str, hits: Sequence[Hit]) -> Source | None:
    """What pictures without files of their own are in, where that is a file or several."""
    if all(_file_of(hit) is not None for hit in hits) or not data or Path(data).is_dir():
        return None
    try:
        return open_source(data)
    except ValueError:
        return None


def _file_of(hit: Hit) -> str | None:
    """The file that is the picture; None for what lies in an archive, and for what is gone."""
    return hit.path if hit.path is not None and Path(hit.path).is_file() else None
