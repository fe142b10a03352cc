"""Checkpoints: the whole training state, never half written, the last two kept."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch

from selfsup.pretext import Pretext
from selfsup.run import write_whole

POINTER = "newest"
KEPT = 2


def save_checkpoint(folder: Path, step: int, task: Pretext, optimizer: torch.optim.Optimizer, *, keep: int | None = None) -> None:
    """Write the state after `step` steps to `folder/STEP/`, then point to it, then remove all but the last two, and step `keep`."""
    final, draft = folder / str(step), folder / f".{step}.{os.getpid()}"
    draft.mkdir(parents=True, exist_ok=True)
    with (draft / "training.pt").open("wb") as stream:
        torch.save({"step": step, "task": task.state_dict(), "optimizer": optimizer.state_dict()}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    if final.exists():  # the same step again, after a resume: what is there is whole, since it was renamed into place
        shutil.rmtree(draft)
    else:
        draft.rename(final)
    write_whole(folder / POINTER, str(step))
    _forget(folder, step, keep)


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint, or nothing when there is none yet."""
    pointer = folder / POINTER
    return folder / pointer.read_text().strip() if pointer.is_file() else None


def go_back(folder: Path, step: int) -> None:
    """Make the checkpoint of `step` the newest; later ones are removed. Raises ValueError when it is not there."""
    if not (folder / str(step)).is_dir():
        raise ValueError(f"{folder} has no checkpoint of step {step} to go on from.")
    write_whole(folder / POINTER, str(step))
    _forget(folder, step, None)


def load_checkpoint(checkpoint: Path, task: Pretext, optimizer: torch.optim.Optimizer) -> int:
    """Put the state of `checkpoint` into task and optimiser; the number of steps it was taken after. Never unpickles code."""
    state: dict[str, Any] = torch.load(checkpoint / "training.pt", map_location="cpu", weights_only=True)
    task.load_state_dict(state["task"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


def _forget(folder: Path, newest: int, keep: int | None) -> None:
    steps = sorted((int(path.name) for path in folder.iterdir() if path.name.isdigit()), reverse=True)
    older = [step for step in steps if step <= newest and step != keep]
    for step in [*older[KEPT:], *(step for step in steps if step > newest)]:
        shutil.rmtree(folder / str(step), ignore_errors=True)
    for draft in folder.glob(".*"):
        if draft.is_dir():  # left by a kill in the middle of writing
            shutil.rmtree(draft, ignore_errors=True)
