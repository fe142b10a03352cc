"""How fast an index is filled and asked, beside raw calls of pymilvus on the same vectors.

    python benchmarks/index_speed.py --rows 100000             # five rounds: about ten minutes on an idle machine with two cores
    python benchmarks/index_speed.py --rows 5000 --rounds 3    # half a minute

Filling goes from embeddings in Parquet to a flushed collection with an index, ours with keys, stamps and the listing of what is there; raw
is `insert` of the same fields in batches of 1,000 rows. Questions are one vector and ten hits; raw is `MilvusClient.search` on the
same collection. Either is first in every other round, each round is printed, and the median over rounds of the ratio within each is what
counts: the machine may be busy.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selfsup.searching import Searcher, opened
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
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--questions", type=int, default=200)
    options = parser.parse_args()
    vectors = np.random.default_rng(0).normal(size=(options.rows, options.width)).astype(np.float32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rates = in_turn(
            lambda: options.rows / raw_filling(folder / "raw.db", vectors),
            lambda: options.rows / our_filling(folder / "ours.db", vectors),
            rounds=options.rounds,
        )
        tell("filling", "rows/s", rates)
        with opened(folder / "ours.db") as searcher:
            asked = np.random.default_rng(1).normal(size=(options.questions, options.width)).astype(np.float32)
            took = in_turn(lambda: raw_question(searcher, asked), lambda: our_question(searcher, asked), rounds=options.rounds)
            tell("a question, p50", "ms", took)


def in_turn(raw: Callable[[], float], ours: Callable[[], float], *, rounds: int) -> Iterator[tuple[float, float]]:
    """A pair of measurements a round, raw and ours, which take turns in being first."""
    for number in range(rounds):
        if number % 2:
            second = ours()
            yield raw(), second
        else:
            yield raw(), ours()


def tell(what: str, unit: str, pairs: Iterable[tuple[float, float]]) -> None:
    """Print each round as it comes, then the medians, and the ratios within rounds."""
    found = []
    for raw, ours in pairs:
        found.append((raw, ours))
        print(f"  {what}, round {len(found)}: raw {raw:,.1f} {unit}, selfsup {ours:,.1f} {unit}, ours / raw {ours / raw:.2f}", flush=True)
    raw, ours = (statistics.median(values) for values in zip(*found, strict=True))
    ratios = sorted(ours / raw for raw, ours in found)
    print(
        f"{what}: raw {raw:,.1f} {unit}, selfsup {ours:,.1f} {unit}, ours / raw {statistics.median(ratios):.2f} "
        f"(median of {len(found)} rounds, {ratios[0]:.2f} to {ratios[-1]:.2f})",
        flush=True,
    )


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


def raw_question(searcher: Searcher, asked: Vectors) -> float:
    """Milliseconds of the median question by pymilvus."""
    collection = searcher.collection
    told: dict[str, Any] = {"search_params": searcher.settings.searched(10), "output_fields": ["id", "path", "label"]}
    return 1000 * statistics.median(
        seconds_of(lambda one=one: collection.client.search(collection.name, data=[one], limit=10, **told)) for one in asked
    )


def our_question(searcher: Searcher, asked: Vectors) -> float:
    """Milliseconds of our median question."""
    return 1000 * statistics.median(seconds_of(lambda one=one: searcher.nearest(one, 10)) for one in asked)


def seconds_of(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
