"""`evaluate`: from runs and labels to scores with intervals beside baselines."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from selfsup.backbones import load_backbone
from selfsup.data import Source, Store, open_source, open_store
from selfsup.evaluation import baselines as beside
from selfsup.evaluation.baselines import Told
from selfsup.evaluation.copies import near_copies
from selfsup.evaluation.draws import check_labels_per_class, overlap
from selfsup.evaluation.intervals import MOST_OVERLAP
from selfsup.evaluation.predictions import stack
from selfsup.evaluation.problem import LabelsPerClass, Problem, Protocol, pose
from selfsup.evaluation.results import Results
from selfsup.evaluation.scoreboard import Entry, chosen_layers, classes_of, comparisons_of, confusion_of, metric_name, rows_of, said_by
from selfsup.options import check_choice
from selfsup.run import Run

BASELINES = ("pixels", "untrained", "scratch")

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

    `runs` are scored on the pictures of `data` (by default what the first was pretrained on), of which those are tested that the runs
    held out, or else a stratified fifth. Several runs that differ in their seed only are one row. `labels` and `groups` are what
    `pretrain` takes: "folder", a table or a column's name, and what stays on one side of the split. `draws` is how often labels are
    drawn, `seed` what they follow from. `baselines` are all, none (False) or some of "pixels", "untrained" and "scratch", which takes
    longest; `weights` are the user's own, for one more. Writes results.json, predictions.parquet
    and labels.parquet into `out` (by default the folder the runs are in), and results.json and labels.parquet into each run.
    Raises ValueError for labels, splits or probes that cannot be scored.
    """
    opened = _opened(runs)
    wanted = _wanted(baselines)
    folder = _folder(opened, out)
    protocol = Protocol(labels, tuple(probes), check_labels_per_class(tuple(labels_per_class)), draws, seed, groups)
    source = open_source(opened[0].data if data is None else data)
    grounds = _grounds(source, opened, protocol)
    problem = grounds[_key(opened[0])].problem
    with _progress() as told:
        entries = _run_entries(opened, grounds, protocol=protocol, told=told)
        entries += _baseline_entries(opened, grounds, protocol=protocol, told=told, weights=weights, wanted=wanted)
    notes = _notes(entries, problem, protocol=protocol, runs=opened) + _copy_notes(grounds[_key(opened[0])])
    results = _results(entries, problem, source=source, protocol=protocol, notes=notes)
    return _saved(results, opened, folder)


def _wanted(baselines: bool | Sequence[str]) -> tuple[str, ...]:
    """Names of baselines. Raises ValueError for one that there is not."""
    if isinstance(baselines, bool):
        return BASELINES if baselines else ()
    names = (baselines,) if isinstance(baselines, str) else tuple(baselines)
    for name in names:
        check_choice("baselines", name, list(BASELINES))
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


@dataclass(frozen=True)
class Ground:
    """Pictures at the size a run reads them, and the problem posed on them."""

    store: Store
    problem: Problem


Grounds = Mapping[tuple[int, int], Ground]


def _key(run: Run) -> tuple[int, int]:
    return run.store_side, run.channels


def _grounds(source: Source, runs: Sequence[Run], protocol: Protocol) -> Grounds:
    """One ground for every size among the runs: the same pictures, labels and draws on each."""
    grounds: dict[tuple[int, int], Ground] = {}
    for run in runs:
        if _key(run) not in grounds:
            store = open_store(source, side=run.store_side, channels=run.channels, limit_bytes=int(run.store_limit * 1e9))
            grounds[_key(run)] = Ground(store, pose(source, store, runs=runs, protocol=protocol))
    return grounds


def _run_entries(runs: Sequence[Run], grounds: Grounds, *, protocol: Protocol, told: Told) -> list[Entry]:
    """The rows of the runs."""
    entries = []
    for name, seeds in rows_by_seed(runs).items():
        found = []
        for run in seeds:
            told(f"run {run.name}")
            ground = grounds[_key(run)]
            found.append(beside.score_network(load_backbone(run.folder), ground.store, problem=ground.problem, settings=protocol.settings))
        joined = {setting: stack([one[setting] for one in found]) for setting in protocol.settings}
        entries.append(Entry(name, "run", len(seeds), joined, tuple(run.name for run in seeds)))
    return entries


