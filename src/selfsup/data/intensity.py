"""Values of any type and range to eight bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Values = NDArray[Any]


def value_range(values: Values) -> tuple[float, float]:
    """The two values that shall become black and white, for an array of pictures that belong together.

    Bytes and integers within 0..255 stay as they are. Floats within [0, 1], [-1, 1] or (bright ones) [0, 255] are taken to mean that range.
    Everything else, 16 bits above all, goes from its smallest to its largest value: detectors with 10, 12 or 14 bits all store 16, and
    scaling by the range of the type would leave them a handful of grey levels. NaN and infinity are left out.
    """
    if values.dtype == np.uint8:
        return 0.0, 255.0
    if values.dtype == np.bool_:
        return 0.0, 1.0
    low, high = extremes(values)
    if np.issubdtype(values.dtype, np.integer):
        return (0.0, 255.0) if low >= 0 and high <= 255 else (low, high)
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= -1 and high <= 1:
        return -1.0, 1.0
    if low >= 0 and 128 < high <= 255:
        return 0.0, 255.0
    return low, high


def extremes(values: Values) -> tuple[float, float]:
    """The smallest and the largest finite value; ValueError when there is none."""
    if np.issubdtype(values.dtype, np.floating):
        finite = values[np.isfinite(values)]
        if finite.size == 0:
            raise ValueError("holds no finite value")
        return float(finite.min()), float(finite.max())
    return float(values.min()), float(values.max())


def to_bytes(values: Values, span: tuple[float, float]) -> Pixels:
    """Map `span` linearly to 0..255, rounded and cut off at both ends; what is not finite becomes black, a span of no width stays black."""
    if values.dtype == np.uint8 and span == (0.0, 255.0):
        return np.ascontiguousarray(values, dtype=np.uint8)
    low, high = span
    # float64 for 32-bit integers, whose last digits float32 would lose
    scaled = (values.astype(np.float64) - low) * (255.0 / (high - low) if high > low else 0.0)
    return np.rint(np.clip(np.nan_to_num(scaled, nan=0.0, posinf=255.0, neginf=0.0), 0.0, 255.0)).astype(np.uint8)
