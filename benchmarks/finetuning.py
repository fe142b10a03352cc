"""Fine-tuned against the linear probe and training from scratch, at few and many labels; and whether confidence keeps what it promises.

    python benchmarks/finetuning.py elpv --out DIR --runs RUN [RUN …]      # runs of benchmarks/tasks.py elpv, or any on that data
    python benchmarks/finetuning.py bbc --out DIR --runs RUN [RUN …] --labels-per-class 1 5 8 50 all

Every row has the same draws of labels and the same tested items, which the run held out. The linear probe is where fine-tuning begins;
"fine-tuned" is what `selfsup finetune` hands over, whose choice is made inside the labels, and so may be the linear probe. Prints tables
for each run, and writes what was said, draw by draw, into DIR/RUN.jsonl. Stopped, it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from real_data import saved
from selfsup import Run, evaluate
from selfsup.embedding import opened_for
from selfsup.evaluation.problem import Problem, Protocol, pose
from selfsup.finetuning import FineTuned, Plan, fine_tuned
from selfsup.finetuning.assembly import calibration_of
from selfsup.finetuning.calibration import confidence_of, expected_error
from selfsup.finetuning.kinds import kind_of
from selfsup.probing.draws import overlap
from selfsup.probing.intervals import Interval, Sample, difference_interval, mean_interval
from selfsup.probing.metrics import item_weights
from tasks import CASES

Said = dict[str, Any]


def judged(run: Run, data: Path, columns: dict[str, str], protocol: Protocol, file: Path) -> tuple[Problem, list[Said]]:
    """What was said of the tested items in each draw, now or when this was last called with `file`."""
    kind = kind_of(run.kind, run.folder)
    reading = kind.reads.of(run, opened_for(run, data, columns))
    problem = pose(reading, runs=[run], protocol=protocol)
    recipe, options = kind.recipe(run, balanced=problem.skewed, views={})
    plan, network = Plan(len(problem.classes), problem.reference, recipe, options), kind.reads.network(run)
    found = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []
    known = {(one["count"], one["draw"]) for one in found}
    for count, draws in problem.draws.items():
        for number, draw in enumerate(draws):
            if (str(count), number) in known:
                continue
            done = fine_tuned(network, reading, rows=draw, targets=problem.targets[draw], plan=plan, seed=number)
            found.append({"count": str(count), "draw": number} | said(done, reading, problem))
            with file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(found[-1]) + "\n")
            print(run.name, count, number, f"share {done.share}", flush=True)
    return problem, found


def said(done: FineTuned, reading: Any, problem: Problem) -> Said:
    """Predicted classes with and without fine-tuning, and how far off the confidence is, beside what was promised."""
    logits, promised = done.classifier.logits(reading, problem.test), calibration_of(done, len(problem.classes))
    confidence, right = confidence_of(logits / promised.temperature, problem.truth)
    return {
        "share": done.share,
        "layer": done.choice.layer,
        "linear probe": done.probe.logits(reading, problem.test).argmax(1).tolist(),
        "fine-tuned": logits.argmax(1).tolist(),
        "promised error": promised.error,
        "promised off by": promised.off_by,
        "error": expected_error(confidence, right),
        "untempered error": expected_error(*confidence_of(logits, problem.truth)),
        "off by": abs(float((right - confidence).mean())),
    }


def tables(problem: Problem, found: Sequence[Said], scratch: dict[str, str]) -> str:
    """Markdown: scores by number of labels, then how far confidence is off."""
    counts = list(dict.fromkeys(one["count"] for one in found))
    scores = ["| labels a class | linear probe | fine-tuned | difference, paired | from scratch | draws that kept the linear probe |"]
    errors = ["| labels a class | expected calibration error promised | found | found without a temperature | mean confidence off by |"]
    scores, errors = [*scores, "|---|--:|--:|--:|--:|--:|"], [*errors, "|---|--:|--:|--:|--:|"]
    for count in counts:
        draws = [one for one in found if one["count"] == count]
        number = "all" if count == "all" else int(count)
        sample = Sample(
            item_weights(problem.truth, balanced=problem.skewed), problem.groups, overlap(problem.targets[problem.train], number)
        )
        right = {row: np.array([[one[row] == problem.truth for one in draws]], dtype=float) for row in ("linear probe", "fine-tuned")}
        change = difference_interval(right["fine-tuned"], right["linear probe"], sample=sample)
        cells = [shown(mean_interval(table, sample)) for table in right.values()]
        cells += [shown(change, signed=True), scratch.get(count, ""), f"{sum(one['share'] == 0 for one in draws)} of {len(draws)}"]
        scores.append(f"| {count} | " + " | ".join(cells) + " |")
        names = ("promised error", "error", "untempered error", "off by")
        errors.append(f"| {count} | " + " | ".join(mean_of([one[name] for one in draws]) for name in names) + " |")
    return "\n".join([*scores, "", *errors])


def shown(found: Interval, *, signed: bool = False) -> str:
    """In points, with the interval."""
    if signed:
        return f"{100 * found.value:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"
    return f"{100 * found.value:.1f} ({100 * found.low:.1f}–{100 * found.high:.1f})"


def mean_of(values: Sequence[float | None]) -> str:
    """The mean in points, where there is one."""
    known = [value for value in values if value is not None]
    return f"{100 * sum(known) / len(known):.1f}" if known else "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=list(CASES))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", nargs="+", type=Path, required=True)
    parser.add_argument("--labels-per-class", nargs="*", default=["1", "5", "10", "50", "all"])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--without-scratch", action="store_true", help="it takes as long as the rest")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    case = CASES[asked.case]
    data, labels = saved(asked.case, case.place(asked.case, asked.out)) / case.file, case.scoring.labels
    counts = tuple(count if count == "all" else int(count) for count in asked.labels_per_class)
    protocol = Protocol(labels, ("linear",), counts, asked.draws)
    for folder in asked.runs:
        run = Run.open(folder)
        problem, found = judged(run, data, case.columns, protocol, asked.out / f"{run.name}.jsonl")
        scratch = {}
        if not asked.without_scratch:
            beside = evaluate(run, data, labels=labels, probes=("linear",), labels_per_class=counts, draws=asked.draws,
                              baselines=("scratch",), out=asked.out / run.name, **case.columns)  # fmt: skip
            rows = [row for row in beside.rows if row.row == "from scratch"]
            scratch = {str(row.labels_per_class): shown(Interval(row.value, row.low, row.high)) for row in rows}
        print(f"\n{run.name}\n\n{tables(problem, found, scratch)}", flush=True)


if __name__ == "__main__":
    main()
