"""What a downstream use gave: scores of rows at numbers of labels, with intervals, comparisons, and what must be known to read them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selfsup.evaluation.score_file import read_scores, write_scores

FORMAT = 1

FILES = {
    "detection": "detection.json",
    "segmentation": "segmentation.json",
    "regression": "regression.json",
    "multi-label": "multi_label.json",
}
"""The file of each use, in the folder of the scores and in each run."""

Labelled = int | str


@dataclass(frozen=True)
class UseRow:
    """A run's or a baseline's score in one metric, learned by `probe` from so many labelled items, with its 95 % interval.

    `seeds` counts pretrainings or initialisations; `layers` says how often each layer was chosen, where one is.
    """

    row: str
    kind: str
    runs: list[str]
    probe: str
    labelled: Labelled
    metric: str
    value: float
    low: float
    high: float
    seeds: int
    layers: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class UseComparison:
    """A run's score minus another row's, paired over draws and tested items. `best_baseline` marks the strongest baseline there.

    `verdict` says what the difference means: of an error, less is better.
    """

    row: str
    against: str
    probe: str
    labelled: Labelled
    metric: str
    difference: float
    low: float
    high: float
    verdict: str
    best_baseline: bool


@dataclass(frozen=True)
class Part:
    """One class or label: how many there are to be found among what is tested, and each row's score in the metric that decides."""

    name: str
    tested: int
    scores: dict[str, float]


@dataclass(frozen=True)
class UseScores:
    """Scores of one use: "detection", "segmentation", "regression" or "multi-label". `metrics` are in order, the first decides.

    `skipped` names annotations or rows that could not be used, with the reason (the first ones of `skipped_count`); `parts` are scores by
    class at `primary`; `samples` say what was found in a few tested pictures, whose pixels lie beside.
    """

    use: str
    data: str
    labels: str
    metrics: list[str]
    classes: list[str]
    train: int
    test: int
    transductive: bool
    draws: int
    primary: dict[str, Any]
    runs: list[str]
    rows: list[UseRow]
    comparisons: list[UseComparison]
    parts: list[Part]
    skipped: dict[str, str]
    skipped_count: int
    notes: list[str]
    noun: str = "pictures"
    samples: list[dict[str, Any]] = field(default_factory=list, repr=False)
    format: int = FORMAT
    folder: Path | None = field(default=None, compare=False)

    def find(self, row: str, *, labelled: Labelled | None = None, metric: str | None = None, probe: str | None = None) -> UseRow:
        """The row of that name, in the metric, at the number of labels and with the probe that decide where nothing else is asked.

        Raises ValueError naming the rows there are.
        """
        wanted = (row, probe or self.primary["probe"], labelled or self.primary["labelled"], metric or self.metrics[0])
        for one in self.rows:
            if (one.row, one.probe, one.labelled, one.metric) == wanted:
                return one
        raise ValueError(f"there is no row {wanted}; there are {sorted({(r.row, r.probe, str(r.labelled), r.metric) for r in self.rows})}")

    def save(self, folder: str | Path) -> UseScores:
        """Write the file of the use into `folder`, and say where it is."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        content = dataclasses.asdict(dataclasses.replace(self, folder=None))
        del content["folder"]
        write_scores(folder / FILES[self.use], content)
        return dataclasses.replace(self, folder=folder)

    @classmethod
    def load(cls, file: str | Path) -> UseScores:
        """Read such a file back. Raises ValueError for a file of another format."""
        file = Path(file)
        content = read_scores(file, format=FORMAT, what="scores", kinds=_RECORDS, numbers=("value", "low", "high", "difference"))
        return cls(**content, folder=file.parent)


_RECORDS: dict[str, type] = {"rows": UseRow, "comparisons": UseComparison, "parts": Part}
