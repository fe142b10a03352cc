"""Picture files of every kind the tests need, made from one array."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.uint8]


def scene(height: int = 40, width: int = 60, seed: int = 0) -> Array:
    """A smooth colour picture (H, W, 3) that no flip or turn maps to itself; smooth, so that JPEG stays near it."""
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    shift = seed * 0.37
    waves = [
        rows * 200 + columns * 30,
        np.sin(3 * columns + shift) ** 2 * 200 + rows * 20,
        (rows * columns) * 180 + 40 * np.cos(shift) ** 2,
    ]
    pixels: Array = np.rint(np.stack(waves, axis=2)).clip(0, 255).astype(np.uint8)
    return pixels


def save(path: Path, pixels: Array, **options: Any) -> Path:
    """Write pixels in the format that the path's ending names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def folder_of(root: Path, names: list[str], *, height: int = 20, width: int = 30) -> Path:
    """A folder of different pictures with these names."""
    for seed, name in enumerate(names):
        save(root / name, scene(height, width, seed))
    return root


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose head claims any size: a decompression bomb."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def encoded(pixels: Array, kind: str, **options: Any) -> bytes:
    """Pixels as the bytes of a file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()
