"""`suggest`: which items to label next."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from selfsup.curating.collection import Collection, collect, folder_for
from selfsup.curating.showing import Showing, Tile, how, opening, write_page
from selfsup.curating.strategies import STRATEGIES, Pool
from selfsup.curating.tables import write_table
from selfsup.options import check_choice
from selfsup.reporting.markup import section
from selfsup.reporting.wording import count as in_words
from selfsup.reporting.wording import plural
from selfsup.run import Run

SHOWN = 200
"""Items on the contact sheet."""

AUTO = "auto"

WORDS = {
    "random": "drawn by chance",
    "typical": "the most typical item of each of the largest clusters without a label (TypiClust: Hacohen, Dekel, Weinshall, ICML 2022)",
    "coverage": "each the furthest from everything labelled or chosen (Sener, Savarese, ICLR 2018)",
    "uncertain": "those whose two likeliest classes a linear probe tells apart least",
    "mixed": "one of each cluster of those that a linear probe is uncertain of (Zhdanov, 2019, arXiv 1901.05954)",
}

NAME = "suggestions"


@dataclass(frozen=True)
class Suggestion:
    """An item to label."""

    id: str
    path: str | None


@dataclass(frozen=True)
class Suggestions:
    """What to label next, in order, by a `strategy`; `labelled` items had a label before. `table` and `page` say where they are."""

    noun: str
    items: list[Suggestion]
    strategy: str
    labelled: int
    table: Path
    page: Path
    notes: list[str] = field(default_factory=list)


def suggest(
    run: Run | str | Path,
    data: Any = None,
    *,
    labels: Any = None,
    count: int = 50,
    strategy: str = AUTO,
    out: str | Path | None = None,
    layer: str | None = None,
    seed: int = 0,
    without_samples: bool = False,
    kind: str = "auto",
    text: str | None = None,
    id: str | None = None,
    language: str | None = None,
    encoding: str | None = None,
) -> Suggestions:
    """Choose `count` items of `data` (by default of what the run learned from) to label next.

    `labels` are those there are, as for `evaluate`; none by default. `strategy` is one of `STRATEGIES`, or "auto": see `automatic`. What
    the run held out is not suggested: items to test on have to be drawn by chance. Writes suggestions.csv, with an empty column for
    labels that `--labels` can read when it is filled in, and a contact sheet, suggestions.html, into `out`, by default the folder
    `curating` in the run's. `layer` and the rest are as for `embed`. Raises ValueError where nothing is left to label.
    """
    if count < 1:
        raise ValueError(f"count={count} was given: expected at least 1 item to label.")
    check_choice("strategy", strategy, [AUTO, *STRATEGIES])
    told = {"text": text, "id": id, "language": language, "encoding": encoding}
    collection = collect(run, data, told, layer=layer, kind=kind)
    pool, notes = _pool(collection, labels)
    used = automatic(pool) if strategy == AUTO else strategy
    chosen = STRATEGIES[used](pool, count, seed)
    ids, paths, folder = collection.reading.ids, collection.reading.paths, folder_for(collection.run, out)
    items = [Suggestion(ids[row], paths[row]) for row in chosen.tolist()]
    table = write_table(folder / f"{NAME}.csv", ("path", "label", "rank"), [(one.id, "", rank) for rank, one in enumerate(items, 1)])
    found = Suggestions(collection.noun, items, used, len(pool.labelled), table, folder / f"{NAME}.html", notes)
    _write_page(found, collection, chosen, without_samples=without_samples)
    return found


def automatic(pool: Pool) -> str:
    """The strategy that did best where it was measured (docs/results.md): "typical" without labels, "mixed" with them."""
    return "mixed" if len(np.unique(pool.targets[pool.labelled])) > 1 else "typical"


def _pool(collection: Collection, labels: Any) -> tuple[Pool, list[str]]:
    """Everything, with its labels, and which of it may be suggested."""
    reading, notes = collection.reading, list[str]()
    targets = np.full(len(collection), -1)
    if labels is not None:
        _, targets = collection.reading.labelled(labels)
    held_out = np.array([part == "test" for part in reading.parts_in(collection.run)])
    open_ = (targets < 0) & ~held_out
    if not open_.any():
        raise ValueError(f"nothing is left to label: every one of the {len(collection):,} {reading.noun} has a label or was held out.")
    if held_out.any():
        notes.append(
            f"{in_words(int(held_out.sum()))} {reading.noun} that the run held out were left out: draw by chance what you test on."
        )
    return Pool(collection.unit.numpy(), collection.features, np.where(held_out, -1, targets), open_), notes


def headline(found: Suggestions) -> str:
    """What is suggested, in a sentence."""
    return f"{plural(len(found.items), found.noun.removesuffix('s'))} to label next"


def _write_page(found: Suggestions, collection: Collection, chosen: np.ndarray, *, without_samples: bool) -> None:
    under = f"Chosen by the strategy “{found.strategy}”, {plural(found.labelled, 'label')} given: {WORDS[found.strategy]}."
    sections = [opening(collection, NAME, headline(found), under)]
    if not without_samples:
        shown = chosen[:SHOWN].tolist()
        sheet = Showing(collection, shown)
        tiles = [Tile(row, f"{rank}. {Path(collection.reading.ids[row]).name}") for rank, row in enumerate(shown, 1)]
        lead = "In the order they were chosen; numbers are those of the table. Point at a picture for its whole name."
        sections.append(section("sheet", "Contact sheet", sheet.solo([sheet.sheet(tiles)]), lead=lead))
    sections.append(how([f"Embeddings of layer {collection.layer}, around their mean.", *found.notes]))
    write_page(found.page, headline(found), sections, collection, without_samples=without_samples)
