"""Several labels an item: names with `;` between them in one column, a line for each, or a column of yes and no for each label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from selfsup.data.items import in_natural_order
from selfsup.data.labels import as_label, read_labels
from selfsup.data.tables import LABEL_NAMES, Table, find_column, read_table, split_address, value_column

SEPARATOR = ";"

YES, NO = frozenset(("1", "true", "yes", "y")), frozenset(("0", "false", "no", "n"))


@dataclass(frozen=True)
class Tags:
    """Which of the labels `names` each id has; `known` are the ids of which that is said at all. `skipped` names what could not be used."""

    names: list[str]
    table: Bool[np.ndarray, "n K"]
    known: Bool[np.ndarray, "n"]
    skipped: dict[str, str] = field(default_factory=dict)


def says_several(labels: str) -> bool:
    """Whether what a user calls their labels are several an item: several columns are named, or the column of a file holds `;` between
    names of which some occur again. What is in no file is not looked at. Raises ValueError for a table that cannot be read.
    """
    if columns_in(labels, {}):
        return True
    file, column = split_address(labels)
    if not Path(file).expanduser().is_file():
        return False
    table = read_table(Path(file).expanduser())
    column = column or value_column(table, file, names=LABEL_NAMES, wanted="label")
    cells = {cell for cell in table.get(column, []) if cell is not None}
    parts = [part for cell in cells if SEPARATOR in cell for part in _split(cell)]
    return len(parts) > len(set(parts)) or bool(cells & set(parts))


def read_tags(labels: Any, ids: Sequence[str], *, columns: Table | None = None, noun: str = "pictures") -> Tags:
    """The labels of each id. An empty cell says nothing; a cell of `;` alone says that the item has none.

    `labels` is what `read_labels` takes, with `;` between labels or a line for each; FILE.csv:A,B,C or A,B,C, columns of 1 and 0 (true and
    false, yes and no), of which an item counts once one is filled; or a sequence of lists. Raises ValueError.
    """
    if isinstance(labels, str | Path) and (named := columns_in(str(labels), columns or {})):
        return _from_columns(named, ids, columns, noun)
    lists = _lists(labels)
    found = read_labels(labels if lists is None else lists, ids, columns=columns, noun=noun)
    skipped = {path: f"means no {noun.removesuffix('s')} there is" for path in found.unmatched}
    cells: list[str | None] = [SEPARATOR.join(found.conflicts.get(name, ())) or cell for name, cell in zip(ids, found.values, strict=True)]
    said = [None if cell is None else set(_split(cell)) for cell in cells]
    names = in_natural_order({name for one in said for name in one or ()})
    return _checked(names, np.array([[name in (one or ()) for name in names] for one in said]).reshape(len(ids), len(names)),
                    np.array([one is not None for one in said]), skipped)  # fmt: skip


def columns_in(labels: str, columns: Table) -> dict[str, str]:
    """Where several columns are named, the address of each by its name; else nothing."""
    file, wanted = split_address(labels)
    if wanted is not None and "," in wanted:
        return {name.strip(): f"{file}:{name.strip()}" for name in wanted.split(",")}
    names = [name.strip() for name in labels.split(",")]
    if len(names) > 1 and all(find_column(columns, [name.casefold()]) for name in names):
        return {name: name for name in names}
    return {}


def _from_columns(named: Mapping[str, str], ids: Sequence[str], columns: Table | None, noun: str) -> Tags:
    table, known, skipped = np.zeros((len(ids), len(named)), dtype=bool), np.zeros(len(ids), dtype=bool), dict[str, str]()
    for place, (name, address) in enumerate(named.items()):
        found = read_labels(address, ids, columns=columns, noun=noun)
        skipped |= {path: f"means no {noun.removesuffix('s')} there is" for path in found.unmatched}
        for row, word in enumerate(found.values):
            if word is None:
                continue
            if word.casefold() not in YES | NO:
                skipped[f"{ids[row]}, {name}"] = f"{word!r} is neither yes nor no (1 or 0)"
                continue
            known[row] = True
            table[row, place] = word.casefold() in YES
    return _checked(list(named), table, known, skipped)


def _lists(labels: Any) -> list[str | None] | None:
    """A sequence of lists of names, or of rows of 0 and 1, as cells; None for anything else."""
    if isinstance(labels, str | Path | Mapping):
        return None
    cells = labels.tolist() if hasattr(labels, "tolist") else list(labels)
    if not any(isinstance(cell, list | tuple | set | frozenset) for cell in cells):
        return None
    rows = hasattr(labels, "shape") and len(labels.shape) == 2
    joined: list[str | None] = []
    for cell in cells:
        if cell is None:
            joined.append(None)
            continue
        words = [str(place) for place, value in enumerate(cell) if value] if rows else [as_label(name) for name in cell]
        joined.append(SEPARATOR.join(word for word in words if word) or SEPARATOR)
    return joined


def _split(cell: str) -> list[str]:
    return [word for part in cell.split(SEPARATOR) if (word := as_label(part)) is not None]


def _checked(names: list[str], table: Bool[np.ndarray, "n K"], known: Bool[np.ndarray, "n"], skipped: dict[str, str]) -> Tags:
    if not names or not known.any():
        reason = f" ({next(f'{name}: {why}' for name, why in skipped.items())})" if skipped else ""
        raise ValueError(f"no item has a label{reason}: expected names with {SEPARATOR!r} between them, or columns of 1 and 0.")
    return Tags(names, table, known, skipped)
