"""`predict`: what a model says of new data, as a table."""

from __future__ import annotations

import csv
import dataclasses
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float

from selfsup.finetuning.kinds import kind_of
from selfsup.finetuning.model import Model
from selfsup.options import check_choice
from selfsup.run import write_whole
from selfsup.train.distributed import device


@dataclass(frozen=True)
class Predictions:
    """What a model says of items: a class each, and the probability of every class, row by row as `ids`.

    `skipped` names what could not be read, with the reason. `calibrated` says whether labels held back say that the confidence can be
    trusted.
    """

    ids: list[str]
    paths: list[str | None]
    classes: list[str]
    probabilities: Float[np.ndarray, "n K"]
    skipped: dict[str, str]
    calibrated: bool
    file: Path | None = None

    @property
    def predicted(self) -> list[str]:
        """The likeliest class of each item."""
        return [self.classes[number] for number in self.probabilities.argmax(1).tolist()]

    @property
    def confidence(self) -> Float[np.ndarray, "n"]:
        """The probability of that class."""
        return np.asarray(self.probabilities.max(1))

    @property
    def counts(self) -> dict[str, int]:
        """How many items were told to be of each class."""
        found = np.bincount(self.probabilities.argmax(1), minlength=len(self.classes))
        return dict(zip(self.classes, found.tolist(), strict=True))

    def columns(self, *, probabilities: str = "all") -> dict[str, list[Any]]:
        """The table: id, path (where items are files), class, confidence, and the probability of all classes, of one, or of "none".

        Where a class is called "none", that class is meant. Raises ValueError for a class there is not.
        """
        shown = self.classes if probabilities == "all" else [probabilities]
        if probabilities == "none" and "none" not in self.classes:
            shown = []
        for name in shown:
            check_choice("class", name, self.classes)
        table: dict[str, list[Any]] = {"id": self.ids}
        if any(path is not None for path in self.paths):
            table["path"] = self.paths
        table |= {"class": self.predicted, "confidence": self.confidence.tolist()}
        return table | {f"probability of {name}": self.probabilities[:, self.classes.index(name)].tolist() for name in shown}

    def save(self, file: str | Path, *, probabilities: str = "all") -> Predictions:
        """Write the table as CSV, or as Parquet where `file` ends so; it appears whole or not at all. Raises ValueError."""
        file, table = Path(file).expanduser(), self.columns(probabilities=probabilities)
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix.lower() in (".parquet", ".pq"):
            draft = file.with_name(f".{file.name}.{os.getpid()}")
            kinds = {"id": pa.string(), "path": pa.string(), "class": pa.string()}
            pq.write_table(pa.table({name: pa.array(values, kinds.get(name, pa.float64())) for name, values in table.items()}), draft)
            draft.replace(file)
        else:
            write_whole(file, _as_csv(table))
        return dataclasses.replace(self, file=file)


def predict(
    model: Model | str | Path,
    data: Any,
    *,
    out: str | Path | None = None,
    probabilities: str = "all",
    kind: str = "auto",
    text: str | None = None,
    id: str | None = None,
    language: str | None = None,
    encoding: str | None = None,
) -> Predictions:
    """Say what class each item of `data` is of, and how sure that is, with a model or the folder of one.

    Confidence and probabilities are tempered by what was held back when the model was made. With `out` they are written, as CSV or (by the
    suffix) Parquet, with the `probabilities` of "all" classes, of one, or of "none" (of the class of that name, where there is one). What
    cannot be read is skipped and named. `kind`, `text`, `id`, `language` and `encoding` are as for `embed`; columns of a table are by
    default those the model learned from, without those of ids and languages that it lacks.
    Raises ValueError where nothing can be read, and for an `out` of another kind.
    """
    model = model if isinstance(model, Model) else Model.load(model)
    if out is not None:
        check_choice("file type", Path(out).suffix.lower(), [".csv", ".parquet", ".pq"])
    if probabilities not in ("all", "none"):
        check_choice("class", probabilities, model.classes)
    how = kind_of(model.kind, model.folder)
    wishes = {"text": text, "id": id, "language": language, "encoding": encoding}
    told = {name: value for name, value in wishes.items() if value is not None}
    reading = how.reading(model.reading, model.folder, data, kind=kind, told=told)
    classifier = model.classifier(how.network(model.network, model.folder), how.reads).to(device())
    logits = classifier.logits(reading, np.arange(len(reading.ids)))
    shares = torch.softmax(torch.as_tensor(logits) / model.calibration.temperature, dim=1).numpy()
    found = Predictions(list(reading.ids), list(reading.paths), model.classes, shares, dict(reading.skipped), model.calibration.calibrated)
    return found if out is None else found.save(out, probabilities=probabilities)


def _as_csv(table: dict[str, list[Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(table)
    for row in zip(*table.values(), strict=True):
        writer.writerow([f"{value:.6f}" if isinstance(value, float) else value for value in row])
    return stream.getvalue()
