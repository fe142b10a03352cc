"""What an embedding of texts keeps of their meaning from one language to another, without labels and with labels in one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch

from selfsup.embedding import TextReading, told_for
from selfsup.embedding import text_networks as networks
from selfsup.evaluation.baselines import INITIALISATIONS, UNTRAINED, WEIGHTS, Told
from selfsup.evaluation.language_questions import Labelled, Sought, labelled_texts, sought_texts
from selfsup.evaluation.parallel import Parallel
from selfsup.evaluation.runs import Runs, copy_into_runs, opened_runs, results_folder, rows_by_seed
from selfsup.evaluation.score_file import Scores
from selfsup.evaluation.texts import TextGround
from selfsup.evaluation.transfer import Summary, Transfer
from selfsup.evaluation.words import vectoriser
from selfsup.probing.choice import Features, default_layer
from selfsup.probing.draws import LabelsPerClass
from selfsup.progress import progress
from selfsup.run import Run
from selfsup.train.distributed import device

CHARACTERS = "character n-grams"

FORMAT = 1


@dataclass(frozen=True)
class LanguageRow:
    """One embedding: a layer of a run or of an untrained network (`seeds` of them), or what stands beside them.

    `primary` marks the layer that is used where nothing chooses one. `parallel` is None where nothing was sought, `labels` and `transfers`
    are None and empty without labels, and but for the primary layer.
    """

    row: str
    kind: str
    layer: str
    primary: bool
    seeds: int
    parallel: Parallel | None = None
    labels: Summary | None = None
    transfers: list[Transfer] = field(default_factory=list)


@dataclass(frozen=True)
class LanguageScores(Scores):
    """Every row, and what must be known to read them: `sought` and `tested` count texts in each language, `noun` is what they are."""

    FILE: ClassVar[str] = "across_languages.json"

    data: str
    noun: str
    sought: dict[str, int]
    tested: dict[str, int]
    labels_per_class: LabelsPerClass
    runs: list[str]
    rows: list[LanguageRow]
    notes: list[str]
    format: int = FORMAT


@dataclass(frozen=True)
class _Asked:
    """What every row is asked."""

    sought: Sought | None
    labelled: Labelled | None

    def layers(self, folder: str | Path, network_of: Sequence[Callable[[], Any]], *, kind: str, name: str) -> list[LanguageRow]:
        """A row for each layer of some networks that read with the tokeniser in `folder`: its mean over tokens, and the seeds' mean."""
        found: dict[str, list[Any]] = {}
        told: dict[str, list[Any]] = {}
        primary = ""
        for make in network_of:
            network = make().to(device()).eval()
            every = TextReading.layers(network)
            primary, shown = default_layer(every), [layer for layer in every if layer.endswith("/mean")]
            for layer, features in self._features(self.sought, folder, network, shown).items():
                assert self.sought is not None
                found.setdefault(layer, []).append(self.sought.found(features))
            for layer, features in self._features(self.labelled, folder, network, [primary]).items():
                assert self.labelled is not None
                told.setdefault(layer, []).append(self.labelled.right({layer: features}, layer))
        return [
            self._row(name, kind, layer, found.get(layer, []), told.get(layer, []), primary=layer == primary)
            for layer in dict.fromkeys([*found, *told])
        ]

    def characters(self) -> LanguageRow:
        """TF-IDF of character 3- to 5-grams."""
        found, told = [], []
        if self.sought is not None:
            found = [self.sought.found(vectoriser("characters").fit_transform(self.sought.texts.some(self.sought.rows)))]
        if self.labelled is not None:
            counts = vectoriser("characters").fit_transform(self.labelled.texts.some(self.labelled.rows))
            told = [self.labelled.right({"characters": counts}, "characters", standardise=False)]
        return self._row(CHARACTERS, "baseline", "characters", found, told, primary=True)

    @staticmethod
    def _features(question: Sought | Labelled | None, folder: str | Path, network: Any, layers: Sequence[str]) -> Features:
        if question is None:
            return {}
        return question.reading(folder).embeddings(network, question.rows.tolist(), layers=layers)

    def _row(self, name: str, kind: str, layer: str, found: list[Any], told: list[Any], *, primary: bool) -> LanguageRow:
        parallel = self.sought.joined(found) if self.sought is not None and found else None
        labels, transfers = self.labelled.joined(told) if self.labelled is not None and told else (None, [])
        return LanguageRow(name, kind, layer, primary, max(len(found), len(told)), parallel, labels, transfers)


