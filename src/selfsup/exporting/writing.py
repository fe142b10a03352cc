"""One export: checked, written whole or not at all, with a card that says what it is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import torch

from selfsup.backbones.text_weights import write_json
from selfsup.exporting.card import card, told_of_model, told_of_run
from selfsup.exporting.exported import Exported
from selfsup.exporting.formats import check_shared, writer_of
from selfsup.exporting.models import subject_of_model
from selfsup.exporting.silence import quiet
from selfsup.exporting.subjects import subject_of
from selfsup.finetuning import Model
from selfsup.finetuning.model import SETTINGS
from selfsup.run import Run, place_whole


def export(run: Run | Model | str | Path, *, format: str, out: str | Path, layer: str | None = None) -> Exported:
    """Write the network of a run, or a model that `finetune` made, into a new folder `out`, as another library loads it.

    With it goes what is done to inputs, and code that does it. `format` is one of `FORMATS`; models go out as `MODEL_FORMATS`, and give
    the probabilities of their classes. `layer` is as for `embed`, and by default the same ("shared" for the space that
    both sides of a run of pairs have); a model has its own. What was written is read
    back by the other library, and what it gives is compared with what the run gives: an export that differs is not written. Raises
    ValueError for a format that cannot hold the network (naming those that can), a run that is not finished, or an `out` that is not empty,
    and ModuleNotFoundError where an extra is missing.
    """
    out = Path(out).expanduser()
    source = opened(run)
    write = writer_of(format, source.kind, model=isinstance(source, Model))
    check_place(out)
    if isinstance(source, Model):
        subject, told = subject_of_model(source, layer), told_of_model(source)
    else:
        subject = subject_of(source, layer)
        if subject.shared is not None:
            check_shared(format, source.kind)
        told = told_of_run(source, subject.layer)
    place = out.resolve()  # `.` has no name of its own
    draft = place.with_name(f".{place.name}.{os.getpid()}")
    draft.mkdir(parents=True)
    try:
        with quiet(), torch.random.fork_rng(devices=[]):  # fresh models are drawn, to be filled
            written = write(subject, draft)
        write_json({"format": format, **subject.preprocessing()}, draft / "preprocessing.json")
        (draft / "README.md").write_text(card(subject, format, written, out, told), encoding="utf-8")
        check_place(out)
        place_whole(draft, place, last="preprocessing.json")
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Exported(out, format, subject.layer, written.width, written.difference, written.notes)


def opened(source: Run | Model | str | Path) -> Run | Model:
    """The run or the model in a folder. Raises ValueError where there is neither."""
    if isinstance(source, Run | Model):
        return source
    return Model.load(source) if (Path(source) / SETTINGS).is_file() else Run.open(source)


def check_place(out: Path) -> None:
    """Raise ValueError unless a new folder can be put there."""
    if out.is_dir() and any(out.iterdir()):
        raise ValueError(f"{out} is not empty, and nothing is overwritten: give --out a new folder.")
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file: give --out a new folder.")
