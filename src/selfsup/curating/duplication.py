"""`duplicates`: near-copies in a data set, in groups, with which of each to keep."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selfsup.curating import picture_copies, text_copies
from selfsup.curating.collection import Collection, collect, folder_for
from selfsup.curating.pairs import Pair, groups_of
from selfsup.curating.showing import Showing, Tile, block, how, opening, write_page
from selfsup.curating.tables import write_table
from selfsup.embedding.pictures import PictureReading
from selfsup.embedding.text_reading import TextReading
from selfsup.reporting.markup import section
from selfsup.reporting.wording import count, plural
from selfsup.run import Run

NEIGHBOURS = 20
"""Neighbours that are looked at of each picture, by each way to propose them."""

SHOWN, MEMBERS = 100, 20
"""Groups on the page, and members of each."""

NAME = "duplicates"


@dataclass(frozen=True)
class Duplicate:
    """Two items that are near-copies: `kind` says what tells them apart, `similarity` is 1 for what is equal."""

    group: int
    first: str
    second: str
    kind: str
    similarity: float


@dataclass(frozen=True)
class Duplicates:
    """Near-copies among `items` items. `groups` hold ids, the one to keep first; groups and pairs are in the order of the data.

    `table` and `page` say where they are; `kept` where the table of what to keep is, if one was asked for. `skipped` could not be read.
    """

    items: int
    noun: str
    threshold: float
    pairs: list[Duplicate]
    groups: list[list[str]]
    table: Path
    page: Path
    kept: Path | None = None
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def kinds(self) -> dict[str, int]:
        """How many pairs are of each kind, most frequent first."""
        return dict(Counter(pair.kind for pair in self.pairs).most_common())

    @property
    def spare(self) -> list[str]:
        """Ids of what could go: all of each group but the one to keep."""
        return [name for group in self.groups for name in group[1:]]


def duplicates(
    run: Run | str | Path,
    data: Any = None,
    *,
    out: str | Path | None = None,
    keep: str | Path | None = None,
    threshold: float | None = None,
    neighbours: int = NEIGHBOURS,
    layer: str | None = None,
    without_samples: bool = False,
    kind: str = "auto",
    text: str | None = None,
    id: str | None = None,
    language: str | None = None,
    encoding: str | None = None,
) -> Duplicates:
    """Find items of `data` (by default of what the run learned from) that are copies of one another, or nearly.

    Pictures are copies that were saved, sized, cropped by up to 15 % or mirrored anew: the `neighbours` nearest of each by embedding and by
    thumbnail are compared pixel by pixel. Documents are copies by the words in a row that they share. `threshold` is the similarity,
    from 0 to 1, from which a pair counts, by default .84 for pictures and .5 for texts. Writes duplicates.csv and duplicates.html into
    `out`, by default the folder `curating` in the run's; `keep` is a CSV file for what to keep of each group: the largest picture, the
    longest text. `layer` and the rest are as for `embed`. Raises ValueError.
    """
    if neighbours < 1 or (threshold is not None and not 0 < threshold <= 1):
        raise ValueError(f"neighbours={neighbours} and threshold={threshold} were given: expected at least 1, and a share above 0 up to 1.")
    told = {"text": text, "id": id, "language": language, "encoding": encoding}
    collection = collect(run, data, told, layer=layer, kind=kind)
    pairs, limit = _pairs(collection, neighbours, threshold)
    sizes = _sizes(collection)
    groups = [sorted(group, key=lambda row: (-sizes(row), row)) for group in groups_of(pairs, len(collection))]
    folder, ids = folder_for(collection.run, out), collection.reading.ids
    number = {row: place for place, group in enumerate(groups, 1) for row in group}
    named = [Duplicate(number[pair.first], ids[pair.first], ids[pair.second], pair.kind, round(pair.similarity, 6)) for pair in pairs]
    found = Duplicates(
        len(collection), collection.noun, limit, named, [[ids[row] for row in group] for group in groups],
        _write_pairs(collection, pairs, number, folder / f"{NAME}.csv"), folder / f"{NAME}.html",
        None if keep is None else _write_kept(collection, groups, Path(keep).expanduser()), dict(collection.reading.skipped),
    )  # fmt: skip
    _write_page(found, collection, pairs, groups, without_samples=without_samples)
    return found


def _pairs(collection: Collection, neighbours: int, threshold: float | None) -> tuple[list[Pair], float]:
    if isinstance(collection.reading, PictureReading):
        limit = threshold or picture_copies.THRESHOLD
        return picture_copies.picture_pairs(collection, neighbours=neighbours, threshold=limit), limit
    assert isinstance(collection.reading, TextReading)
    limit = threshold or text_copies.THRESHOLD
    return text_copies.text_pairs(collection.reading.texts, threshold=limit), limit


def _sizes(collection: Collection) -> Any:
    """What says how large an item is: pixels, or characters."""
    if isinstance(collection.reading, TextReading):
        lengths = collection.reading.texts.lengths
        return lambda row: int(lengths[row])
    sizes = picture_copies.Sizes(collection)
    return lambda row: sizes.of(row)[0] * sizes.of(row)[1]


def _write_pairs(collection: Collection, pairs: list[Pair], number: dict[int, int], file: Path) -> Path:
    ids, paths = collection.reading.ids, collection.reading.paths
    header = ("group", "first", "second", "kind", "similarity", "first path", "second path")
    rows = [
        (number[pair.first], ids[pair.first], ids[pair.second], pair.kind, pair.similarity, paths[pair.first], paths[pair.second])
        for pair in sorted(pairs, key=lambda pair: number[pair.first])
    ]  # fmt: skip
    return write_table(file, header, rows)


def _write_kept(collection: Collection, groups: list[list[int]], file: Path) -> Path:
    """Every item of a group, and whether it is the one to keep: what is in no group is not listed."""
    ids, paths, sizes = collection.reading.ids, collection.reading.paths, _sizes(collection)
    unit = "characters" if isinstance(collection.reading, TextReading) else "pixels"
    rows = [
        (group, ids[row], "yes" if place == 0 else "no", sizes(row), paths[row])
        for group, members in enumerate(groups, 1)
        for place, row in enumerate(members)
    ]  # fmt: skip
    return write_table(file, ("group", "id", "keep", unit, "path"), rows)


def headline(found: Duplicates) -> str:
    """What was found, in a sentence."""
    if not found.groups:
        return f"No near-copies among {count(found.items)} {found.noun}"
    spare = count(len(found.spare))
    return f"{spare} of {count(found.items)} {found.noun} are near-copies of others, in {plural(len(found.groups), 'group')}"


def _write_page(found: Duplicates, collection: Collection, pairs: list[Pair], groups: list[list[int]], *, without_samples: bool) -> None:
    kinds = ", ".join(f"{count(number)} {kind}" for kind, number in found.kinds.items()) or "none"
    top = opening(collection, NAME, headline(found), f"Pairs by what tells them apart: {kinds}.", mood="open" if groups else "good")
    shown = [] if without_samples else sorted(groups, key=len, reverse=True)[:SHOWN]
    showing = Showing(collection, [row for group in shown for row in group[:MEMBERS]])
    place = {tuple(group): number for number, group in enumerate(groups, 1)}
    told = {row: f"{pair.kind} {pair.similarity:.2f}" for pair in reversed(pairs) for row in (pair.first, pair.second)}
    blocks = [
        block(
            f"Group {place[tuple(group)]}: {plural(len(group), collection.noun.removesuffix('s'))}",
            showing.sheet([Tile(row, "keep" if not i else told[row], "query" if not i else "") for i, row in enumerate(group[:MEMBERS])]),
        )
        for group in shown
    ]  # fmt: skip
    lead = f"The largest groups first, at most {SHOWN}; in each, framed, the one to keep. The table has every pair."
    sections = [top, *([section("groups", "Groups", *blocks, lead=lead)] if blocks else []), how(_method(found))]
    write_page(found.page, headline(found), sections, collection, without_samples=without_samples)


def _method(found: Duplicates) -> list[str]:
    if found.noun == "pictures":
        first = (
            "The nearest pictures of each, and of its mirror image, by embedding and by an 8 x 8 thumbnail, were aligned at 64 x 64 pixels "
            "(crop, contrast, brightness). The similarity is 1 less the largest difference in any block, a quarter of the side wide, in "
            "units of the contrast."
        )
    else:
        first = "The similarity is the share of the shorter document's stretches of five words in a row that the other has too."
    return [first, f"Pairs count from a similarity of {found.threshold:g}. A group is what hangs together by pairs."]
