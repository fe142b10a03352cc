"""Views that break the labels are off in a comparison: told from the labels that are not tested, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from selfsup.auditing import Audit, audit
from selfsup.auditing.sample import FEWEST as A_CLASS
from selfsup.auditing.sample import LARGEST
from selfsup.auditing.wording import headline
from selfsup.comparison.units import Unit
from selfsup.comparison.wishes import Comparing
from selfsup.data import Source, make_split, open_source, read_labels, suggest_size
from selfsup.evaluation.problem import tested_rows

SHARE = 0.05
"""Of the budget, at most, for looking at the labels' views."""

BESIDE, A_PICTURE, A_PIXEL = 12.0, 0.0075, 3.2e-6
"""Seconds for beginning, for each picture and network, and for each of its pixels, on one core: 400 digits of 28 px took 19.5 s, 1,250 took
36.3 s, 900 cells at 64 px 48 s. They decide how many pictures are looked at."""

FEWEST, MOST = 200, 1500
"""Pictures: below, hardly anything is told; above, nothing more."""

SEEDS = 2


@dataclass(frozen=True)
class Audited:
    """What was found: the units with the options that follow, and sentences on what was changed and why."""

    units: list[Unit]
    said: list[str]


def audited(data: Any, asked: Comparing, units: Sequence[Unit]) -> Audited:
    """Units whose views keep the labels. What a user has set, and views of their own, stay as they are.

    No tested item is looked at. Texts, labels that are too few, and budgets that are too short leave everything as it was.
    """
    source = open_source(data, kind=asked.shared.get("kind", "auto"))
    side = min(LARGEST, asked.shared.get("size") or suggest_size(source).size)
    pictures = min(MOST, int((SHARE * asked.seconds - BESIDE) / SEEDS / (A_PICTURE + A_PIXEL * side**2)))
    if pictures < FEWEST:
        return Audited(
            list(units), [f"Whether views break these labels was not asked: the budget is too short ({FEWEST} pictures are needed)."]
        )
    labels = _untested(source, asked)
    if len(set(labels.values())) * A_CLASS > pictures:
        return Audited(list(units), ["Whether views break these labels was not asked: the budget is too short for so many classes."])
    try:
        found = audit(
            source, labels=labels, groups=asked.shared.get("groups"), size=asked.shared.get("size"), pictures=pictures,
            seeds=SEEDS, seed=asked.protocol.seed,
        )  # fmt: skip
    except ValueError as error:
        return Audited(list(units), [f"Whether views break these labels could not be asked: {error}"])
    return applied(found, units)


def applied(found: Audit, units: Sequence[Unit]) -> Audited:
    """The units with the options that follow from an audit, and what was changed."""
    changed, said = [], list[str]()
    for unit in units:
        options = {} if unit.views else found.options_for(unit.task)
        changed.append(replace(unit, options={**options, **unit.options}))
        if new := {name: value for name, value in options.items() if name not in unit.options}:
            said.append(f"{unit.name} with {', '.join(f'{name}={value:g}' for name, value in new.items())}")
    words = f"{headline(found)} (told from {found.pictures:,} pictures that are not tested)."
    return Audited(changed, [words, f"So these were set: {'; '.join(said)}."] if said else [words])


def _untested(source: Source, asked: Comparing) -> dict[str, str]:
    """The labels of the pictures that will not be tested."""
    found = read_labels(asked.protocol.labels, source.ids, columns=source.columns)
    shared = asked.shared
    split = make_split(
        source.ids, holdout=shared.get("holdout", 0.0), split=shared.get("split"), groups=shared.get("groups"), columns=source.columns
    )
    members = None if split.groups is None else np.array(split.groups)
    tested, _ = tested_rows(np.array(found.targets), split.parts, members, seed=asked.protocol.seed)
    return {name: label for name, label, out in zip(found.ids, found.values, tested.tolist(), strict=True) if label is not None and not out}
