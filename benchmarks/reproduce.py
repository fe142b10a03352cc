"""selfsup's tasks by the protocols of published tables, on your own copies of CIFAR-10 and Imagenette, beside the published figures.

    make reproduce CIFAR10=DIR IMAGENETTE=DIR
    python benchmarks/reproduce.py --cifar10 DIR --imagenette DIR --dry-run       # what would be run, and how long it takes here
    python benchmarks/reproduce.py --cifar10 DIR --tasks simclr --epochs 20       # less than was published: the table says so

Pretraining sees the official training part only, and the official test part is scored. Nothing is fetched: without a copy a row is "not
run here" (`local_copies.py` says what to get). Stopped, it goes on when called again with the same --out; rows that are done are kept in
DIR/rows.jsonl and not run again. The figures, their sources and what differs are in `published.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from statistics import mean

import numpy as np

from local_copies import IMAGENETTE, RECORDS, TRAINING, Copy, NotHere, cifar10, imagenette
from once import Record, Rows, pretrained_once
from published import FIGURES, OURS, Figure, Source
from selfsup import embed, evaluate, pretrain
from selfsup.backbones import load_backbone
from selfsup.evaluation import Results
from selfsup.probing.probes import knn
from selfsup.reporting.metrics import read_metrics
from selfsup.run import Run
from selfsup.tasks import TASKS
from selfsup.train.log import clock

PICTURES = {"cifar10": RECORDS * len(TRAINING), "imagenette": IMAGENETTE["train"]}
TIMED = {32: 64, 128: 16, 224: 4}
"""Pictures in a step that is timed, by their size in px: a whole batch of the largest would take minutes."""
TIMED_STEPS = 4


def copy_for(figure: Figure, asked: argparse.Namespace) -> Copy:
    """The data of a figure. Raises NotHere and ValueError."""
    if figure.source.data == "cifar10":
        return cifar10(asked.cifar10, asked.out)
    return imagenette(asked.imagenette, asked.out, size=figure.source.size)


def setting(figure: Figure, asked: argparse.Namespace) -> Record:
    """What tells one result from another: the figure, and what was asked for otherwise than published."""
    epochs, batch_size = asked.epochs or figure.epochs, asked.batch_size or figure.batch_size
    return {"figure": figure.name, "epochs": epochs, "batch_size": batch_size, "seeds": asked.seeds}


def reproduced(figure: Figure, copy: Copy, asked: argparse.Namespace) -> Record:
    """Pretrain every seed, unless that was done, and score them."""
    wanted = setting(figure, asked)
    source, epochs, batch_size = figure.source, wanted["epochs"], wanted["batch_size"]
    runs = [
        pretrained_once(
            copy.data, task=figure.task, out=asked.out / f"{source.library}-{source.data}-{figure.task}-{epochs:g}-{batch_size}-{seed}",
            options=figure.options, backbone=figure.backbone, size=source.size, batch_size=batch_size, epochs=epochs, seed=seed,
            split=copy.split,
        )
        for seed in range(asked.seeds)
    ]  # fmt: skip
    scores = asked.out / "scores" / runs[0].name.rpartition("-")[0]
    results = evaluate(runs, copy.data, labels=copy.labels, probes=(source.probe,), labels_per_class=("all",), baselines=False, out=scores)
    [row] = results.rows
    theirs = None if source.neighbours is None else mean(as_published(run, copy, figure, results) for run in runs)
    return {**wanted, "theirs": theirs, "value": row.value, "low": row.low, "high": row.high, "skipped": len(runs[0].skipped)}


def as_published(run: Run, copy: Copy, figure: Figure, results: Results) -> float:
    """Accuracy of the source's own weighted kNN on the mean of the last map."""
    layer = f"{load_backbone(run.folder).layers[-1]}/mean"
    embedded = embed(run, copy.data, layer=layer, out=run.folder / "last.parquet")
    classes = {name: number for number, name in enumerate(results.classes)}
    known = [(row, *results.parts[name]) for row, name in enumerate(embedded.ids) if name in results.parts]
    rows, targets = np.array([row for row, _, _ in known]), np.array([classes[label] for _, label, _ in known])
    test = np.array([part == "test" for _, _, part in known])
    vectors = embedded.vectors[rows]
    assert figure.source.neighbours is not None
    assert figure.source.temperature is not None
    scores = knn(
        vectors[~test], targets[~test], vectors[test], classes=len(classes), neighbours=figure.source.neighbours,
        temperature=figure.source.temperature,
    )  # fmt: skip
    return float(np.mean(scores.argmax(1) == targets[test]))