def evaluate_across_languages(
    runs: Runs,
    data: Any = None,
    *,
    parallel: str | None = None,
    labels: Any = None,
    labels_per_class: LabelsPerClass = 10,
    baselines: bool = True,
    weights: str | Path | None = None,
    out: str | Path | None = None,
    text: str | None = None,
    id: str | None = None,
    language: str | None = None,
    encoding: str | None = None,
) -> LanguageScores:
    """What runs on text keep of meaning from one language to another, beside baselines, with 95 % intervals.

    `parallel` says what are translations of one another: "documents" of equal name (de/page.txt and fr/page.txt), their "paragraphs" in
    equal places, or columns of a table, "de,en". A text is sought among all of another language, both ways between every two. With
    `labels` (and none of that), what labels in one language are worth in the others, at `labels_per_class`. Texts are taken that no run
    learned from, or all where none is left. Nothing is chosen: each layer's mean is shown, the last but one is the primary. Beside them
    stand the same networks untrained, TF-IDF of character 3- to 5-grams, and `weights`, a folder that `transformers` wrote. How texts are
    read is told as to `pretrain`. Writes across_languages.json into `out` and into each run.
    Raises ValueError where texts have no languages, or share no names.
    """
    opened = opened_runs(runs)
    folder = results_folder(opened, out)
    check_texts(opened, "languages")
    if parallel is None and labels is None:
        raise ValueError("nothing was asked across languages: expected parallel (documents, paragraphs or columns), labels, or both.")
    told = told_for(opened[0], data, {"text": text, "id": id, "language": language, "encoding": encoding})
    place = opened[0].data if data is None else data
    notes: list[str] = []
    sought = None if parallel is None else sought_texts(opened, place, told, parallel, notes)
    labelled = None if labels is None else labelled_texts(opened, place, told, labels, labels_per_class, notes)
    with progress("scoring") as say:
        rows = list(_rows(_Asked(sought, labelled), opened, weights=weights, baselines=baselines, say=say))
    scores = LanguageScores(
        data=next(asked.texts.name for asked in (sought, labelled) if asked is not None),
        noun=sought.noun if sought else "documents",
        sought=counts_of(sought.spoken) if sought else {},
        tested=counts_of(labelled.spoken) if labelled else {},
        labels_per_class=labels_per_class,
        runs=[run.name for run in opened],
        rows=rows,
        notes=notes,
    )
    scores.save(folder)
    copy_into_runs((LanguageScores.FILE,), opened, folder)
    return scores


def check_texts(runs: Sequence[Run], what: str) -> None:
    """Raise ValueError for runs that learned from something else."""
    if runs[0].kind != "text":
        raise ValueError(f"{runs[0].folder} learned from {runs[0].kind!r}, which has no {what}: expected runs that learned from text.")


def counts_of(languages: Sequence[str | None]) -> dict[str, int]:
    """How many there are of each, by name."""
    return dict(sorted(Counter(language or "unknown" for language in languages).items()))


def _rows(asked: _Asked, runs: Sequence[Run], *, weights: str | Path | None, baselines: bool, say: Told) -> Iterator[LanguageRow]:
    for name, seeds in rows_by_seed(runs).items():
        say(f"{name} across languages")
        yield from asked.layers(seeds[0].folder, [partial(TextReading.network, run) for run in seeds], kind="run", name=name)
    if baselines:
        alike: dict[Any, Run] = {}
        for run in runs:
            alike.setdefault(TextGround.backbone(run), run)
        for run in alike.values():
            say(f"{UNTRAINED} across languages")
            fresh, _ = networks.fresh_network(run.folder)
            suffix = "" if len(alike) == 1 else f" ({TextGround.described(run)})"
            made = [partial(_built, fresh, seed) for seed in range(INITIALISATIONS)]
            yield from asked.layers(run.folder, made, kind="baseline", name=UNTRAINED + suffix)
        say(CHARACTERS)
        yield asked.characters()
    if weights is not None:
        say(WEIGHTS)
        yield from asked.layers(weights, [lambda: networks.network_in(weights)[0]], kind="baseline", name=WEIGHTS)


def _built(fresh: Callable[[], Any], seed: int) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return fresh()
