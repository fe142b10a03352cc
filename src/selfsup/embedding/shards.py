"""Embeddings of many items in shards: a shard that is written stays written, and several processes share the others.

Shards lie in a hidden folder beside the file they become. Its name holds a digest of all that decides their content, so that what was begun
with other weights, another layer or other items is never mixed in. A shard is renamed into place when it is whole: a process may be killed
at any moment, and who is called next goes on with the shards that are missing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from selfsup.train.distributed import World

ROWS = 2048
"""Items of a shard: what a kill can cost each process, and all of whose embeddings are in memory together."""


@dataclass(frozen=True)
class Shards:
    """The shards of `items` items on their way to `file`; `made_of` is a digest of what decides their content."""

    file: Path
    items: int
    made_of: str

    @property
    def folder(self) -> Path:
        """Where shards lie until all are there."""
        return self.file.with_name(f".{self.file.name}.{self.made_of}.shards")

    @property
    def count(self) -> int:
        """How many shards there are."""
        return -(-self.items // ROWS)

    def rows(self, number: int) -> range:
        """The items of a shard."""
        return range(number * ROWS, min(self.items, (number + 1) * ROWS))

    def missing(self, world: World) -> Iterator[int]:
        """The shards that this process has to write: every so-many-th of those that are not there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for number in range(world.rank, self.count, world.size):
            if not self._path(number).is_file():
                yield number

    def write(self, number: int, table: pa.Table) -> None:
        """Write a shard, whole or not at all."""
        path = self._path(number)
        draft = path.with_suffix(f".{os.getpid()}.draft")
        # Numbers of a network do not compress, and a dictionary of them would only take time.
        pq.write_table(table, draft, compression="none", use_dictionary=False)
        draft.replace(path)

    def join(self, metadata: dict[str, str]) -> int:
        """Make one file of all shards, one in memory at a time, and take them away; returns the embeddings' width."""
        draft = self.file.with_name(f".{self.file.name}.draft")
        schema = pq.read_schema(self._path(0)).with_metadata(metadata)
        with pq.ParquetWriter(draft, schema) as writer:
            for number in range(self.count):
                writer.write_table(pq.read_table(self._path(number)).cast(schema))
        draft.replace(self.file)
        for left in folders_of(self.file):
            shutil.rmtree(left)
        return int(schema.field("embedding").type.list_size)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}-of-{self.count:06d}.parquet"


def folders_of(file: Path) -> list[Path]:
    """Every folder with shards on their way to a file, of whatever they are made."""
    return sorted(file.parent.glob(f".{file.name}.*.shards"))


def digest_of(described: Iterable[object]) -> str:
    """A digest of whatever decides what embeddings are."""
    found = hashlib.sha256()
    for thing in described:
        found.update(f"{thing!r}\n".encode("utf-8", "surrogatepass"))
    return found.hexdigest()[:16]
