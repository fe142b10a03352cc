"""The search behind the defaults: eight trials for every task, on pictures that are never scored elsewhere.

    python benchmarks/search.py --out DIR                       # every task; two trials side by side, a thread each
    python benchmarks/search.py --out DIR --tasks rotation dae
    python benchmarks/search.py --out DIR --again 3             # then: the defaults and the best trial, with three new seeds each
    python benchmarks/search.py --out DIR --again 3 --tasks moco --settings '{"queue": 1024}'       # the defaults and these

Of the 4,000 MNIST digits that every other benchmark pretrains on, 3,000 are pretrained on and give the labels here, and 1,000 are
scored: linear probe, 10 labels a class, 20 draws of labels. The 1,000 that others score are not looked at. Colorization has emoji of
32 px instead, split alike. The first trial of a task has its defaults; each other one draws every option of its space at random, from
a seed. Every trial has as many steps. The best of eight is in part luck, which new seeds take away: they decide. Trials that are done
are kept in DIR/trials.jsonl and not done again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import numpy as np

from real_data import PICTURES, saved

TRIALS, STEPS = 8, 240
HELD_OUT: dict[str, tuple[float, str | None]] = {"mnist": (0.2, None), "emoji": (0.25, "base")}
"""The share that other benchmarks score, and what stays on one side."""

CROPS = {"crop": [0.25, 0.5, 0.8]}
PAIRS = {"crop": [0.15, 0.25, 0.4], "jitter": [0.4, 0.8], "blur": [0.0, 0.5], "turn": [0.0, 20.0]}
PARTS = {"crop": [0.25, 0.4, 0.6], "local_crop": [0.08, 0.15, 0.25], "local_views": [2, 4, 6], "jitter": [0.4, 0.8], "turn": [0.0, 20.0]}
GENTLE = {"crop": [0.4, 0.6, 0.8], "local_views": [0, 2, 4], "jitter": [0.0, 0.2, 0.4], "turn": [0.0, 20.0]}
TILES = {"gap": [0.05, 0.1, 0.2], "shift": [0.1, 0.2, 0.3], "crop": [0.5, 0.7, 0.9]}
SPACES: dict[str, dict[str, list[Any]]] = {
    "simclr": {"crop": [0.15, 0.25, 0.4], "jitter": [0.4, 0.8], "blur": [0.0, 0.5], "temperature": [0.1, 0.2, 0.5], "turn": [0.0, 20.0]},
    "barlow_twins": {**PAIRS, "redundancy": [0.0051, 0.02, 0.05], "dimensions": [256, 512, 1024]},
    "vicreg": {**PAIRS, "covariance": [1.0, 4.0, 10.0], "dimensions": [256, 512, 1024]},
    "lejepa": {**PARTS, "sigreg": [0.02, 0.05, 0.1, 0.2], "dimensions": [32, 64, 128]},
    "visreg": {**PARTS, "regularity": [0.4, 0.6, 0.9], "shape": [0.3, 1.0, 3.0]},
    "byol": {"crop": [0.15, 0.25, 0.4], "jitter": [0.4, 0.8], "blur": [0.0, 0.5], "turn": [0.0, 20.0], "momentum": [None, 0.9, 0.99]},
    "simsiam": {"crop": [0.15, 0.25, 0.4], "jitter": [0.4, 0.8], "blur": [0.0, 0.5], "turn": [0.0, 20.0], "bottleneck": [64, 128, 256]},
    "moco": {"crop": [0.15, 0.25, 0.4], "blur": [0.0, 0.5], "turn": [0.0, 20.0], "temperature": [0.1, 0.2, 0.5], "queue": [0, 1024]},
    "swav": {**GENTLE, "prototypes": [64, 128, 256], "dimensions": [16, 32, 64], "epsilon": [0.02, 0.03, 0.05]},
    "dino": {
        **GENTLE,
        "outputs": [64, 128, 256],
        "bottleneck": [16, 32, 64],
        "momentum": [None, 0.9, 0.99],
        "teacher_temperature": [0.03, 0.05],
    },
    "ibot": {**GENTLE, "hidden_patches": [0.15, 0.3, 0.5], "patches": [0.3, 1.0], "momentum": [None, 0.9, 0.99]},
    "rotation": {**CROPS, "every_turn": [False, True], "jitter": [0.0, 0.5]},
    "relative_location": {**TILES, "pairs": ["all", "one"], "hidden": [256, 512]},
    "jigsaw": {**TILES, "permutations": [32, 64, 128], "shufflings": [1, 4, 8]},
    "dae": {**CROPS, "corruption": ["gaussian", "masking", "salt_and_pepper"], "strength": [0.2, 0.4, 0.6], "patch": [2, 4, 7]},
    "vae": {**CROPS, "latent": [32, 64, 128], "beta": [0.3, 1.0, 3.0], "free_bits": [0.0, 0.1], "scale": [0.05, 0.1, 0.2]},
    "context_encoder": {**CROPS, "hole": ["blobs", "centre"], "most": [0.3, 0.5], "width": [16, 32]},
    "mae": {**CROPS, "hidden": [0.5, 0.6, 0.75], "normalise": [False, True], "decoder_depth": [1, 2]},
    "colorization": {**CROPS, "rebalance": [0.25, 0.5, 0.75], "width": [32, 64]},
    "simmim": {**CROPS, "hidden": [0.4, 0.6, 0.75], "unit": [None, 8]},
    "data2vec": {"crop": [0.3, 0.6, 0.9], "hidden": [0.3, 0.45, 0.6], "width": [256, 512, 1024], "momentum": [None, 0.99, 0.999]},
    "ijepa": {
        **CROPS,
        "visible": [0.15, 0.25, 0.4],
        "predictor_depth": [2, 3, 4],
        "momentum": [None, 0.996, 0.999],
        "learning_rate": [3.5e-4, 7e-4, 1.4e-3],
    },
}
RATES = [1e-3, 2e-3, 4e-3]


class Trial(NamedTuple):
    """One run: its settings, options and rate, as JSON; `{}` are the defaults."""

    task: str
    settings: str
    seed: int = 0


def data_of(task: str) -> str:
    """The data set a task is searched on."""
    return "emoji" if task == "colorization" else "mnist"


def trials(task: str) -> list[Trial]:
    """The trials of a task: its defaults, and settings that are drawn, no two alike."""
    rng, space = random.Random(f"search {task}"), {**SPACES[task], "learning_rate": SPACES[task].get("learning_rate", RATES)}
    found = [Trial(task, "{}")]
    while len(found) < TRIALS:
        drawn = Trial(task, json.dumps({name: rng.choice(values) for name, values in space.items()}))
        if drawn not in found:
            found.append(drawn)
    return found


def development(name: str, folder: Path) -> Path:
    """A file of the pictures that `--holdout` leaves for pretraining in every other benchmark, with their columns."""
    from selfsup.data import prepare

    images, columns = PICTURES[name]()
    share, groups = HELD_OUT[name]
    kept = prepare(saved(name, folder / f"{name}.npz"), size=28, holdout=share, groups=groups).rows.numpy()
    np.savez_compressed(
        file := folder / f"{name}-development.npz", images=images[kept], **{key: cells[kept] for key, cells in columns.items()}
    )
    return file


def scored(task: str, settings: dict[str, Any], *, data: Path, seed: int, out: Path, steps: int) -> float:
    """Pretrain with these settings and score: accuracy in per cent, balanced where classes are skewed."""
    from selfsup import evaluate, pretrain
    from selfsup.pretext import options_of
    from selfsup.tasks import find_task

    options = {name: value for name, value in settings.items() if name != "learning_rate"}
    if "flip" in options_of(find_task(task)) and data_of(task) == "mnist":
        options.setdefault("flip", 0.0)  # digits are not mirrored
    run = pretrain(
        data, task=task, options=options, learning_rate=settings.get("learning_rate"), steps=steps, out=out, seed=seed,
        holdout=0.25, groups=HELD_OUT[data_of(task)][1], size=32 if data_of(task) == "emoji" else None,
    )  # fmt: skip
    results = evaluate(run, data, labels="label", probes=("linear",), labels_per_class=(10,), draws=20, baselines=False)
    return 100 * next(row.value for row in results.rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", nargs="*", default=list(SPACES), choices=list(SPACES))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--side-by-side", type=int, default=2, help="trials at a time, a thread each")
    parser.add_argument("--again", type=int, default=0, metavar="SEEDS", help="new seeds for the defaults and for the best trial")
    parser.add_argument("--settings", metavar="JSON", help="with --again, in place of the best trial: none is looked for")
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)  # of one trial, which this process is to run
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.seed is not None:
        settings = json.loads(asked.settings)
        print(json.dumps(scored(asked.tasks[0], settings, data=asked.data, seed=asked.seed, out=asked.out, steps=asked.steps)))
        return
    asked.out.mkdir(parents=True, exist_ok=True)
    files = {name: development(name, asked.out) for name in {data_of(task) for task in asked.tasks}}
    with ThreadPoolExecutor(asked.side_by_side) as pool:

        def accuracies(wanted: Iterable[Trial]) -> dict[Trial, float]:
            every = list(dict.fromkeys(wanted))
            return dict(zip(every, pool.map(partial(tried, asked, files), every), strict=True))

        if asked.settings is None:
            found = accuracies(trial for task in asked.tasks for trial in trials(task))
            best = {task: max(trials(task), key=found.__getitem__) for task in asked.tasks}
        else:
            best = {task: Trial(task, json.dumps(json.loads(asked.settings))) for task in asked.tasks}
        seeds = range(1, asked.again + 1)
        sides = {task: (Trial(task, "{}"), best[task]) for task in asked.tasks}
        again = accuracies(side._replace(seed=seed) for task in asked.tasks for seed in seeds for side in sides[task])
    for task in asked.tasks if asked.again else []:
        means = [mean(again[side._replace(seed=seed)] for seed in seeds) for side in sides[task]]
        print(f"| {task} | {means[0]:.1f} | {means[1]:.1f} | {json.loads(best[task].settings) or 'defaults'} |")


def tried(asked: argparse.Namespace, files: dict[str, Path], trial: Trial) -> float:
    """The accuracy of a trial: from the log, or by running it in a process of its own. 0 if it failed."""
    task, settings, seed = trial
    log = asked.out / "trials.jsonl"
    done = [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []
    for entry in done:
        if (entry["task"], json.dumps(entry["settings"]), entry["seed"], entry["steps"]) == (*trial, asked.steps):
            return float(entry["accuracy"])
    folder = asked.out / f"{task}-{asked.steps}-{sha256(settings.encode()).hexdigest()[:8]}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)  # of a trial that was interrupted
    command = [sys.executable, __file__, "--out", str(folder), "--tasks", task, "--steps", str(asked.steps)]
    command += ["--data", str(files[data_of(task)]), "--settings", settings, "--seed", str(seed)]
    finished = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False)
    if finished.returncode:
        sys.stderr.write(f"{task} {settings} failed:\n{finished.stderr[-2000:]}\n")
        return 0.0
    accuracy = float(json.loads(finished.stdout.splitlines()[-1]))
    entry = {"task": task, "seed": seed, "steps": asked.steps, "settings": json.loads(settings), "accuracy": accuracy}
    with log.open("a") as stream:
        stream.write(json.dumps(entry) + "\n")
    print(f"| {task} | {seed} | {entry['settings'] or 'defaults'} | {accuracy:.1f} |", flush=True)
    return accuracy


if __name__ == "__main__":
    main()
