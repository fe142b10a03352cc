"""Find what a report is about: run folders and results.json files in and just under the folders given."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as parquet

from selfsup.run import Run

_NUMBERS = {"value", "low", "high", "difference"}
_DEPTHS = ("", "*/", "*/*/")  # a folder of comparisons of runs is as deep as our own commands nest


@dataclass(frozen=True)
class Score:
    """One cell of the score table: a row (task or baseline), a probe, a number of labels. Values are shares from 0 to 1."""

    row: str
    kind: Literal["run", "baseline"]
    probe: str
    labels_per_class: int | str
    value: float
    low: float = float("nan")
    high: float = float("nan")
    metric: str = "accuracy"
    seeds: int = 1
    runs: tuple[str, ...] = ()
    layers: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """A paired difference between a row and a baseline, with its 95 % interval (shares, not points)."""

    row: str
    against: str
    probe: str
    labels_per_class: int | str
    difference: float
    low: float
    high: float
    verdict: str
    best_baseline: bool = False


@dataclass(frozen=True)
class Results:
    """What `evaluate` left in one results.json, and the folder it lies in. `facts` is the whole file."""

    folder: Path
    facts: dict[str, Any]
    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def primary(self) -> tuple[str, int | str]:
        """Probe and labels a class of the score that decides."""
        given = self.facts.get("primary") or {}
        return str(given.get("probe", "linear")), given.get("labels_per_class", 10)

    @property
    def noun(self) -> str:
        """What one scored item is called."""
        return str(self.facts.get("noun") or "pictures").removesuffix("s")

    def primary_scores(self) -> list[Score]:
        """Scores that decide, best first."""
        chosen = [score for score in self.scores if (score.probe, score.labels_per_class) == self.primary]
        return sorted(chosen, key=lambda score: -score.value)

    def deciding(self, row: str) -> Comparison | None:
        """The primary comparison of a row against the strongest baseline, where there is one."""
        mine = [c for c in self.comparisons if c.row == row and (c.probe, c.labels_per_class) == self.primary]
        flagged = [comparison for comparison in mine if comparison.best_baseline]
        return min(flagged or mine, key=lambda comparison: comparison.difference, default=None)

    @property
    def runs(self) -> frozenset[str]:
        """Names of the run folders that were scored."""
        return frozenset(name for score in self.scores for name in score.runs)

    def labels(self) -> dict[str, str | None]:
        """Label of each item that took part, from labels.parquet beside the results; empty where there is no such file."""
        try:
            columns = parquet.read_table(self.folder / "labels.parquet", columns=["id", "label"]).to_pydict()
        except (OSError, ValueError, KeyError):
            return {}
        return {str(key): None if label is None else str(label) for key, label in zip(columns["id"], columns["label"], strict=True)}


@dataclass(frozen=True)
class Collected:
    """Everything a report is written from. `problems` maps a folder to why it could not be read."""

    runs: list[Run]
    results: list[Results]
    problems: dict[str, str]

    def leading(self, results: Results) -> Score | None:
        """The best of the runs that the report shows, or of all that were scored where it shows none of them."""
        scored = [score for score in results.primary_scores() if score.kind == "run"]
        shown = {run.folder.name for run in self.runs}
        return next((score for score in scored if not shown.isdisjoint(score.runs)), scored[0] if scored else None)

    def first_of_each_task(self) -> list[Run]:
        """One run a task, the first seed: pictures and maps of further seeds would say the same again."""
        first: dict[str, Run] = {}
        for run in self.runs:
            first.setdefault(run.task, run)
        return list(first.values())


def collect(folders: Sequence[Path]) -> Collected:
    """Read every run and every results.json in the folders and up to two levels under them.

    A run or results that cannot be read is a problem to name, not an error. Raises ValueError if nothing at all was found.
    """
    runs: dict[Path, Run] = {}
    problems: dict[str, str] = {}
    for folder in _holding(folders, "run.json"):
        try:
            runs[folder.resolve()] = Run.open(folder)
        except (ValueError, TypeError, KeyError, OSError) as error:
            problems[folder.name] = str(error)
    runs = {folder: run for folder, run in runs.items() if run.side is None or folder.parent not in runs}
    names = {folder.name for folder in runs}
    beside = [folder.parent for folder in runs if (folder.parent / "results.json").is_file()]
    results: dict[Path, Results] = {}
    for folder in [*_holding(folders, "results.json"), *beside]:
        try:
            found = read_results(folder)
        except (ValueError, TypeError, KeyError, OSError) as error:
            problems[f"{folder.name}/results.json"] = f"cannot be read: {error}"
            continue
        if folder not in beside or found.runs & names or folder in folders:
            results[folder.resolve()] = found
    if not runs and not results and not problems:
        given = ", ".join(str(folder) for folder in folders)
        raise ValueError(
            f"No run in {given}: expected a folder with run.json or results.json, or a folder of those. `selfsup pretrain` makes one."
        )
    merged = merge(list(results.values()))
    best = [score.row for score in merged[0].primary_scores()] if merged else []
    ordered = sorted(runs.values(), key=lambda r: (best.index(r.row) if r.row in best else len(best), r.row, r.seed, r.name))
    return Collected(ordered, merged, problems)


def _holding(folders: Sequence[Path], name: str) -> list[Path]:
    found = {file.parent.resolve(): file.parent for folder in folders for depth in _DEPTHS for file in sorted(folder.glob(depth + name))}
    return list(found.values())


def read_results(folder: Path) -> Results:
    """Read results.json of a folder. Raises ValueError for another format number, and for JSON that is none."""
    facts = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    if not isinstance(facts, dict) or facts.get("format", 1) != 1:
        raise ValueError("its format number is not 1: a newer selfsup wrote it, and a newer selfsup can read it")
    scores = tuple(_known(Score, row | {"runs": tuple(row.get("runs") or ())}) for row in facts.get("rows", []))
    return Results(folder, facts, scores, tuple(_known(Comparison, row) for row in facts.get("comparisons", [])))


def _known(kind: type[Any], row: dict[str, Any]) -> Any:
    """A dataclass from a JSON object: keys of later versions are ignored, a number that is null is not a number."""
    values = {f.name: row[f.name] for f in fields(kind) if f.name in row}
    numbers = {key: float("nan" if values[key] is None else values[key]) for key in _NUMBERS & values.keys()}
    return kind(**(values | numbers))


def merge(results: list[Results]) -> list[Results]:
    """Put results of runs that were scored one by one into one table, if data, labels, split and metric are the same.

    A baseline that came out the same in both is one row; a name that stands for two different scores gets its run folder behind it.
    Results whose runs are all in a larger table are left out.
    """
    merged: list[Results] = []
    for new in sorted(results, key=lambda r: -len(r.runs)):
        if any(new.runs and new.runs <= old.runs and _setting(new) == _setting(old) for old in merged):
            continue
        at = next((i for i, old in enumerate(merged) if _setting(old) == _setting(new)), None)
        if at is None:
            merged.append(new)
        else:
            merged[at] = _together(merged[at], new)
    return merged


def _setting(results: Results) -> str:
    keys = ("data", "labels", "classes", "train", "test", "metric", "draws", "primary", "transductive")
    return json.dumps([results.facts.get(key) for key in keys], sort_keys=True)


def _together(old: Results, new: Results) -> Results:
    cells = {(score.row, score.probe, str(score.labels_per_class)): score.value for score in old.scores}
    clash = {s.row for s in new.scores if cells.get((s.row, s.probe, str(s.labels_per_class)), s.value) != s.value}
    suffix = ", ".join(sorted(new.runs)) or new.folder.name

    def name(row: str) -> str:
        return f"{row} ({suffix})" if row in clash else row

    known = {score.row for score in old.scores}
    scores = tuple(replace(score, row=name(score.row)) for score in new.scores if name(score.row) not in known)
    comparisons = tuple(replace(c, row=name(c.row), against=name(c.against)) for c in new.comparisons)
    facts = {**old.facts, "notes": list(dict.fromkeys([*old.facts.get("notes", []), *new.facts.get("notes", [])]))}
    for key in ("confusion", "per_class"):
        facts[key] = [
            *old.facts.get(key, []),
            *({**entry, "row": name(entry["row"])} for entry in new.facts.get(key, []) if name(entry["row"]) not in known),
        ]
    return Results(old.folder, facts, (*old.scores, *scores), (*old.comparisons, *comparisons))
