"""Model: a classifier for use, and its folder, which holds all that is needed to read new data as it was trained to."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from selfsup.backbones.text_weights import own_tensors
from selfsup.backbones.weights import read_json, read_tensors
from selfsup.finetuning.calibration import Calibration
from selfsup.finetuning.classifier import Classifier, Start
from selfsup.finetuning.fitting import FEW_LABELS
from selfsup.run import place_whole

FORMAT = 1
"""Format number of `model.json`."""

SETTINGS, WEIGHTS = "model.json", "model.safetensors"


BALANCED = (
    "Classes of unequal size weigh the same in it: its probabilities are those of a world where all are equally frequent, so they are "
    "too high for what is rare and too low for what is frequent."
)


@dataclass(frozen=True)
class Compared:
    """Fine-tuned against the linear probe on labels held back, `metric` being accuracy or balanced accuracy; the difference is paired.

    `low` and `high` are its 95 % interval over items. `better` is "fine-tuned" or "linear probe".
    """

    metric: str
    fine_tuned: float
    linear_probe: float
    difference: float
    low: float
    high: float
    held_back: int
    better: str


@dataclass(frozen=True, kw_only=True)
class Model:
    """A classifier on disk.

    `method` is "fine-tuned" or "linear probe"; `share` how far it went from the one to the other; `layer` the backbone's layer that is
    classified, `NAME/POOL`. `network` and `reading` say how to build the backbone and how data is read; `labels` counts those learned
    from, by class; `run` is what pretrained the backbone. `compared` is None where labels could not compare, `not_compared` says why.
    """

    folder: Path
    kind: str
    noun: str
    classes: list[str]
    method: str
    share: float
    layer: str
    width: int
    network: dict[str, Any]
    reading: dict[str, Any]
    calibration: Calibration
    compared: Compared | None
    labels: dict[str, int]
    recipe: dict[str, Any]
    run: dict[str, Any]
    data: str = ""
    seed: int = 0
    notes: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    created: str = ""
    not_compared: str = FEW_LABELS
    format: int = FORMAT

    @classmethod
    def load(cls, folder: str | Path) -> Model:
        """The model in a folder. Raises ValueError where there is none, or one that this release does not read."""
        folder = Path(folder).expanduser()
        if not (folder / SETTINGS).is_file():
            raise ValueError(f"{folder} holds no model: there is no {SETTINGS} in it. Give the folder that `selfsup finetune` printed.")
        content = read_json(folder / SETTINGS)
        if content.get("format") != FORMAT:
            raise ValueError(
                f"{folder / SETTINGS} has format {content.get('format')!r}; this release reads format {FORMAT}. "
                "Use the release that wrote it, or fine-tune again."
            )
        try:
            content["calibration"] = Calibration(**content["calibration"])
            content["compared"] = None if content["compared"] is None else Compared(**content["compared"])
            return cls(folder=folder, **content)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{folder / SETTINGS} does not describe a model ({error}). Restore it, or fine-tune again.") from error

    def classifier(self, backbone: Any, reads: Any) -> Classifier:
        """The classifier with its weights, around a backbone built as `network` says. Raises ValueError where they do not fit."""
        width, classes = self.width, len(self.classes)
        empty = Start(
            self.layer, torch.zeros(width).numpy(), torch.ones(width).numpy(), torch.zeros(classes, width), torch.zeros(classes)
        )  # fmt: skip
        found = read_tensors(self.folder / WEIGHTS)
        model = Classifier(backbone, reads, classes, start=empty)
        own = own_tensors(model)
        wrong = [name for name in own if name not in found or found[name].shape != own[name].shape]
        if wrong or set(found) - set(own):
            first = (wrong + sorted(set(found) - set(own)))[0]
            raise ValueError(f"{self.folder / WEIGHTS} does not fit {SETTINGS} beside it, for example {first}. Restore both from a copy.")
        model.load_state_dict(found, strict=False)  # tied weights stand under one of their names
        return model.eval()

    def words(self) -> list[str]:
        """What a user should know of it, a sentence each."""
        total = sum(self.labels.values())
        said = [f"{self.method.capitalize()} on {total:,} labelled {self.noun} of {len(self.classes)} classes, layer {self.layer}."]
        said += [compared_words(self.compared, self.method, self.not_compared), self.calibration.words(self.noun)]
        return [*said, *([BALANCED] if self.recipe.get("balanced") else []), *self.notes]


def compared_words(compared: Compared | None, method: str, not_compared: str) -> str:
    """Whether fine-tuning was better than the linear probe, in a sentence, or why nobody knows."""
    if compared is None:
        return f"{not_compared}: the fixed recipe for few labels was used."
    scores = (
        f"{compared.metric} on {compared.held_back} labels held back {100 * compared.fine_tuned:.1f} %, linear probe "
        f"{100 * compared.linear_probe:.1f} % ({100 * compared.difference:+.1f} points, 95 % interval {100 * compared.low:+.1f} to "
        f"{100 * compared.high:+.1f})"
    )
    kept = f"the model is the {method}" if method == "linear probe" else "the model is fine-tuned"
    if compared.better == "linear probe":
        return f"Fine-tuning is not better than the linear probe: {scores}; {kept}."
    told = " (not told apart)" if compared.low <= 0 else ""
    return f"Fine-tuning is better than the linear probe{told}: {scores}; {kept}."


def new_folder(out: str | Path | None, parent: Path) -> Path:
    """Where a model goes: `out`, or a folder below `parent` that is not there yet. Raises ValueError for one that holds anything."""
    if out is None:
        return next(place for number in range(1, 10_000) if not (place := parent / f"model-{number}").exists())
    folder = Path(out).expanduser()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "a model" if (folder / SETTINGS).is_file() else "something"
        raise ValueError(f"{folder} holds {what} already, and models are not overwritten. Give another --out, or move it away.")
    return folder


def save_model(model: Model, classifier: Classifier, files: Mapping[str, bytes]) -> Model:
    """Write the model into its folder, which appears whole or not at all, and read it back. `files` are more of it: a tokeniser's."""
    folder = model.folder.resolve()  # `.` has no name of its own
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        for name, raw in files.items():
            (draft / name).write_bytes(raw)
        save_file(own_tensors(classifier), draft / WEIGHTS)
        content = {item.name: getattr(model, item.name) for item in dataclasses.fields(model) if item.name != "folder"}
        for name in ("calibration", "compared"):
            content[name] = None if content[name] is None else dataclasses.asdict(content[name])
        (draft / SETTINGS).write_text(
            json.dumps({"format": content.pop("format"), **content}, indent=1, ensure_ascii=False, default=str) + "\n",
            encoding="utf-8",
            errors="backslashreplace",
        )
        place_whole(draft, folder, last=SETTINGS)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return Model.load(model.folder)
