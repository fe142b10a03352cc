"""Bringing a store's folder up to date with a source: room for it, one writer, what is missing decoded."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from selfsup.data.ingest import in_words, ingest, size_in_words
from selfsup.data.items import Source
from selfsup.data.journal import Journal, Key, Writer, compact
from selfsup.data.lock import locked
from selfsup.data.undecodable import Undecodable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REMEDY = (
    "Free some space, set the environment variable SELFSUP_CACHE to a folder on a larger disk, "
    "or store smaller pictures (a smaller --size)."
)


def fill(
    source: Source, keys: Sequence[Key], *, folder: Path, side: int, channels: int, limit_bytes: int, progress: bool
) -> tuple[Journal, dict[str, str]]:
    """Decode what the journal in `folder` lacks, while no other process does.

    Returns the journal, and what failed for reasons that may pass (permissions, missing packages), which is tried again next time.
    Raises ValueError when the limit, the disk or its permissions do not allow it; what was stored until then is kept.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / "lock", say=f"Waiting for another process that decodes into {short(folder)}"):
            journal = Journal.load(folder, channels * side * side)
            missing = [row for row, key in enumerate(keys) if key not in journal.entries]
            if not missing:
                return journal, {}
            journal = _make_room(journal, keys, new=len(missing), root=Path(source.root), limit_bytes=limit_bytes)
            failed = _decode_into(journal, source, keys=keys, rows=missing, side=side, channels=channels, progress=progress)
            return journal, failed
    except OSError as error:
        if error.errno in _FULL:
            raise ValueError(
                f"The disk filled up while pictures were stored in {folder}. {_REMEDY} What is stored already is kept."
            ) from None
        raise ValueError(
            f"The cache folder {folder} cannot be written to: {error.strerror or error}. "
            "Set the environment variable SELFSUP_CACHE to a folder of yours, or mend its permissions."
        ) from None


def short(folder: Path) -> str:
    """A path with the home folder as ~."""
    return f"~/{folder.relative_to(Path.home()).as_posix()}" if folder.is_relative_to(Path.home()) else str(folder)


def check_room(needed: int, *, count: int, free: int, limit_bytes: int, place: str) -> None:
    """Raise ValueError when `needed` more bytes for `count` pictures are over the limit or do not fit into what is free."""
    told = f"{count:,} pictures need {size_in_words(needed)} in {place}"
    if needed > limit_bytes:
        raise ValueError(
            f"{told}, and the limit is {size_in_words(limit_bytes)}. "
            "Raise it with --store-limit GB, or store smaller pictures (a smaller --size)."
        )
    if needed > free:
        raise ValueError(f"{told}, where {size_in_words(free)} are free. {_REMEDY}")


def _decode_into(
    journal: Journal, source: Source, *, keys: Sequence[Key], rows: list[int], side: int, channels: int, progress: bool
) -> dict[str, str]:
    place, size = short(journal.folder), size_in_words(len(rows) * journal.row_bytes)

    def announce(seconds: float) -> str:
        return f"Decoding {len(rows):,} pictures: about {in_words(seconds)}, {size} in {place}"

    failed: dict[str, str] = {}
    refused = False
    writer = Writer(journal)
    outcomes = ingest(source, rows, side=side, channels=channels, progress=progress, announce=announce)
    try:
        with contextlib.closing(outcomes):
            for row, outcome in outcomes:
                if not isinstance(outcome, Undecodable):
                    writer.add(keys[row], np.ascontiguousarray(outcome.pixels.transpose(2, 0, 1)), outcome.shape)
                elif outcome.lasting:
                    writer.skip(keys[row], str(outcome))
                else:
                    failed[keys[row].id] = str(outcome)
    except OSError:
        refused = True
        raise
    finally:
        writer.close(failed=refused)
    return failed


def _make_room(journal: Journal, keys: Sequence[Key], *, new: int, root: Path, limit_bytes: int) -> Journal:
    """Check limit and disk, after dropping pictures of changed or vanished files if that helps or they are the greater part."""
    added = new * journal.row_bytes
    free = shutil.disk_usage(journal.folder).free
    over = journal.rows * journal.row_bytes + added > limit_bytes or added > free
    used = sum(key in journal.entries for key in keys)
    if journal.rows and (over or journal.rows > 2 * used + 1000):
        newest = {key.id: key for key in journal.entries}
        present = {key.id for key in keys}
        wanted = [key for key in newest.values() if key.id in present or (root / key.id).exists()]
        if 2 * len(wanted) < journal.rows or (over and len(wanted) < journal.rows):
            journal = compact(journal, wanted)
    total = journal.rows * journal.row_bytes + added
    check_room(total, count=journal.rows + new, free=free + total - added, limit_bytes=limit_bytes, place=short(journal.folder))
    return journal
