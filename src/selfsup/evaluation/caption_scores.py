"""`evaluate_captions`: whether what a run says of pictures comes from the pictures.

A network that writes fluent captions may never look. So each true caption is judged three times: with its own picture, with other
pictures, and by the mean of the probabilities that these give it, which is what the network would say if it knew pictures in general
and not this one. The difference of the first and the last is what looking is worth; how often the own picture makes a caption likelier
than another does is free of how well it writes, and 50 % by chance.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from selfsup.embedding.pair_reading import PairReading, pairs_for
from selfsup.evaluation.pair_retrieval import Matches, matches_of
from selfsup.evaluation.pair_scores import checked_pairs, tested_rows
from selfsup.evaluation.runs import Runs, copy_into_runs, opened_runs, results_folder, rows_by_seed
from selfsup.evaluation.score_file import write_scores
from selfsup.probing.intervals import Interval, Sample, mean_interval, ratio_interval
from selfsup.progress import progress
from selfsup.run import Run
from selfsup.trained import load_task, makers, makes, task_of
from selfsup.views import plain

FILE, FORMAT = "caption_scores.json", 1

MOST = 400
"""Captions of a language that are judged, at most: a sample drawn by a fixed seed."""

OTHERS = 4
"""Other pictures that each caption is judged with."""

ROWS = 64


class CaptionModel(Protocol):
    """A task that tells how likely captions are."""

    backbone: Any  # a pair of networks

    def regions(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B S D"]:
        """What is seen of each picture."""

    def ended(self, tokens: Int[Tensor, "B T"], attended: Bool[Tensor, "B T"]) -> tuple[Int[Tensor, "B U"], Bool[Tensor, "B U"]]:
        """Captions with their end, and what of the rows they are."""

    def nats(
        self, regions: Float[Tensor, "B S D"], target: Int[Tensor, "B U"], counted: Bool[Tensor, "B U"], language: Int[Tensor, " B"]
    ) -> Float[Tensor, " B"]:
        """The surprise at each whole caption."""


@dataclass(frozen=True)
class Judged:
    """Captions of one language: bits a byte of text, the end of a caption among the surprise, with `own` picture, with `others`, and
    `blind`, by the mean of the others' probabilities; `gain` is blind minus own, `preferred` how often the own picture makes a caption
    likelier than another.
    """

    group: str
    captions: int
    own: Interval
    others: Interval
    blind: Interval
    gain: Interval
    preferred: Interval


@dataclass(frozen=True)
class CaptionRow:
    """Runs that differ in their seed only."""

    row: str
    seeds: int
    judged: list[Judged]


@dataclass(frozen=True)
class CaptionScores:
    """Every row, and what must be known to read them. `pictures` is how many were tested."""

    data: str
    pictures: int
    runs: list[str]
    rows: list[CaptionRow]
    notes: list[str]
    format: int = FORMAT

    def save(self, folder: str | Path) -> Path:
        """Write caption_scores.json into `folder`."""
        file = Path(folder) / FILE
        write_scores(file, dataclasses.asdict(self))
        return file


@dataclass(frozen=True)
class Asked:
    """Captions of one language, each with places of the pictures it is judged with, its own in the first column."""

    group: str
    rows: Int[np.ndarray, "n"]
    texts: list[str]
    pictures: Int[np.ndarray, "m K"]
    clusters: Shaped[np.ndarray, "m"]


def evaluate_captions(
    runs: Runs,
    data: Any = None,
    *,
    out: str | Path | None = None,
    image: str | None = None,
    text: str | None = None,
    language: str | None = None,
    encoding: str | None = None,
    task: str | None = None,
) -> CaptionScores:
    """Judge true captions of pictures that runs did not learn from, with their pictures and with others, in each language, with intervals.

    No caption is judged with another picture that it belongs to as well. `image`, `text`, `language` and `encoding` say how pairs are
    read, as for `pretrain`; a task of your own is named again as `task`. Writes caption_scores.json into `out`, by default where the runs
    are. Raises ValueError.
    """
    opened = checked_pairs(opened_runs(runs))
    for run in opened:
        if "next_words" not in makes(task_of(run, task)):
            raise ValueError(f"{run.folder} writes no captions; tasks that do: {', '.join(makers('next_words'))}. Use evaluate_pairs.")
    folder, notes = results_folder(opened, out), list[str]()
    listing = pairs_for(opened[0], data, {"image": image, "text": text, "language": language, "encoding": encoding})
    reading = PairReading(opened[0], listing)
    tested = tested_rows(opened, reading, notes)
    clusters = reading.groups(opened[0])
    asked = _asked(reading, tested, tested if clusters is None else clusters[tested], opened, notes)
    rows = list[CaptionRow]()
    with progress("judging") as told:
        for name, seeds in rows_by_seed(opened).items():
            told(name)
            nats = [_judgements(load_task(run, task=task), PairReading(run, listing), run, asked) for run in seeds]
            rows.append(CaptionRow(name, len(seeds), [judged(one, np.stack(each)) for one, *each in zip(asked, *nats, strict=True)]))
    scores = CaptionScores(reading.name, len(tested), [run.name for run in opened], rows, notes)
    scores.save(folder)
    copy_into_runs((FILE,), opened, folder)
    return scores


def _asked(
    reading: PairReading, tested: Int[np.ndarray, "n"], clusters: Shaped[np.ndarray, "n"], runs: Sequence[Run], notes: list[str]
) -> list[Asked]:
    """What is judged in each language that all runs know. Raises ValueError where that is nothing."""
    captions, found = [[(one.text, one.group) for one in own] for own in reading.captions], list[Asked]()
    known = [group for group in runs[0].choices["captions"] if all(group in run.choices["captions"] for run in runs)]
    for group in known:
        matches = matches_of(captions, tested.tolist(), group)
        drawn = None if matches is None else drawn_pictures(matches, MOST)
        if matches is None or drawn is None:
            notes.append(f"In {group} there are too few different captions to judge.")
            continue
        place, pictures = drawn
        own = clusters[np.searchsorted(tested, matches.rows)][pictures[:, 0]]
        found.append(Asked(group, matches.rows, [matches.texts[number] for number in place], pictures, own))
    if not found:
        raise ValueError(f"{reading.name} has too few captions to judge in what the runs know ({', '.join(known) or 'nothing in common'}).")
    return found


def drawn_pictures(matches: Matches, most: int) -> tuple[Int[np.ndarray, "m"], Int[np.ndarray, "m K"]] | None:
    """Captions, by place in `matches.texts`, and for each the places of a picture of its own and of `OTHERS` foreign ones, drawn alike
    each time; None where hardly any caption has a foreign picture.
    """
    rng = np.random.default_rng(len(matches.texts))
    pairs = np.argwhere(matches.own)
    pairs = pairs[np.sort(rng.permutation(len(pairs))[:most])]
    pairs = pairs[~matches.own[:, pairs[:, 1]].all(0)]
    if len(pairs) < 2:
        return None
    foreign = [rng.choice(np.flatnonzero(~matches.own[:, text]), OTHERS) for _, text in pairs]
    return pairs[:, 1], np.column_stack([pairs[:, 0], np.stack(foreign)])


@torch.no_grad()
def _judgements(task: Any, reading: PairReading, run: Run, asked: Sequence[Asked]) -> list[Float[np.ndarray, "2 m K"]]:
    """For the captions of each language: nats with each picture, and beside them, over and over, the bytes of each."""
    model: CaptionModel = task
    net, tokenizer = model.backbone, reading.tokenizer
    place, known, found = next(net.parameters()).device, list(run.choices["captions"]), []
    lengths = torch.as_tensor(tokenizer.bytes_of)
    for one in asked:
        parts = torch.split(torch.from_numpy(one.rows), ROWS)
        regions = torch.cat([model.regions(plain(reading.store.batch(part)["image"].to(place), net.size)) for part in parts])
        ids = [torch.from_numpy(ids[: net.text.context].astype("int64")) for ids in tokenizer.encode_batch(one.texts)]
        nats = np.zeros(one.pictures.shape)
        for start in range(0, len(ids), ROWS):
            some = slice(start, start + ROWS)
            tokens = torch.nn.utils.rnn.pad_sequence(ids[some], batch_first=True)
            attended = torch.arange(tokens.shape[1]) < torch.tensor([len(row) for row in ids[some]])[:, None]
            target, counted = model.ended(tokens.to(place), attended.to(place))
            spoken = torch.full((len(tokens),), known.index(one.group), device=place)
            for column in range(one.pictures.shape[1]):
                seen = regions[torch.from_numpy(one.pictures[some, column]).to(place)]
                nats[some, column] = model.nats(seen, target, counted, spoken).double().cpu().numpy()
        sizes = np.array([int(lengths[row].sum()) for row in ids], dtype=float)
        found.append(np.stack([nats, np.broadcast_to(sizes[:, None], nats.shape)]))
    return found


def judged(asked: Asked, found: Float[np.ndarray, "S 2 m K"]) -> Judged:
    """Scores from the nats of captions with each picture, the own first, and their bytes, over seeds; what belongs together, summed."""
    nats, sizes = found[:, 0], found[:, 1, :, 0]
    own, foreign = nats[:, :, 0], nats[:, :, 1:]
    blind = -np.logaddexp.reduce(-foreign, axis=2) + math.log(foreign.shape[2])
    wins = (np.sign(foreign - own[:, :, None]).mean(2) + 1) / 2  # what is equally likely is half a win
    cluster = np.unique(asked.clusters, return_inverse=True)[1]

    def summed(values: Float[np.ndarray, "S m"]) -> Float[np.ndarray, "S G"]:
        return np.stack([np.bincount(cluster, weights=row) for row in values])

    scale = summed(sizes) * math.log(2)
    return Judged(
        asked.group, len(asked.texts), own=ratio_interval(summed(own), scale), others=ratio_interval(summed(foreign.mean(2)), scale),
        blind=ratio_interval(summed(blind), scale), gain=ratio_interval(summed(blind - own), scale, low=-math.inf),
        preferred=mean_interval(wins[:, None], Sample(np.full(len(asked.texts), 1 / len(asked.texts)), asked.clusters)),
    )  # fmt: skip
