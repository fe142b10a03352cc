"""Where pictures come from: `open_source` takes whatever a user calls their data and gives a list of items."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from selfsup.data.arrays import array_source, dataset_source, file_source
from selfsup.data.cell_sources import cell_source, tables_in
from selfsup.data.cells import holds_cells
from selfsup.data.decode import Decoded, decode, probe
from selfsup.data.intensity import Values
from selfsup.data.items import Source, printable
from selfsup.data.paths import ARCHIVES, existing_path, matching_files
from selfsup.data.scan import Found, list_files, name_below, scan_folder
from selfsup.data.tables import TABLE_SUFFIXES, Table, path_column, read_table

_EXPECTED = (
    "Expected pictures (JPEG, PNG, WebP, TIFF, BMP, GIF or DICOM) in a folder, one of them, a glob such as 'photos/**/*.jpg', "
    "a table with a column `path` (.csv, .parquet), Parquet files that hold pictures as bytes, or an array (.npz, .npy)."
)


@dataclass
class FileSource(Source):
    """Picture files; `root` is the resolved folder that their ids start from."""

    def read(self, i: int, *, side: int | None = None, channels: int | None = None) -> Decoded:
        """Picture `i`; see Source."""
        return decode(self._path(i), side=side, channels=channels)

    def shape(self, i: int) -> tuple[tuple[int, int], bool]:
        """Height, width and whether it is grey; see Source."""
        return probe(self._path(i))

    def _path(self, i: int) -> str:
        path = self.items[i].path
        assert path is not None
        return path


def open_source(data: str | Path | Sequence[Any] | Values | torch.Tensor | Dataset[Any] | Source, *, kind: str = "auto") -> Source:
    """List the pictures of a folder (nested), file, glob, table, list of paths, array, .npz/.npy file or torch dataset; none is decoded.

    Parquet files, one or several, may hold the pictures themselves, as bytes or as structs of bytes and a path.

    `kind` is "auto" or "image". Raises ValueError that says what came, what was expected, and how to mend it.
    """
    if kind not in ("auto", "image"):
        raise ValueError(f"kind={kind!r} was given. Expected 'auto' or 'image': this version learns from pictures.")
    if isinstance(data, Source):
        return data
    if isinstance(data, (str, Path)):
        return _open_path(str(data))
    if isinstance(data, (np.ndarray, torch.Tensor)):
        return array_source(data)
    if isinstance(data, (list, tuple)) and data and all(isinstance(entry, (str, Path)) for entry in data):
        return _open_list([Path(entry).expanduser().absolute() for entry in data])
    return dataset_source(data)


def _open_path(data: str) -> Source:
    path = existing_path(data, expected=_EXPECTED)
    if path is None:
        return _open_glob(data)
    if path.is_dir():
        return _open_folder(path)
    suffix = path.suffix.lower()
    if suffix in (".npz", ".npy"):
        return file_source(path)
    if suffix in TABLE_SUFFIXES and suffix != ".txt":
        return _open_table(path)
    if suffix in (*ARCHIVES, ".gz"):
        raise ValueError(f"{path} is an archive. Unpack it and give the folder. {_EXPECTED}")
    return _checked(list_files([path], path.parent), path, root=path.parent)


def _open_folder(path: Path) -> Source:
    try:
        found = scan_folder(path)
        tables = [] if found.items else tables_in(path)
    except OSError as error:
        raise ValueError(f"The folder {path} could not be read: {error.strerror or error}. Check its permissions.") from None
    return cell_source(tables, root=path, name=str(path)) or _checked(found, path, root=path)


def _open_glob(data: str) -> Source:
    paths, root = matching_files(data, expected=_EXPECTED)
    if all(map(holds_cells, paths)) and (source := cell_source(paths, root=root, name=data)) is not None:
        return source
    return _checked(list_files(paths, root), data, root=root)


def _open_list(paths: list[Path]) -> Source:
    root = Path(os.path.commonpath([path.parent for path in paths]))
    return _checked(list_files(paths, root), f"a list of {len(paths):,} paths", root=root)


def _open_table(path: Path) -> Source:
    if (cells := cell_source([path], root=path.parent, name=str(path))) is not None:
        return cells
    table = read_table(path)
    key = path_column(table, path)
    files = [_in_table(cell, path.parent) if cell else None for cell in table[key]]
    found = list_files([file for file in files if file is not None], path.parent)
    source = _checked(found, path, root=path.parent)
    rows = {printable(name_below(file, path.parent)): row for row, file in reversed(list(enumerate(files))) if file is not None}
    order = [rows[item.id] for item in source.items]
    source.columns = _reordered({name: cells for name, cells in table.items() if name != key}, order)
    return source


def _in_table(cell: str, folder: Path) -> Path:
    """A table's path, seen from its folder; the way up and down again is taken out, so that each file has one name."""
    literal = folder / cell
    path = literal if "\\" not in cell or literal.exists() else folder / cell.replace("\\", "/")
    return Path(os.path.normpath(path))


def _reordered(table: Table, order: list[int]) -> Table:
    return {name: [cells[row] for row in order] for name, cells in table.items()}


def _checked(found: Found, name: object, *, root: Path) -> Source:
    """A source of what was found. Raises ValueError when that is nothing."""
    if not found.items:
        raise ValueError(_nothing(found, name))
    return FileSource(str(name), str(root.resolve()), found.items, ignored=dict(found.ignored), skipped=found.skipped)


def _nothing(found: Found, name: object) -> str:
    if found.skipped:
        first, reason = next(iter(found.skipped.items()))
        return f"{name}: none of its {len(found.skipped):,} files could be read, for example {first}: {reason}. {_EXPECTED}"
    if found.ignored:
        seen = ", ".join(f"{count:,} {suffix}" for suffix, count in found.ignored.most_common(5))
        return f"{name} holds no picture, but other files ({seen}). This version learns from pictures only. {_EXPECTED}"
    return f"{name} is empty. {_EXPECTED}"
