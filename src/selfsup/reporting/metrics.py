"""The log of a run, metrics.jsonl, as numbers over steps."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from selfsup.embedding.pair_reading import is_finished
from selfsup.run import Run

_BINS = 160  # more points than this are finer than a chart's pixels


@dataclass(frozen=True)
class Metrics:
    """What a run logged: records by step, the last word on each step, and the warnings given on the way."""

    records: list[dict[str, Any]]
    warnings: list[tuple[int, str]]

    @property
    def last_step(self) -> int:
        """Last step that was logged, 0 if none was."""
        return int(self.records[-1]["step"]) if self.records else 0

    @property
    def seconds(self) -> float:
        """Training time in seconds, 0 if nothing was logged."""
        return max((value for r in self.records if math.isfinite(value := _number(r.get("seconds")))), default=0.0)

    @property
    def terms(self) -> list[str]:
        """Names of the loss's terms."""
        return list(dict.fromkeys(name for record in self.records for name in record.get("terms") or {}))

    def curve(self, name: str, *, term: bool = False) -> tuple[list[float], list[float]]:
        """Steps and values of one quantity (or term), averaged over bins where there are many; what is not a number is left out."""
        pairs = [(float(r["step"]), _number((r.get("terms") or {}).get(name) if term else r.get(name))) for r in self.records]
        known = np.array([pair for pair in pairs if math.isfinite(pair[1])], dtype=np.float64).reshape(-1, 2)
        if len(known) > _BINS:
            known = np.stack([part.mean(axis=0) for part in np.array_split(known, _BINS)])
        return known[:, 0].tolist(), known[:, 1].tolist()

    def typical(self, name: str) -> float:
        """Median of a quantity over the run, NaN if it was never logged. The median because the first steps are always slow."""
        values = [value for record in self.records if math.isfinite(value := _number(record.get(name)))]
        return float(np.median(values)) if values else float("nan")


def read_metrics(run: Run) -> Metrics:
    """Read metrics.jsonl. A missing file is an empty log; a line that a kill cut short is skipped."""
    records: dict[int, dict[str, Any]] = {}
    warnings: dict[tuple[int, str], None] = {}
    lines = run.metrics_file.read_text(encoding="utf-8", errors="replace").splitlines() if run.metrics_file.is_file() else []
    for line in lines:
        try:
            record = json.loads(line)
            step = int(record["step"])
        except (ValueError, TypeError, KeyError):
            continue
        if "warning" in record:
            warnings[step, str(record["warning"])] = None
        if "loss" in record:
            records.pop(step, None)  # a resumed run logs some steps twice: the later line is the run that went on
            records[step] = record
    return Metrics(sorted(records.values(), key=lambda record: int(record["step"])), list(warnings))


def unfinished(run: Run, metrics: Metrics) -> str | None:
    """Why a run is not whole, in words, or None. A run without its backbone, or with its log far from the end, has stopped early."""
    if metrics.records and metrics.last_step < 0.9 * run.steps:
        return f"stopped at step {metrics.last_step:,} of {run.steps:,} (pretrain with --resume goes on from there)"
    if run.kind == "pair":
        return None if is_finished(run) else "stopped before its two sides were saved (pretrain with --resume goes on with it)"
    weights = "model.safetensors" if run.kind == "text" else "backbone.safetensors"
    if not (run.folder / weights).is_file():
        return f"has no {weights}: it stopped before it was finished (pretrain with --resume goes on with it)"
    return None


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
