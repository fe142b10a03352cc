"""`finetune`: from a run and labels to a model in a folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

import selfsup
from selfsup.data import Labels
from selfsup.embedding import Reading, opened_for, told_for
from selfsup.embedding.grouping import groups_of
from selfsup.finetuning.calibration import Calibration, calibrate
from selfsup.finetuning.fitting import FineTuned, Plan, fine_tuned
from selfsup.finetuning.held_back import HeldBack
from selfsup.finetuning.kinds import kind_of
from selfsup.finetuning.model import Compared, Model, new_folder, save_model
from selfsup.probing.intervals import Sample, difference_interval
from selfsup.probing.metrics import is_skewed
from selfsup.progress import progress
from selfsup.run import Run

REFERENCE = 1000
"""Items whose features say by how much they vary (labels unread), as in `evaluate`."""


def finetune(
    run: Run | str | Path,
    data: Any = None,
    *,
    labels: Any,
    out: str | Path | None = None,
    compare: bool = True,
    views: Mapping[str, Any] | None = None,
    groups: Any = None,
    seed: int = 0,
    kind: str = "auto",
    text: str | None = None,
    id: str | None = None,
    language: str | None = None,
    encoding: str | None = None,
) -> Model:
    """Fine-tune the backbone of a run on the labelled items of `data`, and write a model for use into a folder of its own.

    It begins as the linear probe that `evaluate` scores, and goes on from there as far as labels that are held back in turn say that it
    helps: where it does not, the model is the linear probe, and says so. With `compare=False` it is fine-tuned all the way. `labels` are
    what `evaluate` takes; all of them are learned from. `views` change how pictures are varied in training (`{"flip": 0.0}`); by default as
    in pretraining, but gently. `groups` are what `pretrain` takes, by default the run's own, or "none": they are held back whole, since
    what is nearly equal to something learned from says nothing of what is new. Everything random follows from `seed`. `out` is a new
    folder, by default in the run's; `kind`, `text`, `id`, `language` and `encoding` are as for `embed`. Items that cannot be read are
    skipped, and named in the model's notes.
    Raises ValueError for labels with fewer than two classes, and for an `out` that holds anything.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    folder = new_folder(out, run.folder)
    how = kind_of(run.kind, run.folder)
    wishes = {"text": text, "id": id, "language": language, "encoding": encoding}
    reading = how.reads.of(run, opened_for(run, data, wishes, kind=kind))
    found, rows, targets = labelled(labels, reading)
    balanced = is_skewed(np.bincount(targets))
    recipe, options = how.recipe(run, balanced=balanced, views=views or {})
    plan = Plan(len(found.classes), reference_rows(len(reading.ids), seed), recipe, options, compare)
    network, members = how.reads.network(run), groups_of(groups, run, reading)
    with progress("fine-tuning:") as told:
        done = fine_tuned(
            network, reading, rows=rows, targets=targets, plan=plan, groups=None if members is None else members[rows], seed=seed, told=told
        )
    told_of_texts = told_for(run, data, wishes) if run.kind == "text" else {}
    told_of_texts.pop("deduplicate", None)  # what is predicted is told of every document, also of copies
    described, read, files = how.kept(run, network, told_of_texts)
    model = Model(
        folder=folder, kind=run.kind, noun=reading.noun, classes=found.classes, method=method_of(done), share=done.share,
        layer=done.choice.layer, width=len(done.classifier.mean), network=described, reading=read,
        calibration=calibration_of(done, len(found.classes)), compared=compared_of(done), not_compared=done.not_compared,
        labels=counted(found, targets), recipe=_recipe_described(done), run=_run_described(run), data=reading.name, seed=seed,
        notes=_notes(found, reading) + _unjudged(done, found.classes),
        versions={"selfsup": selfsup.__version__, **{name: run.versions[name] for name in ("torch",) if name in run.versions}},
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S%z"),
    )  # fmt: skip
    return save_model(model, done.classifier, files)


