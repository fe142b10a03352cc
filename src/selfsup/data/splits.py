"""What is held out: by a file, by chance, and always whole groups of pictures that belong together."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from selfsup.data.items import in_natural_order
from selfsup.data.matching import Matcher
from selfsup.data.tables import SPLIT_NAMES, Table, as_word, find_column, path_column, read_table, split_address, value_column

Part = Literal["train", "test"]
_MEANING: dict[str, Part] = {
    **dict.fromkeys(("train", "training", "tr", "trn", "fit", "development", "dev"), "train"),
    **dict.fromkeys(("test", "testing", "val", "valid", "validation", "holdout", "heldout", "held out", "held-out", "hold-out"), "test"),
}
_MEANING["dev"] = "test"  # the usual word for validation in speech and text


@dataclass(frozen=True)
class Split:
    """The part of each id, "train" or "test", and its group where groups were asked for.

    `unmatched` are paths of a split file that mean no picture here.
    """

    ids: list[str] = field(repr=False)
    parts: list[Part] = field(repr=False)
    groups: list[str] | None = field(default=None, repr=False)
    unmatched: list[str] = field(default_factory=list)

    def rows(self, part: Part) -> list[int]:
        """The places of one part's ids."""
        return [row for row, own in enumerate(self.parts) if own == part]

    def parts_of(self, ids: Sequence[str]) -> list[Part | None]:
        """The parts of other ids, such as those of the data today; None where an id is not in the split."""
        known = self.by_id()
        return [known.get(name) for name in ids]

    def by_id(self) -> dict[str, Part]:
        """The part of each id."""
        return dict(zip(self.ids, self.parts, strict=True))

    def save(self, path: Path) -> None:
        """Write a Parquet file with the columns id, part and, where there are any, group."""
        columns: dict[str, list[str]] = {"id": self.ids, "part": list(self.parts)}
        pq.write_table(pa.table(columns if self.groups is None else {**columns, "group": self.groups}), path)

    @classmethod
    def load(cls, path: Path) -> Split:
        """Read what `save` wrote. Raises ValueError."""
        table = read_table(path)
        if not {"id", "part"} <= set(table):
            raise ValueError(f"{path} has the columns {', '.join(table)}. Expected a saved split with id and part.")
        ids = [name or "" for name in table["id"]]
        groups = [name or "" for name in table["group"]] if "group" in table else None
        return cls(ids, [part_of(word, path) for word in table["part"]], groups)


def make_split(
    ids: Sequence[str],
    *,
    holdout: float = 0.0,
    split: str | Path | None = None,
    groups: str | Sequence[object] | None = None,
    seed: int = 0,
    columns: Table | None = None,
) -> Split:
    """Say which pictures are held out from pretraining.

    `holdout` is the share of pictures, or `split` a table with a path and a part (train; test, val, valid and holdout are held out; ids
    that it does not name are "train"), or a column of `columns` that says so. `groups` keeps pictures together: a column, "folder" (the
    folder a file is in), "folder:N" (its first N folders), "blocks:N" (runs of N neighbours in natural order), FILE.csv:COLUMN, or one
    group an id. The order is drawn from a hash of seed and group, so new pictures hardly move the old. Raises ValueError.
    """
    names = list(ids)
    if not 0 <= holdout < 1:
        raise ValueError(f"holdout={holdout} was given. Expected a share of the pictures from 0 up to, but not including, 1, such as 0.2.")
    if holdout and split is not None:
        raise ValueError(f"holdout={holdout} and split={str(split)!r} were both given. Expected one of them.")
    members = None if groups is None else _groups(groups, names, columns or {})
    if split is not None:
        parts, unmatched = _given(str(split), names, columns or {})
        _refuse_divided(parts, members, split)
        return Split(names, parts, members, unmatched)
    return Split(names, _drawn(members or names, holdout=holdout, seed=seed), members)


def _drawn(groups: list[str], *, holdout: float, seed: int) -> list[Part]:
    """Whole groups in hashed order, each taken if that brings the share nearer to what was asked for; one at least on either side."""
    if holdout == 0:
        return ["train"] * len(groups)
    sizes: dict[str, int] = defaultdict(int)
    for group in groups:
        sizes[group] += 1
    if len(sizes) < 2:
        raise ValueError(
            f"holdout={holdout} was given, but all {len(groups):,} pictures are in one group. Expected at least two: "
            "leave out --groups, or choose another column."
        )
    order = sorted(sizes, key=lambda group: hashlib.sha256(f"{seed}/{group}".encode()).digest())
    wanted, taken, held = holdout * len(groups), 0, set[str]()
    for group in order:
        if abs(taken + sizes[group] - wanted) < abs(taken - wanted) and len(held) < len(sizes) - 1:
            held.add(group)
            taken += sizes[group]
    held = held or {min(order, key=lambda group: sizes[group])}
    return ["test" if group in held else "train" for group in groups]


