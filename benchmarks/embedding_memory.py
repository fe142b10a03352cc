"""Does the memory of `embed` grow with the data? Peak memory of its process on folders of more and more pictures.

    python benchmarks/embedding_memory.py --out DIR                       # 10,000 and 100,000 pictures: about ten minutes
    python benchmarks/embedding_memory.py --out DIR --pictures 500 1000

Pictures of noise, 32 px, in PNG files of their own, and a run of a few steps. Two numbers: memory that is the process's own (anonymous),
and all that is resident, which counts pages of the decoded pictures' file that the system keeps while memory is free and gives back when
it is not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

A_FOLDER = 1000
"""Files."""


def write_pictures(folder: Path, count: int) -> Path:
    """So many pictures, in folders of a thousand."""
    rng = np.random.default_rng(0)
    for number in range(count):
        file = folder / f"{number // A_FOLDER:04d}" / f"{number:07d}.png"
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(file, compress_level=0)
    return folder


def resident(name: str) -> int:
    """Kilobytes that /proc says of this process."""
    line = next(line for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines() if line.startswith(name))
    return int(line.split()[1])


def embedded(run: str, data: str, out: str) -> None:
    """Embed in this process, and print what it took as JSON."""
    from selfsup import embed

    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            peak[0] = max(peak[0], resident("RssAnon"))

    watching = threading.Thread(target=watch)
    watching.start()
    began = time.perf_counter()
    found = embed(run, data, out=out)
    done.set()
    watching.join()
    print(json.dumps({"count": found.count, "seconds": time.perf_counter() - began, "own": peak[0] / 1e3, "all": resident("VmHWM") / 1e3}))


def main() -> None:
    """Parse, measure each size in a process of its own, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--embed", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.embed:
        embedded(*asked.embed)
        return
    from selfsup import pretrain

    first = write_pictures(asked.out / f"pictures-{min(asked.pictures)}", min(asked.pictures))
    run = asked.out / "run"
    if not (run / "backbone.safetensors").is_file():
        pretrain(first, task="simclr", backbone="compact_convnet", size=32, steps=3, batch_size=64, out=run)
    print("| pictures | memory of its own, MB | all resident, MB | seconds |\n|--:|--:|--:|--:|", flush=True)
    for count in asked.pictures:
        data = write_pictures(asked.out / f"pictures-{count}", count)
        call = [sys.executable, __file__, "--out", str(asked.out), "--embed", str(run), str(data), str(asked.out / f"{count}.parquet")]
        said = json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        print(f"| {said['count']:,} | {said['own']:,.0f} | {said['all']:,.0f} | {said['seconds']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
