"""Object detection: what a small head finds on the maps of a backbone, learned from few pictures with boxes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from selfsup.data.coco import Annotations, Objects, read_coco
from selfsup.downstream.asking import Outcome, asked_for, written
from selfsup.downstream.average_precision import Boxes, Matches, match, mean_average_precision
from selfsup.downstream.comparing import Cell, UseEntry
from selfsup.downstream.detector import Detector, Schedule, train_head
from selfsup.downstream.maps import Kept, Maps, Seen
from selfsup.downstream.networks import Candidate, Contender, contenders
from selfsup.downstream.results import Part, UseScores
from selfsup.downstream.samples import SHOWN, box_sample, save_pictures
from selfsup.downstream.scored import Metric, Scored
from selfsup.downstream.seeing import kept_maps, level_shapes, look_of, seen_by
from selfsup.downstream.trial import Labelled, Trial, primary_labelled, set_trial
from selfsup.downstream.words import use_notes
from selfsup.embedding import PictureReading
from selfsup.evaluation.runs import Runs
from selfsup.progress import progress
from selfsup.train.distributed import device

METRICS = (Metric("AP"), Metric("AP50"))

TOGETHER = 64


def evaluate_detection(
    runs: Runs,
    data: Any = None,
    *,
    boxes: str | Path,
    labelled: Sequence[Labelled] = (10, 50, "all"),
    draws: int = 3,
    fine_tune: bool = False,
    baselines: bool | Sequence[str] = True,
    groups: Any = None,
    seed: int = 0,
    out: str | Path | None = None,
) -> UseScores:
    """Score runs by the boxes that a small head finds on their maps, in COCO's AP (over overlaps of .5 to .95) and AP50.

    `boxes` is a file in COCO's JSON format, whose `file_name` are paths below the folder of the pictures. `labelled` says from how many
    pictures with boxes the head learns, drawn `draws` times from those the runs did not hold out; it is tested on listed pictures that
    they held out, or else on a fifth. The backbone is frozen and its maps are computed once; with `fine_tune` it is trained too, at a tenth
    of the head's rate. `baselines` are "pixels", "untrained" (three initialisations) and "scratch" (the whole network trained on those
    boxes, which takes longest). True means the first two, with `fine_tune` the last: what stays frozen then stands under the probe
    "frozen", and is compared with no run. Writes detection.json and detection.npz (pictures with boxes, for the report) into
    `out` and into each run. Raises ValueError for files, splits or settings that cannot be scored.
    """
    beside = ("scratch",) if fine_tune and baselines is True else baselines
    asked = asked_for(runs, data, labelled=labelled, baselines=beside, out=out, boxes=True)
    reading = asked.reading
    assert isinstance(reading, PictureReading)
    truth = read_coco(boxes, reading.ids, aspects=reading.store.aspects.double().numpy())
    listed = np.array([one is not None for one in truth.objects])
    drawable = np.array([one is not None and bool((~one.crowd).any()) for one in truth.objects])
    of: dict[str, Any] = {"runs": asked.runs, "counts": asked.counts, "draws": draws, "seed": seed, "groups": groups}
    trial = set_trial(reading, labelled=listed, drawable=drawable, **of)
    if not drawable[trial.test].any():
        raise ValueError(
            f"none of the {len(trial.test)} tested pictures has a box: there is nothing to find. Annotate some that were held out."
        )
    primary: Cell = ("fine-tuned" if fine_tune else "frozen", primary_labelled(asked.counts))
    found, entries = dict[str, list[Boxes]](), list[UseEntry]()
    with progress("scoring") as told:
        for one in contenders(asked.runs, asked.readings, asked.baselines, fine_tune=fine_tune):
            told(f"boxes by {one.name}")
            entries.append(_entry(one, trial, truth, primary, found))
    shown = _shown(truth, trial)
    save_pictures(asked.folder / "detection.npz", reading.store.take(torch.as_tensor(trial.test[shown], dtype=torch.long)))
    outcome = Outcome(
        entries=entries,
        metrics=METRICS,
        primary=primary,
        labels=str(boxes),
        skipped=truth.skipped,
        notes=_notes(truth, trial, entries, primary),
        classes=truth.classes,
        parts=_by_class(entries, truth, trial),
        samples=[_sample(reading.ids, truth, trial, place, found) for place in shown.tolist()],
    )
    return written("detection", asked, trial, outcome, beside=("detection.npz",))


def _shown(truth: Annotations, trial: Trial) -> Int[np.ndarray, "n"]:
    """Places of a few tested pictures, from those with most in them to those with least."""
    fullest = np.argsort([-len(_objects(truth, row)) for row in trial.test.tolist()], kind="stable")
    return np.asarray(fullest[:: max(1, len(trial.test) // SHOWN)][:SHOWN])


def _sample(ids: Sequence[str], truth: Annotations, trial: Trial, place: int, found: dict[str, list[Boxes]]) -> dict[str, Any]:
    row = int(trial.test[place])
    return box_sample(ids[row], _objects(truth, row), {name: every[place] for name, every in found.items()})


@dataclass(frozen=True)
class Found:
    """What one head found in the tested pictures, and what of it was right."""

    boxes: list[Boxes]
    matches: list[Matches]

    def judge(self, pictures: Bool[np.ndarray, "N"] | None) -> dict[str, float]:
        """Both metrics on some of the pictures; nothing to be found counts as nothing found."""
        return mean_average_precision(self.matches, pictures)


def _entry(contender: Contender, trial: Trial, truth: Annotations, primary: Cell, samples: dict[str, list[Boxes]]) -> UseEntry:
    """All seeds, numbers of labels and draws of one row; `samples` gets what the first network found in its first draw."""
    scored: dict[Cell, list[Scored]] = {}
    parts: list[dict[str, float]] = []
    for candidate in contender.candidates():
        view = _View.of(candidate, trial)
        probe = primary[0] if candidate.trained else "frozen"
        for count, draws in trial.draws.items():
            heads = [view.learned(draw, truth, trial.test, seed=number) for number, draw in enumerate(draws)]
            scored.setdefault((probe, count), []).append(Scored.of([one.judge for one in heads], trial.parts, METRICS))
            if (probe, count) == primary:
                parts += [_class_scores(one, truth.classes) for one in heads]
                samples.setdefault(contender.name, heads[0].boxes)
    joined = {cell: Scored.stacked(seeds) for cell, seeds in scored.items()}
    means = {name: float(np.mean([one[name] for one in parts if name in one])) for name in truth.classes if any(name in p for p in parts)}
    return UseEntry(contender.name, contender.kind, len(contender.makers), joined, contender.runs, parts=means)


@dataclass(frozen=True)
class _View:
    """One network with the levels of all rows that are needed, or, where it is trained itself, without them."""

    candidate: Candidate
    seen: Seen
    kept: Kept | None
    levels: list[tuple[int, int]]

    @classmethod
    def of(cls, candidate: Candidate, trial: Trial) -> _View:
        """Frozen maps are computed here, once."""
        seen = seen_by(candidate, trial)
        return cls(candidate, seen, None if candidate.trained else kept_maps(candidate, trial, seen), level_shapes(seen, trial))

    def learned(self, draw: Int[np.ndarray, "m"], truth: Annotations, test: Int[np.ndarray, "N"], *, seed: int) -> Found:
        """What a head that learned from the pictures of a draw finds in the tested ones."""
        place = device()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            head = Detector(self.levels, size=self.candidate.run.size, classes=len(truth.classes)).to(place)
        network, seen = self.candidate.network, self.seen
        if self.candidate.trained:
            network = copy.deepcopy(self.candidate.network)
            seen = replace(self.seen, look=look_of(network))

        def maps(rows: Int[np.ndarray, "B"]) -> Maps:
            if self.kept is not None:
                return self.kept.take(rows, place)
            return seen.maps(seen.images(torch.as_tensor(rows, dtype=torch.long), place))

        def loss(rows: Int[np.ndarray, "B"]) -> Tensor:
            return head.loss(maps(rows), [_objects(truth, row) for row in rows.tolist()])

        trained = network if self.candidate.trained else None
        if trained is not None:
            trained.train()
        train_head(head, loss, draw, schedule=Schedule(), seed=seed, network=trained, share=self.candidate.rate)
        if trained is not None:
            trained.eval()
        with torch.no_grad():
            found = [one for start in range(0, len(test), TOGETHER) for one in head.find(maps(test[start : start + TOGETHER]))]
        return Found(found, match(found, [_objects(truth, row) for row in test.tolist()], len(truth.classes)))


def _objects(truth: Annotations, row: int) -> Objects:
    found = truth.objects[row]
    assert found is not None, "only listed pictures are drawn or tested"
    return found


def _class_scores(found: Found, classes: Sequence[str]) -> dict[str, float]:
    """AP of each class there is something of."""
    values = {name: float(one.average_precision().mean()) for name, one in zip(classes, found.matches, strict=True)}
    return {name: value for name, value in values.items() if value == value}


def _by_class(entries: Sequence[UseEntry], truth: Annotations, trial: Trial) -> list[Part]:
    tested = np.zeros(len(truth.classes), dtype=np.int64)
    for row in trial.test.tolist():
        one = _objects(truth, row)
        tested += np.bincount(one.classes[~one.crowd], minlength=len(truth.classes))
    return [
        Part(name, int(number), {entry.name: entry.parts[name] for entry in entries if name in entry.parts})
        for name, number in zip(truth.classes, tested, strict=True)
    ]


def _notes(truth: Annotations, trial: Trial, entries: Sequence[UseEntry], primary: Cell) -> list[str]:
    """What a reader of the scores has to know."""
    notes = use_notes(entries, truth.skipped, "annotations")
    learned = {int(kind) for one in (_objects(truth, row) for row in trial.train.tolist()) for kind in one.classes[~one.crowd]}
    unlearned = [name for number, name in enumerate(truth.classes) if number not in learned]
    apart = [entry.name for entry in entries if primary not in entry.scored]
    if apart:
        notes.append(f"Not trained themselves, and so compared with no fine-tuned run: {', '.join(apart)}.")
    if len(apart) and not any(entry.kind == "baseline" and primary in entry.scored for entry in entries):
        notes.append('No baseline was trained as the runs were: nothing here says that pretraining was of use. Ask for "scratch".')
    if unlearned:
        notes.append(f"No picture to learn from has {', '.join(unlearned)}: there is no way to find any.")
    return notes
