"""`evaluate`: from runs and labels to scores with intervals beside baselines."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from selfsup.evaluation import baselines as beside
from selfsup.evaluation.baselines import Told
from selfsup.evaluation.draws import check_labels_per_class
from selfsup.evaluation.ground import Ground
from selfsup.evaluation.kinds import ground_of
from selfsup.evaluation.notes import notes_on
from selfsup.evaluation.predictions import stack
from selfsup.evaluation.problem import LabelsPerClass, Problem, Protocol, pose
from selfsup.evaluation.results import Results
from selfsup.evaluation.scoreboard import Entry, chosen_layers, classes_of, comparisons_of, confusion_of, metric_name, rows_of, said_by
from selfsup.options import check_choice
from selfsup.run import Run

MOST_CLASSES = 40
"""Confusion and single classes are kept for the primary setting only where there are more."""


def evaluate(
    runs: Run | str | Path | Sequence[Run | str | Path],
    data: Any = None,
    *,
    labels: Any,
    probes: Sequence[str] = ("linear", "knn"),
    labels_per_class: Sequence[LabelsPerClass] = (1, 5, 10, "all"),
    draws: int = 5,
    out: str | Path | None = None,
    baselines: bool | Sequence[str] = True,
    weights: str | Path | None = None,
    seed: int = 0,
    groups: Any = None,
) -> Results:
    """Score runs by what probes learn from few labels, with 95 % intervals, beside baselines; the primary score is linear at 10 a class.

    `runs` are scored on the items of `data` (by default what the first was pretrained on), of which those are tested that the runs
    held out, or else a stratified fifth. Several runs that differ in their seed only are one row. `labels` and `groups` are what
    `pretrain` takes: "folder", a table or a column's name, and what stays on one side of the split. `draws` is how often labels are
    drawn, `seed` what they follow from. `baselines` are all, none (False) or some: "untrained", "scratch", which takes longest, and
    "pixels" for pictures, "tfidf" and "lsa" for texts; `weights` are the user's own, for one more. Writes results.json,
    predictions.parquet and labels.parquet into `out` (by default the folder the runs are in), and results.json and labels.parquet into
    each run.
    Raises ValueError for labels, splits or probes that cannot be scored.
    """
    opened = _opened(runs)
    wanted = _wanted(baselines, ground_of(opened[0]))
    folder = _folder(opened, out)
    protocol = Protocol(labels, tuple(probes), check_labels_per_class(tuple(labels_per_class)), draws, seed, groups)
    grounds = _grounds(opened, opened[0].data if data is None else data, protocol)
    first = grounds[opened[0].name]
    with _progress() as told:
        entries = _run_entries(opened, grounds, protocol=protocol, told=told)
        entries += _baseline_entries(opened, grounds, protocol=protocol, told=told, weights=weights, wanted=wanted)
    notes = notes_on(entries, first, protocol=protocol, runs=opened)
    return _saved(_results(entries, first.problem, data=first.reading.name, protocol=protocol, notes=notes), opened, folder)


def _wanted(baselines: bool | Sequence[str], kind: type[Ground]) -> tuple[str, ...]:
    """Names of baselines. Raises ValueError for one that this kind of data has not."""
    known = (*kind.simple_rows, "untrained", "scratch")
    if isinstance(baselines, bool):
        return known if baselines else ()
    names = (baselines,) if isinstance(baselines, str) else tuple(baselines)
    for name in names:
        check_choice("baselines", name, list(known))
    return names


def _opened(runs: Run | str | Path | Sequence[Run | str | Path]) -> list[Run]:
    several = [runs] if isinstance(runs, Run | str | Path) else list(runs)
    if not several:
        raise ValueError("no run was given: expected one folder of a run, or several")
    opened = [run if isinstance(run, Run) else Run.open(run) for run in several]
    names = [run.name for run in opened]
    if len(set(names)) < len(names):
        raise ValueError(
            f"two runs have the same name ({', '.join(sorted(names))}): give each once, and rename folders that are called alike"
        )
    return opened


ALIKE = (
    "task", "options", "backbone", "size", "views", "weights", "batch_size", "accumulate", "optimizer", "learning_rate", "weight_decay",
    "clip", "schedule", "pictures", "fingerprint",
)  # fmt: skip
"""What runs of one row have in common: every setting but the seed, and steps where a time was given."""


def rows_by_seed(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs that differ in their seed only, under the name of their task; with what tells them apart where a task was run otherwise too."""
    alike: dict[str, list[Run]] = {}
    for run in runs:
        settings = dataclasses.asdict(run)
        key = {name: settings[name] for name in ALIKE} | {"length": run.budget or run.steps}
        alike.setdefault(json.dumps(key, sort_keys=True, default=str), []).append(run)
    named: dict[str, list[Run]] = {}
    for group in alike.values():
        task = group[0].row
        namesakes = [other for other in alike.values() if other[0].row == task]
        named[task if len(namesakes) == 1 else f"{task} ({', '.join(run.name for run in group)})"] = group
    return named


Grounds = Mapping[str, Ground]
"""The ground of each run, by its name."""


def _grounds(runs: Sequence[Run], data: Any, protocol: Protocol) -> Grounds:
    """One ground for all runs that read the data alike: the same items, labels and draws on each."""
    kinds = {run.kind for run in runs}
    if len(kinds) > 1:
        raise ValueError(f"the runs learned from different kinds of data ({', '.join(sorted(kinds))}): evaluate each kind by itself.")
    kind = ground_of(runs[0])
    opened = kind.reads.opened(data)
    made: dict[Any, Ground] = {}
    for run in runs:
        key = kind.key(run)
        if key not in made:
            reading = kind.reads.of(run, opened)
            made[key] = kind(reading, pose(reading, runs=runs, protocol=protocol), run)
    return {run.name: made[kind.key(run)] for run in runs}


