"""Which labelled pictures an audit looks at: some of each class, in folds that keep groups together."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from selfsup.auditing.probing import Question
from selfsup.auditing.transforms import Pictures
from selfsup.data import Source, Store, make_split, open_source, open_store, read_labels, suggest_side, suggest_size
from selfsup.data.documents.kind import looks_like_text
from selfsup.probing.draws import stratified_folds, whole_group_folds

FOLDS = 5

FEWEST = FOLDS
"""Labelled pictures of a class, one for each fold; classes with fewer are left out."""

LARGEST = 64
"""Side in pixels at which larger pictures are looked at: the question is what a view shows, and time goes with the area."""


@dataclass(frozen=True)
class Sample:
    """Labelled pictures. `targets` (n,) are places in `classes`; `members` (n,) the group of each, None where none were asked for."""

    name: str
    ids: list[str]
    pictures: Pictures
    targets: Int[np.ndarray, " n"]
    classes: list[str]
    members: np.ndarray | None
    labelled: int
    notes: list[str] = field(default_factory=list)

    @property
    def counts(self) -> list[int]:
        """Pictures of each class."""
        return [int(count) for count in np.bincount(self.targets, minlength=len(self.classes))]

    def question(self, seed: int) -> Question:
        """To tell the classes, in folds drawn by `seed`."""
        weights = 1 / (np.bincount(self.targets)[self.targets] * len(self.classes))
        folds = self._folds(seed)
        return Question(torch.from_numpy(self.targets), len(self.classes), torch.from_numpy(folds), torch.from_numpy(weights))

    def _folds(self, seed: int) -> Int[np.ndarray, " n"]:
        if self.members is None:
            return stratified_folds(self.targets, folds=FOLDS, seed=seed)
        return whole_group_folds(self.targets, self.members, folds=FOLDS, seed=seed)


def take_sample(
    data: Any, labels: Any, *, limit: int, groups: Any = None, size: int | None = None, kind: str = "auto", seed: int
) -> Sample:
    """At most `limit` labelled pictures, classes as alike in number as can be, decoded at twice the size of a view.

    Raises ValueError for texts, and where fewer than two classes have `FEWEST` labelled pictures.
    """
    if kind == "text" or (kind == "auto" and looks_like_text(data)):
        raise ValueError(
            "the audit is for pictures: it asks whether labels survive flips, turns, crops and colours, which texts do not have. "
            "For texts, see which tasks there are with `selfsup tasks`."
        )
    source = open_source(data, kind=kind)
    found = read_labels(labels, source.ids, columns=source.columns)
    targets = np.array(found.targets)
    members = None if groups is None else np.array(make_split(source.ids, groups=groups, columns=source.columns).groups)
    drawn = _drawn(targets, limit, seed)
    store, suggested = _opened(source, drawn, size)
    place = {name: row for row, name in enumerate(source.ids)}
    rows = [row for row, name in enumerate(store.ids) if place[name] in set(drawn.tolist())]
    ours = np.array([place[store.ids[row]] for row in rows], dtype=np.int64)
    kept, classes, notes = _kept(targets[ours], found.classes)
    chosen, places = torch.tensor(rows)[torch.from_numpy(kept)], ours[kept]
    new = np.unique(targets[places], return_inverse=True)[1]
    if members is not None and len(np.unique(members[places])) < 2:
        raise ValueError("all labelled pictures belong to one group: at least 2 groups are needed, one to learn from and one to judge by.")
    batch = store.batch(chosen)
    pictures = Pictures(batch["image"], batch["aspect"], suggested, size or suggest_size(source).size)
    notes += [f"{len(store.skipped):,} pictures could not be decoded."] if store.skipped else []
    return Sample(
        source.name, [source.ids[row] for row in places], pictures, new.astype(np.int64), classes,
        None if members is None else np.unique(members[places], return_inverse=True)[1], int((targets >= 0).sum()), notes,
    )  # fmt: skip


def _opened(source: Source, drawn: Int[np.ndarray, " m"], size: int | None) -> tuple[Store, int]:
    """The drawn pictures decoded (of arrays, all), and the side of a view."""
    wanted, channels = suggest_size(source)
    size = min(size or wanted, LARGEST)
    side = suggest_side(source, size)
    if source.root:
        columns = {name: [cells[row] for row in drawn] for name, cells in source.columns.items()}
        source = dataclasses.replace(source, items=[source.items[row] for row in drawn], columns=columns)
    return open_store(source, side=side, channels=channels), size


def _drawn(targets: Int[np.ndarray, " n"], limit: int, seed: int) -> Int[np.ndarray, " m"]:
    """Labelled rows: as many of each class as `limit` allows, small classes whole."""
    counts = np.bincount(targets[targets >= 0])
    most = max(FEWEST, next((cap for cap in range(int(counts.max()), 0, -1) if np.minimum(counts, cap).sum() <= limit), 0))
    rng = np.random.default_rng([seed, limit])
    return np.sort(np.concatenate([rng.permutation(np.flatnonzero(targets == label))[:most] for label in range(len(counts))]))


def _kept(targets: Int[np.ndarray, " n"], classes: Sequence[str]) -> tuple[Int[np.ndarray, " m"], list[str], list[str]]:
    """Places of pictures whose class has enough of them, the names of these classes, and a note on the others."""
    counts = np.bincount(targets, minlength=len(classes))
    if (counts >= FEWEST).sum() < 2:
        had = ", ".join(f"{name!r}: {count}" for name, count in zip(classes, counts, strict=True))
        raise ValueError(
            f"too few labels to audit: expected at least 2 classes with {FEWEST} labelled pictures each, found {had}. Label more pictures."
        )
    few = [f"{name!r} ({count})" for name, count in zip(classes, counts, strict=True) if count < FEWEST]
    notes = [f"Left out, with fewer than {FEWEST} labelled pictures: {', '.join(few)}."] if few else []
    return np.flatnonzero(counts[targets] >= FEWEST), [name for name, count in zip(classes, counts, strict=True) if count >= FEWEST], notes
