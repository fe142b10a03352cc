"""Pictures side by side in one PNG file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

Pixels = UInt8[np.ndarray, "n C h w"]

COLUMNS = 8
"""Pictures in a row, at most: as many as can be told apart on a screen."""

SMALLEST_TILE = 96
"""Pixels a side: smaller pictures are enlarged in whole steps, so that each pixel stays a square."""

GAP, LETTERS, PAPER, INK = 4, 14, 255, 90


def as_bytes(pictures: Tensor) -> Pixels:
    """uint8 from float in [0, 1]; one or three channels."""
    return (pictures.detach().float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()


def write_sheet(rows: Mapping[str, Pixels], file: Path, *, columns: int = COLUMNS) -> None:
    """Write one picture with a row for each entry, under its name if it has one, picture i of each in column i.

    More pictures than `columns` go on below. The file appears whole or not at all. Raises ValueError for a name that does not end in .png.
    """
    if file.suffix.lower() != ".png":
        raise ValueError(f"{file} does not end in .png; expected something like --out pictures.png.")
    count = max(len(pictures) for pictures in rows.values())
    strips = [
        _strip(name, pictures[start : start + columns], min(columns, count))
        for start in range(0, count, columns)
        for name, pictures in rows.items()
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.draft")
    Image.fromarray(np.concatenate(strips)).save(draft, format="PNG")
    draft.replace(file)


def _strip(name: str, pictures: Pixels, columns: int) -> UInt8[np.ndarray, "H W 3"]:
    """Some pictures beside one another on paper, under their name."""
    tiles = [_tile(picture) for picture in pictures]
    height, width, _ = tiles[0].shape
    top = GAP + (LETTERS + GAP if name else 0)
    paper = np.full((top + height, GAP + columns * (width + GAP), 3), PAPER, dtype=np.uint8)
    for place, tile in enumerate(tiles):
        left = GAP + place * (width + GAP)
        paper[top:, left : left + width] = tile
    if not name:
        return paper
    canvas = Image.fromarray(paper)
    ImageDraw.Draw(canvas).text((GAP, GAP), name, fill=(INK, INK, INK), font=ImageFont.load_default(LETTERS - 2))
    return np.asarray(canvas)


def _tile(picture: UInt8[np.ndarray, "C h w"]) -> UInt8[np.ndarray, "H W 3"]:
    """A picture in RGB, enlarged if it is small."""
    times = -(-SMALLEST_TILE // picture.shape[-1])
    colour = np.broadcast_to(picture, (3, *picture.shape[1:])).transpose(1, 2, 0)
    return np.ascontiguousarray(colour.repeat(times, axis=0).repeat(times, axis=1))
