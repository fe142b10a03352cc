"""Do our losses and heads learn what lightly's do? The same views, backbone, optimiser and steps; what differs is theirs.

    python benchmarks/lightly_parity.py --out DIR                        # every task, 3 seeds, 600 steps of MNIST digits
    python benchmarks/lightly_parity.py --out DIR --tasks byol --steps 60 --seeds 1

Both sides are scored by the same `selfsup.evaluate`: kNN and linear probe at 10 labels a class, on 1,000 held-out digits. A task is on a
par where the intervals of both sides overlap. Runs that are there already are not made again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from once import pretrained_once
from real_data import saved
from selfsup import evaluate
from selfsup.evaluation import Results
from selfsup.terminal.scores import print_results

THEIRS = Path(__file__).with_name("lightly_tasks.py")
PEERS = {"simclr": "LightlySimCLR", "byol": "LightlyBYOL", "barlow_twins": "LightlyBarlowTwins", "dino": "LightlyDINO"}
"""Our tasks, and the class in `lightly_tasks.py` that stands beside each."""

OPTIONS = {"flip": 0.0, "turn": 20.0}  # digits are not mirrored, and nobody writes quite upright
ASKED = {"dino": {"centring": "mean", "normalise": False, "teacher_temperature": 0.04}}
"""What our tasks are asked for so that they compute what lightly's do: DINO with the paper's centre and head."""


def line(task: str, results: Results) -> str:
    """Markdown: kNN and linear score of both sides, and whether their difference is told from 0."""
    ours, theirs = (next(row.row for row in results.rows if (row.row == task) == own and row.kind == "run") for own in (True, False))
    cells = []
    for probe in ("knn", "linear"):
        for name in (ours, theirs):
            row = results.find(name, probe=probe)
            cells.append(f"{100 * row.value:.1f} ({100 * row.low:.1f}–{100 * row.high:.1f})")
        own, other = (results.find(name, probe=probe) for name in (ours, theirs))
        cells.append("on a par" if own.low <= other.high and other.low <= own.high else "apart")
    return f"| {task} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--backbone", default="compact_convnet")
    asked = parser.parse_args()
    data, lines = saved("mnist", asked.out / "mnist.npz"), []
    for task in asked.tasks:
        sides = {task: task, f"lightly-{task}": f"{THEIRS}:{PEERS[task]}"}
        runs = [
            pretrained_once(
                data, task=name, out=asked.out / f"{side}-{seed}", seed=seed, steps=asked.steps, backbone=asked.backbone, holdout=0.2,
                options=OPTIONS | (ASKED.get(task, {}) if name == task else {}),
            )
            for seed in range(asked.seeds)
            for side, name in sides.items()
        ]  # fmt: skip
        results = evaluate(
            runs, data, labels="label", probes=("knn", "linear"), labels_per_class=(10,), baselines=("untrained",), out=asked.out / task
        )
        print_results(results)
        lines.append(line(task, results))
    print("| task | kNN, ours | lightly's | | linear, ours | lightly's | |\n|---|--:|--:|---|--:|--:|---|", *lines, sep="\n")


if __name__ == "__main__":
    main()
