"""Pictures that are in memory already: NumPy arrays, tensors, .npz and .npy files, torch datasets."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image

from selfsup.data.decode import Decoded, finish, from_array
from selfsup.data.intensity import Values, value_range
from selfsup.data.items import Item, Source
from selfsup.data.tables import LABEL_NAMES, Table, as_word
from selfsup.data.undecodable import Undecodable

_PICTURE_KEYS = ("images", "image", "x", "X", "data", "pixels", "train_images", "x_train", "arr_0")


@dataclass
class ArraySource(Source):
    """Pictures of one array (N, H, W) or (N, H, W, C), scaled together, so that their brightness can be compared."""

    values: Values = field(default_factory=lambda: np.zeros((0, 1, 1), np.uint8))
    span: tuple[float, float] = (0.0, 255.0)

    def read(self, i: int, *, side: int | None = None, channels: int | None = None) -> Decoded:
        """Picture `i`; see Source."""
        return from_array(self.values[i], span=self.span, side=side, channels=channels)

    def shape(self, i: int) -> tuple[tuple[int, int], bool]:
        """Height, width and whether it is grey; see Source."""
        return (self.values.shape[1], self.values.shape[2]), self.values.ndim == 3 or self.values.shape[3] == 1


@dataclass
class DatasetSource(Source):
    """Pictures of a torch dataset with a length: PIL pictures, uint8 (H, W[, C]) arrays, or tensors (C, H, W) in [0, 1] or uint8."""

    dataset: Any = None

    def read(self, i: int, *, side: int | None = None, channels: int | None = None) -> Decoded:
        """Picture `i`; see Source."""
        picture = self._picture(i)
        if isinstance(picture, Image.Image):
            return finish(picture, side=side, channels=channels)
        values = _as_values(picture)
        if np.issubdtype(values.dtype, np.floating) and values.size and (values.min() < 0 or values.max() > 1):
            raise Undecodable(
                f"values from {values.min():.3g} to {values.max():.3g}; expected uint8 or floats in [0, 1]: "
                "leave out transforms like Normalize, the backbone normalises"
            )
        return from_array(values, span=value_range(values), side=side, channels=channels)

    def shape(self, i: int) -> tuple[tuple[int, int], bool]:
        """Height, width and whether it is grey; see Source."""
        decoded = self.read(i)
        return decoded.shape, decoded.pixels.shape[2] == 1

    def _picture(self, i: int) -> object:
        try:
            example = self.dataset[i]
        except Exception as error:  # a stranger's code reading a stranger's file: one bad picture is not fatal
            raise Undecodable(f"the dataset raised {type(error).__name__}: {error}", lasting=False) from None
        if isinstance(example, Mapping):
            key = next((key for key in ("image", "img", "pixel_values", "picture", "x") if key in example), None)
            if key is None:
                raise Undecodable(f"the dataset gave a dict with {', '.join(map(str, example))}; expected a key `image`")
            return example[key]
        return example[0] if isinstance(example, (tuple, list)) and example else example


def array_source(values: Values | torch.Tensor, *, name: str = "", columns: Table | None = None, planar: bool | None = None) -> ArraySource:
    """A source of the pictures of one array: (N, H, W), (N, H, W, C) or (N, C, H, W). Raises ValueError.

    `planar` tells whether the channels come before the rows; by default tensors are asked for (N, C, H, W) first, arrays for (N, H, W, C).
    """
    planar = isinstance(values, torch.Tensor) if planar is None else planar
    pictures = _channels_last(values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values), planar=planar)
    count, height, width = pictures.shape[:3]
    try:
        span = value_range(pictures)
    except ValueError as error:
        raise ValueError(f"The array of {count} pictures {error}; expected numbers.") from None
    size = pictures.nbytes // count
    items = [Item(f"{row:07d}", None, size, 0) for row in range(count)]
    name = name or f"an array of {count:,} pictures of {width} x {height} px"
    return ArraySource(name, "", items, columns or {}, values=pictures, span=span)


def dataset_source(dataset: object, *, name: str = "") -> DatasetSource:
    """A source of the pictures of a torch dataset with a length; its `targets` become the column `label`. Raises ValueError."""
    if not isinstance(dataset, Sized) or not hasattr(dataset, "__getitem__"):
        raise ValueError(
            f"{type(dataset).__name__} was given. Expected a path, an array or a torch dataset with a length and an order "
            "(__len__ and __getitem__); streams (IterableDataset) have neither: write their pictures into a folder first."
        )
    count = len(dataset)
    if count == 0:
        raise ValueError(f"The dataset {type(dataset).__name__} is empty. Expected one with pictures.")
    targets = next((found for key in ("targets", "labels") if (found := getattr(dataset, key, None)) is not None), None)
    columns: Table = {}
    if isinstance(targets, Sized) and len(targets) == count:
        columns["label"] = [as_word(value) for value in np.asarray(targets).tolist()]
    items = [Item(f"{row:07d}", None, 0, 0) for row in range(count)]
    return DatasetSource(name or f"{type(dataset).__name__} of {count:,} pictures", "", items, columns, dataset=dataset)


def file_source(path: Path) -> ArraySource:
    """The pictures of a .npy or .npz file; one-dimensional arrays of the same length (labels, groups) become columns. Raises ValueError."""
    try:
        if path.suffix.lower() == ".npy":
            return array_source(np.load(path, mmap_mode="r", allow_pickle=False), name=str(path))
        _refuse_bomb(path)
        arrays = _read_archive(path)
        key = _picture_key(arrays)
        source = array_source(arrays[key], name=str(path))
        source.columns = _columns(arrays, key, count=len(source))
        return source
    except (OSError, EOFError, zipfile.BadZipFile, ValueError) as error:
        raise ValueError(f"{path} could not be used as an array of pictures: {error}") from None


def memory_bytes() -> int | None:
    """The machine's memory, or None where the system does not say (Windows)."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _channels_last(values: Values, *, planar: bool) -> Values:
    shape = values.shape
    if values.dtype.kind not in "buif":
        raise ValueError(f"An array of type {values.dtype} was given. Expected numbers: uint8, uint16 or floats.")
    if values.ndim == 2:
        side = round(float(shape[1]) ** 0.5)
        hint = f" Perhaps .reshape({shape[0]}, {side}, {side})?" if side * side == shape[1] else ""
        raise ValueError(f"An array of shape {shape} was given. Expected (N, H, W), (N, H, W, C) or (N, C, H, W).{hint}")
    if values.ndim == 3 and shape[2] in (3, 4) and min(shape[:2]) > 8:
        raise ValueError(
            f"An array of shape {shape} looks like a single picture. Expected (N, H, W, C): use array[None], or stack several."
        )
    if values.ndim not in (3, 4) or 0 in shape:
        raise ValueError(f"An array of shape {shape} was given. Expected (N, H, W), (N, H, W, C) or (N, C, H, W), none of them 0.")
    if values.ndim == 3:
        return values
    last, second = shape[3] in (1, 3, 4), shape[1] in (1, 3, 4)
    if second and (planar or not last):
        return values.transpose(0, 2, 3, 1)
    if not last:
        raise ValueError(f"An array of shape {shape} was given. Expected 1, 3 or 4 channels, as (N, H, W, C) or (N, C, H, W).")
    return values


