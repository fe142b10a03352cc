"""Every task on the same pictures for the same time, scored alike: one table.

    python benchmarks/tasks.py mnist --out DIR        # 60 s a run, 3 seeds
    python benchmarks/tasks.py elpv --out DIR         # 120 s a run, 2 seeds, files held out in blocks of 50 neighbours
    python benchmarks/tasks.py emoji --out DIR        # 60 s a run, 2 seeds, all skin tones and genders of an emoji on one side

Stopped, it goes on where it was when called again with the same --out. Each run is a process of its own, so that its memory can be told.
A task runs on `compact_convnet`, or on `compact_vit` where it prefers patches; TASK@BACKBONE asks for another. Each stands beside the
same backbone untrained, with the same choice of layer.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from real_data import saved
from selfsup import evaluate, report
from selfsup.evaluation import Results
from selfsup.evaluation.assembly import rows_by_seed
from selfsup.pretext import options_of
from selfsup.reporting.metrics import read_metrics
from selfsup.run import Run
from selfsup.tasks import TASKS, find_task


@dataclass(frozen=True)
class Case:
    """One data set: what `pretrain` is called with, and what every task that mirrors or turns pictures must be told about them."""

    arguments: tuple[str, ...]
    budget: str
    seeds: int
    options: dict[str, str]


CASES = {
    "mnist": Case(("--holdout", "0.2"), "60s", 3, {"flip": "0", "turn": "20"}),  # digits are not mirrored, and nobody writes quite upright
    "elpv": Case(("--holdout", "0.25", "--groups", "blocks:50", "--size", "96"), "120s", 2, {}),
    "emoji": Case(("--holdout", "0.25", "--groups", "base"), "60s", 2, {}),
}


def pretrained(case: Case, data: Path, *, unit: str, seed: int, budget: str, out: Path) -> Run:
    """The run, made now or before; one that was interrupted goes on. `unit` is TASK or TASK@BACKBONE."""
    task, _, backbone = unit.partition("@")
    if not (out / "backbone.safetensors").is_file():
        command = [sys.executable, "-m", "selfsup", "pretrain", str(data), "--task", task, "--out", str(out)]
        if (out / "run.json").is_file():
            command.append("--resume")
        else:
            known = options_of(find_task(task))
            settings = [f"--set={name}={value}" for name, value in case.options.items() if name in known]
            command += ["--budget", budget, "--seed", str(seed), "--backbone", backbone or "auto", *case.arguments, *settings]
        subprocess.run(command, check=True)
    return Run.open(out)


def cost(runs: Sequence[Run]) -> tuple[str, str, str]:
    """End of the loss curve (last tenth; mean, lowest and highest over seeds), pictures a second (median) and peak memory in GB."""
    losses, speeds, peaks = [], [], []
    for run in runs:
        logged = read_metrics(run).records
        losses.append(mean(entry["loss"] for entry in logged if entry["step"] > 0.9 * run.steps))
        speeds.append(median(entry["examples_per_second"] for entry in logged))
        peaks.append(max(entry.get("peak_memory") or 0 for entry in logged) / 1e9)
    return f"{mean(losses):.3g} ({min(losses):.3g}–{max(losses):.3g})", f"{median(speeds):,.0f}", f"{max(peaks):.1f}"


def table(results: Results, runs: dict[str, list[Run]], counts: Sequence[int | str]) -> str:
    """Markdown: one line a task, best primary score first, then the rows beside."""
    columns = [("linear", 10), ("knn", 10), *(("linear", count) for count in counts if count != 10)]

    def cell(name: str, probe: str, count: int | str) -> str:
        row = results.find(name, probe=probe, labels_per_class=count)
        return f"{100 * row.value:.1f} ({100 * row.low:.1f}–{100 * row.high:.1f})"

    def line(name: str, facts: Sequence[str]) -> str:
        return f"| {name} | " + " | ".join([*(cell(name, *column) for column in columns), *facts]) + " |"

    header = ["row", *(f"{probe}, {count}" for probe, count in columns), "backbone", "loss at the end", "pictures/s", "GB"]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for name in sorted(runs, key=lambda name: -results.find(name).value):
        lines.append(line(name, [runs[name][0].backbone, *cost(runs[name])]))
    beside = dict.fromkeys(row.row for row in results.rows if row.kind == "baseline")
    return "\n".join([*lines, *(line(name, [""] * 4) for name in beside)])


def verdicts(results: Results, runs: dict[str, list[Run]]) -> str:
    """Markdown: each task at the primary setting against its own untrained backbone and against raw pixels, in points, paired."""
    wanted = (results.primary["probe"], results.primary["labels_per_class"])
    found = {(item.row, item.against): item for item in results.comparisons if (item.probe, item.labels_per_class) == wanted}
    untrained = sorted({against for _, against in found if against.startswith("untrained")})

    def cell(name: str, against: str) -> str:
        item = found[name, against]
        said = f"{100 * item.difference:+.1f} ({100 * item.low:+.1f} to {100 * item.high:+.1f})"
        return f"**{said}**" if item.low > 0 or item.high < 0 else said

    lines = ["| row | against its backbone untrained | against raw pixels |", "|---|--:|--:|"]
    for name in sorted(runs, key=lambda name: -results.find(name).value):
        own = next((against for against in untrained if runs[name][0].backbone in against), untrained[0])
        lines.append(f"| {name} | {cell(name, own)} | {cell(name, 'raw pixels')} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=list(CASES))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", nargs="*", default=[name for name in TASKS if find_task(name).modality == "image"])
    parser.add_argument("--budget", help="of each run; by default the case's own")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--labels-per-class", nargs="*", default=["1", "5", "10", "all"])
    parser.add_argument("--baselines", nargs="*", default=["pixels", "untrained"], help="`scratch` takes longer than all runs together")
    asked = parser.parse_args()
    case, counts = CASES[asked.case], [count if count == "all" else int(count) for count in asked.labels_per_class]
    data = saved(asked.case, asked.out / f"{asked.case}.npz")
    colored = asked.case == "emoji"
    tasks = [unit for unit in asked.tasks if colored or not find_task(unit.partition("@")[0]).needs_color]
    every = [
        pretrained(case, data, unit=unit, seed=seed, budget=asked.budget or case.budget, out=asked.out / f"{unit}-{seed}")
        for seed in range(asked.seeds or case.seeds)
        for unit in tasks
    ]
    results = evaluate(every, data, labels="label", labels_per_class=tuple(counts), baselines=asked.baselines, out=asked.out)
    rows = rows_by_seed(every)
    print(table(results, rows, counts), verdicts(results, rows), report(asked.out), sep="\n\n")


if __name__ == "__main__":
    main()
