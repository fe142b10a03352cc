"""How fast an index is filled and asked, beside raw calls of pymilvus on the same vectors.

    python benchmarks/index_speed.py --rows 100000

Filling goes from embeddings in Parquet to a flushed collection with an index, ours with keys, stamps and the listing of what is there; raw
is `insert` of the same fields in batches of 1,000 rows. Questions are one vector and ten hits; raw is `MilvusClient.search` on the
same collection. Rounds are in turn, and the median over rounds of the ratio within each is what counts: the machine may be busy.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selfsup.searching import opened
from selfsup.searching.address import Address
from selfsup.searching.collection import Collection
from selfsup.searching.connection import connected
from selfsup.searching.filling import Filling, filled
from selfsup.searching.ledger import Ledger
from selfsup.searching.maker import Maker
from selfsup.searching.rows import Rows
from selfsup.searching.settings import settings_for

MAKER = Maker(run="none", weights="0" * 32, side="image", layer="stage3/mean")
BATCH = 1_000
Vectors = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--questions", type=int, default=200)
    options = parser.parse_args()
    vectors = np.random.default_rng(0).normal(size=(options.rows, options.width)).astype(np.float32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs = [(raw_filling(folder / "raw.db", vectors), our_filling(folder / "ours.db", vectors)) for _ in range(options.rounds)]
        tell("filling", "rows/s", [(options.rows / raw, options.rows / ours) for raw, ours in pairs])
        tell("a question, p50", "ms", questions(folder / "ours.db", vectors, options.questions, options.rounds))


def tell(what: str, unit: str, pairs: list[tuple[float, float]]) -> None:
    raw, ours = (statistics.median(values) for values in zip(*pairs, strict=True))
    ratio = statistics.median(ours / raw for raw, ours in pairs)
    print(f"{what}: raw {raw:,.1f} {unit}, selfsup {ours:,.1f} {unit}, ours / raw {ratio:.2f} (median of {len(pairs)} rounds)", flush=True)


def rows_of(count: int) -> Rows:
    rows = Rows()
    for row in range(count):
        rows.add(f"{row:032x}", f"{row}.png", f"/pictures/{row}.png", {"label": str(row % 10)})
    return rows


def our_filling(to: Path, vectors: Vectors) -> float:
    """Seconds from a ledger with all embeddings to a filled index."""
    shutil.rmtree(to, ignore_errors=True)
    rows = rows_of(len(vectors))
    with Ledger.opened(to) as ledger:
        ledger.maker = MAKER
        for start in range(0, len(vectors), BATCH):
            ledger.add(rows.keys[start : start + BATCH], vectors[start : start + BATCH])
        ledger.flush()
        ledger.rows = rows
        start_time = time.perf_counter()
        filled(Address.parse(to), ledger, MAKER, Filling())
        return time.perf_counter() - start_time


def raw_filling(to: Path, vectors: Vectors) -> float:
    """Seconds for the same fields by `insert`, `flush` and an index, connection included."""
    shutil.rmtree(to, ignore_errors=True)
    rows, address = rows_of(len(vectors)), Address.parse(to)
    start_time = time.perf_counter()
    with connected(address) as client:
        Collection(client, address).create(MAKER, vectors.shape[1], settings_for(len(vectors)))
        for start in range(0, len(vectors), BATCH):
            client.insert(address.collection, [entity(rows, row, vectors) for row in range(start, min(len(vectors), start + BATCH))])
        client.flush(address.collection)
    return time.perf_counter() - start_time


def entity(rows: Rows, row: int, vectors: Vectors) -> dict[str, Any]:
    told = {"key": rows.keys[row], "id": rows.ids[row], "stamp": rows.stamps[row], "path": rows.paths[row]}
    return told | {"label": str(row % 10), "vector": vectors[row]}


def questions(to: Path, vectors: Vectors, count: int, rounds: int) -> list[tuple[float, float]]:
    """Milliseconds of the median question, raw and ours, a pair a round."""
    asked = np.random.default_rng(1).normal(size=(count, vectors.shape[1])).astype(np.float32)
    pairs = []
    with opened(to) as searcher:
        collection = searcher.collection
        told: dict[str, Any] = {"search_params": searcher.settings.searched(10), "output_fields": ["id", "path", "label"]}
        for _ in range(rounds):
            raw = [seconds_of(lambda one=one: collection.client.search(collection.name, data=[one], limit=10, **told)) for one in asked]
            ours = [seconds_of(lambda one=one: searcher.nearest(one, 10)) for one in asked]
            pairs.append((1000 * statistics.median(raw), 1000 * statistics.median(ours)))
    return pairs


def seconds_of(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
