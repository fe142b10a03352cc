"""Every picture decoded once: eight-bit squares in one memory-mapped file, which opens in a moment and grows with its folder."""

from __future__ import annotations

import hashlib
import re
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from selfsup.data.arrays import memory_bytes
from selfsup.data.fill import check_room, fill
from selfsup.data.ingest import in_words, ingest, size_in_words
from selfsup.data.items import Source, printable
from selfsup.data.journal import Journal, Key
from selfsup.data.names import Names
from selfsup.data.sizes import cache_folder, nothing_decoded, suggest_side, suggest_size
from selfsup.data.tables import Table
from selfsup.data.undecodable import Undecodable

__all__ = ["LIMIT_BYTES", "Store", "open_store", "suggest_side", "suggest_size"]

LIMIT_BYTES = 100 * 10**9


@dataclass(frozen=True)
class Store:
    """The decodable pictures of a source, row by row in the source's order, each stretched to side x side.

    `aspects` are the true width / height, which crops need. `skipped` names what gave no picture, with the reason; `ignored` counts files
    that are none by their ending; `columns` hold what a table said of each row. `checksums` are equal for pictures of equal pixels.
    `fingerprint` depends on ids and pixels only, not on where or when.
    """

    name: str
    ids: Sequence[str]
    source_ids: Sequence[str] = field(repr=False)
    paths: Sequence[str | None]
    aspects: Float[Tensor, "N"]
    side: int
    channels: int
    fingerprint: str
    skipped: dict[str, str] = field(repr=False)
    ignored: dict[str, int] = field(repr=False)
    columns: Table = field(repr=False)
    slots: Int64[Tensor, "N"] = field(repr=False)
    checksums: Int64[Tensor, "N"] = field(repr=False)
    content: UInt8[Tensor, "M C S S"] = field(repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def pixels(self) -> UInt8[Tensor, "N C S S"]:
        """All pictures in the order of `ids`, not to be written to: the mapped file, or, where files were added later, a copy in memory.

        Prefer `take` and `batch`, which never copy more than they give.
        """
        if self.slots.numel() and bool((self.slots == torch.arange(len(self))).all()):
            return self.content[: len(self)]
        return self.take(torch.arange(len(self)))

    def take(self, rows: Int64[Tensor, "B"]) -> UInt8[Tensor, "B C S S"]:
        """The pictures of some rows, copied into memory."""
        return self.content.index_select(0, self.slots.index_select(0, rows))

    def batch(self, rows: Int64[Tensor, "B"]) -> dict[str, Tensor]:
        """What a task's views get: image uint8 (B, C, S, S), aspect float32 (B,), index int64 (B,)."""
        return {"image": self.take(rows), "aspect": self.aspects.index_select(0, rows), "index": rows.clone()}


def open_store(
    source: Source,
    *,
    side: int,
    channels: int | None = None,
    limit_bytes: int = LIMIT_BYTES,
    cache: Path | None = None,
    progress: bool = True,
    least: int = 1,
) -> Store:
    """Decode what the cache folder does not hold yet, and open the result.

    `side` in px, `channels` 1 or 3 (by default told from a sample), `limit_bytes` the most the store may take, `cache` the cache folder
    (default $SELFSUP_CACHE, else ~/.cache/selfsup), `least` the fewest pictures that will do. The time it takes goes to stderr before it
    starts. Arrays and datasets stay in memory. A killed run goes on where it was; files are decoded again only when their size or time has
    changed. Raises ValueError: nothing decodable, too few pictures, disk or limit too small, cache folder not writable.
    """
    if side < 1 or channels not in (None, 1, 3):
        raise ValueError(f"side={side} and channels={channels} were given. Expected a side of at least 1 px, and 1 or 3 channels.")
    channels = channels or suggest_size(source).channels
    if not source.root:
        if (side, channels) not in source.decoded:
            source.decoded[side, channels] = _in_memory(source, side=side, channels=channels, limit_bytes=limit_bytes, progress=progress)
        store: Store = source.decoded[side, channels]
    else:
        folder = cache_folder(cache) / "stores" / _folder_name(source.root, side, channels)
        keys = [Key(item.id, item.size, item.modified) for item in source.items]
        journal, failed = Journal.load(folder, channels * side * side), dict[str, str]()
        if any(key not in journal.entries for key in keys):
            journal, failed = fill(source, keys, folder=folder, side=side, channels=channels, limit_bytes=limit_bytes, progress=progress)
        store = _mapped(source, keys, journal=journal, side=side, channels=channels, failed=failed)
    if len(store) < max(1, least):
        raise ValueError(_too_few(store, least))
    return store


def _mapped(source: Source, keys: list[Key], *, journal: Journal, side: int, channels: int, failed: dict[str, str]) -> Store:
    entries = [journal.entries.get(key) for key in keys]
    rows = [row for row, entry in enumerate(entries) if entry is not None and entry.row >= 0]
    held = [entry for entry in entries if entry is not None and entry.row >= 0]
    skipped = {key.id: entry.reason for key, entry in zip(keys, entries, strict=True) if entry is not None and entry.row < 0}
    return _assemble(
        source,
        rows,
        content=_map(journal, side=side, channels=channels) if held else torch.zeros(0, channels, side, side, dtype=torch.uint8),
        slots=[entry.row for entry in held],
        shapes=[(entry.height, entry.width) for entry in held],
        checksums=[entry.checksum for entry in held],
        skipped={**skipped, **failed},
    )


def _map(journal: Journal, *, side: int, channels: int) -> Tensor:
    mapped = np.memmap(journal.pixel_file, dtype=np.uint8, mode="r", shape=(journal.rows, channels, side, side))
    with warnings.catch_warnings():
        # Mapped read-only on purpose: nothing can harm the store, and a writable private map may be refused when it is larger than the
        # memory.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(mapped)


def _in_memory(source: Source, *, side: int, channels: int, limit_bytes: int, progress: bool) -> Store:
    needed = len(source) * channels * side * side
    memory = memory_bytes()
    free = needed if memory is None else memory // 2
    check_room(needed, count=len(source), free=free, limit_bytes=limit_bytes, place="memory (pictures saved as files need none)")
    content = np.empty((len(source), channels, side, side), dtype=np.uint8)
    rows, shapes, skipped = list[int](), list[tuple[int, int]](), dict[str, str]()

    def announce(seconds: float) -> str:
        return f"Reading {len(source):,} pictures: about {in_words(seconds)}, {size_in_words(needed)} in memory"

    for row, outcome in ingest(source, range(len(source)), side=side, channels=channels, progress=progress, announce=announce):
        if isinstance(outcome, Undecodable):
            skipped[source.items[row].id] = str(outcome)
        else:
            content[len(rows)] = outcome.pixels.transpose(2, 0, 1)
            rows.append(row)
            shapes.append(outcome.shape)
    content = content[: len(rows)]
    checksums = [zlib.crc32(picture.tobytes()) for picture in content]
    return _assemble(
        source, rows, content=torch.from_numpy(content), slots=list(range(len(rows))), shapes=shapes, checksums=checksums, skipped=skipped
    )


def _assemble(
    source: Source,
    rows: list[int],
    *,
    content: Tensor,
    slots: list[int],
    shapes: list[tuple[int, int]],
    checksums: list[int],
    skipped: dict[str, str],
) -> Store:
    items = [source.items[row] for row in rows]
    channels, side = int(content.shape[1]), int(content.shape[2])
    digest = hashlib.sha256(f"{channels} {side} {side}\n".encode())
    for item, checksum in zip(items, checksums, strict=True):
        digest.update(f"{item.id}\t{checksum}\n".encode())
    return Store(
        name=source.name,
        ids=Names(item.id for item in items),
        source_ids=Names(item.id for item in source.items),
        paths=Names(None if item.path is None else printable(item.path) for item in items),
        aspects=torch.tensor([width / height for height, width in shapes], dtype=torch.float32),
        side=side,
        channels=channels,
        fingerprint=digest.hexdigest()[:32],
        skipped={**source.skipped, **skipped},
        ignored=source.ignored,
        columns={name: [cells[row] for row in rows] for name, cells in source.columns.items()},
        slots=torch.tensor(slots, dtype=torch.int64),
        checksums=torch.tensor(checksums, dtype=torch.int64),
        content=content,
    )


def _folder_name(root: str, side: int, channels: int) -> str:
    """Telling for people, and of its own for each root, side and number of channels."""
    digest = hashlib.sha256(printable(root).encode()).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9]+', '-', Path(root).name).strip('-')[:40] or 'pictures'}-{side}px-{channels}c-{digest}"


def _too_few(store: Store, least: int) -> str:
    if not len(store):
        return nothing_decoded(store.name, [f"{name}: {reason}" for name, reason in store.skipped.items()])
    skipped = f"; {len(store.skipped):,} more could not be decoded" if store.skipped else ""
    only = "a single picture" if len(store) == 1 else f"{len(store):,} pictures"
    return f"{store.name} holds {only}{skipped}. Expected at least {least:,}: give a folder with more pictures."
