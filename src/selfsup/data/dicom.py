"""DICOM files: stored values to what a viewer would show."""

from __future__ import annotations

from io import BytesIO
from typing import Any, BinaryIO

import numpy as np

from selfsup.data.intensity import Pixels, Values, extremes, to_bytes
from selfsup.data.undecodable import MOST_PIXELS, Undecodable

Opened = BinaryIO | BytesIO
"""A file, or a part of one in memory."""

_MISSING = "DICOM needs the package pydicom: pip install 'selfsup[dicom]'"


def read_dicom(file: Opened) -> Pixels:
    """The first frame as a viewer shows it, uint8 (H, W) or (H, W, 3).

    In the order of DICOM PS3.3 C.11: rescale (modality) first, then the first window (or look-up table) of the file; without a window from
    the smallest to the largest value. MONOCHROME1, where small values mean white, is inverted. Raises Undecodable, also without pydicom.
    """
    header = _head(file)
    height, width = _size(header)
    if height * width > MOST_PIXELS:
        raise Undecodable(f"refused, too many pixels to be safe: {width} x {height}, at most {MOST_PIXELS:,}")
    from pydicom import dcmread
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
    from pydicom.pixels.utils import pixel_array

    file.seek(0)
    dataset = dcmread(file)
    kind = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    values = pixel_array(dataset, index=0)
    if kind == "PALETTE COLOR":
        values = apply_color_lut(values, dataset)
    if values.ndim == 3:
        return to_bytes(values, (0.0, float(np.iinfo(values.dtype).max)))
    shown = _shown(apply_modality_lut(values, dataset), dataset)
    return 255 - shown if kind == "MONOCHROME1" else shown


def probe_dicom(file: Opened) -> tuple[tuple[int, int], bool]:
    """(height, width) and whether it is grey, from the head of the file."""
    header = _head(file)
    return _size(header), str(header.get("PhotometricInterpretation", "MONOCHROME2")).startswith("MONOCHROME")


def window(values: Values, *, center: float, width: float, exact: bool = False) -> Pixels:
    """Apply a window to rescaled values: DICOM PS3.3 C.11.2.1.2.1, or (`exact`) C.11.2.1.3.2, to 0..255."""
    if exact:
        low, high = center - width / 2, center + width / 2
    else:
        low, high = center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
    if high <= low:  # width 1: a threshold
        return (np.asarray(values > low) * 255).astype(np.uint8)
    return to_bytes(values, (low, high))


def _shown(values: Values, dataset: Any) -> Pixels:
    function = str(dataset.get("VOILUTFunction", "") or "LINEAR")
    if "VOILUTSequence" in dataset or function == "SIGMOID":
        from pydicom.pixels.processing import apply_voi_lut

        values = apply_voi_lut(values, dataset, index=0)
    else:
        center, width = _first(dataset, "WindowCenter"), _first(dataset, "WindowWidth")
        if center is not None and width is not None and width > 0:
            return window(values, center=center, width=width, exact=function == "LINEAR_EXACT")
    return to_bytes(values, extremes(values))


def _first(dataset: Any, name: str) -> float | None:
    value = dataset.get(name)
    if value is None or value == "":
        return None
    return float(value if isinstance(value, (int, float, str)) else value[0])


def _size(header: Any) -> tuple[int, int]:
    if "Rows" not in header or "Columns" not in header:
        raise Undecodable("a DICOM file without a picture (a report or a directory)")
    return int(header.Rows), int(header.Columns)


def _head(file: Opened) -> Any:
    try:
        from pydicom import dcmread
    except ImportError:
        raise Undecodable(_MISSING, lasting=False) from None
    return dcmread(file, stop_before_pixels=True)
