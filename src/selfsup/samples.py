"""Samples: a few pictures as the network saw them and what it answered, kept for the report."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from selfsup.data import Corpus
from selfsup.data.pairs import PairCorpus
from selfsup.pretext import Pretext, Views
from selfsup.run import Run
from selfsup.train.seeding import seed_of

SHOWN = 8


def save_views(run: Run, task: Pretext, corpus: Corpus | PairCorpus) -> None:
    """Write `samples/pictures.npz`: a few source pictures and their views, in true resolution."""
    batch, rng = _sample(run, task, corpus)
    _write(run, {"source": batch["image"], **{f"views/{name}": view for name, view in pictures_of(task.views(batch, rng)).items()}})


@torch.no_grad()
def save_made(run: Run, task: Pretext, corpus: Corpus | PairCorpus) -> None:
    """Add what the task's `show` makes of them after training."""
    batch, rng = _sample(run, task, corpus)
    task.eval()
    made = task.show(batch, rng)
    if made:
        with np.load(run.samples / "pictures.npz", allow_pickle=False) as kept:
            before = {name: torch.from_numpy(kept[name]) for name in kept.files}
        _write(run, before | {f"shown/{name}": picture for name, picture in made.items()})


def pictures_of(views: Views) -> Views:
    """Those of the views that are pictures: float, `(B, …, C, h, w)` with one or three channels."""
    return {name: view for name, view in views.items() if view.is_floating_point() and view.ndim in (4, 5) and view.shape[-3] in (1, 3)}


def _sample(run: Run, task: Pretext, corpus: Corpus | PairCorpus) -> tuple[dict[str, Tensor], torch.Generator]:
    rows = corpus.rows[:: max(1, len(corpus.rows) // SHOWN)][:SHOWN]
    place = next(task.parameters()).device
    batch = {name: part.to(place) for name, part in corpus.store.batch(rows).items()}
    return batch, torch.Generator(place).manual_seed(seed_of(run.seed, "samples"))


def _write(run: Run, pictures: dict[str, Tensor]) -> None:
    run.samples.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {name: _bytes(picture) for name, picture in pictures.items()}
    np.savez_compressed(run.samples / "pictures.npz", allow_pickle=False, **arrays)


def _bytes(picture: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """uint8, from uint8 or from float in [0, 1]."""
    if picture.is_floating_point():
        picture = (picture.float().clamp(0, 1) * 255).round().to(torch.uint8)
    return picture.cpu().numpy()
