"""What `evaluate` returns, typed, and what it writes: `results.json` with `predictions.parquet` and `labels.parquet` beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from selfsup.evaluation.score_file import read_scores, write_scores

FORMAT = 1

LabelsPerClass = int | str


@dataclass(frozen=True)
class Row:
    """One row of the score table: a run's or a baseline's score at one setting, with its 95 % interval.

    `value`, `low` and `high` are of `metric`; `seeds` counts pretrainings or initialisations; `layers` says how often each layer was
    chosen, over seeds and draws. `average_precision` is the mean over classes of one against the rest. A recall@k learns from no label:
    its `labels_per_class` is 0, and its `average_precision` not a number.
    """

    row: str
    kind: str
    runs: list[str]
    probe: str
    labels_per_class: LabelsPerClass
    metric: str
    value: float
    low: float
    high: float
    seeds: int
    layers: dict[str, int]
    accuracy: float
    balanced_accuracy: float
    average_precision: float


@dataclass(frozen=True)
class Comparison:
    """A run's score minus a baseline's, paired over draws and items. `best_baseline` marks the strongest baseline of that setting."""

    row: str
    against: str
    probe: str
    labels_per_class: LabelsPerClass
    difference: float
    low: float
    high: float
    verdict: str
    best_baseline: bool


@dataclass(frozen=True)
class Confusion:
    """How many tested items of each true class (row) were called each class (column), averaged over seeds and draws."""

    row: str
    probe: str
    labels_per_class: LabelsPerClass
    matrix: list[list[float]]


@dataclass(frozen=True)
class ClassScore:
    """Recall and average precision of one class, averaged over seeds and draws. `label` is "class" in the file."""

    row: str
    probe: str
    labels_per_class: LabelsPerClass
    label: str
    recall: float
    average_precision: float


@dataclass(frozen=True)
class Prediction:
    """What one network said of the tested items, draw by draw: one call of a class for each of `ids`, the item's truth beside it."""

    row: str
    run: str
    probe: str
    labels_per_class: LabelsPerClass
    draw: int
    predicted: Sequence[str]


@dataclass(frozen=True)
class Results:
    """Scores with intervals beside baselines, and everything that must be known to read them.

    `chosen_layer` gives for each run folder the layer ("layer/pool") chosen most often at the primary setting; `embed` follows it. `noun`
    is what an item is called; `chance` what blind choice finds, for each recall@k. `answer` is what `compare` made of them.
    """

    data: str
    labels: str
    classes: list[str]
    class_counts: dict[str, int]
    train: int
    test: int
    unlabelled: int
    metric: str
    skewed: bool
    transductive: bool
    draws: int
    primary: dict[str, Any]
    rows: list[Row]
    comparisons: list[Comparison]
    confusion: list[Confusion]
    per_class: list[ClassScore]
    chosen_layer: dict[str, str]
    unmatched_labels: list[str]
    notes: list[str]
    format: int = FORMAT
    noun: str = "pictures"
    answer: dict[str, Any] | None = None
    chance: dict[str, float] = field(default_factory=dict)
    predictions: list[Prediction] = field(default_factory=list, repr=False, compare=False)
    truth: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    parts: dict[str, tuple[str, str]] = field(default_factory=dict, repr=False, compare=False)
    folder: Path | None = field(default=None, compare=False)

    def find(self, row: str, *, probe: str | None = None, labels_per_class: LabelsPerClass | None = None) -> Row:
        """The row of that name, at the primary setting if nothing else is asked. Raises ValueError naming the rows there are."""
        wanted = (row, probe or self.primary["probe"], self.primary["labels_per_class"] if labels_per_class is None else labels_per_class)
        for candidate in self.rows:
            if (candidate.row, candidate.probe, candidate.labels_per_class) == wanted:
                return candidate
        raise ValueError(f"there is no row {wanted}; there are {sorted({(r.row, r.probe, str(r.labels_per_class)) for r in self.rows})}")

    def to_json(self) -> dict[str, Any]:
        """The content of results.json."""
        content = {item.name: getattr(self, item.name) for item in dataclasses.fields(self) if item.name not in _BESIDE}
        for name in _RECORDS:
            content[name] = [dataclasses.asdict(record) for record in content[name]]
        for record in content["per_class"]:
            record["class"] = record.pop("label")
        return {"format": content.pop("format"), **content}

    def save(self, folder: str | Path) -> Results:
        """Write results.json and the two tables into `folder`, and say where they are."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_scores(folder / "results.json", self.to_json())
        if self.parts:
            ids = list(self.parts)
            labels, parts = zip(*self.parts.values(), strict=True)
            _write_table(folder / "labels.parquet", {"id": ids, "label": list(labels), "part": list(parts)})
        if self.predictions:
            _write_table(folder / "predictions.parquet", self._prediction_columns())
        return dataclasses.replace(self, folder=folder)

    def _prediction_columns(self) -> dict[str, list[Any]]:
        ids, truths = list(self.truth), list(self.truth.values())
        columns: dict[str, list[Any]] = {
            name: [] for name in ("row", "run", "probe", "labels_per_class", "draw", "id", "truth", "predicted")
        }
        for item in self.predictions:
            for name in ("row", "run", "probe", "draw"):
                columns[name] += [getattr(item, name)] * len(ids)
            columns["labels_per_class"] += [str(item.labels_per_class)] * len(ids)
            columns["id"] += ids
            columns["truth"] += truths
            columns["predicted"] += item.predicted
        return columns

    @classmethod
    def load(cls, file: str | Path) -> Results:
        """Read results.json back (the tables beside it are left alone). Raises ValueError for a file of another format."""
        file = Path(file)
        content = read_scores(file, format=FORMAT, what="results", kinds=_RECORDS, numbers=("recall", "average_precision"))
        return cls(**content, folder=file.parent)


_RECORDS = {"rows": Row, "comparisons": Comparison, "confusion": Confusion, "per_class": ClassScore}
_BESIDE = {"predictions", "truth", "parts", "folder"}


def _write_table(file: Path, columns: dict[str, list[Any]]) -> None:
    """A Parquet file that appears whole or not at all."""
    arrays = {
        name: pa.array(values).dictionary_encode() if name != "id" and values and isinstance(values[0], str) else pa.array(values)
        for name, values in columns.items()
    }
    draft = file.with_name(f".{file.name}.draft")
    pq.write_table(pa.table(arrays), draft, compression="zstd")
    draft.replace(file)
