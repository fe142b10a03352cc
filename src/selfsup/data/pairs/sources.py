"""Where pairs come from: `open_pairs` takes whatever a user calls their captioned pictures and gives a listing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from selfsup.data.arrays import array_source, file_source
from selfsup.data.cells import holds_cells
from selfsup.data.documents.formats import format_of
from selfsup.data.pairs.cells import open_cells
from selfsup.data.pairs.columns import PairColumns, text_columns
from selfsup.data.pairs.listing import Caption, Paired, PairWanted, paired
from selfsup.data.pairs.shards import open_shards
from selfsup.data.pairs.sidecars import open_sidecars
from selfsup.data.pairs.tables import open_rows, open_table
from selfsup.data.paths import existing_path, matching_files
from selfsup.data.tables import as_word

EXPECTED = (
    "Expected pictures with captions: a table (.jsonl, .csv, .parquet) with a column of picture files and columns of captions, Parquet "
    "files that hold the pictures as bytes, a folder of pictures with a .txt or .json of the same name beside each, .tar shards of such "
    "files, or an .npz of pictures and words."
)


def open_pairs(data: Any, wanted: PairWanted | None = None) -> Paired:
    """List captioned pictures: a table, a folder with captions beside its pictures or with one table in it, .tar shards or Parquet files
    with pictures in them (a file, a glob, a folder), an .npz, a list of rows, or a mapping of an array of pictures and lists of captions.

    No picture is decoded. Raises ValueError that says what came, what was expected, and how to mend it.
    """
    wanted = wanted or PairWanted()
    if isinstance(data, Paired):
        return data
    if isinstance(data, str | Path):
        return _open_path(str(data), wanted)
    if isinstance(data, Mapping):
        return _open_mapping(data, wanted)
    if isinstance(data, Sequence) and data and all(isinstance(row, Mapping) for row in data):
        return open_rows(list(data), wanted)
    raise ValueError(f"{type(data).__name__} was given. {EXPECTED}")


def _open_path(data: str, wanted: PairWanted) -> Paired:
    path = existing_path(data, expected=EXPECTED)
    if path is None:
        paths, root = matching_files(data, expected=EXPECTED)
        if all(one.suffix.lower() == ".tar" for one in paths):
            return open_shards(paths, root, data, wanted)
        if all(map(holds_cells, paths)) and (found := open_cells(paths, root, data, wanted)) is not None:
            return found
        raise ValueError(f"The pattern {data} matches files that are no shards with pictures, such as {paths[0].name}. {EXPECTED}")
    if path.is_dir():
        return _open_folder(path, wanted)
    if path.suffix.lower() == ".tar":
        return open_shards([path], path.parent, str(path), wanted)
    if path.suffix.lower() == ".npz":
        return _open_arrays(path, wanted)
    if format_of(str(path)) in (None, "text"):
        raise ValueError(f"{path} holds no pairs. {EXPECTED}")
    return open_cells([path], path.parent, str(path), wanted) or open_table(path, wanted)


def _open_folder(path: Path, wanted: PairWanted) -> Paired:
    """Captions beside the pictures; or the one table in the folder (metadata.jsonl, captions.csv); or its shards."""
    inside = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    tables = [file for file in inside if format_of(str(file)) not in (None, "text") and file.suffix.lower() != ".json"]
    shards = [file for file in inside if file.suffix.lower() == ".tar"]
    if shards and not tables:
        return open_shards(shards, path, str(path), wanted)
    if tables and all(map(holds_cells, tables)) and (found := open_cells(tables, path, str(path), wanted)) is not None:
        return found
    if len(tables) != 1:
        return open_sidecars(path, wanted)
    try:
        return open_table(tables[0], wanted)
    except ValueError as error:
        try:
            return open_sidecars(path, wanted)  # the table holds something else, such as labels
        except ValueError:
            raise error from None


def _open_arrays(path: Path, wanted: PairWanted) -> Paired:
    source = file_source(path)
    return _from_columns(source, {name: list(cells) for name, cells in source.columns.items()}, wanted)


def _open_mapping(data: Mapping[Any, Any], wanted: PairWanted) -> Paired:
    """{"image": array, "en": [...], "de": [...]}: pictures in memory, and one caption or a list of them for each."""
    key = wanted.image or "image"
    if key not in data:
        raise ValueError(f"a mapping with {', '.join(map(str, data))} was given. Expected an array of pictures under {key!r}.")
    values = data[key] if hasattr(data[key], "ndim") else np.asarray(data[key])
    columns = {str(name): list(cells) for name, cells in data.items() if name != key}
    wrong = [name for name, cells in columns.items() if len(cells) != len(values)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} has {len(columns[wrong[0]]):,} entries, and there are {len(values):,} pictures. Expected as many.")
    flat = {name: [as_word(cell) for cell in cells] for name, cells in columns.items() if not any(isinstance(cell, list) for cell in cells)}
    return _from_columns(array_source(values, columns=flat), columns, wanted)


def _from_columns(source: Any, columns: Mapping[str, list[Any]], wanted: PairWanted) -> Paired:
    """Pictures of an array with their captions in columns of the same length. Raises ValueError."""
    missing = [name for name in wanted.names if name not in columns]
    texts = tuple(wanted.names) or text_columns(list(columns))
    if missing or not texts:
        what = f"no column {missing[0]!r}" if missing else "no column of captions was found; name one or more with --text"
        raise ValueError(f"{source.name}: {what}: there are {', '.join(columns) or 'none'}. {EXPECTED}")
    chosen = PairColumns("", texts, None)
    rows = ({name: columns[name][row] for name in texts} for row in range(len(source)))
    captions: list[list[Caption]] = [chosen.captions(row, "", fixed=wanted.fixed) for row in rows]
    notes = {} if wanted.names else {source.name: f"captions from {', '.join(f'`{name}`' for name in texts)}"}
    return paired(source, captions, skipped={}, notes=notes)
