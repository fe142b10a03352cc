"""Whether an index survives: killed at random moments while it is filled, then gone on with; every row has to be there exactly once.

    python benchmarks/index_kills.py --kills 20

Embeddings are random and ready, so that all the time goes into what is tested: the shards, the ledger and Milvus Lite. Each round fills a
new index, kills the process (SIGKILL) at a random moment of the time that a whole filling takes, fills again to the end, and compares keys
and vectors. Processes are forked from one that has imported everything, so that the moments are those of the filling.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from selfsup.embedding import shards
from selfsup.searching import opened
from selfsup.searching.address import Address
from selfsup.searching.filling import Filling, Indexed, filled
from selfsup.searching.ledger import Ledger
from selfsup.searching.maker import Maker
from selfsup.searching.rows import Rows
from selfsup.train.distributed import World

MAKER = Maker(run="none", weights="0" * 32, side="image", layer="stage3/mean")
PART = 500
FORKED = multiprocessing.get_context("forkserver")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    FORKED.set_forkserver_preload(["selfsup.searching", "pymilvus", "milvus_lite.server_manager"])
    vectors = np.random.default_rng(0).normal(size=(options.rows, options.width)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("first.db", "whole.db"):  # the first waits for what is imported
            whole, _ = filling(Path(folder) / name, vectors)
        print(f"a whole filling of {options.rows:,} rows: {whole:.1f} s", flush=True)
        moments = [random.Random(options.seed + number).uniform(0, whole) for number in range(options.kills)]
        wrong = sum(not survives(Path(folder) / f"{number}.db", vectors, moment) for number, moment in enumerate(moments))
    print(f"{options.kills} kills, {wrong} indexes with rows missing, doubled or wrong")
    sys.exit(wrong > 0)


def survives(to: Path, vectors: NDArray[np.float32], moment: float) -> bool:
    """Whether all is right after a kill at a moment and a second filling."""
    filling(to, vectors, killed_after=moment)
    kept = PART * sum(len(list(to.glob(place))) for place in ("vectors/[0-9]*.parquet", ".*.shards/[0-9]*.parquet"))
    _, told = filling(to, vectors)
    added, count, keys, same = told
    right = (count, keys, same) == (len(vectors), len(vectors), True)
    print(
        f"killed after {moment:5.2f} s with {min(kept, len(vectors)):,} embeddings kept; {added:,} rows added then: "
        f"{count:,} rows, {keys:,} keys, {'right' if right else 'WRONG'}",
        flush=True,
    )
    return right


def filling(to: Path, vectors: NDArray[np.float32], *, killed_after: float | None = None) -> tuple[float, list[int]]:
    """Seconds that a process of its own took to fill an index, and what it says of it: nothing where it was killed."""
    ours, theirs = FORKED.Pipe()
    process = FORKED.Process(target=fill_and_tell, args=(to, vectors, theirs))
    process.start()
    theirs.close()
    ours.recv()
    start = time.perf_counter()
    if killed_after is not None:
        time.sleep(killed_after)
        process.kill()
        process.join()
        return killed_after, []
    seconds = ours.recv() - start
    told = ours.recv()
    process.join()
    return seconds, told


def fill_and_tell(to: Path, vectors: NDArray[np.float32], pipe: Connection) -> None:
    """Fill an index; then say how many rows were added, are there, have different keys, and whether vectors are found again."""
    import pymilvus  # noqa: F401 # before the clock starts

    pipe.send("begun")
    made = fill(to, vectors)
    pipe.send(time.perf_counter())
    with opened(to) as searcher:
        checked = range(0, len(vectors), max(1, len(vectors) // 50))
        same = all(searcher.nearest(vectors[row], 1)[0][1].id == f"{row}.png" for row in checked)
        pipe.send([made.added, searcher.collection.count(), len(searcher.collection.stamps()), same])


def fill(to: Path, vectors: NDArray[np.float32]) -> Indexed:
    """Fill an index as `selfsup.index` does, a shard at a time, with embeddings that are ready."""
    shards.ROWS = PART
    count, rows = len(vectors), Rows()
    keys = [rows.add(f"{row:032x}", f"{row}.png", f"/pictures/{row}.png", {"label": str(row % 10)}) or "" for row in range(count)]
    with Ledger.opened(to) as ledger:
        ledger.maker = MAKER
        new = [row for row in range(count) if keys[row] not in ledger.known]
        coming = shards.Shards(ledger.coming, len(new), shards.digest_of(new))
        for number in coming.missing(World()) if new else ():
            some = new[coming.rows(number).start : coming.rows(number).stop]
            column = pa.FixedSizeListArray.from_arrays(pa.array(vectors[some].reshape(-1)), vectors.shape[1])
            coming.write(number, pa.table({"key": [keys[row] for row in some], "embedding": column}))
        ledger.take_shards()
        ledger.rows = rows
        return filled(Address.parse(to), ledger, MAKER, Filling())


if __name__ == "__main__":
    main()
