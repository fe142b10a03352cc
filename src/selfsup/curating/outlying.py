"""`outliers`: items that are far from everything else, with what is nearest to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from selfsup.curating.collection import Collection, around, collect, folder_for
from selfsup.curating.neighbours import nearest
from selfsup.curating.showing import Showing, Tile, how, opening, write_page
from selfsup.curating.tables import write_table
from selfsup.reporting.markup import section
from selfsup.reporting.wording import count
from selfsup.run import Run

NEIGHBOURS = 10
"""Neighbours whose distances are averaged: a few odd items of one kind, or copies of one, stay outliers."""

SHOWN, BESIDE = 60, 5
"""Items on the page, and neighbours beside each."""

NAME = "outliers"


@dataclass(frozen=True)
class Outlier:
    """An item, its mean cosine distance to its nearest neighbours, and their ids, nearest first; `part` is what it was to the run."""

    id: str
    path: str | None
    distance: float
    nearest: list[str]
    part: str | None = None


@dataclass(frozen=True)
class Outliers:
    """Every item, the furthest from its neighbours first. `typical` is the median distance. `table` and `page` say where they are."""

    noun: str
    items: list[Outlier]
    neighbours: int
    typical: float
    table: Path
    page: Path
    skipped: dict[str, str] = field(default_factory=dict)


def outliers(
    run: Run | str | Path,
    data: Any = None,
    *,
    out: str | Path | None = None,
    neighbours: int = NEIGHBOURS,
    layer: str | None = None,
    without_samples: bool = False,
    kind: str = "auto",
    text: str | None = None,
    id: str | None = None,
    language: str | None = None,
    encoding: str | None = None,
) -> Outliers:
    """Rank the items of `data` (by default of what the run learned from) by how far they are from everything else.

    The distance of an item is the mean of 1 - cosine to its `neighbours` nearest others (Ramaswamy, Rastogi, Shim, SIGMOD 2000, with the
    mean for the last distance). Writes outliers.csv, with every item, and outliers.html, with the
    first 60, into `out`, by default the folder `curating` in the run's. `layer` and the rest are as for `embed`. Raises ValueError.
    """
    if neighbours < 1:
        raise ValueError(f"neighbours={neighbours} was given: expected at least 1.")
    told = {"text": text, "id": id, "language": language, "encoding": encoding}
    collection = collect(run, data, told, layer=layer, kind=kind)
    distance, rows = distances(around(collection.features, np.zeros(collection.features.shape[1])), neighbours=neighbours)
    order = np.argsort(-distance, kind="stable")
    ids, paths, parts = collection.reading.ids, collection.reading.paths, collection.reading.parts_in(collection.run)
    items = [
        Outlier(ids[row], paths[row], float(distance[row]), [ids[other] for other in rows[row].tolist()[:BESIDE]], parts[row])
        for row in order.tolist()
    ]  # fmt: skip
    folder = folder_for(collection.run, out)
    found = Outliers(
        collection.noun, items, neighbours, float(np.median(distance)), _write(items, folder / f"{NAME}.csv"), folder / f"{NAME}.html",
        dict(collection.reading.skipped),
    )  # fmt: skip
    _write_page(found, collection, [] if without_samples else order[:SHOWN].tolist(), rows, without_samples=without_samples)
    return found


def distances(unit: Float[Tensor, "N D"], *, neighbours: int) -> tuple[Float[np.ndarray, "N"], Tensor]:
    """The mean cosine distance of each row to its nearest others, and which these are (N, k). Rows have length one."""
    cosines, rows = nearest(unit, unit, count=neighbours, same=True)
    return (1 - cosines.double()).mean(1).numpy(), rows


def headline(found: Outliers) -> str:
    """What was found, in a sentence."""
    first = found.items[0]
    times = first.distance / max(found.typical, 1e-9)
    return f"The furthest of {count(len(found.items))} {found.noun} is {times:.1f} times as far from its neighbours as usual"


def _write(items: list[Outlier], file: Path) -> Path:
    header = ("rank", "id", "distance", "nearest", "part", "path")
    return write_table(
        file, header, [(rank, item.id, item.distance, item.nearest[0], item.part, item.path) for rank, item in enumerate(items, 1)]
    )


def _write_page(found: Outliers, collection: Collection, shown: list[int], rows: Tensor, *, without_samples: bool) -> None:
    under = (
        "Far from everything: damaged, of another kind, or rare and precious. Half of all items are nearer to their neighbours than "
        f"{found.typical:.3f} (mean cosine distance)."
    )
    beside = torch.as_tensor(rows)[shown, :BESIDE].tolist() if shown else []
    showing = Showing(collection, [*shown, *(row for some in beside for row in some)])
    lines = [
        showing.line([Tile(row, f"{rank}. {found.items[rank - 1].distance:.3f}", "query"), *(Tile(other, "") for other in others)])
        for rank, (row, others) in enumerate(zip(shown, beside, strict=True), 1)
    ]  # fmt: skip
    lead = "Framed, with its distance, the item; beside or below it what the embedding holds to be nearest. The table ranks all."
    sections = [opening(collection, NAME, headline(found), under, mood="open")]
    if lines:
        sections.append(section("ranked", "Furthest first", showing.solo(lines), lead=lead))
    said = (
        f"The distance is the mean of 1 - cosine to the {found.neighbours} nearest others, in layer {collection.layer}.",
        "Nothing says from where on an item is wrong: look until what you see is right.",
    )
    write_page(found.page, headline(found), [*sections, how(said)], collection, without_samples=without_samples)
