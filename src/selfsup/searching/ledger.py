"""The ledger: an index's embeddings and rows in Parquet files, from which the database can be made anew at any time.

Embeddings come in shards, as those of `embed` do, and a shard appears whole or not at all: a kill costs those that were being made. The
database is a mirror of these files and is never read to make them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float32

from selfsup.data.lock import locked
from selfsup.embedding.shards import folders_of
from selfsup.run import write_whole
from selfsup.searching.maker import Maker
from selfsup.searching.rows import Rows

SHARD = 8_192
"""Embeddings in a file, at most; shards hold fewer, and are put together later."""

FILES = 32
"""More files than this that hold less than they could are put together."""


class Ledger:
    """Embeddings by key in `vectors/`, the rows that the index has to have in `rows.parquet`, and what it is made with in `index.json`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shards = folder / "vectors"
        self._held: list[tuple[Sequence[str], Float32[np.ndarray, "n D"]]] = []
        self.known: set[str] = {key for file in self.files for key in _keys(file)}

    @classmethod
    @contextmanager
    def opened(cls, folder: Path) -> Iterator[Ledger]:
        """The ledger in a folder, made where there is none; one process at a time. Raises ValueError where something else is there."""
        check_place(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / "lock", say=f"{folder} is being indexed by another process; waiting for it."):
            ledger = cls(folder)
            ledger.take_shards()  # of a process that was killed: whatever else is wanted now, what is called by its key holds
            yield ledger

    @property
    def coming(self) -> Path:
        """The file that shards of new embeddings are on their way to. It never comes to be: each shard becomes a file of `vectors/`."""
        return self.folder / "coming"

    @property
    def wanted(self) -> Path:
        """The items that are embedded next, for all processes that share them."""
        return self.folder / ".wanted.parquet"

    @property
    def files(self) -> list[Path]:
        """The files of embeddings, oldest first."""
        return sorted(self.shards.glob("[0-9]*.parquet"))

    @property
    def maker(self) -> Maker | None:
        """What the embeddings were made with; None while there are none."""
        file = self.folder / "index.json"
        return Maker.read(file.read_text(encoding="utf-8"), file) if file.is_file() else None

    @maker.setter
    def maker(self, maker: Maker) -> None:
        write_whole(self.folder / "index.json", maker.written)

    @property
    def rows(self) -> Rows | None:
        """The rows that the index has to have; None before they were written."""
        file = self.folder / "rows.parquet"
        return Rows.load(file) if file.is_file() else None

    @rows.setter
    def rows(self, rows: Rows) -> None:
        rows.save(self.folder / "rows.parquet")

    @property
    def width(self) -> int:
        """Numbers of an embedding; 0 while there is none."""
        files = self.files
        return int(pq.read_schema(files[0]).field("embedding").type.list_size) if files else 0

    def take_shards(self) -> None:
        """Make files of ours of all shards that were written."""
        for folder in folders_of(self.coming):
            for number, shard in enumerate(sorted(folder.glob("*.parquet")), self._newest + 1):
                self.known.update(_keys(shard))
                shard.replace(self._file(number))
            shutil.rmtree(folder)
        self.wanted.unlink(missing_ok=True)

    def add(self, keys: Sequence[str], vectors: Float32[np.ndarray, "n D"]) -> None:
        """Take some embeddings in; they are on the disk after `flush`, most of them before."""
        self._held.append((keys, vectors))
        if sum(len(some) for some, _ in self._held) >= SHARD:
            self.flush()

    def flush(self) -> None:
        """Write what was taken in."""
        if self._held:
            keys = [key for some, _ in self._held for key in some]
            self._write(keys, np.concatenate([vectors for _, vectors in self._held]))
            self.known.update(keys)
            self._held = []

    def vectors(self, wanted: set[str], *, at_once: int) -> Iterator[tuple[list[str], Float32[np.ndarray, "n D"]]]:
        """The embeddings of some keys, each once, at most `at_once` together."""
        left = set(wanted)
        for file in self.files:
            with pq.ParquetFile(file) as opened:
                for batch in opened.iter_batches(batch_size=at_once):
                    keys = batch["key"].to_pylist()
                    places = [place for place, key in enumerate(keys) if key in left]
                    if places:
                        left.difference_update(keys)
                        yield [keys[place] for place in places], _matrix(batch["embedding"])[places]

    def tidy(self, wanted: set[str]) -> None:
        """Forget the embeddings of all other keys, once they are more than half, and put small files together.

        New files are written before old ones go: a kill between leaves some embeddings twice, which does no harm.
        """
        old = self.files
        small = sum(pq.read_metadata(file).num_rows < SHARD for file in old)
        if small <= FILES and 2 * len(self.known & wanted) >= len(self.known):
            return
        self._held = []
        for keys, vectors in self.vectors(wanted, at_once=SHARD):
            self.add(keys, vectors)
        self.flush()
        for file in old:
            file.unlink()
        self.known &= wanted

    def _write(self, keys: list[str], vectors: Float32[np.ndarray, "n D"]) -> None:
        file = self._file(self._newest + 1)
        draft = file.with_name(f".{file.name}")
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
        # Numbers of a network do not compress, and a dictionary of them would only take time.
        pq.write_table(pa.table({"key": pa.array(keys, pa.string()), "embedding": column}), draft, compression="none", use_dictionary=False)
        draft.replace(file)

    @property
    def _newest(self) -> int:
        files = self.files
        return int(files[-1].stem) if files else 0

    def _file(self, number: int) -> Path:
        self.shards.mkdir(exist_ok=True)
        return self.shards / f"{number:08d}.parquet"


def check_place(folder: Path) -> None:
    """Raise ValueError where a folder is something else than an index."""
    if folder.is_file():
        raise ValueError(f"{folder} is a file. Expected a folder for the index, which may be new, or a server as http://host:19530.")
    if not folder.is_dir() or (folder / "index.json").is_file():
        return
    others = [part.name for part in folder.iterdir() if part.name != "lock" and not part.name.startswith(".")]
    if others:
        raise ValueError(f"{folder} is no index of selfsup, and holds other things ({others[0]}). Give --to a new folder.")


def _keys(file: Path) -> list[str]:
    keys: list[str] = pq.read_table(file, columns=["key"])["key"].to_pylist()
    return keys


def _matrix(column: Any) -> Float32[np.ndarray, "n D"]:
    return np.asarray(column.flatten()).reshape(len(column), -1)
