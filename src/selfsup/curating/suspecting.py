"""`suspects`: labels that look wrong, the most doubtful first."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from selfsup.curating.collection import Collection, collect, folder_for
from selfsup.curating.confidence import contradicted, likeliest_other, out_of_fold
from selfsup.curating.neighbours import nearest
from selfsup.curating.showing import Showing, Tile, how, opening, write_page
from selfsup.curating.tables import write_table
from selfsup.embedding.grouping import groups_of
from selfsup.evaluation.problem import check_classes
from selfsup.reporting.markup import section
from selfsup.reporting.wording import count, plural
from selfsup.run import Run

SHOWN, BESIDE = 60, 5
"""Labels on the page, and labelled neighbours beside each."""

NAME = "suspects"


@dataclass(frozen=True)
class Suspect:
    """An item whose `label` is in doubt: `suggested` is the likeliest other class, `probability` that of the label, `other` that of the
    suggested class, `margin` the first less the second. `suspected` says that confident learning holds the label to be wrong.
    """

    id: str
    path: str | None
    label: str
    suggested: str
    probability: float
    other: float
    suspected: bool

    @property
    def margin(self) -> float:
        """From -1, certainly wrong, to 1."""
        return self.probability - self.other


@dataclass(frozen=True)
class Suspects:
    """Every labelled item that could be judged, the most doubtful first. `table` has the suspected ones, `page` shows the first of them."""

    noun: str
    classes: list[str]
    items: list[Suspect]
    table: Path
    page: Path
    notes: list[str] = field(default_factory=list)

    @property
    def suspected(self) -> list[Suspect]:
        """Those that confident learning holds to be wrong."""
        return [item for item in self.items if item.suspected]


def suspects(
    run: Run | str | Path,
    data: Any = None,
    *,
    labels: Any,
    groups: Any = None,
    out: str | Path | None = None,
    layer: str | None = None,
    seed: int = 0,
    without_samples: bool = False,
    kind: str = "auto",
    text: str | None = None,
    id: str | None = None,
    language: str | None = None,
    encoding: str | None = None,
) -> Suspects:
    """Find labels that look wrong: those that a linear probe, which learned from the other labelled items, contradicts.

    `labels` and `groups` are as for `evaluate`: items of one group are judged by probes that saw none of it. A label is suspected by
    confident learning and ranked by its own probability (Northcutt, Jiang, Chuang, JAIR 70, 2021: "self-confidence"). Writes suspects.csv
    with those that are suspected and suspects.html into `out`, by default the folder `curating` in the run's. `layer` and the rest are as
    for `embed`.
    Raises ValueError where labels are too few.
    """
    told = {"text": text, "id": id, "language": language, "encoding": encoding}
    collection = collect(run, data, told, layer=layer, kind=kind)
    reading = collection.reading
    found, every = collection.reading.labelled(labels)
    check_classes(found, every, reading.noun)
    rows = np.flatnonzero(every >= 0)
    names, targets = np.unique(every[rows], return_inverse=True)
    classes = [found.classes[number] for number in names]
    members = groups_of(groups, collection.run, reading)
    shares = out_of_fold(collection.features[rows], targets, None if members is None else members[rows], seed=seed)
    order = _ranked(shares, targets)
    items = _items(collection, rows, targets, shares, order, classes)
    notes = (
        []
        if len(items) == len(rows)
        else [f"{plural(len(rows) - len(items), 'label')} could not be judged: without the item, or its group, the class would be missing."]
    )
    folder = folder_for(collection.run, out)
    result = Suspects(collection.noun, classes, items, _write(items, folder / f"{NAME}.csv"), folder / f"{NAME}.html", notes)
    _write_page(result, collection, rows, targets, rows[order], without_samples=without_samples)
    return result


def _ranked(shares: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Places of the items that could be judged, the least probable label first: measured, that finds more than the margin does."""
    own = shares[np.arange(len(targets)), targets]
    return np.argsort(own, kind="stable")[: int((~np.isnan(own)).sum())]


def _items(
    collection: Collection, rows: np.ndarray, targets: np.ndarray, shares: np.ndarray, order: np.ndarray, classes: list[str]
) -> list[Suspect]:
    wrong, other = contradicted(shares, targets), likeliest_other(shares, targets)
    ids, paths = collection.reading.ids, collection.reading.paths
    return [
        Suspect(
            ids[rows[at]], paths[rows[at]], classes[targets[at]], classes[other[at]], float(shares[at, targets[at]]),
            float(shares[at, other[at]]), bool(wrong[at]),
        )
        for at in order.tolist()
    ]  # fmt: skip


def headline(found: Suspects) -> str:
    """What was found, in a sentence."""
    number = len(found.suspected)
    verb = "looks" if number == 1 else "look"
    return f"{count(number)} of {plural(len(found.items), 'label')} {verb} wrong" if number else "No label looks wrong"


def _write(items: list[Suspect], file: Path) -> Path:
    header = ("rank", "id", "label", "suggested", "probability of label", "probability of suggested", "margin", "path")
    chosen = [item for item in items if item.suspected]
    rows = [
        (rank, one.id, one.label, one.suggested, one.probability, one.other, one.margin, one.path) for rank, one in enumerate(chosen, 1)
    ]  # fmt: skip
    return write_table(file, header, rows)


def _write_page(
    found: Suspects, collection: Collection, rows: np.ndarray, targets: np.ndarray, ranked: np.ndarray, *, without_samples: bool
) -> None:
    under = "Look at each before you change it: what is hard to tell, and what is rare in its class, looks wrong too."
    shown = (
        [] if without_samples else [(row, item) for row, item in zip(ranked.tolist(), found.items, strict=True) if item.suspected][:SHOWN]
    )
    label = {int(row): found.classes[target] for row, target in zip(rows, targets, strict=True)}
    beside = _labelled_neighbours(collection, rows, [row for row, _ in shown])
    showing = Showing(collection, [*(row for row, _ in shown), *(other for others in beside for other in others)])
    lines = [
        showing.line([
            Tile(row, f"{item.label}? Rather {item.suggested} ({item.other:.0%})", "query"),
            *(Tile(other, label[other], "same" if label[other] == item.label else "other") for other in others),
        ])
        for (row, item), others in zip(shown, beside, strict=True)
    ]  # fmt: skip
    lead = (
        "Framed, the item, its label, and the class it rather seems to be, with the probability of that; beside or below it the nearest "
        "labelled ones, in a dashed frame where they have another label."
    )
    sections = [opening(collection, NAME, headline(found), under, mood="open" if found.suspected else "good")]
    if lines:
        sections.append(section("ranked", "Most doubtful first", showing.solo(lines), lead=lead))
    said = (
        f"Each label was judged by a linear probe on layer {collection.layer} that learned from the others, in four of five folds.",
        "Suspected are labels that confident learning contradicts (Northcutt, Jiang, Chuang, JAIR 70, 2021): another class is as likely as "
        "it usually is for its own items, and likelier than the label. The least probable label comes first.",
        *found.notes,
    )
    write_page(found.page, headline(found), [*sections, how(said)], collection, without_samples=without_samples)


def _labelled_neighbours(collection: Collection, rows: np.ndarray, shown: list[int]) -> list[list[int]]:
    """Rows of the nearest labelled items of some items, without themselves."""
    if not shown:
        return []
    unit = collection.unit
    near = nearest(unit[shown], unit[torch.from_numpy(rows)], count=BESIDE + 1, same=False)[1]
    return [[int(other) for other in rows[some.numpy()] if other != row][:BESIDE] for row, some in zip(shown, near, strict=True)]
