"""Tasks, batches and generators as small as tests want them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from selfsup.backbones import build
from selfsup.contract.picture_trials import made_up_batch
from selfsup.options import task_options
from selfsup.pretext import Pretext
from selfsup.pretraining import pretrain
from selfsup.tasks import TASKS, find_task

PICTURE_TASKS = sorted(name for name in TASKS if find_task(name).modality == "image")


def make(name: str, size: int = 16, channels: int = 3, backbone: str | None = None, **options: Any) -> Any:
    """A task of the table with options as the command line gives them, on the compact backbone that it prefers."""
    kind: type[Pretext] = find_task(name)
    torch.manual_seed(0)
    net = build(backbone or ("compact_vit" if kind.prefers_patches else "compact_convnet"), size=size, channels=channels)
    return kind(net, **task_options(kind, options))


def batch(rows: int = 6, channels: int = 3, side: int = 20) -> dict[str, Tensor]:
    """Smooth pictures, all different and all square."""
    return made_up_batch(rows, channels, side) | {"aspect": torch.ones(rows)}


def rng(seed: int = 0) -> torch.Generator:
    """A generator of its own."""
    return torch.Generator().manual_seed(seed)


def warned(folder: Path, task: str, *, pictures: int, **asked: Any) -> list[str]:
    """The kinds of warnings of a short run on so many of scikit-learn's digits; `asked` is handed to `pretrain`."""
    run = pretrain(load_digits().images[:pictures] / 16.0, task=task, out=folder, precision="fp32", **asked)
    return [entry["kind"] for entry in map(json.loads, run.metrics_file.read_text().splitlines()) if "kind" in entry]
