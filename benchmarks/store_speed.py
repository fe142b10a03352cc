"""How long it takes to decode large JPEGs into the store, to open it again, and to add to it.

    python benchmarks/store_speed.py --pictures 10000

makes that many pictures of --width x --height pixels (default 3000 x 2400) in a temporary folder by tiling cells of ELPV (the package
`elpv-dataset`), tinted so that they are in colour; 10,000 take about 10 GB. Only --distinct of them (default 300) are encoded anew, the
rest are copies under other names, which takes decoding just as long.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import elpv_dataset
import numpy as np
import torch
from PIL import Image

from selfsup.data import Store, decode, open_source, open_store, suggest_side, suggest_size
from selfsup.data.ingest import size_in_words, thread_count

Result = TypeVar("Result")
TINT = (1.0, 0.93, 0.8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--distinct", type=int, default=300)
    parser.add_argument("--width", type=int, default=3000)
    parser.add_argument("--height", type=int, default=2400)
    parser.add_argument("--new", type=int, default=100, help="pictures added afterwards")
    parser.add_argument("--folder", type=Path, default=None, help="where the temporary folder is made")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        root, late, cache = (Path(name) / part for part in ("pictures", "late", "cache"))
        seconds, _ = timed(lambda: make(root, late, options))
        total = sum(file.stat().st_size for file in root.iterdir())
        tell("made", f"{options.pictures:,} pictures of {options.width} x {options.height} px, {size_in_words(total)}, in {seconds:.0f} s")
        measure(root, late, cache, new=options.new)


def measure(root: Path, late: Path, cache: Path, *, new: int) -> None:
    """Print every number."""
    compare_with_pillow(root)
    seconds, store = timed(lambda: opened(root, cache))
    size = sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())
    tell(
        "first opening",
        f"{seconds:.1f} s for {len(store):,} pictures: {len(store) / seconds:.1f} pictures/s, {store.side} px, {store.channels} channels",
    )
    tell("store", f"{size_in_words(size)} ({len(store.skipped)} skipped)")
    seconds, again = timed(lambda: opened(root, cache))
    assert again.fingerprint == store.fingerprint
    tell("second opening", f"{seconds:.3f} s (list the folder, suggest sizes, read the journal, map the pixels)")
    for file in sorted(late.iterdir()):
        shutil.move(file, root / file.name)
    seconds, more = timed(lambda: opened(root, cache))
    assert len(more) == len(store) + new
    tell(f"{new} new pictures", f"{seconds:.2f} s, of which the others take {timed(lambda: opened(root, cache))[0]:.3f} s")
    rows = torch.randperm(len(more), generator=torch.Generator().manual_seed(0))[:4096]
    seconds, _ = timed(lambda: [more.batch(rows[start : start + 256]) for start in range(0, len(rows), 256)])
    tell("reading", f"{len(rows) / seconds:,.0f} pictures/s in random batches of 256")


def compare_with_pillow(root: Path) -> None:
    """The same sample decoded whole and resized, as a loop over Image.open(...).convert().resize() does, and by us, each on one thread."""
    sample = sorted(root.iterdir())[:100]
    source = open_source(root)
    side = suggest_side(source, suggest_size(source).size)
    ours, _ = timed(lambda: [decode(file, side=side, channels=3) for file in sample])
    plain, _ = timed(
        lambda: [np.asarray(Image.open(file).convert("RGB").resize((side, side), Image.Resampling.BICUBIC)) for file in sample]
    )
    threads = thread_count(source)
    tell("one picture, plain Pillow", f"{1000 * plain / len(sample):.1f} ms on one thread")
    tell(
        "one picture, reduced",
        f"{1000 * ours / len(sample):.1f} ms on one thread, {plain / ours:.1f} times as fast; the store uses {threads} threads",
    )


def opened(root: Path, cache: Path) -> Store:
    """What pretraining does before its first step."""
    source = open_source(root)
    size, channels = suggest_size(source)
    return open_store(source, side=suggest_side(source, size), channels=channels, cache=cache)


def make(root: Path, late: Path, options: argparse.Namespace) -> None:
    """Write the pictures, and those that come later, with all processors."""
    root.mkdir()
    late.mkdir()
    cells = sorted((Path(elpv_dataset.__file__).parent / "data" / "images").glob("*.png"))
    files = [root / f"{number:06d}.jpg" for number in range(options.pictures)] + [
        late / f"late{number:04d}.jpg" for number in range(options.new)
    ]
    distinct = min(options.distinct, options.pictures)

    def write(number: int) -> None:
        tiled(cells, options.width, options.height, seed=number).save(files[number], quality=88)

    with ThreadPoolExecutor(thread_count(open_source(cells[0]))) as pool:
        list(pool.map(write, range(distinct)))
        list(pool.map(lambda number: shutil.copyfile(files[number % distinct], files[number]), range(distinct, len(files))))


def tiled(cells: list[Path], width: int, height: int, *, seed: int) -> Image.Image:
    """A wall of cells."""
    chance = random.Random(seed)
    wall = Image.new("L", (width, height))
    for left in range(0, width, 300):
        for top in range(0, height, 300):
            with Image.open(chance.choice(cells)) as cell:
                wall.paste(cell, (left, top))
    return Image.merge("RGB", [wall.point([round(level * share) for level in range(256)]) for share in TINT])


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """Seconds, and what came out."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def tell(what: str, number: str) -> None:
    print(f"{what:28} {number}", flush=True)


if __name__ == "__main__":
    main()