def _groups(groups: str | Sequence[object], ids: list[str], columns: Table) -> list[str]:
    if not isinstance(groups, str):
        cells = [as_word(value) for value in groups]
        if len(cells) != len(ids):
            raise ValueError(f"{len(cells):,} groups were given for {len(ids):,} pictures. Expected one for each.")
        return _alone_where_none(cells, ids)
    if (column := find_column(columns, [groups.casefold()])) is not None:
        return _alone_where_none(columns[column], ids)
    kind, _, number = groups.partition(":")
    if kind == "folder" and (number.isdecimal() or not number):
        return _folders(ids, int(number) if number else None)
    if kind == "blocks" and number.isdecimal() and int(number) > 0:
        order = {name: place for place, name in enumerate(in_natural_order(ids))}
        return [f"block {order[name] // int(number):06d}" for name in ids]
    file, wanted = split_address(groups)
    if wanted is not None and Path(file).expanduser().is_file():
        return _alone_where_none(_looked_up(file, wanted, ids)[0], ids)
    known = f"a column ({', '.join(columns)})" if columns else "a column of a table of pictures (there is none here)"
    raise ValueError(f"groups={groups!r} was given. Expected {known}, 'folder', 'folder:N', 'blocks:N', or FILE.csv:COLUMN.")


def _folders(ids: list[str], depth: int | None) -> list[str]:
    folders = [name.split("/")[:-1] for name in ids]
    return ["/".join(parts if depth is None else parts[:depth]) or "." for parts in folders]


def _alone_where_none(cells: Sequence[str | None], ids: list[str]) -> list[str]:
    """A picture of no group is a group of its own."""
    return [f"alone: {name}" if cell is None else cell for cell, name in zip(cells, ids, strict=True)]


def _given(split: str, ids: list[str], columns: Table) -> tuple[list[Part], list[str]]:
    if (column := find_column(columns, [split.casefold()])) is not None:
        cells, unmatched = columns[column], list[str]()
    else:
        file, wanted = split_address(split)
        cells, unmatched = _looked_up(file, wanted, ids)
        if ids and all(cell is None for cell in cells):
            raise ValueError(f"The split {split} names none of the pictures, such as {ids[0]!r}. Is it the right table for them?")
    return [part_of(cell, split) if cell is not None else "train" for cell in cells], unmatched


def _looked_up(file: str, wanted: str | None, ids: list[str]) -> tuple[list[str | None], list[str]]:
    """One column of a table, brought into the order of the ids, and the paths that mean none of them."""
    table = read_table(Path(file).expanduser())
    column = wanted or value_column(table, file, names=SPLIT_NAMES, wanted="split")
    if column not in table:
        raise ValueError(f"The table {file} has no column {column!r}. It has {', '.join(table)}.")
    matcher = Matcher(ids)
    cells: list[str | None] = [None] * len(ids)
    unmatched = []
    for path, cell in zip(table[path_column(table, file)], table[column], strict=True):
        found = matcher.find(path) if path else []
        if len(found) != 1:
            unmatched += [path] if path else []
        elif cells[found[0]] not in (None, cell):
            raise ValueError(
                f"The table {file} names {path} twice, with {cells[found[0]]!r} and {cell!r}. Expected one line for each picture."
            )
        else:
            cells[found[0]] = cell
    return cells, unmatched


def part_of(word: str | None, told: str | Path) -> Part:
    """The part that a word means, where `told` said it. Raises ValueError."""
    part = _MEANING.get((word or "").casefold())
    if part is None:
        raise ValueError(f"The split {told} says {word!r}. Expected train, or one of test, val, valid, validation and holdout.")
    return part


def _refuse_divided(parts: list[Part], groups: list[str] | None, split: str | Path) -> None:
    sides: dict[str, set[str]] = defaultdict(set)
    for part, group in zip(parts, groups or [], strict=False):
        sides[group].add(part)
    divided = [group for group, own in sides.items() if len(own) > 1]
    if divided:
        raise ValueError(
            f"The split {split} puts pictures of the same group on both sides, in {len(divided):,} of {len(sides):,} groups, for example "
            f"{divided[0]!r}. Expected whole groups: mend the split, or leave out --groups."
        )
