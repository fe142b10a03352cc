"""Rows of an index: what stands beside each vector, and the key by which the same row is known again."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from selfsup.data.tables import Table
from selfsup.searching.settings import MOST_DYNAMIC

OWN = ("key", "vector", "stamp", "id", "path", "text", "part", "score")
"""Names of fields that mean something here."""

_LONGEST = 1_000
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,14})")
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?([eE][-+]?\d{1,2})?")


@dataclass(frozen=True)
class Rows:
    """Rows in order. `fields` is what filters see of each, a JSON object; `stamps` change with whatever stands beside the vector."""

    keys: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    paths: list[str | None] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    stamps: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def places(self) -> dict[str, int]:
        """Where each key stands."""
        return {key: place for place, key in enumerate(self.keys)}

    def add(self, content: str, name: str, path: str | None, fields: Mapping[str, object]) -> str | None:
        """Add a row for an item with this digest of its content, and return its key; None where the same row is there already."""
        key = key_of(content, name)
        if key in self.places:
            return None
        written = json.dumps({name: value for name, value in fields.items() if value is not None}, ensure_ascii=False)
        self.places[key] = len(self.keys)
        self.keys.append(key)
        self.ids.append(name)
        self.paths.append(path)
        self.fields.append(written)
        self.stamps.append(_digest(json.dumps([name, path, written]), 8))
        return key

    def entity(self, place: int) -> dict[str, Any]:
        """Everything about a row but its vector, as Milvus takes it."""
        told: dict[str, Any] = {"key": self.keys[place], "id": self.ids[place], "stamp": self.stamps[place]}
        path = self.paths[place]
        fields: dict[str, Any] = json.loads(self.fields[place])
        return told | ({} if path is None else {"path": path}) | fields

    def size(self, place: int) -> int:
        """At most so many bytes does `entity` take."""
        return 300 + 4 * (len(self.ids[place]) + len(self.paths[place] or "") + len(self.fields[place]))

    def save(self, file: Path) -> None:
        """Write a Parquet file, whole or not at all."""
        columns = {"key": self.keys, "id": self.ids, "path": self.paths, "fields": self.fields, "stamp": self.stamps}
        draft = file.with_name(f".{file.name}")
        pq.write_table(pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}), draft)
        draft.replace(file)

    @classmethod
    def load(cls, file: Path) -> Rows:
        """What `save` wrote."""
        table = pq.read_table(file)
        return cls(*(table[name].to_pylist() for name in ("key", "id", "path", "fields", "stamp")))


def key_of(content: str, name: str) -> str:
    """32 hexadecimal digits that stand for an item of this name and content."""
    return _digest(f"{content}\n{name}", 16)


def _digest(text: str, size: int) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).hexdigest()


def fields_of(columns: Table) -> tuple[dict[str, Sequence[object]], list[str]]:
    """What a table said, as fields that a filter can name, and notes on what is called or typed otherwise than in the table.

    A column of plain numbers becomes numbers, but for `label`. Cells are cut where a server would take no more.
    """
    longest = min(_LONGEST, MOST_DYNAMIC // 5 // max(1, len(columns)))  # a character takes up to 4 bytes
    fields: dict[str, Sequence[object]] = {}
    notes: list[str] = []
    for name, cells in columns.items():
        own = field_name(name, {*OWN, *fields})
        fields[own] = [cell if cell is None else cell[:longest] for cell in cells] if own == "label" else _typed(cells, longest)
        if own != name:
            notes.append(f"The column {name!r} is called {own} in filters.")
        if any(cell is not None and len(cell) > longest for cell in cells):
            notes.append(f"Cells of the column {name!r} were cut to {longest:,} characters.")
    return fields, notes


def field_name(name: str, taken: set[str]) -> str:
    """`name` as Milvus takes it in a filter: letters, digits and _, not beginning with a digit, none that is `taken`."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII) or "_"
    plain = f"_{plain}" if plain[0].isdigit() else plain[:200]
    return next(one for one in _names(plain) if one not in taken)


def _names(plain: str) -> Iterator[str]:
    yield plain
    yield f"column_{plain}"
    yield from (f"{plain}_{number}" for number in range(2, 10_000))


def _typed(cells: Sequence[str | None], longest: int) -> list[object]:
    told = [cell for cell in cells if cell is not None]
    if told and all(_WHOLE.fullmatch(cell) for cell in told):
        return [None if cell is None else int(cell) for cell in cells]
    if told and all(_NUMBER.fullmatch(cell) for cell in told):
        return [None if cell is None else float(cell) for cell in cells]
    return [None if cell is None else cell[:longest] for cell in cells]
