"""The problem every row is scored on: which items have which label, which are tested, and which labels each draw may use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from selfsup.data import Labels
from selfsup.embedding import Reading
from selfsup.embedding.grouping import groups_of
from selfsup.evaluation.predictions import Setting
from selfsup.evaluation.retrieval import KS, RETRIEVAL
from selfsup.evaluation.scoring import Task
from selfsup.probing.draws import draw_labels, holdout, subsample
from selfsup.probing.metrics import is_skewed
from selfsup.probing.probes import PROBES as FROZEN
from selfsup.run import Run

LabelsPerClass = int | str

FINETUNE = "finetune"
"""The probe that trains the network too."""

PROBES = (*FROZEN, FINETUNE, RETRIEVAL)

FEWEST_DRAWS = 5

FEWEST_TESTED = 50

REFERENCE = 1000
"""Training items whose features standardise (labels unread): means and deviations are then known to 3 %."""

FEWEST_REFERENCE = 400
"""Where few are tested for want of time, so many still standardise: to 5 %."""


@dataclass(frozen=True)
class Protocol:
    """What `evaluate` was asked for: labels and groups as the data functions take them, probes, labels a class, draws and their seed.

    At most so many items are `tested`, where that is a number.
    """

    labels: Any
    probes: tuple[str, ...]
    labels_per_class: tuple[LabelsPerClass, ...]
    draws: int = 5
    seed: int = 0
    groups: Any = None
    tested: int | None = None

    def __post_init__(self) -> None:
        if not self.probes or not set(self.probes) <= set(PROBES):
            raise ValueError(f"probes came as {list(self.probes)}: expected one or more of {', '.join(PROBES)}")
        if self.draws < FEWEST_DRAWS:
            raise ValueError(f"draws came as {self.draws}: at least {FEWEST_DRAWS} are needed to tell how much a score hangs on the labels")
        if self.tested is not None and self.tested < FEWEST_TESTED:
            raise ValueError(f"tested came as {self.tested}: expected at least {FEWEST_TESTED} items, or a score means nothing")

    @property
    def settings(self) -> list[Setting]:
        """Every probe at every number of labels; retrieval learns from none."""
        sought = [Setting(f"recall@{k}", 0) for k in KS] if RETRIEVAL in self.probes else []
        return [Setting(probe, count) for probe in self.probes if probe != RETRIEVAL for count in self.labels_per_class] + sought

    @property
    def frozen(self) -> list[Setting]:
        """Those of them that leave the network as it is."""
        return [setting for setting in self.settings if setting.probe != FINETUNE]

    @property
    def primary(self) -> Setting:
        """Linear at 10 labels a class; else the nearest to it that was asked for."""
        probes = sorted((setting.probe for setting in self.settings if not setting.nearest), key=lambda probe: probe != "linear")
        return Setting(probes[0], primary_count(self.labels_per_class)) if probes else self.settings[0]


def primary_count(labels_per_class: Sequence[LabelsPerClass]) -> LabelsPerClass:
    """Ten labels a class, or the nearest to it."""
    numbers = [count for count in labels_per_class if isinstance(count, int)]
    return min(numbers, key=lambda count: abs(count - 10), default="all")


@dataclass(frozen=True)
class Problem:
    """Rows are those of the reading, whose items are called `noun`. `targets` is -1 where there is no label, or a class that was left out.

    `seen` says that tested items took part in pretraining; `draws` holds for each number of labels the labelled rows of each draw;
    `learnable` are the rows that may be learned from without labels, `reference` a sample of them; `members` the group of each row, where
    there are groups; `notes` what a reader of the scores must know.
    """

    ids: list[str]
    classes: list[str]
    targets: Int[np.ndarray, "n"]
    train: Int[np.ndarray, "a"]
    test: Int[np.ndarray, "N"]
    members: np.ndarray | None
    draws: Mapping[LabelsPerClass, Sequence[Int[np.ndarray, "m"]]]
    learnable: Int[np.ndarray, "l"]
    reference: Int[np.ndarray, "r"]
    seen: bool
    seed: int
    noun: str = "pictures"
    unmatched: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def skewed(self) -> bool:
        """Whether classes are so unequal that balanced accuracy counts."""
        return is_skewed(self.counts)

    @property
    def counts(self) -> Int[np.ndarray, "K"]:
        """Labelled items of each class, trained and tested on."""
        return np.bincount(self.targets[self.targets >= 0], minlength=len(self.classes))

    @property
    def truth(self) -> Int[np.ndarray, "N"]:
        """Class numbers of the tested rows."""
        return np.asarray(self.targets[self.test])

    @property
    def groups(self) -> np.ndarray | None:
        """The group of each tested row."""
        return None if self.members is None else np.asarray(self.members[self.test])

    def task(self) -> tuple[Int[np.ndarray, "n"], Task]:
        """The rows whose features are needed, in order, and the task in terms of their positions."""
        rows = np.unique(np.concatenate([self.reference, self.test, *(draw for draws in self.draws.values() for draw in draws)]))
        place = {count: [np.searchsorted(rows, draw) for draw in draws] for count, draws in self.draws.items()}
        return rows, Task(
            targets=self.targets[rows],
            classes=len(self.classes),
            test=np.searchsorted(rows, self.test),
            draws=place,
            reference=np.searchsorted(rows, self.reference),
            balanced=self.skewed,
            seed=self.seed,
        )


def pose(reading: Reading[Any], *, runs: Sequence[Run], protocol: Protocol) -> Problem:
    """Read the labels, split the labelled items as the runs did (or hold out a fifth), and draw.

    Raises ValueError where there are not two classes with an item to learn from and another to test on.
    """
    noun = reading.noun
    found, targets = reading.labelled(protocol.labels)
    check_classes(found, targets, noun)
    notes = _label_notes(found, noun)
    parts = parts_in_runs(runs, reading)
    seed, counts = protocol.seed, protocol.labels_per_class
    members = groups_of(protocol.groups, runs[0], reading)
    test, seen = tested_rows(targets, parts, members, seed=seed)
    notes += [transductive(noun)] if seen else []
    keep, lost = _usable(found.classes, targets, test, noun)
    notes += lost
    targets, classes = np.where(targets >= 0, keep[targets], -1), [name for name, new in zip(found.classes, keep, strict=True) if new >= 0]
    train = np.flatnonzero((targets >= 0) & ~test)
    drawn: dict[LabelsPerClass, list[Any]] = {
        count: [train[draw] for draw in draw_labels(targets[train], count=count, draws=protocol.draws, seed=seed)] for count in counts
    }
    if RETRIEVAL in protocol.probes:
        drawn[0] = [np.empty(0, dtype=np.int64)]
    notes += _scarcity(np.bincount(targets[train]), classes, counts)
    learnable = np.flatnonzero(~test & np.array([part != "test" for part in parts]))
    reference = np.sort(np.random.default_rng([seed, len(learnable)]).permutation(learnable)[:REFERENCE])
    tested = np.flatnonzero((targets >= 0) & test)
    problem = Problem(
        list(reading.ids), classes, targets, train, tested, members, drawn, learnable, reference, seen, seed,
        noun, unmatched=list(found.unmatched), notes=notes,
    )  # fmt: skip
    return problem if protocol.tested is None else thinned(problem, protocol.tested)


def thinned(problem: Problem, tested: int) -> Problem:
    """The problem with at most so many tested items, classes in proportion, and as few that standardise (but at least 400)."""
    chosen = subsample(problem.truth, limit=tested, seed=problem.seed)
    reference = np.sort(np.random.default_rng([problem.seed, tested]).permutation(problem.reference)[: max(tested, FEWEST_REFERENCE)])
    return replace(problem, test=problem.test[chosen], reference=reference)


def parts_in_runs(runs: Sequence[Run], reading: Reading[Any]) -> list[str | None]:
    """What each item was to the runs: "train", "test", or None for data they have not seen. Raises ValueError if they differ."""
    every = [reading.parts_in(run) for run in runs]
    for run, parts in zip(runs, every, strict=True):
        if parts != every[0]:
            raise ValueError(
                f"the runs {runs[0].folder} and {run.folder} did not hold out the same {reading.noun}, so that their scores cannot be "
                "compared. Evaluate them one by one, or pretrain them with the same --split, or --holdout and --groups."
            )
    return every[0]


def tested_rows(
    targets: Int[np.ndarray, "n"], parts: Sequence[str | None], groups: np.ndarray | None, *, seed: int
) -> tuple[Bool[np.ndarray, "n"], bool]:
    """Which labelled rows are tested, and whether pretraining saw any of them."""
    held_out = np.array([part == "test" for part in parts])
    labelled = targets >= 0
    if (held_out & labelled).any():
        if groups is not None and set(groups[held_out]) & set(groups[labelled & ~held_out]):
            raise ValueError(
                "groups lie on both sides of the split the run was pretrained with: pretrain with --groups, or leave --groups out here."
            )
        return held_out & labelled, False
    rows = np.flatnonzero(labelled)
    test = np.zeros(len(targets), dtype=bool)
    test[rows[holdout(targets[rows], None if groups is None else groups[rows], seed=seed)]] = True
    return test, any(part == "train" for part, tested in zip(parts, test, strict=True) if tested)


def transductive(noun: str) -> str:
    """The note on scores whose tested items took part in pretraining."""
    return (
        f"Transductive: the run held out no labelled {noun.removesuffix('s')}, so the fifth that is tested here was seen, without labels, "
        "in pretraining."
    )


def check_classes(labels: Labels, targets: Int[np.ndarray, "n"], noun: str) -> None:
    """Raise ValueError unless two classes have two items each."""
    counts = np.bincount(targets[targets >= 0], minlength=len(labels.classes))
    if (counts >= 2).sum() >= 2:
        return
    had = ", ".join(f"{name!r}: {count}" for name, count in zip(labels.classes, counts, strict=True)) or "none"
    raise ValueError(
        f"too few labels to score anything: expected at least 2 classes with 2 labelled {noun} each (one to learn from, one to test on), "
        f"found {had}. Label more {noun}, or give other --labels."
    )


def _usable(
    classes: Sequence[str], targets: Int[np.ndarray, "n"], test: Bool[np.ndarray, "n"], noun: str
) -> tuple[Int[np.ndarray, "K"], list[str]]:
    """New numbers of the classes that have items on both sides, -1 for the others, and a note on these. Raises ValueError below two."""
    inside = np.bincount(targets[(targets >= 0) & ~test], minlength=len(classes))
    outside = np.bincount(targets[(targets >= 0) & test], minlength=len(classes))
    good = (inside > 0) & (outside > 0)
    lost = [
        f"{name!r} ({a} to learn from, {b} to test on)" for name, a, b, ok in zip(classes, inside, outside, good, strict=True) if not ok
    ]
    if good.sum() < 2:
        raise ValueError(
            f"fewer than 2 classes have labelled {noun} both to learn from and to test on; without: {', '.join(lost)}. "
            f"Label more {noun}, or change the split."
        )
    notes = [f"Left out, as they lack {noun} to learn from or to test on: {', '.join(lost)}."] if lost else []
    return np.where(good, np.cumsum(good) - 1, -1), notes


def _scarcity(sizes: Int[np.ndarray, "K"], classes: Sequence[str], counts: Sequence[LabelsPerClass]) -> list[str]:
    """Notes on classes that have no more labels to learn from than a draw takes."""
    notes = []
    for count in (count for count in counts if isinstance(count, int)):
        short = [f"{name!r} has {size}" for name, size in zip(classes, sizes, strict=True) if size <= count]
        if len(short) == len(classes):
            notes.append(f"At {count} labels a class every draw takes all labels there are: the draws do not differ.")
        elif short:
            listed = ", ".join(short[:5]) + (f" and {len(short) - 5} more" if len(short) > 5 else "")
            notes.append(f"At {count} labels a class every draw takes all labels of: {listed}.")
    return notes


def _label_notes(labels: Labels, noun: str) -> list[str]:
    notes = []
    if labels.unmatched:
        some = ", ".join(labels.unmatched[:3]) + (", …" if len(labels.unmatched) > 3 else "")
        notes.append(f"{len(labels.unmatched)} label rows match no {noun.removesuffix('s')}: {some}")
    if labels.conflicts:
        notes.append(
            f"{len(labels.conflicts)} {noun} have conflicting labels and count as unlabelled, for example {next(iter(labels.conflicts))}."
        )
    return notes
