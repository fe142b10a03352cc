"""What pretraining is worth in labels: "as good as supervised from scratch with N times the labels", with intervals.

    python benchmarks/label_efficiency.py mnist elpv emoji bbc --out DIR      # after benchmarks/comparison_regret.py with the same DIR

For each data set: the task that its first comparison recommends, as it was trained there with three new seeds, by the linear probe at each
number of labels; beside it the same backbone trained from scratch on the labels of each draw, its views and rate tuned inside them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from comparison_regret import FIRST_SEED, SEEDS
from real_data import saved
from selfsup import Run, evaluate
from selfsup.comparison.answer import efficiencies
from selfsup.comparison.state import State
from selfsup.embedding import opened_for
from selfsup.evaluation import Results
from selfsup.evaluation.kinds import ground_of
from selfsup.evaluation.problem import LabelsPerClass, Problem, Protocol, pose
from tasks import CASES


def scored(name: str, runs: list[Run], counts: tuple[LabelsPerClass, ...], *, draws: int, out: Path) -> tuple[Results, Problem]:
    """The scores of runs beside training from scratch, and the items and draws they are of."""
    case = CASES[name]
    data, labels = saved(name, case.place(name, out)) / case.file, case.scoring.labels
    results = evaluate(
        runs, data, labels=labels, probes=("linear",), labels_per_class=counts, draws=draws, baselines=("scratch",),
        out=out / f"{name}-labels", **case.columns,
    )  # fmt: skip
    ground, opened = ground_of(runs[0]), opened_for(runs[0], data, case.columns)
    return results, pose(ground.reads.of(runs[0], opened), runs=runs, protocol=Protocol(labels, ("linear",), counts, draws))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", choices=list(CASES))
    parser.add_argument("--labels-per-class", nargs="*", default=["1", "5", "10", "50", "all"])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    counts = tuple(count if count == "all" else int(count) for count in asked.labels_per_class)
    for name in asked.data:
        first = State.load(asked.out / f"{name}-0")
        chosen = Results.load(first.folder / "results.json").answer["recommended"]
        unit = next(unit for unit in first.units if unit.name == chosen)
        runs = [Run.open(asked.out / f"{name}-all" / unit.folder(seed)) for seed in range(FIRST_SEED, FIRST_SEED + SEEDS)]
        results, problem = scored(name, runs, counts, draws=asked.draws, out=asked.out)
        print(f"\n{name}: {chosen}\n")
        for row in results.rows:
            print(f"{row.row}, {row.labels_per_class}: {100 * row.value:.1f} ({100 * row.low:.1f}–{100 * row.high:.1f})")
        for sentence in efficiencies(results, problem, {run.name: chosen for run in runs}, backbone=runs[0].backbone):
            print(f"- {sentence}", flush=True)


if __name__ == "__main__":
    main()