def labelled(labels: Any, reading: Reading[Any]) -> tuple[Labels, Int[np.ndarray, "n"], Int[np.ndarray, "n"]]:
    """Labels, the rows of a reading that have one, and their class numbers. Raises ValueError where there are not two classes."""
    found, targets = reading.labelled(labels)
    rows = np.flatnonzero(targets >= 0)
    present = np.unique(targets[rows])
    if len(present) < len(found.classes):
        lost = [name for number, name in enumerate(found.classes) if number not in present]
        raise ValueError(f"no labelled {reading.noun} of {', '.join(lost)} could be read: mend these files, or leave their labels out.")
    if len(present) < 2:
        had = ", ".join(found.classes)
        raise ValueError(f"labels name one class ({had}): expected at least 2 to tell apart. Label {reading.noun} of another class.")
    return found, rows, targets[rows]


def reference_rows(items: int, seed: int) -> Int[np.ndarray, "r"]:
    """Some rows, drawn at random, whose features say by how much they vary."""
    return np.sort(np.random.default_rng([seed, items]).permutation(items)[:REFERENCE])


def method_of(done: FineTuned) -> str:
    """What the classifier is."""
    return "fine-tuned" if done.share > 0 else "linear probe"


def calibration_of(done: FineTuned, classes: int) -> Calibration:
    """From what was said of labels held back."""
    held = done.held_back
    if held is None:
        return calibrate(np.zeros((0, classes)), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    return calibrate(held.logits[done.share], held.truth, held.folds)


def compared_of(done: FineTuned) -> Compared | None:
    """Fine-tuned against the linear probe on held-back labels: as far as the model went, or all the way where it stayed."""
    held = done.held_back
    if held is None or done.not_compared:
        return None
    share = done.share if done.share > 0 else 1.0
    found = _difference(held, share)
    better = "fine-tuned" if held.quality(share) > held.quality(0.0) else "linear probe"
    metric = "balanced accuracy" if held.balanced else "accuracy"
    return Compared(metric, held.accuracy(share), held.accuracy(0.0), *found, len(held.truth), better)


def _difference(held: HeldBack, share: float) -> tuple[float, float, float]:
    found = difference_interval(held.right(share)[None, None], held.right(0.0)[None, None], sample=Sample(held.weights, held.groups))
    return found.value, found.low, found.high


def counted(found: Labels, targets: Int[np.ndarray, "n"]) -> dict[str, int]:
    """Labelled items that were read, by class."""
    return dict(zip(found.classes, np.bincount(targets, minlength=len(found.classes)).tolist(), strict=True))


def _recipe_described(done: FineTuned) -> dict[str, Any]:
    return dataclasses.asdict(done.recipe) | {"strength": done.choice.strength, "steps": done.steps}


def _run_described(run: Run) -> dict[str, Any]:
    names = ("name", "task", "options", "backbone", "size", "steps", "seed", "data", "pictures", "fingerprint", "created")
    return {name: getattr(run, name) for name in names}


def _notes(found: Labels, reading: Reading[Any]) -> list[str]:
    """What a reader of the model must know of what it learned from."""
    notes, one = [], reading.noun.removesuffix("s")
    if found.unmatched:
        notes.append(f"{len(found.unmatched)} label rows match no {one}: {_some(found.unmatched)}")
    if found.conflicts:
        notes.append(f"{len(found.conflicts)} {reading.noun} have conflicting labels and were left out: {_some(list(found.conflicts))}")
    if reading.skipped:
        reasons = [f"{name} ({reason})" for name, reason in reading.skipped.items()]
        notes.append(f"{len(reasons)} {reading.noun} could not be read and were skipped: {_some(reasons)}")
    return notes


def _unjudged(done: FineTuned, classes: list[str]) -> list[str]:
    """A note on the classes that no held-back label speaks of, where there are others."""
    if done.held_back is None:
        return []
    lost = [name for number, name in enumerate(classes) if number not in done.held_back.truth]
    return [f"No label of {_some(lost)} could be held back: how well that is told is not known."] if lost else []


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
