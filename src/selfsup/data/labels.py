"""Labels of some of the items: from folders, tables, columns or sequences, matched to the source's ids."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from selfsup.data.intensity import Values
from selfsup.data.items import in_natural_order
from selfsup.data.matching import Matcher
from selfsup.data.tables import LABEL_NAMES, Table, as_word, find_column, path_column, read_table, split_address, value_column

NO_LABEL = frozenset(("unlabelled", "unlabeled", "unknown", "nan", "null"))  # "none" is a class of defect data sets: no defect
_PARTS = frozenset(("train", "training", "test", "testing", "val", "valid", "validation", "holdout"))
_WHOLE = re.compile(r"([+-]?\d+)\.0+")


@dataclass(frozen=True)
class Labels:
    """One label or None for each id, in the ids' order.

    `classes` are in natural order; `unmatched` are paths of a label table that mean no item, `ambiguous` those among them that may mean
    several; `conflicts` name items with different labels in different lines, which count as unlabelled.
    """

    ids: list[str] = field(repr=False)
    values: list[str | None] = field(repr=False)
    unmatched: list[str] = field(default_factory=list)
    ambiguous: list[str] = field(default_factory=list)
    conflicts: dict[str, list[str]] = field(default_factory=dict)

    @property
    def classes(self) -> list[str]:
        """The labels there are, each once."""
        return in_natural_order({value for value in self.values if value is not None})

    @property
    def counts(self) -> dict[str, int]:
        """How many items each class has, in the order of `classes`."""
        found = Counter(self.values)
        return {name: found[name] for name in self.classes}

    @property
    def targets(self) -> list[int]:
        """Each item's place in `classes`, -1 where it has no label."""
        places = {name: place for place, name in enumerate(self.classes)}
        return [-1 if value is None else places[value] for value in self.values]


def read_labels(
    labels: str | Path | Sequence[object] | Mapping[str, object] | Values | torch.Tensor,
    source_ids: Sequence[str],
    *,
    columns: Table | None = None,
    noun: str = "pictures",
) -> Labels:
    """Labels for `source_ids`, which messages call `noun`; items without one are the normal case.

    `labels` is "folder" (the first folder of each id; behind train/ and test/ the second), a column of `columns` (what a table of items
    said), a CSV, Parquet or JSON-lines file with a path and a label, `FILE.csv:COLUMN`, a sequence with one label an id, or a dict from
    paths to labels. Empty, NaN, "unlabelled" and "unknown" mean none; 1.0 and 1 are the same label. Raises ValueError when nothing can be
    made of it.
    """
    ids = list(source_ids)
    if isinstance(labels, Mapping):
        return _matched(ids, [(str(path), label) for path, label in labels.items()], told="The dict of labels", noun=noun)
    if isinstance(labels, (str, Path)):
        return _named(str(labels), ids, columns or {}, noun)
    cells = labels.tolist() if hasattr(labels, "tolist") else list(labels)
    assert isinstance(cells, list)
    return _aligned(ids, cells, noun)


def as_label(value: object) -> str | None:
    """One spelling for a label: words without spaces around them, whole numbers without a decimal point, None for none."""
    word = as_word(value)
    if word is None or word.casefold() in NO_LABEL:
        return None
    whole = _WHOLE.fullmatch(word)
    return whole.group(1) if whole else word


def folder_labels(ids: Iterable[str]) -> list[str | None]:
    """The first folder of each id; where all first folders are parts like train and test, the second. None for files in no folder."""
    parts = [name.split("/")[:-1] for name in ids]
    firsts = {folders[0].casefold() for folders in parts if folders}
    depth = 1 if firsts and firsts <= _PARTS else 0
    return [as_label(folders[depth]) if len(folders) > depth else None for folders in parts]


def _named(labels: str, ids: list[str], columns: Table, noun: str) -> Labels:
    column = find_column(columns, [labels.casefold()])
    if column is None and labels.casefold() in LABEL_NAMES:
        column = find_column(columns, LABEL_NAMES)
    if column is not None:
        return _checked(Labels(ids, [as_label(value) for value in columns[column]]), f"The column {column}", noun)
    if labels == "folder":
        return _checked(Labels(ids, folder_labels(ids)), "The folders", noun)
    file, wanted = split_address(labels)
    if not Path(file).expanduser().is_file():
        known = f"a column of the table of {noun} ({', '.join(columns)})" if columns else "FILE.csv:COLUMN"
        raise ValueError(
            f"labels={labels!r} was given, which is no file. Expected 'folder' (one folder a class), a CSV or Parquet file with the "
            f"columns `path` and `label`, {known}, or a sequence with one label a {noun.removesuffix('s')}."
        )
    table = read_table(Path(file).expanduser())
    value = wanted or value_column(table, file, names=LABEL_NAMES, wanted="label")
    if value not in table:
        raise ValueError(f"The table {file} has no column {value!r}. It has {', '.join(table)}.")
    pairs = [(path, label) for path, label in zip(table[path_column(table, file)], table[value], strict=True) if path is not None]
    return _matched(ids, pairs, told=f"The table {file}", noun=noun)


def _aligned(ids: list[str], cells: list[object], noun: str) -> Labels:
    """One label an id; for an array of which some items could not be used (its ids are row numbers), one label a row is right too."""
    if len(cells) != len(ids):
        if not (ids and all(name.isdecimal() for name in ids) and int(ids[-1]) < len(cells)):
            raise ValueError(f"{len(cells):,} labels were given for {len(ids):,} {noun}. Expected one for each, None where there is none.")
        cells = [cells[int(name)] for name in ids]
    if any(isinstance(cell, (list, tuple, dict)) for cell in cells):
        one = noun.removesuffix("s")
        raise ValueError(f"The labels have more than one dimension. Expected one label a {one}: for one-hot rows, use .argmax(1).")
    return _checked(Labels(ids, [as_label(cell) for cell in cells]), "The sequence of labels", noun)


def _matched(ids: list[str], pairs: Sequence[tuple[str, object]], *, told: str, noun: str) -> Labels:
    matcher = Matcher(ids)
    given: list[list[str]] = [[] for _ in ids]
    unmatched, ambiguous = list[str](), list[str]()
    for path, label in pairs:
        found = matcher.find(path)
        if len(found) != 1:
            unmatched.append(path)
            ambiguous += [path] if found else []
        elif (word := as_label(label)) is not None and word not in given[found[0]]:
            given[found[0]].append(word)
    if pairs and len(unmatched) == len(pairs):
        reason = "each may mean several" if ambiguous else "none"
        raise ValueError(
            f"{told} names {len(pairs):,} files, for example {pairs[0][0]!r}, but {reason} of the {noun}, for example {ids[0]!r}. "
            f"Expected paths below the folder of the {noun}: is it the right table for them?"
        )
    conflicts = {name: words for name, words in zip(ids, given, strict=True) if len(words) > 1}
    values = [words[0] if len(words) == 1 else None for words in given]
    return _checked(Labels(ids, values, unmatched, ambiguous, conflicts), told, noun)


def _checked(labels: Labels, told: str, noun: str) -> Labels:
    if not labels.classes:
        conflicts = f" ({len(labels.conflicts)} {noun} have conflicting labels)" if labels.conflicts else ""
        raise ValueError(f"{told} gave no label for any of the {len(labels.ids):,} {noun}{conflicts}. Expected a label for some of them.")
    return labels
