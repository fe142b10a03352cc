"""Filling: the database of an index made equal to its ledger."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import Any

from selfsup.searching.address import Address
from selfsup.searching.collection import Collection
from selfsup.searching.connection import LockedError, connected
from selfsup.searching.ledger import Ledger
from selfsup.searching.maker import Maker
from selfsup.searching.mirroring import Mirrored, mirror
from selfsup.searching.settings import LITE_ROWS


@dataclass(frozen=True)
class Indexed:
    """An index as it is now, and what was done to it.

    `count` rows of `width` numbers from `layer`, searched by `kind`, FLAT or HNSW; `added`, `updated` (other fields, the same content) and
    `removed` rows; `embedded` items that the network had to compute. `skipped` names what has no row, with the reason.
    """

    address: Address
    layer: str
    count: int
    width: int
    kind: str
    embedded: int
    added: int
    updated: int
    removed: int
    skipped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Filling:
    """What an index is about to be filled with: `embedded` counts what was computed for it just now."""

    rebuild: bool = False
    embedded: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def filled(address: Address, ledger: Ledger, maker: Maker, filling: Filling) -> Indexed:
    """Make the database equal to the ledger."""
    if not address.is_server and address.database.is_dir() and (filling.rebuild or not _has_collection(address)):
        _discard(address)
    rows = ledger.rows
    assert rows is not None, "rows are written before the database is filled"
    ledger.tidy(set(rows.keys))
    with connected(address) as client:
        mirrored = mirror(Collection(client, address), ledger, rows, maker=maker, anew=filling.rebuild)
    return _told(address, maker, filling, mirrored, ledger.width)


def _has_collection(address: Address) -> bool:
    """False where Milvus Lite was killed before it had made one, which leaves what stops it from making one ever after."""
    with connected(address) as client:
        return Collection(client, address).exists


def _discard(address: Address) -> None:
    """Take the database away, damaged or not, at one stroke. Raises LockedError while another process has it open."""
    try:
        with connected(address):
            pass
    except LockedError:
        raise
    except ValueError:  # it does not open: one more reason
        pass
    gone = address.database.with_name(".milvus.db.gone")
    shutil.rmtree(gone, ignore_errors=True)
    address.database.rename(gone)
    shutil.rmtree(gone)


def _told(address: Address, maker: Maker, filling: Filling, mirrored: Mirrored, width: int) -> Indexed:
    notes = list(filling.notes)
    if mirrored.count > LITE_ROWS and not address.is_server:
        notes.append(
            f"Milvus Lite searches {mirrored.count:,} rows in tenths of a second. A Milvus server is quicker: the same command with "
            "--to http://host:19530."
        )
    counts: dict[str, Any] = {name: getattr(mirrored, name) for name in ("count", "kind", "added", "updated", "removed")}
    skipped = filling.skipped | mirrored.skipped
    return Indexed(address, maker.layer, width=width, embedded=filling.embedded, skipped=skipped, notes=notes, **counts)