def _run_entries(runs: Sequence[Run], grounds: Grounds, *, protocol: Protocol, told: Told) -> list[Entry]:
    """The rows of the runs."""
    entries = []
    for name, seeds in rows_by_seed(runs).items():
        found = []
        for run in seeds:
            told(f"run {run.name}")
            reading, problem = grounds[run.name].reading, grounds[run.name].problem
            found.append(beside.score_network(reading.network(run), reading, problem=problem, settings=protocol.settings))
        joined = {setting: stack([one[setting] for one in found]) for setting in protocol.settings}
        entries.append(Entry(name, "run", len(seeds), joined, tuple(run.name for run in seeds)))
    return entries


def _baseline_entries(
    runs: Sequence[Run], grounds: Grounds, *, protocol: Protocol, told: Told, weights: str | Path | None, wanted: Sequence[str]
) -> list[Entry]:
    """The rows beside: those without a network once, the others once for every backbone among the runs."""
    alike: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        alike.setdefault(grounds[run.name].backbone(run), []).append(run)
    settings = protocol.settings
    first = grounds[runs[0].name]
    simple = {name: row for name, row in first.simple_rows.items() if name in wanted}
    entries = [Entry(row, "baseline", 1, first.simple(name, settings, told=told)) for name, row in simple.items()]
    for same in alike.values():
        ground = grounds[same[0].name]
        setup, suffix = ground.setup(same), "" if len(alike) == 1 else f" ({ground.described(same[0])})"
        if "untrained" in wanted:
            bare = beside.untrained(setup, settings, told=told)
            entries.append(Entry(beside.UNTRAINED + suffix, "baseline", beside.INITIALISATIONS, bare))
        if "scratch" in wanted:
            entries.append(Entry(beside.SCRATCH + suffix, "baseline", None, beside.from_scratch(setup, settings, told=told)))
        if weights is not None:
            network, reading, remarks = ground.weights(setup, weights)
            told(f"{beside.WEIGHTS} ({weights})")
            own = beside.score_network(network, reading, problem=setup.problem, settings=settings)
            entries.append(Entry(beside.WEIGHTS + suffix, "baseline", 1, own, remarks=tuple(remarks)))
    return entries


def _results(entries: Sequence[Entry], problem: Problem, *, data: str, protocol: Protocol, notes: list[str]) -> Results:
    """Everything put together."""
    primary, classes, ids = protocol.primary, problem.classes, problem.ids
    brief = entries
    if len(classes) > MOST_CLASSES:
        brief = [replace(entry, predictions={primary: entry.predictions[primary]}) for entry in entries]
    sides = {row: part for part, rows in (("train", problem.train), ("test", problem.test)) for row in rows.tolist()}
    return Results(
        data=data,
        labels=str(protocol.labels) if isinstance(protocol.labels, str | Path) else f"given as {type(protocol.labels).__name__}",
        classes=classes,
        class_counts=dict(zip(classes, problem.counts.tolist(), strict=True)),
        train=len(problem.train),
        test=len(problem.test),
        unlabelled=int((problem.targets < 0).sum()),
        metric=metric_name(problem),
        skewed=problem.skewed,
        transductive=problem.seen,
        draws=protocol.draws,
        primary={"probe": primary.probe, "labels_per_class": primary.labels_per_class},
        rows=rows_of(entries, problem),
        comparisons=comparisons_of(entries, problem),
        confusion=confusion_of(brief, problem),
        per_class=classes_of(brief, problem),
        chosen_layer=chosen_layers(entries, primary),
        unmatched_labels=problem.unmatched,
        notes=notes,
        noun=problem.noun,
        predictions=said_by(entries, problem),
        truth={ids[row]: classes[problem.targets[row]] for row in problem.test.tolist()},
        parts={ids[row]: (classes[problem.targets[row]], sides[row]) for row in sorted(sides)},
    )


def _folder(runs: Sequence[Run], out: str | Path | None) -> Path:
    """Where results go: `out`, the only run's folder, or the one that all runs lie in. Raises ValueError before anything is scored."""
    if out is not None or len(runs) == 1:
        return runs[0].folder if out is None else Path(out)
    parents = {run.folder.resolve().parent for run in runs}
    if len({parent.anchor for parent in parents}) > 1 or not os.access(common := Path(os.path.commonpath(parents)), os.W_OK):
        raise ValueError(f"the runs lie in unrelated folders ({', '.join(sorted(map(str, parents)))}); say with --out where scores go.")
    return common


def _saved(results: Results, runs: Sequence[Run], out: Path) -> Results:
    """Write everything into `out`; into each run results.json, where `embed` finds its layer, and the labels, for its report."""
    saved = results.save(out)
    assert saved.folder is not None
    for run in runs:
        if run.folder.resolve() != saved.folder.resolve():
            for name in ("results.json", "labels.parquet"):
                shutil.copyfile(saved.folder / name, run.folder / name)
    return saved


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """A line on stderr that says what is being scored, and for how long it has been."""
    columns = (SpinnerColumn(), TextColumn("scoring {task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        row = progress.add_task("", total=None)
        yield lambda words: progress.update(row, description=words)
