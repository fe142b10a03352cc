"""The trial every row stands: which items are learned from in each draw, and which are tested, as the runs held them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from selfsup.downstream.scored import parts_of
from selfsup.embedding import Reading
from selfsup.embedding.grouping import groups_of
from selfsup.evaluation.problem import REFERENCE, parts_in_runs, tested_rows, transductive
from selfsup.probing.intervals import MOST_OVERLAP
from selfsup.run import Run

Labelled = int | str
"""A number of labelled items, or "all"."""


@dataclass(frozen=True)
class Trial:
    """Rows are those of the reading. `draws` holds the rows of each draw by the number that was asked for, `overlap` the share of their
    items that two of them have in common; `parts` the part of each tested row that the jackknife leaves out with it; `reference` rows whose
    mean and deviation standardise (labels unread); `seen` says that tested items took part in pretraining.
    """

    train: Int[np.ndarray, "a"]
    test: Int[np.ndarray, "N"]
    parts: Int[np.ndarray, "N"]
    draws: Mapping[Labelled, Sequence[Int[np.ndarray, "m"]]]
    reference: Int[np.ndarray, "r"]
    seen: bool
    notes: list[str] = field(default_factory=list)

    def overlap(self, count: Labelled) -> float:
        """Which share of all labelled items one draw takes."""
        return len(self.draws[count][0]) / max(1, len(self.train))

    @property
    def used(self) -> Int[np.ndarray, "n"]:
        """Every row that is drawn or tested, in order."""
        return np.unique(np.concatenate([self.test, *(draw for draws in self.draws.values() for draw in draws)]))

    @property
    def rows(self) -> Int[np.ndarray, "n"]:
        """Every row that is drawn, tested or standardises, in order."""
        return np.unique(np.concatenate([self.reference, self.used]))


def set_trial(
    reading: Reading[Any],
    *,
    runs: Sequence[Run],
    labelled: Bool[np.ndarray, "n"],
    drawable: Bool[np.ndarray, "n"],
    counts: Sequence[Labelled],
    draws: int,
    seed: int,
    groups: Any,
) -> Trial:
    """Split the `labelled` rows as the runs did (or hold out a fifth), and draw from those of them that are `drawable`.

    Raises ValueError where too few are left on a side.
    """
    noun = reading.noun
    parts = parts_in_runs(runs, reading)
    members = groups_of(groups, runs[0], reading)
    test, seen = tested_rows(np.where(labelled, 0, -1), parts, members, seed=seed)
    tested = np.flatnonzero(test)
    train = np.flatnonzero(labelled & drawable & ~test & np.array([part != "test" for part in parts]))
    if len(train) < 2 or len(tested) < 2:
        raise ValueError(
            f"{int(labelled.sum())} labelled {noun} leave {len(train)} to learn from and {len(tested)} to test on: expected at least 2 of "
            f"each. Label more {noun}, or change the split."
        )
    drawn = {count: _drawn(train, count, draws, seed) for count in counts}
    learnable = np.flatnonzero(~test & np.array([part != "test" for part in parts]))
    reference = np.sort(np.random.default_rng([seed, len(learnable)]).permutation(learnable)[:REFERENCE])
    jackknife = parts_of(len(tested), None if members is None else members[tested], seed=seed)
    notes = [transductive(noun)] if seen else []
    return Trial(train, tested, jackknife, drawn, reference, seen, notes + _few(len(train), counts, noun))


def check_labelled(values: Sequence[Labelled]) -> tuple[Labelled, ...]:
    """The values as whole numbers above 1 or "all", in order and without repeats. Raises ValueError for anything else."""
    checked: list[Labelled] = []
    for value in values:
        text = str(value).strip().lower()
        if text != "all" and not (text.isascii() and text.isdecimal() and int(text) > 1):
            raise ValueError(f"labelled came as {value!r}: expected whole numbers above 1 or 'all', such as 10,50,all")
        checked.append(text if text == "all" else int(text))
    if not checked:
        raise ValueError("labelled came empty: expected whole numbers above 1 or 'all', such as 10,50,all")
    return tuple(sorted(set(checked), key=lambda value: (value == "all", value if isinstance(value, int) else 0)))


def primary_labelled(counts: Sequence[Labelled]) -> Labelled:
    """Fifty labelled items, or the nearest to it."""
    return min((count for count in counts if isinstance(count, int)), key=lambda count: abs(count - 50), default="all")


def _drawn(train: Int[np.ndarray, "a"], count: Labelled, draws: int, seed: int) -> list[Int[np.ndarray, "m"]]:
    if not isinstance(count, int):
        return [train]
    return [np.sort(np.random.default_rng([seed, count, number]).permutation(train)[:count]) for number in range(draws)]


def _few(there: int, counts: Sequence[Labelled], noun: str) -> list[str]:
    """Notes on draws that take most of what there is."""
    notes = []
    for count in (count for count in counts if isinstance(count, int)):
        if count >= there:
            notes.append(f"There are {there} labelled {noun} to learn from: every draw of {count} takes all of them.")
        elif count > MOST_OVERLAP * there:
            notes.append(
                f"A draw of {count} takes more than half of the {there} labelled {noun} there are: what others would change is hardly "
                "in the interval."
            )
    return notes