def _as_values(picture: object) -> Values:
    if not isinstance(picture, (torch.Tensor, np.ndarray)):
        raise Undecodable(f"the dataset gave {type(picture).__name__}; expected a PIL picture, a tensor or an array")
    planar = isinstance(picture, torch.Tensor)
    values = cast(Values, picture.detach().cpu().numpy() if isinstance(picture, torch.Tensor) else picture)
    if values.dtype.kind not in "buif":
        raise Undecodable(f"an array of type {values.dtype}; expected numbers")
    if values.ndim == 3 and values.shape[0] in (1, 3, 4) and (planar or values.shape[2] not in (1, 3, 4)):
        return values.transpose(1, 2, 0)
    return values


def _read_archive(path: Path) -> dict[str, Values]:
    """All arrays of an archive but those of Python objects, which would have to be unpickled."""
    arrays: dict[str, Values] = {}
    with np.load(path, allow_pickle=False) as archive:
        for key in archive.files:
            try:
                arrays[key] = archive[key]
            except ValueError as error:
                if "allow_pickle" not in str(error):
                    raise
    return arrays


def _picture_key(arrays: Mapping[str, Values]) -> str:
    keys = [key for key in _PICTURE_KEYS if key in arrays and arrays[key].ndim in (3, 4)]
    keys += [key for key in arrays if key not in keys and arrays[key].ndim in (3, 4) and arrays[key].dtype == np.uint8]
    if not keys:
        held = ", ".join(f"{key} {values.shape} {values.dtype}" for key, values in arrays.items()) or "no array of numbers"
        raise ValueError(f"it holds {held}; expected an array `images` of shape (N, H, W) or (N, H, W, C)")
    return keys[0]


def _columns(arrays: Mapping[str, Values], picture_key: str, *, count: int) -> Table:
    columns: Table = {}
    for key, values in arrays.items():
        if key != picture_key and values.size == count and len(values) == count:
            columns[key] = [as_word(value) for value in values.reshape(-1).tolist()]
    twin = picture_key.replace("images", "labels").replace("x_", "y_")
    if twin in columns and not set(columns) & set(LABEL_NAMES):
        columns["label"] = columns[twin]
    return columns


def _refuse_bomb(path: Path) -> None:
    memory = memory_bytes()
    with zipfile.ZipFile(path) as archive:
        largest = max((info.file_size for info in archive.infolist()), default=0)
    if memory is not None and largest > memory // 2:
        raise ValueError(
            f"it unpacks to {largest / 1e9:.1f} GB, more than half of this machine's memory; save the pictures as files instead"
        )
