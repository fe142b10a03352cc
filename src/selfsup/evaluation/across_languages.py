"""`across_languages`: what an embedding of texts keeps of their meaning from one language to another, without and with labels."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from selfsup.data import read_labels
from selfsup.embedding import TextReading
from selfsup.embedding import text_networks as networks
from selfsup.evaluation.baselines import INITIALISATIONS, UNTRAINED
from selfsup.evaluation.choice import Features
from selfsup.evaluation.draws import LabelsPerClass, holdout
from selfsup.evaluation.parallel import Parallel, names_across, parallel_retrieval
from selfsup.evaluation.predictions import Setting
from selfsup.evaluation.problem import REFERENCE
from selfsup.evaluation.scoring import default_layer
from selfsup.evaluation.transfer import Languages, Transfer, transfer
from selfsup.evaluation.words import vectoriser
from selfsup.run import Run, write_whole
from selfsup.train.distributed import device

CHARACTERS = "character n-grams"

FORMAT = 1


@dataclass(frozen=True)
class LanguageRow:
    """One embedding: a layer of a run or of an untrained network (`seed` tells its initialisations apart), or what stands beside them.

    `primary` marks the layer that is used where nothing chooses one. `transfers` are empty without labels, and but for the primary layer.
    """

    row: str
    kind: str
    layer: str
    primary: bool
    seed: int
    parallel: Parallel
    transfers: list[Transfer] = field(default_factory=list)


@dataclass(frozen=True)
class LanguageScores:
    """Every row, the languages with the number of texts of each, and what must be known to read them."""

    data: str
    languages: dict[str, int]
    rows: list[LanguageRow]
    notes: list[str]
    format: int = FORMAT

    def save(self, folder: str | Path) -> Path:
        """Write languages.json into `folder`."""
        file = Path(folder) / "languages.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False))
        return file


@dataclass(frozen=True)
class _Task:
    """What every row is asked: which texts, what they are called in every language, and, with labels, what is learned from and tested."""

    reading: TextReading
    rows: Int[np.ndarray, "n"]
    names: list[str]
    labelled: Languages | None
    setting: Setting

    def row(self, name: str, features: Features, layer: str, *, kind: str, primary: bool = True, seed: int = 0) -> LanguageRow:
        """One embedding, which is the only one offered to the probe."""
        texts = self.reading.texts
        languages = [texts.languages[row] for row in self.rows]
        found = parallel_retrieval(features[layer], names=self.names, languages=languages, hashes=texts.hashes[self.rows])
        moved: list[Transfer] = []
        if primary and self.labelled is not None:
            only = {layer: features[layer]}
            moved = transfer(only, self.labelled, setting=self.setting, default=layer, standardise=kind != "words")
        return LanguageRow(name, "run" if kind == "run" else "baseline", layer, primary, seed, found, moved)


def across_languages(
    runs: Sequence[Run | str | Path],
    data: Any = None,
    *,
    labels: Any = None,
    labels_per_class: LabelsPerClass = 10,
    names: Sequence[str] | None = None,
    baselines: bool = True,
    out: str | Path | None = None,
) -> LanguageScores:
    """Parallel retrieval between every two languages, and with `labels` their transfer, for every layer of some runs, beside baselines.

    Texts of equal name are translations of one another (`names` says otherwise than the ids do). Those are taken that the runs held out,
    or all where none was. Nothing is chosen: each layer's mean is shown, the last but one is the primary. Beside them stand the same
    network untrained, and TF-IDF of character 3- to 5-grams. Writes languages.json into `out`, by default the first run's folder.
    Raises ValueError where texts have no languages, or share no names.
    """
    opened = [run if isinstance(run, Run) else Run.open(run) for run in runs]
    texts = TextReading.opened(opened[0].data if data is None else data)
    called = list(names) if names is not None else names_across(texts.ids, texts.languages)
    rows, result, notes = list[int](), list[LanguageRow](), list[str]()
    for place, run in enumerate(opened):
        reading = TextReading.of(run, texts)
        rows = rows or _rows(run, reading, notes)
        task = _posed(reading, np.array(rows), called, labels, labels_per_class)
        network = reading.network(run)
        result += _layers(task, network, run.row, kind="run", seed=run.seed)
        if baselines and place == 0:
            result += list(_beside(task, run))
    counts = Counter(texts.languages[row] or "unknown" for row in rows)
    scores = LanguageScores(texts.name, dict(sorted(counts.items())), result, notes)
    scores.save(opened[0].folder if out is None else out)
    return scores


def _rows(run: Run, reading: TextReading, notes: list[str]) -> list[int]:
    parts = reading.parts_in(run)
    tested = [row for row, part in enumerate(parts) if part == "test"]
    if not tested and any(part == "train" for part in parts):
        notes.append("Transductive: the run held out no documents, so these texts were seen, without labels or pairs, in pretraining.")
    return tested or list(range(len(parts)))


def _posed(reading: TextReading, rows: Int[np.ndarray, "n"], names: Sequence[str], labels: Any, count: LabelsPerClass) -> _Task:
    """The task, with a fifth of the texts tested, translations of one text on one side."""
    called = [names[row] for row in rows]
    setting = Setting("linear", count)
    if labels is None:
        return _Task(reading, rows, called, None, setting)
    found = read_labels(labels, reading.listed, columns=reading.listed_columns, noun=reading.noun)
    targets = np.array(found.targets)[rows]
    known = np.flatnonzero(targets >= 0)
    groups = np.array(called)
    test = known[holdout(targets[known], groups[known])]
    train = np.setdiff1d(known, test)
    reference = np.sort(np.random.default_rng([0, len(train)]).permutation(train)[:REFERENCE])
    languages = [reading.texts.languages[row] for row in rows]
    items = Languages(targets, len(found.classes), languages, train, test, reference, groups[test])
    return _Task(reading, rows, called, items, setting)


def _layers(task: _Task, network: Any, name: str, *, kind: str, seed: int) -> list[LanguageRow]:
    """The mean over tokens of each layer."""
    every = task.reading.layers(network)
    primary, shown = default_layer(every), [layer for layer in every if layer.endswith("/mean")]
    features = task.reading.embeddings(network.to(device()), task.rows.tolist(), layers=shown)
    return [task.row(name, features, layer, kind=kind, primary=layer == primary, seed=seed) for layer in shown]


def _beside(task: _Task, run: Run) -> Iterator[LanguageRow]:
    fresh, _ = networks.fresh_network(run.folder)
    for seed in range(INITIALISATIONS):
        yield from _layers(task, _built(fresh, seed), UNTRAINED, kind="untrained", seed=seed)
    counts = vectoriser("characters").fit_transform(task.reading.texts.some(task.rows))
    yield task.row(CHARACTERS, {"characters": counts}, "characters", kind="words")


def _built(fresh: Callable[[], Any], seed: int) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return fresh()
