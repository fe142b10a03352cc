"""Which items of a reading belong together: as asked for, or as the run that held out whole groups of them remembers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from selfsup.data import Split, make_split
from selfsup.embedding.reading import Reading
from selfsup.run import Run

NO_GROUPS = "none"
"""What is asked for where a run has groups that do not matter here."""


def groups_of(groups: Any, run: Run, reading: Reading[Any]) -> np.ndarray | None:
    """The group of each item: by `groups`, as `pretrain` takes it, else as the run's split has them; None where neither says anything.

    "none" asks for no groups, though the run has some.
    """
    if isinstance(groups, str) and groups == NO_GROUPS:
        return None
    if groups is None:
        return remembered_groups(run, reading.ids)
    return _members(make_split(reading.listed, groups=groups, columns=reading.listed_columns), reading.ids)


def remembered_groups(run: Run, ids: Sequence[str]) -> np.ndarray | None:
    """The group of each item as the run's split has them; None where it has none."""
    return _members(Split.load(run.split_file), ids) if run.split_file.is_file() else None


def _members(split: Split, ids: Sequence[str]) -> np.ndarray | None:
    if split.groups is None:
        return None
    known = dict(zip(split.ids, split.groups, strict=True))
    return np.array([known.get(name, f"alone: {name}") for name in ids])
