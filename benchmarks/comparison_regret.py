"""How good is the choice of `selfsup compare`? Its regret against training every task to the end, beside two dumb rules.

    python benchmarks/comparison_regret.py mnist elpv emoji bbc --out DIR      # about an hour a data set on 2 cores
    python benchmarks/comparison_regret.py mnist --budget 10m --repeats 3 --out DIR

For each data set `compare` is called `--repeats` times, each with seeds of its own. Then every task that could be trained gets as much
training as the finalists of the first comparison had, with three seeds that no comparison used: their scores on the tested items are taken
as the truth. The regret of a choice is the best of these minus that of the chosen task, in points of the primary score. Beside it stand the
regret of a task drawn at random, of always taking the task that is best on average over the data sets given (which only who trained
everything everywhere knows), and of taking the one that is best on average over the others; and the share of the seconds of training
everything that a comparison used. Stopped, it goes on where it was when called again with the same --out.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from scipy import stats

from real_data import saved
from selfsup import compare, evaluate, pretrain
from selfsup.comparison import Compared
from selfsup.comparison.measuring import settings_of
from selfsup.comparison.state import FILE, State
from selfsup.run import Run
from selfsup.tasks import find_task
from tasks import CASES, Case

SEEDS = 3
FIRST_SEED = 1000  # of the trainings that are taken as the truth


@dataclass(frozen=True)
class Found:
    """Of one data set: the truth for every task, what each comparison chose, and the share of the time of all it used."""

    truth: dict[str, float]
    chosen: list[str]
    share: list[float]

    @property
    def regrets(self) -> list[float]:
        """Of each comparison's choice, as shares of 1."""
        return [self.regret(task) for task in self.chosen]

    def regret(self, task: str) -> float:
        """How far a task lies below the best."""
        return max(self.truth.values()) - self.truth[task]


def arguments_of(case: Case, place: Path) -> dict[str, Any]:
    """How `compare` reads a data set of `benchmarks/tasks.py`."""
    words = [part.format(place=place) for part in case.arguments]
    told: dict[str, Any] = {name.removeprefix("--"): value for name, value in zip(words[::2], words[1::2], strict=True)}
    if "holdout" in told:
        told["holdout"] = float(told["holdout"])
    if "size" in told:
        told["size"] = int(told["size"])
    return {**told, **case.columns}


def compared(case: Case, place: Path, *, data: Path, budget: str, seed: int, out: Path) -> Compared:
    """One comparison on `data` of a case that lies in `place`, made now or gone on with."""
    scoring = case.scoring
    return compare(
        data, labels=scoring.labels, budget=budget, options=dict(case.options), labels_per_class=(scoring.first,),
        draws=scoring.draws, seed=seed, out=out, resume=(out / FILE).is_file(), **arguments_of(case, place),
    )  # fmt: skip


def truth_of(case: Case, place: Path, comparison: Compared, out: Path) -> dict[str, float]:
    """The primary score of every task, trained as long as the finalists were, on the tested items; a mean over new seeds."""
    state = State.load(comparison.folder)
    last = max(rung.seconds for rung in comparison.answer.rungs)
    shared = {name: value for name, value in state.asked.items() if name in arguments_of(case, place)}
    runs: dict[str, list[Run]] = {}
    for unit in state.units:
        if unit.name not in state.measured:
            continue
        one = state.measured[unit.name]
        for seed in range(FIRST_SEED, FIRST_SEED + SEEDS):
            folder = out / unit.folder(seed)
            settings = {**shared, **settings_of(unit, backbone=one.backbone), "schedule": "constant", "seed": seed}
            steps = max(10, int(last / one.seconds_per_step))
            begun = (folder / "run.json").is_file()
            runs.setdefault(unit.name, []).append(pretrain(place / case.file, **settings, steps=steps, out=folder, resume=begun))
    every = [run for several in runs.values() for run in several]
    scoring, data = case.scoring, place / case.file
    asked = {"labels": scoring.labels, "labels_per_class": (scoring.first,), "draws": scoring.draws, "probes": ("linear",)}
    results = evaluate(every, data, **asked, baselines=False, out=out, **case.columns)
    scores = {run: row.value for row in results.rows for run in row.runs}
    return {name: scores[several[0].name] for name, several in runs.items()}


def found_on(name: str, *, budget: str, repeats: int, out: Path) -> Found:
    """Everything for one data set, kept in a file when it is done."""
    file = out / f"{name}.json"
    if file.is_file():
        return Found(**json.loads(file.read_text(encoding="utf-8")))
    case = CASES[name]
    place = saved(name, case.place(name, out))
    several = [
        compared(case, place, data=place / case.file, budget=budget, seed=100 * number, out=out / f"{name}-{number}")
        for number in range(repeats)
    ]
    truth = truth_of(case, place, several[0], out / f"{name}-all")
    shares = []
    for one in several:
        state, last = State.load(one.folder), max(rung.seconds for rung in one.answer.rungs)
        everything = sum(SEEDS * (last + cost.overhead) for cost in state.measured.values())
        shares.append(one.answer.spent["pretraining"] / everything)
    found = Found(truth, [one.answer.recommended for one in several], shares)
    file.write_text(json.dumps(found.__dict__, indent=1), encoding="utf-8")
    return found


def interval(values: list[float]) -> str:
    """The mean in points with its 95 % interval over repeats."""
    if len(values) < 2:
        return f"{100 * values[0]:.1f}"
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)
    return f"{100 * mean(values):.1f} ({100 * (mean(values) - half):.1f} to {100 * (mean(values) + half):.1f})"


def table(every: dict[str, Found]) -> str:
    """Markdown: a line for each data set."""
    lines = [
        "| data | best task | chosen | regret, points | always the best on average | best on the other data | a task at random | compute |",
        "|---|---|---|--:|--:|--:|--:|--:|",
    ]
    for name, found in every.items():
        best = max(found.truth, key=lambda task: found.truth[task])
        alike = {other: one for other, one in every.items() if _kind(one) == _kind(found)}
        usual = _best_on_average(alike)
        elsewhere = _best_on_average({other: one for other, one in alike.items() if other != name}, among=found)
        random = mean(found.regret(task) for task in found.truth)
        cells = [
            name, f"{best} {100 * found.truth[best]:.1f}", ", ".join(found.chosen), interval(found.regrets), _regret(found, usual),
            _regret(found, elsewhere), f"{100 * random:.1f}", f"{100 * mean(found.share):.0f} %",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _best_on_average(several: dict[str, Found], among: Found | None = None) -> str | None:
    """The task that is best on average over data sets, of those that all of them (and `among`) could train; None for no data set."""
    if not several:
        return None
    shared = set.intersection(*(set(one.truth) for one in [*several.values(), *([among] if among else [])]))
    return max(sorted(shared), key=lambda task: mean(one.truth[task] for one in several.values()))


def _regret(found: Found, task: str | None) -> str:
    return "" if task is None else f"{task}: {100 * found.regret(task):.1f}"


def _kind(found: Found) -> str:
    return find_task(next(iter(found.truth)).partition("@")[0]).modality


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", choices=list(CASES))
    parser.add_argument("--budget", default="10m")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    print(table({name: found_on(name, budget=asked.budget, repeats=asked.repeats, out=asked.out) for name in asked.data}))


if __name__ == "__main__":
    main()