def _baseline_entries(
    runs: Sequence[Run], grounds: Grounds, *, protocol: Protocol, told: Told, weights: str | Path | None, wanted: Sequence[str]
) -> list[Entry]:
    """The rows beside: pixels once, the others once for every backbone among the runs."""
    alike: dict[tuple[str, int, int], list[Run]] = {}
    for run in runs:
        alike.setdefault((run.backbone, run.size, run.channels), []).append(run)
    entries: list[Entry] = []
    for (backbone, size, _), same in alike.items():
        ground = grounds[_key(same[0])]
        setup = beside.setup_of(same, store=ground.store, problem=ground.problem)
        suffix = "" if len(alike) == 1 else f" ({backbone}, {size} px)"
        if "pixels" in wanted and not entries:
            entries.append(Entry(beside.PIXELS, "baseline", 1, beside.pixels(setup, protocol.settings, told=told)))
        if "untrained" in wanted:
            bare = beside.untrained(setup, protocol.settings, told=told)
            entries.append(Entry(beside.UNTRAINED + suffix, "baseline", beside.INITIALISATIONS, bare))
        if "scratch" in wanted:
            scratch = beside.from_scratch(setup, protocol.settings, told=told)
            entries.append(Entry(beside.SCRATCH + suffix, "baseline", None, scratch))
        if weights is not None:
            own, remarks = beside.own_weights(setup, protocol.settings, told=told, path=weights)
            entries.append(Entry(beside.WEIGHTS + suffix, "baseline", 1, own, remarks=tuple(remarks)))
    return entries


def _results(entries: Sequence[Entry], problem: Problem, *, source: Source, protocol: Protocol, notes: list[str]) -> Results:
    """Everything put together."""
    primary, classes, ids = protocol.primary, problem.classes, problem.ids
    brief = entries
    if len(classes) > MOST_CLASSES:
        brief = [replace(entry, predictions={primary: entry.predictions[primary]}) for entry in entries]
    sides = {row: part for part, rows in (("train", problem.train), ("test", problem.test)) for row in rows.tolist()}
    return Results(
        data=source.name,
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
        predictions=said_by(entries, problem),
        truth={ids[row]: classes[problem.targets[row]] for row in problem.test.tolist()},
        parts={ids[row]: (classes[problem.targets[row]], sides[row]) for row in sorted(sides)},
    )


def _notes(entries: Sequence[Entry], problem: Problem, *, protocol: Protocol, runs: Sequence[Run]) -> list[str]:
    """What a reader of the intervals must know beside what the problem itself noted."""
    notes = list(problem.notes)
    lone = [entry.name for entry in entries if entry.kind == "run" and entry.seeds == 1]
    if lone:
        notes.append(f"One pretraining seed only ({', '.join(lone)}): what another seed would change is not in the interval.")
    own_views = [run.name for run in runs if run.views is not None]
    if own_views:
        notes.append(f"{', '.join(own_views)} used views of their own, which 'from scratch' cannot repeat: it used the built-in ones.")
    for entry in entries:
        if entry.remarks:
            notes.append(f"{entry.name}: {len(entry.remarks)} weights did not match, such as {entry.remarks[0]}")
        seeds = [run.seed for run in runs if run.name in entry.runs]
        if len(set(seeds)) < len(seeds):
            notes.append(f"Runs of {entry.name} have equal seeds ({', '.join(map(str, seeds))}): their spread says less than it seems.")
    shares = {count: overlap(problem.targets[problem.train], count) for count in protocol.labels_per_class}
    wide = [str(count) for count, share in shares.items() if share > MOST_OVERLAP]
    if wide:
        notes.append(
            f"At {' and '.join(wide)} labels a class more than half of the labels there are take part in every draw: what other "
            "labels would change is not, or hardly, in the interval."
        )
    if problem.skewed:
        notes.append(
            f"Classes are skewed ({problem.counts.max()} to {problem.counts.min()}): scores are balanced accuracy: each class counts alike."
        )
    if any(entry.name.startswith(beside.SCRATCH) for entry in entries):
        notes.append(f"{beside.SCRATCH!r} uses no probe: the same score stands beside each. Every draw has initial weights of its own.")
    elif not any(entry.kind == "baseline" for entry in entries):
        notes.append("No baselines were scored: nothing here says that pretraining was of use.")
    return notes


def _copy_notes(ground: Ground) -> list[str]:
    """A warning where tested pictures have near-copies among those learned from."""
    tested = ground.problem.test
    twins = near_copies(ground.store, np.setdiff1d(np.arange(len(ground.store.ids)), tested), tested)
    if not twins:
        return []
    first, twin = next(iter(twins.items()))
    return [
        f"{len(twins)} tested pictures are near-copies of pictures learned from, such as {first} of {twin}: scores are too good. Pretrain "
        "with --groups so that copies stay on one side of the split."
    ]


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
