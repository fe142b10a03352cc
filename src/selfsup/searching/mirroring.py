"""Mirroring: a collection made equal to the ledger by what differs, so that it does not matter when the last attempt was killed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32

from selfsup.progress import counted
from selfsup.searching.collection import Collection
from selfsup.searching.ledger import Ledger
from selfsup.searching.maker import Maker
from selfsup.searching.rows import Rows
from selfsup.searching.settings import in_messages, rows_at_once, settings_for


@dataclass
class Mirrored:
    """How many rows there are, the index over them, and what was done. `skipped` names rows that have no direction, or no numbers."""

    count: int = 0
    kind: str = ""
    added: int = 0
    updated: int = 0
    removed: int = 0
    skipped: dict[str, str] = field(default_factory=dict)


def mirror(collection: Collection, ledger: Ledger, rows: Rows, *, maker: Maker, anew: bool = False) -> Mirrored:
    """Make a collection hold exactly `rows`, with the ledger's embeddings. Raises ValueError where it is another's.

    What it holds is asked for first. Rows come and go by key, each call is repeated safely, and nothing is remembered between runs.
    """
    settings = settings_for(len(rows))
    if anew and collection.exists:
        collection.maker.check(maker, collection.address)
        collection.drop()
    if not collection.exists:
        collection.create(maker, ledger.width, settings)
    elif not collection.kind:  # killed when it had no index, just made or between two
        collection.build(settings)
    _check(collection, maker, ledger.width)
    collection.load()
    there = collection.stamps()
    found = Mirrored()
    missing = {key for key, stamp in zip(rows.keys, rows.stamps, strict=True) if there.get(key) != stamp}
    found.count = len(rows) - _bring(collection, ledger, rows, missing, there=there, found=found)
    gone = [key for key in there if key not in rows.places]
    collection.delete(gone)
    found.removed = len(gone)
    collection.flush()
    if collection.kind != settings.kind:
        collection.build(settings)
    found.kind = settings.kind
    return found


def _bring(collection: Collection, ledger: Ledger, rows: Rows, missing: set[str], *, there: dict[str, str], found: Mirrored) -> int:
    """Add and replace rows; how many were left out, which a next run meets again."""
    left_out = 0
    with counted("indexing rows", len(missing)) as advance:
        for keys, vectors in ledger.vectors(missing, at_once=rows_at_once(ledger.width)):
            faults = faults_of(vectors)
            places = [rows.places[key] for key in keys]
            found.skipped.update({rows.ids[place]: fault for place, fault in zip(places, faults, strict=True) if fault})
            left_out += sum(map(bool, faults))
            good = [number for number, fault in enumerate(faults) if not fault]
            # What changed is taken away and added: Milvus Lite keeps old fields of rows that are written over.
            old = [keys[number] for number in good if keys[number] in there]
            collection.delete(old)
            for part in in_messages([rows.size(places[number]) + vectors[number].nbytes for number in good]):
                collection.insert([rows.entity(places[number]) | {"vector": vectors[number]} for number in good[part]])
            found.updated += len(old)
            found.added += len(good) - len(old)
            advance(len(keys))
    return left_out


def faults_of(vectors: Float32[np.ndarray, "n D"]) -> list[str]:
    """Why each vector cannot be compared, "" for those that can: Milvus Lite would take them all, and find nonsense."""
    finite = np.all(np.isfinite(vectors), axis=1)
    zero = np.all(vectors == 0, axis=1)
    return [
        "its embedding holds NaN or infinite numbers" if not whole else "its embedding is zero, which is alike to nothing" if none else ""
        for whole, none in zip(finite.tolist(), zero.tolist(), strict=True)
    ]


def _check(collection: Collection, maker: Maker, width: int) -> None:
    collection.maker.check(maker, collection.address)
    if collection.width != width:
        raise ValueError(
            f"{collection.address} has vectors of {collection.width} numbers, and the embeddings have {width}: --rebuild makes it anew."
        )
