"""How large the pictures shall be stored and seen, and whether in colour, told from a sample of them."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from selfsup.data.ingest import thread_count
from selfsup.data.intensity import Pixels
from selfsup.data.items import Source
from selfsup.data.undecodable import Undecodable

_SAMPLE = 128
_GREY_TOLERANCE = 2  # of 255: grey pictures saved as colour JPEGs differ by rounding


class Suggestion(NamedTuple):
    """The side of a view in px, and 1 or 3 channels."""

    size: int
    channels: int


class _Sample(NamedTuple):
    short: float
    long: float
    channels: int


def suggest_size(source: Source) -> Suggestion:
    """The default size of a view: up to 40 px that of the pictures (their median shorter side, rounded up to 4), up to 96 px 64, else 128.

    One channel if each of up to 128 pictures is grey, also those stored as colour with equal red, green and blue. Raises ValueError when
    none of them can be decoded.
    """
    sample = _look(source)
    size = _to_four(sample.short)
    return Suggestion(size if size <= 40 else 64 if size <= 96 else 128, sample.channels)


def suggest_side(source: Source, size: int) -> int:
    """The side to store pictures at, for views of `size`: twice that, so that crops stay sharp, but no more than the pictures have."""
    return max(size, min(_to_four(_look(source).long), 2 * size))


def is_grey(pixels: Pixels) -> bool:
    """Whether (H, W, C) pixels have no colour."""
    if pixels.shape[2] == 1:
        return True
    values = pixels.astype(np.int16)
    return bool(np.abs(values - values[:, :, :1]).max() <= _GREY_TOLERANCE)


def cache_folder(cache: Path | None = None) -> Path:
    """Where stores are kept: `cache`, else $SELFSUP_CACHE, else ~/.cache/selfsup."""
    return (cache or Path(os.environ.get("SELFSUP_CACHE") or "~/.cache/selfsup")).expanduser().absolute()


def _look(source: Source) -> _Sample:
    """The sample's sizes and colours; remembered in the cache folder, for a grey sample takes a second to be sure of."""
    count = min(_SAMPLE, len(source))
    rows = [place * (len(source) - 1) // max(1, count - 1) for place in range(count)]
    if not source.root:
        return _measure(source, rows)
    told = repr((source.root, [source.items[row] for row in rows]))
    file = cache_folder() / "samples" / f"{hashlib.sha256(told.encode()).hexdigest()[:20]}.json"
    try:
        return _Sample(*json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        sample = _measure(source, rows)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(sample))
    except OSError:  # a memory aid: open_store says what is wrong with the folder
        pass
    return sample


def _measure(source: Source, rows: list[int]) -> _Sample:
    reasons: list[str] = []
    coloured: list[bool] = []

    def look(row: int) -> tuple[int, int] | None:
        try:
            shape, grey = source.shape(row)
            if not coloured and not grey and not is_grey(source.read(row, side=64).pixels):
                coloured.append(True)  # no further picture need be decoded for its colour
        except Undecodable as error:
            reasons.append(f"{source.items[row].id}: {error}")
            return None
        return shape

    with warnings.catch_warnings(), ThreadPoolExecutor(thread_count(source)) as pool:
        warnings.simplefilter("ignore")  # as in ingest
        shapes = [shape for shape in pool.map(look, rows) if shape is not None]
    if not shapes:
        raise ValueError(nothing_decoded(source.name, reasons))
    return _Sample(median(map(min, shapes)), median(map(max, shapes)), 3 if coloured else 1)


def nothing_decoded(name: str, reasons: list[str]) -> str:
    """The words for a source of which no picture could be decoded."""
    examples = "; ".join(reasons[:3])
    return (
        f"None of the {len(reasons):,} pictures tried in {name} could be decoded ({examples}). Expected pictures that open in a viewer: "
        "check that they were copied whole, and that their endings (.jpg, .png, ...) say what they are."
    )


def _to_four(pixels: float) -> int:
    return max(4, -(-round(pixels) // 4) * 4)
