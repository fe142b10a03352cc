"""What is asked of an embedding of several languages: to find translations, and to carry labels from one language to another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from selfsup.data import read_labels
from selfsup.embedding import TextReading, parts_in
from selfsup.embedding.text_networks import tokenizer_digest
from selfsup.embedding.text_reading import documents_of
from selfsup.embedding.texts import Texts
from selfsup.evaluation.parallel import Found, Pairs, Parallel, find_translations, names_across, parallel_of, translated_pairs
from selfsup.evaluation.predictions import Setting
from selfsup.evaluation.problem import REFERENCE
from selfsup.evaluation.transfer import Languages, Right, Summary, Transfer, summary_of, told_right, transfers
from selfsup.evaluation.translations import translations_in
from selfsup.probing.choice import Features
from selfsup.probing.draws import LabelsPerClass, holdout, subsample
from selfsup.probing.sparse import Rows
from selfsup.run import Run

MOST = 10_000
"""Labelled texts learned from, and as many tested, at most: a sample with the classes in proportion."""


@dataclass(frozen=True)
class _Read:
    """Some `rows` of texts, which may be read with several tokenisers."""

    texts: Texts
    rows: Int[np.ndarray, "n"]
    spoken: list[str | None]
    _readings: dict[str, TextReading] = field(default_factory=dict, repr=False, compare=False, kw_only=True)

    def reading(self, folder: str | Path) -> TextReading:
        """The texts as ids of the tokeniser in a folder; kept, so that each is encoded once."""
        key = tokenizer_digest(folder)
        if key not in self._readings:
            self._readings[key] = TextReading.reading_as(folder, self.texts)
        return self._readings[key]


@dataclass(frozen=True)
class Sought(_Read):
    """Texts and their translations, which are sought; places in `pairs` count in `rows`."""

    pairs: list[Pairs]
    untranslated: int
    noun: str

    def found(self, features: Rows) -> list[Found]:
        """What one embedding finds."""
        return find_translations(features, self.pairs)

    def joined(self, seeds: Sequence[list[Found]]) -> Parallel:
        """Several seeds together."""
        return parallel_of(seeds, self.pairs, untranslated=self.untranslated)


@dataclass(frozen=True)
class Labelled(_Read):
    """Texts with labels, some to learn from and some to test on; places in `items` count in `rows`, `spoken` are the tested ones'."""

    items: Languages
    setting: Setting

    def right(self, features: Features, layer: str, *, standardise: bool = True) -> Right:
        """What one embedding's probes tell right."""
        return told_right(features, self.items, setting=self.setting, default=layer, standardise=standardise)

    def joined(self, seeds: Sequence[Right]) -> tuple[Summary, list[Transfer]]:
        """Several seeds together."""
        right = {source: np.concatenate([seed[source] for seed in seeds]) for source in seeds[0]}
        return summary_of(right, self.items, self.setting), transfers(right, self.items, self.setting)


def sought_texts(runs: Sequence[Run], data: Any, told: Mapping[str, Any], how: str, notes: list[str]) -> Sought:
    """Translations that no run learned from, or all where none is left, which is noted. Raises ValueError where there are none."""
    units = translations_in(data, told, how)
    fresh = fresh_rows(runs, units.texts, units.parents, units.fingerprint)
    if not fresh.any():
        notes.append("Transductive: the runs learned from all of these texts, without labels or pairs.")
        fresh = ~fresh
    rows, more = units.chosen(np.flatnonzero(fresh))
    notes += more
    spoken = [units.texts.languages[row] for row in rows]
    pairs, untranslated = translated_pairs([units.names[row] for row in rows], spoken, units.texts.hashes[rows])
    return Sought(units.texts, rows, spoken, pairs, untranslated, units.noun)


def labelled_texts(
    runs: Sequence[Run], data: Any, told: Mapping[str, Any], labels: Any, count: LabelsPerClass, notes: list[str]
) -> Labelled:
    """Labels of documents: those no run learned from are tested, or a fifth; translations of one text are on one side.

    Raises ValueError where documents have no languages.
    """
    texts = Texts(documents_of(data, told))
    if len({language for language in texts.languages if language is not None}) < 2:
        raise ValueError(f"{texts.name} has {len(set(texts.languages) - {None})} languages: expected two or more; say where they are told.")
    found = read_labels(labels, texts.ids, columns=texts.columns, noun="documents")
    targets = np.array(found.targets)
    names = np.array(names_across(texts.ids, texts.languages))
    train, test = _sides(targets, names, fresh_rows(runs, texts, texts.ids, texts.fingerprint), notes)
    rows = np.sort(np.concatenate([train, test]))
    train, test = np.searchsorted(rows, train), np.searchsorted(rows, test)
    reference = np.sort(np.random.default_rng([0, len(train)]).permutation(train)[:REFERENCE])
    spoken = [texts.languages[row] for row in rows]
    items = Languages(targets[rows], len(found.classes), spoken, train, test, reference, names[rows[test]])
    return Labelled(texts, rows, [spoken[place] for place in test], items, Setting("linear", count))


def fresh_rows(runs: Sequence[Run], texts: Texts, ids: Sequence[str], fingerprint: str) -> Bool[np.ndarray, "n"]:
    """Which of some documents, given by their ids, no run learned from."""
    fresh = np.ones(len(ids), dtype=bool)
    paths = [str(Path(texts.root, name)) if texts.root else None for name in ids]
    for run in runs:
        parts = parts_in(run, ids, paths, name=texts.name, root=texts.root, fingerprint=fingerprint)
        fresh &= np.array([part != "train" for part in parts])
    return fresh


def _sides(
    targets: Int[np.ndarray, "n"], names: np.ndarray, fresh: Bool[np.ndarray, "n"], notes: list[str]
) -> tuple[Int[np.ndarray, "a"], Int[np.ndarray, "b"]]:
    """Rows to learn from, and to test on."""
    known = np.flatnonzero(targets >= 0)
    test = known[fresh[known]]
    if not 0 < len(test) < len(known):
        if not len(test):
            notes.append("Transductive: the fifth that is tested with labels was seen, without them, in pretraining.")
        test = known[holdout(targets[known], names[known])]
    train = np.setdiff1d(known, test)
    train = train[~np.isin(names[train], names[test])]
    if not len(train):
        raise ValueError(
            "every labelled document has a translation among those that were held out: pretrain with groups that keep translations "
            "together, or score data that the runs have not seen."
        )
    return train[subsample(targets[train], limit=MOST)], test[subsample(targets[test], limit=MOST)]
