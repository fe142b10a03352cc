"""Which items are labelled, held out, or in which fold. Everything here is stratified by class and a function of its seed alone.

Targets are class numbers, one an item. The same draws are used for every row and every run, which is what pairs their scores.
"""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Int, Shaped
from sklearn.model_selection import StratifiedGroupKFold

LabelsPerClass = int | str
"""A number of labels for each class, or "all"."""

HOLDOUT = 0.2
"""Share of the labelled items that is held out where a run held nothing out."""


def check_labels_per_class(values: tuple[LabelsPerClass, ...]) -> tuple[LabelsPerClass, ...]:
    """The values as whole numbers above 0 or "all", in order and without repeats. Raises ValueError for anything else."""
    checked: list[LabelsPerClass] = []
    for value in values:
        text = str(value).strip().lower()
        if text != "all" and not (text.isdecimal() and int(text) > 0):
            raise ValueError(f"labels per class came as {value!r}: expected whole numbers above 0 or 'all', such as 1,5,10,all")
        checked.append(text if text == "all" else int(text))
    if not checked:
        raise ValueError("no labels per class were given: expected whole numbers above 0 or 'all', such as 1,5,10,all")
    return tuple(sorted(set(checked), key=lambda value: (value == "all", value if isinstance(value, int) else 0)))


def draw_labels(targets: Int[np.ndarray, "n"], *, count: LabelsPerClass, draws: int, seed: int = 0) -> list[Int[np.ndarray, "m"]]:
    """Positions of `count` items of each class, `draws` times. A class that has fewer gives all it has.

    "all" gives one draw, as every further one would be the same.
    """
    everything = np.arange(len(targets))
    if count == "all":
        return [everything]
    return [_one_draw(targets, int(count), np.random.default_rng([seed, int(count), number])) for number in range(draws)]


def _one_draw(targets: Int[np.ndarray, "n"], count: int, rng: np.random.Generator) -> Int[np.ndarray, "m"]:
    chosen = [rng.permutation(np.flatnonzero(targets == label))[:count] for label in np.unique(targets)]
    return np.sort(np.concatenate(chosen))


def overlap(targets: Int[np.ndarray, "n"], count: LabelsPerClass) -> float:
    """Which share of the labelled items of a class one draw takes, averaged over classes: two draws share that much."""
    if count == "all":
        return 1.0
    sizes = np.unique_counts(targets).counts
    return float(np.minimum(1.0, int(count) / sizes).mean())


def stratified_folds(
    targets: Int[np.ndarray, "n"], *, folds: int, seed: int = 0, groups: Shaped[np.ndarray, "n"] | None = None
) -> Int[np.ndarray, "n"]:
    """The fold of each item. Folds hold equally many of each class, give or take one; with `groups`, whole ones, as alike as these allow.

    The only item of a class gets -1, as do groups without which a class would be missing: they are trained on in every fold, never judged.
    """
    if groups is not None:
        return _grouped_folds(targets, groups, folds, seed)
    rng = np.random.default_rng([seed, folds, len(targets)])
    numbers = np.full(len(targets), -1)
    offset = 0
    for label in np.unique(targets):
        members = rng.permutation(np.flatnonzero(targets == label))
        if len(members) > 1:
            numbers[members] = (np.arange(len(members)) + offset) % folds
            offset += len(members)  # so that what is left over does not always fall to the first folds
    return numbers


def _grouped_folds(targets: Int[np.ndarray, "n"], groups: Shaped[np.ndarray, "n"], folds: int, seed: int) -> Int[np.ndarray, "n"]:
    if len(np.unique(groups)) < 2:
        return np.full(len(targets), -1)
    numbers = whole_group_folds(targets, groups, folds=folds, seed=seed)
    together = [label for label in np.unique(targets) if len(np.unique(numbers[targets == label])) == 1]
    numbers[np.isin(groups, groups[np.isin(targets, together)])] = -1
    return numbers


def whole_group_folds(targets: Int[np.ndarray, "n"], groups: Shaped[np.ndarray, "n"], *, folds: int, seed: int) -> Int[np.ndarray, "n"]:
    """The fold of each item, at most one for each group, classes as alike as whole groups allow; a class may be in one fold only.

    There are fewer folds where groups, or the items of the largest class, are fewer: all in one, where there is nothing to share out.
    """
    numbers = np.zeros(len(targets), dtype=np.int64)
    folds = _possible_folds(targets, groups, folds)
    if folds < 2:
        return numbers
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # classes smaller than the number of folds
        for number, (_, members) in enumerate(splitter.split(targets, targets, groups)):
            numbers[members] = number
    return numbers


def _possible_folds(targets: Int[np.ndarray, "n"], groups: Shaped[np.ndarray, "n"], wanted: int) -> int:
    """As many as wanted, as there are groups, and as the largest class has items: with more, scikit-learn refuses."""
    return min(wanted, len(np.unique(groups)), int(np.bincount(targets).max()))


def subsample(targets: Int[np.ndarray, "n"], *, limit: int, seed: int = 0) -> Int[np.ndarray, "m"]:
    """Positions of at most `limit` items, classes in proportion, at least two of each (or all it has)."""
    if len(targets) <= limit:
        return np.arange(len(targets))
    rng = np.random.default_rng([seed, limit])
    chosen = []
    for label in np.unique(targets):
        members = np.flatnonzero(targets == label)
        chosen.append(rng.permutation(members)[: max(2, int(len(members) * limit / len(targets)))])
    return np.sort(np.concatenate(chosen))


def holdout(targets: Int[np.ndarray, "n"], groups: Shaped[np.ndarray, "n"] | None = None, *, seed: int = 0) -> np.ndarray:
    """Which items to test on: a stratified fifth, whole groups on one side. Shape (n,), bool.

    A class of two items or more gets at least one on either side, where groups allow.
    """
    if groups is not None:
        return _grouped_holdout(targets, groups, seed)
    rng = np.random.default_rng([seed, len(targets)])
    held_out = np.zeros(len(targets), dtype=bool)
    for label in np.unique(targets):
        members = rng.permutation(np.flatnonzero(targets == label))
        count = round(HOLDOUT * len(members))
        held_out[members[: max(count, 1) if len(members) > 1 else 0]] = True
    return held_out


def _grouped_holdout(targets: Int[np.ndarray, "n"], groups: Shaped[np.ndarray, "n"], seed: int) -> np.ndarray:
    """The fold, of five, whose classes are nearest to those of the whole, and which leaves no class out if that can be."""
    if len(np.unique(groups)) < 2:
        raise ValueError("all labelled items belong to one group: at least 2 groups are needed, one to train on and one to test on")
    folds = _possible_folds(targets, groups, round(1 / HOLDOUT))
    if folds < 2:
        raise ValueError("every class has one labelled item: expected 2 of a class at least, one to train on and one to test on")
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # classes smaller than the number of folds: judged below
        candidates = [test for _, test in splitter.split(targets, targets, groups)]
    whole = np.bincount(targets) / len(targets)

    def poorness(test: np.ndarray) -> tuple[int, float]:
        counts, total = np.bincount(targets[test], minlength=len(whole)), np.bincount(targets)
        missing = int(((total > 0) & ((counts == 0) | (counts == total))).sum())
        return missing, float(np.abs(counts / max(len(test), 1) - whole).sum())

    held_out = np.zeros(len(targets), dtype=bool)
    held_out[min(candidates, key=poorness)] = True
    return held_out
