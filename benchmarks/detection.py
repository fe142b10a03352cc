"""The same pretrained networks on boxes and on classes: does a task that suits one suit the other?

    python benchmarks/detection.py --out DIR                     # six tasks, 60 s a run, 3 seeds
    python benchmarks/detection.py --out DIR --tasks rotation simclr --seeds 1 --budget 20s --labelled 50

Every task is pretrained on digits on a canvas (digits_on_canvas.py) for the same time. Boxes: a head on frozen maps learns from some
canvases, and is tested on held-out ones, whose digits stand on no other. Classes: a linear probe on one such digit a canvas, 10 labels a
class. Stopped, it goes on where it was when called again with the same --out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from digits_on_canvas import save_canvases
from selfsup import evaluate, evaluate_detection, report
from selfsup.downstream import UseScores
from selfsup.evaluation import Results
from tasks import Case, pretrained

TASKS = ("rotation", "relative_location", "jigsaw", "simclr", "dae", "vae")
"""One of each kind that runs on the same ConvNet."""

CASE = Case(("--split", "{place}/split.csv", "--size", "96"), "60s", 3, {"flip": "0", "turn": "20"}, file="pictures")


def table(boxes: UseScores, classes: Results, labelled: list[int | str]) -> str:
    """Markdown: one line a row, best boxes first, its places in both orders among the tasks."""
    tasks = {row.row for row in boxes.rows if row.kind == "run"}
    by_boxes = sorted({row.row for row in boxes.rows}, key=lambda name: -boxes.find(name).value)
    by_class = sorted(by_boxes, key=lambda name: -classes.find(name).value)
    places = [[name for name in order if name in tasks] for order in (by_boxes, by_class)]
    header = [
        "row",
        *(f"AP, {count} pictures" for count in labelled),
        f"AP50, {boxes.primary['labelled']}",
        "linear, 10 labels a class",
        "place",
    ]
    lines = ["| " + " | ".join(header) + " |", "|---" + "|--:" * (len(header) - 1) + "|"]
    for name in by_boxes:
        cells = [_cell(boxes.find(name, labelled=count)) for count in labelled]
        cells += [_cell(boxes.find(name, metric="AP50")), _cell(classes.find(name))]
        place = f"{places[0].index(name) + 1} of boxes, {places[1].index(name) + 1} of classes" if name in tasks else ""
        lines.append("| " + " | ".join([name, *cells, place]) + " |")
    return "\n".join(lines)


def _cell(row: object) -> str:
    return f"{100 * row.value:.1f} ({100 * row.low:.1f}–{100 * row.high:.1f})"  # type: ignore[attr-defined]


def verdicts(boxes: UseScores) -> str:
    """Each task's boxes against the untrained backbone, in points of AP, paired; bold where the interval leaves out 0."""
    lines = []
    for one in boxes.comparisons:
        if one.metric == "AP" and one.labelled == boxes.primary["labelled"] and one.against.startswith("untrained"):
            said = f"{100 * one.difference:+.1f} ({100 * one.low:+.1f} to {100 * one.high:+.1f})"
            lines.append(f"- {one.row}: " + (f"**{said}**" if one.low > 0 or one.high < 0 else said))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--budget", default=CASE.budget)
    parser.add_argument("--seeds", type=int, default=CASE.seeds)
    parser.add_argument("--labelled", nargs="*", default=["10", "50", "all"])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--canvases", type=int, default=800)
    parser.add_argument("--scratch", action="store_true", help="beside: the whole network trained on those boxes")
    asked = parser.parse_args()
    place = asked.out / "canvases"
    if not (place / "single.npz").is_file():
        print(save_canvases(place, count=asked.canvases))
    labelled = [count if count == "all" else int(count) for count in asked.labelled]
    runs = [
        pretrained(CASE, place, unit=task, seed=seed, budget=asked.budget, out=asked.out / f"{task}-{seed}")
        for seed in range(asked.seeds)
        for task in asked.tasks
    ]
    beside = ("pixels", "untrained", "scratch") if asked.scratch else ("pixels", "untrained")
    boxes = evaluate_detection(runs, place / "pictures", boxes=place / "boxes.json", labelled=labelled, draws=asked.draws, baselines=beside)
    classes = evaluate(runs, place / "single.npz", labels="label", probes=("linear",), labels_per_class=(10,), baselines=beside[:2])
    print("\n" + table(boxes, classes, labelled) + "\n\nAP against the untrained backbone, in points:\n\n" + verdicts(boxes) + "\n")
    print(report(asked.out))


if __name__ == "__main__":
    main()
