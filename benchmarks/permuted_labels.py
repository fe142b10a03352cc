"""What `selfsup compare` says of labels that mean nothing: "cannot tell", or it sees what is not there.

    python benchmarks/permuted_labels.py mnist elpv emoji bbc --out DIR      # five minutes a data set

The labels of each data set are shuffled among all its items, and compared as they are in benchmarks/comparison_regret.py. Prints for each
what was recommended, whether any task was told apart from another at any number of labels, and what pretraining was said to be worth.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from comparison_regret import compared
from real_data import saved
from tasks import CASES, Case


def shuffled(case: Case, place: Path, *, seed: int) -> Path:
    """A copy of a data set with its labels shuffled."""
    rng, label = np.random.default_rng(seed), case.scoring.labels
    if case.file:
        file = place / f"shuffled-{case.file}"
        with (place / case.file).open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        for row, other in zip(rows, rng.permutation([row[label] for row in rows]).tolist(), strict=True):
            row[label] = other
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return file
    file = place.with_name(f"shuffled-{place.name}")
    with np.load(place, allow_pickle=False) as arrays:
        np.savez_compressed(file, **{**arrays, label: rng.permutation(arrays[label])})
    return file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", choices=list(CASES))
    parser.add_argument("--budget", default="5m")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    for name in asked.data:
        case = CASES[name]
        place = saved(name, case.place(name, asked.out))
        data, out = shuffled(case, place, seed=asked.seed), asked.out / f"{name}-shuffled"
        found = compared(case, place, data=data, budget=asked.budget, seed=asked.seed, out=out)
        first = found.answer.uses[0].standing.standings[0]
        worse = {one.unit for use in found.answer.uses for one in use.standing.standings if one.verdict == "worse"}
        verdicts = ", ".join(f"{use.probe} {use.labels_per_class}: {use.standing.answer}" for use in found.answer.uses)
        print(
            f"\n{name}: {first.unit} scored highest, {100 * first.value.value:.1f}; {verdicts}; worse: {', '.join(sorted(worse)) or 'none'}"
        )
        print("\n".join(found.results.answer["sentences"]), flush=True)  # type: ignore[index]


if __name__ == "__main__":
    main()
