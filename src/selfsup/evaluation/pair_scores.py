"""`evaluate_pairs`: what runs of pairs find, pictures by texts and texts by pictures, and what they call pictures without any label."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int

from selfsup.backbones import PairBackbone
from selfsup.data import read_labels
from selfsup.data.labels import Labels
from selfsup.embedding.pair_reading import PairReading, is_finished, pairs_for
from selfsup.evaluation.baselines import INITIALISATIONS, UNTRAINED
from selfsup.evaluation.pair_retrieval import Retrieval, both_ways, matches_of
from selfsup.evaluation.prompts import Prompts, read_prompts
from selfsup.evaluation.runs import Runs, copy_into_runs, opened_runs, results_folder, rows_by_seed
from selfsup.evaluation.score_file import Scores
from selfsup.evaluation.zero_shot import ZeroShot, called, name_directions, zero_shot_score
from selfsup.progress import progress
from selfsup.run import Run
from selfsup.train.distributed import device
from selfsup.trained import pair_network

FORMAT = 1

MOST = 5000
"""Pictures that are sought among, at most: a sample drawn by a fixed seed."""


@dataclass(frozen=True)
class PairRow:
    """One row: runs that differ in their seed only, or networks like theirs as they begin."""

    row: str
    kind: str
    seeds: int
    retrieval: list[Retrieval]
    zero_shot: list[ZeroShot]


@dataclass(frozen=True)
class PairScores(Scores):
    """Every row, and what must be known to read them. `pictures` is how many were tested."""

    FILE: ClassVar[str] = "pair_scores.json"

    data: str
    pictures: int
    runs: list[str]
    rows: list[PairRow]
    notes: list[str]
    format: int = FORMAT


@dataclass(frozen=True)
class _Asked:
    """What every network is asked: which pictures, and in which words."""

    rows: Int[np.ndarray, "n"]
    groups: np.ndarray | None
    languages: list[str]
    prompts: list[Prompts]
    labels: Labels | None

    def answered(self, name: str, kind: str, networks: Sequence[tuple[PairReading, Callable[[], PairBackbone]]]) -> PairRow:
        """The row of some networks, each with how it reads the data."""
        found: dict[str, list[Any]] = {}
        said: dict[str, list[Any]] = {}
        for reading, make in networks:
            network = make().to(device()).eval()
            pictures = reading.pictures(network, self.rows.tolist())
            for language in self.languages:
                if (matches := self._matches(reading, language)) is not None:
                    some = pictures[np.searchsorted(self.rows, matches.rows)]
                    found.setdefault(language, []).append((some, reading.texts(network, matches.texts)))
            for language, predicted in self._called(reading, network, pictures):
                said.setdefault(language, []).append(predicted)
        retrieval = [one for language, seeds in found.items() for one in self._found(networks[0][0], language, seeds)]
        return PairRow(name, kind, len(networks), retrieval, [self._score(language, seeds) for language, seeds in said.items()])

    def _matches(self, reading: PairReading, language: str) -> Any:
        captions = [[(one.text, one.group) for one in own] for own in reading.captions]
        return matches_of(captions, self.rows.tolist(), language)

    def _found(self, reading: PairReading, language: str, seeds: list[Any]) -> list[Retrieval]:
        matches = self._matches(reading, language)
        groups = None if self.groups is None else self.groups[matches.rows]
        return both_ways(seeds, matches, groups)

    def _called(self, reading: PairReading, network: PairBackbone, pictures: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        if self.labels is None:
            return
        for prompts in self.prompts:
            classes = [prompts.texts(label) for label in self.labels.classes]
            names = [texts for own in classes for texts in own]
            vectors = reading.texts(network, [text for texts in names for text in texts])
            directions = name_directions(np.split(vectors, np.cumsum([len(texts) for texts in names])[:-1]))
            yield prompts.language, called(pictures, directions, each=[len(own) for own in classes])

    def _score(self, language: str, seeds: list[np.ndarray]) -> ZeroShot:
        assert self.labels is not None
        targets = np.array(self.labels.targets)[self.rows]
        there = targets >= 0
        templates = next(prompts.templates for prompts in self.prompts if prompts.language == language)
        groups = None if self.groups is None else self.groups[self.rows][there]
        return zero_shot_score(
            np.stack(seeds)[:, there],
            targets[there],
            classes=len(self.labels.classes),
            groups=groups,
            language=language,
            templates=templates,
        )


def evaluate_pairs(
    runs: Runs,
    data: Any = None,
    *,
    labels: Any = None,
    templates: str | Path | Sequence[str] | Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    baselines: bool = True,
    initialisations: int = INITIALISATIONS,
    image: str | None = None,
    text: str | None = None,
    language: str | None = None,
    encoding: str | None = None,
) -> PairScores:
    """Score runs of pairs on pairs that they did not learn from: recall@1, @5 and @10 both ways in each language, with 95 % intervals.

    A text that equals one of the picture's own is right, whoever it was written for. With `labels`, as `evaluate` takes them, pictures are
    also called by the nearest class name: put into `templates`, such as "a photo of {}", "en,de", or a file (`read_prompts`); by default
    the name alone. Beside stand chance and as many untrained networks as `initialisations`. `image`, `text`, `language` and `encoding`
    say how pairs are read, as for `pretrain`. Writes pair_scores.json into `out`, by default where the runs are. Raises ValueError.
    """
    opened = checked_pairs(opened_runs(runs))
    for run in opened:
        if "shared_width" not in run.choices:
            raise ValueError(f"{run.folder} brings pictures and texts into no shared space; what it writes is scored by evaluate_captions.")
    folder = results_folder(opened, out)
    prompts = read_prompts(templates)
    listing = pairs_for(opened[0], data, {"image": image, "text": text, "language": language, "encoding": encoding})
    readings = {run.name: PairReading(run, listing) for run in opened}
    first, notes = readings[opened[0].name], list[str]()
    if len({tuple(reading.ids) for reading in readings.values()}) > 1:
        raise ValueError("the runs do not read the same pictures; evaluate them one by one.")
    asked = _Asked(tested_rows(opened, first, notes), first.groups(opened[0]), listing.groups, prompts, _labels(labels, first))
    rows = list[PairRow]()
    with progress("scoring") as told:
        for name, seeds in rows_by_seed(opened).items():
            told(name)
            rows.append(asked.answered(name, "run", [(readings[run.name], _trained(run)) for run in seeds]))
        if baselines:
            told(UNTRAINED)
            fresh = [(first, _untrained(first, seed)) for seed in range(initialisations)]
            rows.append(asked.answered(UNTRAINED, "baseline", fresh))
    scores = PairScores(first.name, len(asked.rows), [run.name for run in opened], rows, notes)
    scores.save(folder)
    copy_into_runs((PairScores.FILE,), opened, folder)
    return scores


def checked_pairs(runs: list[Run]) -> list[Run]:
    """Raise ValueError for runs that are none of pairs, or not finished."""
    for run in runs:
        if run.kind != "pair":
            raise ValueError(f"{run.folder} learned from {run.kind!r}, and these scores are of pairs. Use `evaluate`.")
        if not is_finished(run):
            raise ValueError(f"{run.folder} is not finished: a side is missing. Go on with the command that began it, and --resume.")
    return runs


def _trained(run: Run) -> Callable[[], PairBackbone]:
    return lambda: pair_network(run.folder)


def _untrained(reading: PairReading, seed: int) -> Callable[[], PairBackbone]:
    return lambda: reading.fresh_network(seed)


def tested_rows(runs: Sequence[Run], reading: PairReading, notes: list[str]) -> Int[np.ndarray, "n"]:
    """Rows that no run learned from, or all where there are none, which is noted; a sample of many."""
    fresh = np.ones(len(reading.ids), dtype=bool)
    for run in runs:
        fresh &= np.array([part != "train" for part in reading.parts(run)])
    if fresh.sum() < 2:
        notes.append("These are pairs that the runs learned from: pretrain with --holdout 0.2 to score what is new to them.")
        fresh[:] = True
    rows = np.flatnonzero(fresh)
    if len(rows) > MOST:
        notes.append(f"Of {len(rows):,} pairs, {MOST:,} drawn at random are tested: fewer candidates are easier to find.")
        rows = np.sort(np.random.default_rng(len(rows)).permutation(rows)[:MOST])
    return rows


def _labels(labels: Any, reading: PairReading) -> Labels | None:
    return None if labels is None else read_labels(labels, reading.ids, columns=reading.columns, noun="pictures")
