"""Every task on the same pictures or texts for the same time, scored alike: one table.

    python benchmarks/tasks.py mnist --out DIR        # 60 s a run, 3 seeds
    python benchmarks/tasks.py elpv --out DIR         # 120 s a run, 2 seeds, files held out in blocks of 50 neighbours
    python benchmarks/tasks.py emoji --out DIR        # 60 s a run, 2 seeds, all skin tones and genders of an emoji on one side
    python benchmarks/tasks.py bbc --out DIR          # 120 s a run, 3 seeds, news without copies, scored at 8 labels a class, 10 draws

Stopped, it goes on where it was when called again with the same --out. Each run is a process of its own, so that its memory can be told.
A picture task runs on `compact_convnet`, or on `compact_vit` where it prefers patches, a text task on `bert-tiny` or `gpt2-tiny` (`auto`, at such budgets);
TASK@BACKBONE asks for another. Each stands beside the same backbone untrained, with the same choice of layer.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean, median

from real_data import saved
from selfsup import evaluate, report
from selfsup.evaluation import Results
from selfsup.evaluation.runs import rows_by_seed
from selfsup.options import parse_settings
from selfsup.pretext import options_of
from selfsup.reporting.metrics import read_metrics
from selfsup.run import Run
from selfsup.tasks import TASKS, find_task

FINISHED = {"image": "backbone.safetensors", "text": "languages.json"}
"""What a run has when it is done."""


@dataclass(frozen=True)
class Scoring:
    """How a data set is scored: where its labels are, at how many of them a class, `first` in the table, drawn how often.

    `baselines` are those of `evaluate` that stand beside by default; `simple` names the rows without a network that each task is compared
    with; with `neighbours`, kNN is shown at every number of labels.
    """

    labels: str = "label"
    counts: tuple[str, ...] = ("1", "5", "10", "all")
    first: int = 10
    draws: int = 5
    baselines: tuple[str, ...] = ("pixels", "untrained")  # `scratch` takes longer than all runs together
    simple: tuple[str, ...] = ("raw pixels",)
    neighbours: bool = False


@dataclass(frozen=True)
class Case:
    """One data set: what `pretrain` is called with ({place} is where the data was saved), and what every task that knows it must be told.

    `file` is what `pretrain` reads of a data set that is a folder; `columns` say how texts are read.
    """

    arguments: tuple[str, ...]
    budget: str
    seeds: int
    options: dict[str, str] = field(default_factory=dict)
    scoring: Scoring = field(default_factory=Scoring)
    modality: str = "image"
    color: bool = False
    file: str = ""
    columns: dict[str, str] = field(default_factory=dict)

    def place(self, name: str, out: Path) -> Path:
        """Where the data set is saved."""
        return out / (name if self.file else f"{name}.npz")


BBC = Scoring("category", ("1", "5", "8", "10", "all"), 8, 10, ("tfidf", "lsa", "untrained", "scratch"), ("TF-IDF", "LSA"), True)

CASES = {
    "mnist": Case(("--holdout", "0.2"), "60s", 3, {"flip": "0", "turn": "20"}),  # digits are not mirrored, and nobody writes quite upright
    "elpv": Case(("--holdout", "0.25", "--groups", "blocks:50", "--size", "96"), "120s", 2),
    "emoji": Case(("--holdout", "0.25", "--groups", "base"), "60s", 2, color=True),
    "bbc": Case(("--split", "{place}/split.csv"), "120s", 3, {}, BBC, "text", file="news.csv", columns={"text": "text", "id": "id"}),
}


def pretrained(case: Case, place: Path, *, unit: str, seed: int, budget: str, out: Path, more: Sequence[str] = ()) -> Run:
    """The run, made now or before; one that was interrupted goes on. `unit` is TASK or TASK@BACKBONE, `more` are options of `pretrain`."""
    task, _, backbone = unit.partition("@")
    if not (out / FINISHED[case.modality]).is_file():
        command = [sys.executable, "-m", "selfsup", "pretrain", str(place / case.file), "--task", task, "--out", str(out)]
        if (out / "run.json").is_file():
            command.append("--resume")
        else:
            known = options_of(find_task(task))
            settings = [f"--set={name}={value}" for name, value in case.options.items() if name in known]
            reading = [f"--{name}={value}" for name, value in case.columns.items()]
            arguments = [argument.format(place=place) for argument in case.arguments]
            command += ["--budget", budget, "--seed", str(seed), "--backbone", backbone or "auto", *reading, *arguments, *settings, *more]
        subprocess.run(command, check=True)
    return Run.open(out)


def cost(runs: Sequence[Run]) -> tuple[str, str, str]:
    """End of the loss curve (last tenth; mean, lowest and highest over seeds), pictures or tokens a second (median), peak memory in GB."""
    losses, speeds, peaks = [], [], []
    for run in runs:
        logged = read_metrics(run).records
        losses.append(mean(entry["loss"] for entry in logged if entry["step"] > 0.9 * run.steps))
        speeds.append(median(entry["examples_per_second"] for entry in logged) * (run.size if run.kind == "text" else 1))
        peaks.append(max(entry.get("peak_memory") or 0 for entry in logged) / 1e9)
    return f"{mean(losses):.3g} ({min(losses):.3g}–{max(losses):.3g})", f"{median(speeds):,.0f}", f"{max(peaks):.1f}"


def table(results: Results, runs: dict[str, list[Run]], counts: Sequence[int | str], scoring: Scoring) -> str:
    """Markdown: one line a task, best score first, then the rows beside."""
    first, others = scoring.first, [count for count in counts if count != scoring.first]
    columns = [("linear", first), ("knn", first), *(("linear", count) for count in others)]
    columns += [("knn", count) for count in others if scoring.neighbours]

    def cell(name: str, probe: str, count: int | str) -> str:
        row = results.find(name, probe=probe, labels_per_class=count)
        return f"{100 * row.value:.1f} ({100 * row.low:.1f}–{100 * row.high:.1f})"

    def line(name: str, facts: Sequence[str]) -> str:
        return f"| {name} | " + " | ".join([*(cell(name, *column) for column in columns), *facts]) + " |"

    unit = "tokens/s" if next(iter(runs.values()))[0].kind == "text" else "pictures/s"
    header = ["row", *(f"{probe}, {count}" for probe, count in columns), "backbone", "loss at the end", unit, "GB"]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for name in best_first(results, runs, first):
        lines.append(line(name, [runs[name][0].backbone, *cost(runs[name])]))
    beside = dict.fromkeys(row.row for row in results.rows if row.kind == "baseline")
    return "\n".join([*lines, *(line(name, [""] * 4) for name in beside)])


def best_first(results: Results, runs: dict[str, list[Run]], count: int | str) -> list[str]:
    return sorted(runs, key=lambda name: -results.find(name, probe="linear", labels_per_class=count).value)


def verdicts(results: Results, runs: dict[str, list[Run]], scoring: Scoring) -> str:
    """Markdown: each task, linear, against its own untrained backbone and against the rows without one, in points, paired."""
    wanted = ("linear", scoring.first)
    found = {(item.row, item.against): item for item in results.comparisons if (item.probe, item.labels_per_class) == wanted}
    there = {against for _, against in found}
    untrained = sorted(against for against in there if against.startswith("untrained"))
    simple = [against for against in scoring.simple if against in there]

    def cell(name: str, against: str) -> str:
        item = found[name, against]
        said = f"{100 * item.difference:+.1f} ({100 * item.low:+.1f} to {100 * item.high:+.1f})"
        return f"**{said}**" if item.low > 0 or item.high < 0 else said

    header = [
        f"linear, {scoring.first}",
        *(["against its backbone untrained"] if untrained else []),
        *(f"against {name}" for name in simple),
    ]
    lines = ["| " + " | ".join(header) + " |", "|---" + "|--:" * (len(header) - 1) + "|"]
    for name in best_first(results, runs, scoring.first):
        own = [next((against for against in untrained if runs[name][0].backbone in against), untrained[0])] if untrained else []
        lines.append("| " + " | ".join([name, *(cell(name, against) for against in (*own, *simple))]) + " |")
    return "\n".join(lines)


def units(case: Case, asked: Sequence[str] | None) -> list[str]:
    """What was asked for, or every task of the table that can learn from the data."""
    fitting = [name for name in TASKS if find_task(name).modality == case.modality]
    return list(asked) if asked else [name for name in fitting if case.color or not find_task(name).needs_color]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=list(CASES))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", nargs="*", help="TASK or TASK@BACKBONE; by default every task for such data")
    parser.add_argument("--budget", help="of each run; by default the case's own")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--set", action="append", default=[], metavar="OPTION=VALUE", help="for every task that has the option")
    parser.add_argument("--pretrain", default="", metavar="OPTIONS", help="more of them, in one word: --pretrain='--context 64'")
    parser.add_argument("--labels-per-class", nargs="*", help="by default the case's own")
    parser.add_argument("--baselines", nargs="*", help="by default the case's own; `scratch` takes longest")
    asked = parser.parse_args()
    case = CASES[asked.case]
    case = replace(case, options=case.options | {name: str(value) for name, value in parse_settings(asked.set).items()})
    counts = [count if count == "all" else int(count) for count in asked.labels_per_class or case.scoring.counts]
    scoring = case.scoring if case.scoring.first in counts else replace(case.scoring, first=counts[0])
    place = saved(asked.case, case.place(asked.case, asked.out))
    budget, more = asked.budget or case.budget, shlex.split(asked.pretrain)
    every = [
        pretrained(case, place, unit=unit, seed=seed, budget=budget, out=asked.out / f"{unit}-{seed}", more=more)
        for seed in range(asked.seeds or case.seeds)
        for unit in units(case, asked.tasks)
    ]
    results = evaluate(
        every, place / case.file, labels=scoring.labels, labels_per_class=tuple(counts), draws=scoring.draws,
        baselines=scoring.baselines if asked.baselines is None else asked.baselines, out=asked.out, **case.columns,
    )  # fmt: skip
    rows = rows_by_seed(every)
    print(table(results, rows, counts, scoring), verdicts(results, rows, scoring), report(asked.out), sep="\n\n")


if __name__ == "__main__":
    main()
