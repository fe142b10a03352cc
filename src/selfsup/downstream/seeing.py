"""The maps of a candidate: its backbone's levels, or pixels, standardised, and computed once for all rows that are used."""

from __future__ import annotations

from typing import Any

import torch

from selfsup.downstream.maps import Kept, Seen, backbone_maps, bytes_of, pixel_maps
from selfsup.downstream.networks import Candidate
from selfsup.downstream.trial import Trial
from selfsup.embedding import PictureReading
from selfsup.train.distributed import device

MOST_BYTES = 2 * 10**9
"""Of maps held in memory."""


def look_of(network: Any) -> Any:
    """What makes maps of pictures: a network, or none."""
    return pixel_maps if network is None else lambda images: backbone_maps(network, images)


def seen_by(candidate: Candidate, trial: Trial) -> Seen:
    """The levels of a candidate, standardised on the trial's reference rows."""
    assert isinstance(candidate.reading, PictureReading)
    if candidate.network is not None:
        candidate.network.to(device()).eval()
    look, store = look_of(candidate.network), candidate.reading.store
    return Seen.by(look, store, size=candidate.run.size, reference=trial.reference, device=device())


def level_shapes(seen: Seen, trial: Trial) -> list[tuple[int, int]]:
    """Channels and positions a side of each level."""
    return [(level.shape[1], level.shape[-1]) for level in _first(seen, trial)]


def kept_maps(candidate: Candidate, trial: Trial, seen: Seen | None = None) -> Kept:
    """The levels of every drawn or tested row. Raises ValueError where they take too much memory."""
    seen = seen or seen_by(candidate, trial)
    most = max(1, MOST_BYTES // bytes_of(_first(seen, trial)))
    if len(trial.used) > most:
        raise ValueError(
            f"the maps of {len(trial.used):,} pictures take more than {MOST_BYTES / 1e9:.0f} GB: expected at most {most:,} pictures that "
            "are drawn or tested. Ask for fewer by --labelled, or annotate fewer."
        )
    return Kept.of(seen, trial.used, device())


def _first(seen: Seen, trial: Trial) -> list[torch.Tensor]:
    with torch.no_grad():
        return seen.maps(seen.images(torch.as_tensor(trial.test[:1], dtype=torch.long), device()))
