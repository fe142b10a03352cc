"""The store's two files: pixels, row after row, and a journal with one line a picture. Made to be killed at any moment.

A picture's pixels are written before its line, lines are only ever added, and a line counts once it ends in a newline: after `kill -9` the
picture being written is lost and no other. A power failure may lose more than the last write: lines after the last mark `"synced"` are
believed only if the checksum of their pixels is right.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from selfsup.data.intensity import Pixels

FORMAT = 1  # also counts changes of what decoding gives
_SYNCED = "synced"
_SYNC_EVERY = 1000  # pictures
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)


class Key(NamedTuple):
    """What a file must still be for its pixels to count: its id, bytes and nanoseconds."""

    id: str
    size: int
    modified: int


class Entry(NamedTuple):
    """What became of a file: its row in the pixel file, checksum and true shape; or row -1 and why it could not be decoded."""

    row: int
    checksum: int
    height: int
    width: int
    reason: str


@dataclass
class Journal:
    """The state of one store's folder.

    `row_bytes` is the size of one picture, `pixel_name` the file that holds them, `rows` how many of its rows are taken. `sound` is false
    when a writer must put the journal in order first: none is there, or its end was lost.
    """

    folder: Path
    row_bytes: int
    entries: dict[Key, Entry]
    pixel_name: str = "pixels-1.u8"
    rows: int = 0
    sound: bool = False

    @property
    def file(self) -> Path:
        """The lines."""
        return self.folder / "journal.jsonl"

    @property
    def pixel_file(self) -> Path:
        """Raw uint8 rows of (C, side, side)."""
        return self.folder / self.pixel_name

    @classmethod
    def load(cls, folder: Path, row_bytes: int) -> Journal:
        """Read what is there; an empty journal when there is nothing, or nothing this version understands."""
        journal = cls(folder, row_bytes, {})
        lines, journal.sound = _read_lines(journal.file)
        header = lines[0] if lines else None
        if not isinstance(header, dict) or header.get("format") != FORMAT or header.get("row_bytes") != row_bytes:
            journal.sound = False
            return journal
        journal.pixel_name = str(header["pixels"])
        last_sync = max((place for place, line in enumerate(lines) if line == _SYNCED), default=0)
        there = journal.pixel_file.stat().st_size // row_bytes if journal.pixel_file.is_file() else 0
        for place, line in enumerate(lines[1:], start=1):
            if not isinstance(line, list):
                continue
            entry = Entry(*line[3:])
            if entry.row < there and (place < last_sync or entry.row < 0 or journal.checksum(entry.row) == entry.checksum):
                journal.entries[Key(*line[:3])] = entry
                journal.rows = max(journal.rows, entry.row + 1)
            else:
                journal.sound = False
        return journal

    def checksum(self, row: int) -> int:
        """CRC-32 of a row as it is on the disk."""
        return zlib.crc32(self.pixels(row))

    def pixels(self, row: int) -> bytes:
        """One row as it is on the disk."""
        with self.pixel_file.open("rb") as file:
            file.seek(row * self.row_bytes)
            return file.read(self.row_bytes)

    def write(self) -> None:
        """Put all lines in place at once: the old file stays until the new one is safe."""
        fresh = self.file.with_suffix(".new")
        header = {"format": FORMAT, "row_bytes": self.row_bytes, "pixels": self.pixel_name}
        with fresh.open("w", encoding="utf-8") as file:
            file.writelines(_line(content) for content in (header, *([*key, *entry] for key, entry in self.entries.items()), _SYNCED))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.file)
        self.sound = True


class Writer:
    """Adds pictures to a journal, while the caller keeps other writers out. Close it. Raises OSError, above all when the disk is full."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._unsynced = 0
        journal.folder.mkdir(parents=True, exist_ok=True)
        for file in journal.folder.glob("pixels-*.u8"):
            if file != journal.pixel_file or not journal.entries:  # left by a compaction that was killed
                with contextlib.suppress(OSError):  # Windows keeps files that somebody reads
                    file.unlink()
        self._pixels = os.open(journal.pixel_file, _FLAGS, 0o644)
        if not journal.sound:
            os.fsync(self._pixels)
            journal.write()
        self._lines = os.open(journal.file, _FLAGS | os.O_APPEND, 0o644)

    def add(self, key: Key, pixels: Pixels, shape: tuple[int, int]) -> None:
        """Store one picture: uint8 pixels (C, side, side), and its true (height, width)."""
        self.add_bytes(key, pixels.tobytes(), shape)

    def add_bytes(self, key: Key, data: bytes, shape: tuple[int, int]) -> None:
        """Store one picture whose pixels are bytes already."""
        assert len(data) == self.journal.row_bytes
        row = self.journal.rows
        os.lseek(self._pixels, row * len(data), os.SEEK_SET)
        _write(self._pixels, data)
        self._enter(key, Entry(row, zlib.crc32(data), *shape, ""))
        self.journal.rows += 1

    def skip(self, key: Key, reason: str) -> None:
        """Remember that a file cannot be decoded."""
        self._enter(key, Entry(-1, 0, 0, 0, reason))

    def close(self, *, failed: bool = False) -> None:
        """Bring everything to the disk and mark it as safe; after a failure to write, only let go of the files."""
        try:
            if not failed:
                self._sync()
        finally:
            os.close(self._pixels)
            os.close(self._lines)

    def _enter(self, key: Key, entry: Entry) -> None:
        _write(self._lines, _line([*key, *entry]).encode())
        self.journal.entries[key] = entry
        self._unsynced += 1
        if self._unsynced >= _SYNC_EVERY:
            self._sync()

    def _sync(self) -> None:
        if self._unsynced:
            os.fsync(self._pixels)
            _write(self._lines, _line(_SYNCED).encode())
            os.fsync(self._lines)
            self._unsynced = 0


def compact(journal: Journal, wanted: Iterable[Key]) -> Journal:
    """Rewrite a store with the `wanted` pictures only, in their order, while the caller keeps other writers out.

    The new journal names a new pixel file and replaces the old journal in one move, so a kill leaves one of the two, whole.
    """
    number = int(journal.pixel_name.removeprefix("pixels-").removesuffix(".u8")) + 1
    fresh = Journal(journal.folder, journal.row_bytes, {}, pixel_name=f"pixels-{number}.u8")
    with fresh.pixel_file.open("wb") as file:
        for key in wanted:
            entry = journal.entries[key]
            if entry.row >= 0:
                file.write(journal.pixels(entry.row))
                entry = entry._replace(row=fresh.rows)
                fresh.rows += 1
            fresh.entries[key] = entry
        file.flush()
        os.fsync(file.fileno())
    fresh.write()
    with contextlib.suppress(OSError):
        journal.pixel_file.unlink()
    return fresh


def _read_lines(file: Path) -> tuple[list[object], bool]:
    """The lines that were written to their end, and whether nothing was lost."""
    try:
        *lines, rest = file.read_bytes().split(b"\n")
    except OSError:  # none yet, or a folder that fill will complain about
        return [], False
    try:
        return json.loads(b"[" + b",".join(lines) + b"]"), not rest
    except ValueError:  # after a power failure: keep what can be read, one by one
        return [content for line in lines if (content := _parse(line)) is not None], False


def _parse(line: bytes) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _line(content: object) -> str:
    return json.dumps(content, separators=(",", ":")) + "\n"


def _write(descriptor: int, data: bytes) -> None:
    """Write all of it: a full disk takes a part first, and only then refuses."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
