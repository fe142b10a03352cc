"""Runs and results that are made once: a benchmark that was stopped goes on where it was."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from selfsup import pretrain
from selfsup.run import Run

Record = dict[str, Any]


def pretrained_once(data: Any, *, task: str, out: Path, **wanted: Any) -> Run:
    """The run in `out`, made now as `wanted` says or before; one that was interrupted goes on."""
    if (out / "backbone.safetensors").is_file():
        return Run.open(out)
    if (out / "run.json").is_file():
        return pretrain(data, task=task, out=out, resume=True)
    return pretrain(data, task=task, out=out, **wanted)


class Rows:
    """Results that are kept, a line each; a line that a kill cut short is left out."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.kept: list[Record] = []
        for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else []:
            try:
                self.kept.append(json.loads(line))
            except json.JSONDecodeError:
                print(f"{file}: left out a line that was cut short, whose row is run again: {line[:60]}", file=sys.stderr)

    def find(self, wanted: Record) -> Record | None:
        """The first result with what is wanted."""
        return next((record for record in self.kept if wanted.items() <= record.items()), None)

    def add(self, record: Record) -> Record:
        """Keep one more."""
        self.kept.append(record)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")
        return record
