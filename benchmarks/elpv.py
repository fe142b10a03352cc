"""A real case: solar cells, defective or not, 2,624 pictures of 300 px (`elpv-dataset`, CC-BY-NC-SA: installed, never copied).

    python benchmarks/elpv.py --out /tmp/elpv                 # 4 tasks x 3 seeds x 90 s, scored at 1, 5, 10, 50 and all labels a class

Cells of one module lie together, so files are held out in blocks of 50 neighbours. A cell counts as defective if its defect
probability is above a half. Balanced accuracy, since defective cells are fewer.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from elpv_dataset.utils import load_dataset

from selfsup import evaluate, pretrain, report
from selfsup.terminal import print_results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", nargs="*", default=["simclr", "dae", "rotation", "mae"])
    parser.add_argument("--budget", default="90s")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--labels-per-class", nargs="*", default=["1", "5", "10", "50", "all"])
    asked = parser.parse_args()
    images, probability, _ = load_dataset()
    labels = np.where(probability > 0.5, "defective", "sound")
    runs = []
    for seed in range(asked.seeds):
        for task in asked.tasks:
            out = asked.out / f"{task}-{seed}"
            held = {"holdout": 0.25, "groups": "blocks:50"}
            runs.append(pretrain(images, task=task, budget=asked.budget, size=asked.size, seed=seed, out=out, **held))
    counts = tuple(count if count == "all" else int(count) for count in asked.labels_per_class)
    results = evaluate(runs, images, labels=list(labels), labels_per_class=counts, out=asked.out)
    print_results(results)
    print(report(asked.out))


if __name__ == "__main__":
    main()