@cache
def seconds_a_picture(name: str) -> float:
    """Seconds of training for one picture here, from the fastest of a few steps on noise: what other programs disturb least."""
    figure = next(figure for figure in FIGURES if figure.name == name)
    size, count = figure.source.size, TIMED[figure.source.size]
    noise = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    print(f"timing {name}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):  # warnings about noise would mislead
        run = pretrain(
            noise, task=figure.task, options=figure.options, backbone=figure.backbone, size=size, batch_size=count, steps=TIMED_STEPS,
            out=Path(folder) / "run",
        )  # fmt: skip
        speeds = [entry["examples_per_second"] for entry in read_metrics(run).records]
    return 1 / float(max(speeds))


def alike(figure: Figure) -> str:
    """The first figure that is trained in the same way but for its length: its speed is the same."""
    same = (figure.source, figure.task, figure.backbone, figure.options)
    return next(other.name for other in FIGURES if (other.source, other.task, other.backbone, other.options) == same)


def estimated(figure: Figure, asked: argparse.Namespace) -> float:
    """Seconds that pretraining would take here."""
    pictures = PICTURES[figure.source.data] * setting(figure, asked)["epochs"] * asked.seeds
    return seconds_a_picture(alike(figure)) * float(pictures)


def said(figure: Figure, record: Record) -> str:
    """The cell of a row that was run."""
    own = f"{100 * record['value']:.1f} ({100 * record['low']:.1f}–{100 * record['high']:.1f}) by `selfsup evaluate`"
    parts = [own] if record["theirs"] is None else [f"**{100 * record['theirs']:.1f}** by their kNN", own]
    for name, published in (("epochs", figure.epochs), ("batch_size", figure.batch_size)):
        if record[name] != published:
            parts.append(f"{name.replace('_size', '')} {record[name]:g} instead of {published}")
    if record["skipped"]:
        parts.append(f"{record['skipped']:,} pictures could not be decoded")
    return "; ".join(parts)


class Outcomes:
    """What stands beside each figure; `wanting` is what to get, `failed` what went wrong."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked, self.rows = asked, Rows(asked.out / "rows.jsonl")
        self.wanting: list[str] = []
        self.failed: list[str] = []

    def of(self, figure: Figure) -> str:
        """The score, made now or before, or why there is none."""
        if figure.task not in TASKS:
            return "not run here: selfsup has no such task"
        if (kept := self.rows.find(setting(figure, self.asked))) is not None:
            return said(figure, kept)
        reason = ""
        try:
            copy = copy_for(figure, self.asked)
            if not self.asked.dry_run:
                return self.run(figure, copy)
        except NotHere as error:
            reason = f"not run here: {error}"
            self.wanting.append(error.get)
        except ValueError as error:
            reason = f"not run here: {error}"
            self.failed.append(str(error))
        if self.asked.dry_run:
            return "; ".join(part for part in (f"{duration(estimated(figure, self.asked))} here", reason) if part)
        return reason

    def run(self, figure: Figure, copy: Copy) -> str:
        """The score, made now; one that fails does not end the others."""
        print(f"{figure.name}, {figure.percent:.1f} published", file=sys.stderr)
        try:
            return said(figure, self.rows.add(reproduced(figure, copy, self.asked)))
        except (ValueError, RuntimeError) as error:  # the latter where memory runs out
            self.failed.append(f"{figure.name}: {error}")
            return f"failed: {str(error).splitlines()[0]}"


def duration(seconds: float) -> str:
    """About so long."""
    hours = seconds / 3600
    return f"about {f'{hours / 24:,.1f} days' if hours >= 48 else f'{hours:.1f} hours' if hours >= 1 else clock(seconds)}"


def table(source: Source, cells: Sequence[tuple[Figure, str]]) -> str:
    """Markdown: the figures of a source, with its protocol and what differs."""
    title = {"cifar10": "CIFAR-10", "imagenette": "Imagenette"}[source.data]
    lines = [
        f"### {title} at {source.size} px, {'kNN' if source.probe == 'knn' else source.probe}: {source.library}\n",
        f"Source: {source.address}.  ",
        f"Published: {source.protocol}  ",
        f"Differs here: {source.differs}\n",
        "| method | task | backbone | epochs | published | here |\n|---|---|---|--:|--:|---|",
    ]
    for figure, cell in cells:
        task = f"`{figure.task}`" if figure.task in TASKS else "–"
        lines.append(f"| {figure.method} | {task} | {figure.backbone} | {figure.epochs:,} | {figure.percent:.1f} | {cell} |")
    return "\n".join(lines)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    tasks, libraries = (list(dict.fromkeys(names)) for names in zip(*((row.task, row.source.library) for row in FIGURES), strict=True))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar10", type=Path, default=Path("data"), metavar="DIR", help="cifar-10-batches-bin, or the folder it is in")
    parser.add_argument("--imagenette", type=Path, default=Path("data"), metavar="DIR", help="imagenette2-160, or the folder it is in")
    parser.add_argument("--tasks", nargs="*", default=tasks, choices=tasks)
    parser.add_argument("--libraries", nargs="*", default=libraries, choices=libraries, help="whose figures")
    parser.add_argument("--epochs", type=float, help="by default as published")
    parser.add_argument("--batch-size", type=int, help="by default as published")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/reproduce"))
    parser.add_argument("--dry-run", action="store_true", help="say how long each row would take here, from a few steps on noise")
    asked = parser.parse_args(arguments)
    if asked.seeds < 1:
        parser.error(f"--seeds {asked.seeds}: expected 1 or more")
    return asked


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; 0 unless a copy is broken or a row failed."""
    asked = parsed(arguments)
    outcomes = Outcomes(asked)
    wanted = [row for row in FIGURES if row.task in asked.tasks and row.source.library in asked.libraries]
    print(f"{OURS}\n")
    for source, figures in groupby(wanted, key=lambda figure: figure.source):
        print(table(source, [(figure, outcomes.of(figure)) for figure in figures]), end="\n\n", flush=True)
    if outcomes.wanting:
        print("To run the others, get and unpack:", *dict.fromkeys(outcomes.wanting), sep="\n- ")
    for words in dict.fromkeys(outcomes.failed):
        print(words, file=sys.stderr)
    return 1 if outcomes.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (InterruptedError, KeyboardInterrupt) as stopped:
        sys.exit(f"{str(stopped) or 'stopped.'} The same command goes on here.")
