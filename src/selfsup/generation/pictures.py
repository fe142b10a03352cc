"""Pictures that a trained task makes: from nothing, or of given ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from selfsup.contract import in_words, written_by_user
from selfsup.data import Source, Undecodable, open_source
from selfsup.data.ingest import ingest
from selfsup.generation.sheet import Pixels, as_bytes, write_sheet
from selfsup.pretext import Pretext
from selfsup.run import Run
from selfsup.views import plain

DEFAULT_COUNT = 16
AT_ONCE = 256


@dataclass(frozen=True)
class Sampled:
    """New pictures, uint8 (n, C, size, size), and the sheet they are on."""

    file: Path
    pictures: Pixels = field(repr=False)


@dataclass(frozen=True)
class Reconstruction:
    """What a task made of some pictures: `rows`, in words what each shows, to uint8 (n, C, size, size), and the sheet they are on.

    `ids` are the pictures, in the order of the columns; `skipped` names what could not be read, with the reason.
    """

    file: Path
    ids: list[str]
    rows: dict[str, Pixels] = field(repr=False)
    skipped: dict[str, str]


@torch.no_grad()
def sample_pictures(run: Run, task: Pretext, *, count: int = DEFAULT_COUNT, seed: int = 0, out: Path | None = None) -> Sampled:
    """Let a task that has `sample` make `count` new pictures, and write them as a sheet."""
    if count < 1:
        raise ValueError(f"count is {count}; expected at least 1 picture.")
    rng = _generator(task, seed)
    parts = [min(AT_ONCE, count - start) for start in range(0, count, AT_ONCE)]
    with in_words(written_by_user(task), "It is expected to return pictures of shape (count, C, size, size)."):
        pictures = as_bytes(torch.cat([task.sample(part, rng).cpu() for part in parts]))
    file = out or run.samples / "generated.png"
    write_sheet({"": pictures}, file)
    return Sampled(file, pictures)


@torch.no_grad()
def reconstruct_pictures(
    run: Run, task: Pretext, data: Any = None, *, count: int = DEFAULT_COUNT, seed: int = 0, out: Path | None = None, kind: str = "auto"
) -> Reconstruction:
    """What a task that has `show` makes of `count` pictures from all over `data`, by default what the run learned from.

    Pictures are shown whole, as they are. What the task hides or spoils is drawn with `seed`. Raises ValueError if none can be read.
    """
    if count < 1:
        raise ValueError(f"count is {count}; expected at least 1 picture.")
    source = open_source(run.data if data is None else data, kind=kind)
    ids, batch, skipped = _some(source, count, run)
    rng, files = _generator(task, seed), written_by_user(task)
    task.own_views = _whole(task.backbone.size)
    place = next(task.parameters()).device
    with in_words(files, "It is expected to return pictures by name."):
        shown = task.show({name: part.to(place) for name, part in batch.items()}, rng)
    rows = {name: as_bytes(pictures) for name, pictures in shown.items()}
    file = out or run.samples / "reconstructed.png"
    write_sheet(rows, file)
    return Reconstruction(file, ids, rows, skipped)


def _some(source: Source, count: int, run: Run) -> tuple[list[str], dict[str, Tensor], dict[str, str]]:
    """Ids and batch of up to `count` readable pictures, evenly spread over the source, and what was skipped on the way."""
    skipped = dict[str, str]()
    found = list[tuple[str, Tensor, float]]()
    tried = set[int]()
    while len(found) < count and len(tried) < len(source):
        left = sorted(set(range(len(source))) - tried)
        rows = _spread(left, max(count - len(found), len(tried)))  # twice as many, if the first were no good
        tried |= set(rows)
        for row, outcome in ingest(source, rows, side=run.store_side, channels=run.channels, progress=False, announce=str):
            if isinstance(outcome, Undecodable):
                skipped[source.ids[row]] = str(outcome)
            elif len(found) < count:
                height, width = outcome.shape
                found.append((source.ids[row], torch.from_numpy(outcome.pixels.transpose(2, 0, 1).copy()), width / height))
    if not found:
        raise ValueError(f"no picture of {source.name} can be read, of {len(source):,}. Expected pictures as the run learned from.")
    ids, pixels, aspects = zip(*found, strict=True)
    batch = {"image": torch.stack(pixels), "aspect": torch.tensor(aspects), "index": torch.arange(len(ids))}
    return list(ids), batch, {**source.skipped, **skipped}


def _spread(rows: list[int], count: int) -> list[int]:
    """`count` of the rows, evenly."""
    return [rows[place * len(rows) // count] for place in range(count)] if len(rows) > count else rows


def _whole(size: int) -> Any:
    """Views that show all of each picture: to look at, unlike in training, where chance crops and mirrors."""
    return lambda image, rng: plain(image, size)


def _generator(task: Pretext, seed: int) -> torch.Generator:
    return torch.Generator(next(task.parameters()).device).manual_seed(seed)
