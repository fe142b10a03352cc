"""Run: one pretraining and its folder. Every later stage learns what it needs from here and from nowhere else."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything that was asked for and everything that was chosen, as `run.json` holds it, and where its files are.

    `root` is the resolved folder of its pictures or texts, empty for what was in memory. Sizes are in pixels; of a run on text, `size` is
    the context in tokens, `pictures` counts rows of tokens and `held_out` documents. `steps` counts optimiser steps; `batch_size` is the
    global batch, over ranks and micro-batches. `reading` says how texts are read, `notes` what a reader should know of what was read.
    `choices` holds what was decided by measuring, so that a resumed run takes it from here and measures nothing again.
    A run of pairs holds a folder for each of its sides, `image` and `text`, which is a run of its own kind and says so in `side`.
    """

    folder: Path
    data: str
    root: str = ""
    kind: str = "image"
    task: str
    options: dict[str, Any]
    backbone: str
    size: int
    channels: int = 0
    store_side: int = 0
    reading: dict[str, Any] = field(default_factory=dict)
    views: str | None = None
    weights: str | None = None
    batch_size: int
    accumulate: int = 1
    steps: int
    budget: str | None = None
    seed: int = 0
    optimizer: str = "adamw"
    learning_rate: float
    weight_decay: float
    schedule: str = "cosine"
    clip: float = 3.0
    pictures: int = 0
    held_out: int = 0
    store_limit: float = 100.0
    choices: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    fingerprint: str = ""
    skipped: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    created: str = ""
    side: str | None = None
    format: int = FORMAT

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """The run in `folder`. Raises ValueError when there is none or when its format is not one this release reads."""
        folder = Path(folder)
        file = folder / "run.json"
        if not file.is_file():
            raise ValueError(f"{folder} holds no run: there is no run.json in it. Give the folder that `selfsup pretrain` printed.")
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            number = content["format"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{file} is not a run file of selfsup ({error!r}). Restore it from a copy, or pretrain again.") from error
        if number != FORMAT:
            raise ValueError(
                f"{file} has format {number!r}; this release reads format {FORMAT}. Use the release that wrote it, or pretrain again."
            )
        known = {item.name for item in dataclasses.fields(cls)}
        unknown, missing = sorted(set(content) - known), sorted(_required(cls) - set(content))
        if unknown or missing:
            raise ValueError(f"{file} does not fit format {FORMAT}: unknown entries {unknown}, missing entries {missing}.")
        return cls(folder=folder, **content)

    def save(self) -> None:
        """Write `run.json`, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {item.name: getattr(self, item.name) for item in dataclasses.fields(self) if item.name != "folder"}
        write_whole(self.folder / "run.json", json.dumps(content, indent=1, ensure_ascii=False, default=str))

    @property
    def name(self) -> str:
        """The name of its folder; of one side of a run of pairs, with the name of that run before it."""
        return self.folder.name if self.side is None else f"{self.folder.resolve().parent.name}-{self.side}"

    @property
    def row(self) -> str:
        """The name its scores stand under: its task's, without the file of a user's own."""
        return self.task.rpartition(":")[2]

    @property
    def metrics_file(self) -> Path:
        return self.folder / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def samples(self) -> Path:
        return self.folder / "samples"

    @property
    def split_file(self) -> Path:
        return self.folder / "split.parquet"

    @property
    def embeddings_file(self) -> Path:
        return self.folder / "embeddings.parquet"

    @property
    def results_file(self) -> Path:
        return self.folder / "results.json"


def write_whole(file: Path, text: str) -> None:
    """Replace `file` by `text` so that a reader, or a kill at any moment, sees the old text or the new one, never half."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with draft.open("w", encoding="utf-8", errors="backslashreplace") as stream:  # file names may hold lone surrogates
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)


def place_whole(draft: Path, folder: Path, *, last: str) -> None:
    """Make a finished `draft` the new folder `folder`; one that exists, and is empty, stays and is filled, the file `last` coming last.

    It may be where the user stands, or what a container mounts: neither may be taken away. Raises OSError where anything is in it.
    """
    if not folder.is_dir():
        draft.rename(folder)
        return
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty any more, and nothing is overwritten. What was made for it was not kept.")
    for part in sorted(draft.iterdir(), key=lambda part: part.name == last):
        part.rename(folder / part.name)
    draft.rmdir()


def _required(cls: type) -> set[str]:
    """Names without a default, but for the folder, which is where the file lies and not in it."""
    missing = dataclasses.MISSING
    return {f.name for f in dataclasses.fields(cls) if f.default is missing and f.default_factory is missing} - {"folder"}
