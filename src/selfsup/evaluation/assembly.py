"""`evaluate`: from runs and labels to scores with intervals beside baselines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from selfsup.embedding import opened_for
from selfsup.evaluation import baselines as beside
from selfsup.evaluation.baselines import Told
from selfsup.evaluation.finetuned import score_finetuned
from selfsup.evaluation.ground import Ground
from selfsup.evaluation.kinds import ground_of
from selfsup.evaluation.notes import notes_on
from selfsup.evaluation.predictions import Setting, stack
from selfsup.evaluation.problem import LabelsPerClass, Problem, Protocol, pose
from selfsup.evaluation.results import Results
from selfsup.evaluation.runs import Runs, copy_into_runs, opened_runs, results_folder, rows_by_seed
from selfsup.evaluation.scoreboard import (
    Entry,
    chances_of,
    chosen_layers,
    classes_of,
    comparisons_of,
    confusion_of,
    metric_name,
    rows_of,
    said_by,
)
from selfsup.options import check_choice
from selfsup.probing.draws import check_labels_per_class
from selfsup.progress import progress
from selfsup.run import Run

MOST_CLASSES = 40
"""Confusion and single classes are kept for the primary setting only where there are more."""


def evaluate(
    runs: Runs,
    data: Any = None,
    *,
    labels: Any,
    probes: Sequence[str] = ("linear", "knn"),
    labels_per_class: Sequence[LabelsPerClass] = (1, 5, 10, "all"),
    draws: int = 5,
    out: str | Path | None = None,
    baselines: bool | Sequence[str] = True,
    weights: str | Path | None = None,
    scratch_at: Sequence[LabelsPerClass] | None = None,
    seed: int = 0,
    groups: Any = None,
    tested: int | None = None,
    initialisations: int | None = None,
    text: str | None = None,
    id: str | None = None,
    language: str | None = None,
    encoding: str | None = None,
) -> Results:
    """Score runs by what probes learn from few labels, with 95 % intervals, beside baselines; the primary score is linear at 10 a class.

    With "retrieval" among the `probes`, also by how often tested items are found by their label (recall@1, @5, @10: one of the k nearest
    other tested items has it): by cosine in the default layer, without learning from any label, beside what blind choice finds.

    `runs` are scored on the items of `data` (by default what the first was pretrained on), of which those are tested that the runs
    held out, or else a stratified fifth. Several runs that differ in their seed only are one row. `labels` and `groups` are what
    `pretrain` takes: "folder", a table or a column's name, and what stays on one side of the split. `draws` is how often labels are
    drawn, `seed` what they follow from; of more items than `tested` a sample is tested, classes in proportion, and as few standardise.
    The probe "finetune", which takes long, is what `finetune` makes of each draw. `baselines` are all, none (False) or some: "untrained"
    (so many `initialisations`), "scratch", which takes longest, and "pixels" for pictures, "tfidf" and "lsa" for texts; `weights` are the
    user's own, for one more; `scratch_at` are the numbers of labels that "scratch" is trained with, by default all. `text`, `id`,
    `language` and `encoding` say how texts are read, as for `pretrain`; what is not said is as the first run had it, if it learned from
    this data.
    Writes results.json, predictions.parquet and labels.parquet into `out` (by default the folder the runs are in), and results.json and
    labels.parquet into each run.
    Raises ValueError for labels, splits or probes that cannot be scored.
    """
    opened = opened_runs(runs)
    wanted = _wanted(baselines, ground_of(opened[0]))
    folder = results_folder(opened, out)
    protocol = Protocol(labels, tuple(probes), check_labels_per_class(tuple(labels_per_class)), draws, seed, groups, tested)
    read = opened_for(opened[0], data, {"text": text, "id": id, "language": language, "encoding": encoding})
    grounds = _grounds(opened, read, protocol)
    first = grounds[opened[0].name]
    with progress("scoring") as told:
        entries = _run_entries(opened, grounds, protocol=protocol, told=told)
        entries += _baseline_entries(
            opened, grounds, protocol=protocol, told=told, weights=weights, wanted=wanted, scratch_at=scratch_at,
            initialisations=initialisations or beside.INITIALISATIONS,
        )  # fmt: skip
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


Grounds = Mapping[str, Ground]
"""The ground of each run, by its name."""


def _grounds(runs: Sequence[Run], opened: Any, protocol: Protocol) -> Grounds:
    """One ground for all runs that read the opened data alike: the same items, labels and draws on each."""
    kind = ground_of(runs[0])
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
        found, kept = [], Counter[Setting]()
        for run in seeds:
            told(f"run {run.name}")
            reading, problem = grounds[run.name].reading, grounds[run.name].problem
            network = reading.network(run)
            scored = beside.score_network(network, reading, problem=problem, settings=protocol.frozen) if protocol.frozen else {}
            tuned = score_finetuned(run, network, reading, problem=problem, settings=protocol.settings, told=told)
            found.append(scored | {setting: one.predictions for setting, one in tuned.items()})
            kept.update({setting: one.kept_probe for setting, one in tuned.items()})
        joined = {setting: stack([one[setting] for one in found]) for setting in protocol.settings}
        entries.append(Entry(name, "run", len(seeds), joined, tuple(run.name for run in seeds), kept_probe=kept))
    return entries


def _baseline_entries(
    runs: Sequence[Run],
    grounds: Grounds,
    *,
    protocol: Protocol,
    told: Told,
    weights: str | Path | None,
    wanted: Sequence[str],
    scratch_at: Sequence[LabelsPerClass] | None,
    initialisations: int,
) -> list[Entry]:
    """The rows beside: those without a network once, the others once for every backbone among the runs."""
    alike: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        alike.setdefault(grounds[run.name].backbone(run), []).append(run)
    settings = protocol.frozen
    first = grounds[runs[0].name]
    simple = {name: row for name, row in first.simple_rows.items() if name in wanted and settings}
    entries = [Entry(row, "baseline", 1, first.simple(name, settings, told=told)) for name, row in simple.items()]
    for number, same in enumerate(alike.values()):
        ground = grounds[same[0].name]
        setup, suffix = ground.setup(same), "" if len(alike) == 1 else f" ({ground.described(same[0])})"
        if "untrained" in wanted and settings:
            bare = beside.untrained(setup, settings, initialisations=initialisations, told=told)
            entries.append(Entry(beside.UNTRAINED + suffix, "baseline", initialisations, bare))
        if "scratch" in wanted:
            wanted_at = [item for item in protocol.settings if scratch_at is None or item.labels_per_class in scratch_at]
            some = [item for item in wanted_at if not item.nearest]
            if some:
                entries.append(Entry(beside.SCRATCH + suffix, "baseline", None, beside.from_scratch(setup, some, told=told)))
        if weights is not None and settings and (number == 0 or not ground.own_networks):
            network, reading, remarks = ground.weights(setup, weights)
            told(f"{beside.WEIGHTS} ({weights})")
            own = beside.score_network(network, reading, problem=setup.problem, settings=settings)
            entries.append(Entry(beside.WEIGHTS + ("" if ground.own_networks else suffix), "baseline", 1, own, remarks=tuple(remarks)))
    return entries


def _results(entries: Sequence[Entry], problem: Problem, *, data: str, protocol: Protocol, notes: list[str]) -> Results:
    """Everything put together."""
    primary, classes, ids = protocol.primary, problem.classes, problem.ids
    brief = entries
    if len(classes) > MOST_CLASSES:
        brief = [replace(entry, predictions={primary: found}) for entry in entries if (found := entry.predictions.get(primary))]
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
        chance=chances_of(problem, protocol.settings),
        predictions=said_by(entries, problem),
        truth={ids[row]: classes[problem.targets[row]] for row in problem.test.tolist()},
        parts={ids[row]: (classes[problem.targets[row]], sides[row]) for row in sorted(sides)},
    )


def _saved(results: Results, runs: Sequence[Run], out: Path) -> Results:
    """Write everything into `out`; into each run results.json, where `embed` finds its layer, and the labels, for its report."""
    saved = results.save(out)
    assert saved.folder is not None
    copy_into_runs(("results.json", "labels.parquet"), runs, saved.folder)
    return saved
