"""Uses of one vector an item (numbers, several labels): the rows through a probe that chooses its layer inside the labels it may use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from selfsup.downstream.comparing import Cell, UseEntry
from selfsup.downstream.networks import Candidate, Contender
from selfsup.downstream.scored import Judge, Metric, Scored
from selfsup.downstream.trial import Trial
from selfsup.embedding import PictureReading, TextReading
from selfsup.evaluation.pictures import pixel_features
from selfsup.evaluation.words import counted, semantic, some_to_fit
from selfsup.probing.probes import Standardiser
from selfsup.train.distributed import device

Vectors = dict[str, Float[np.ndarray, "n d"]]
"""Candidate features of the same items, by name ("layer/pool")."""

Probe = Callable[[Vectors, Int[np.ndarray, "m"], Int[np.ndarray, "N"]], tuple[Float[np.ndarray, "..."], str]]
"""From features, the places that are learned from and those that are tested to predictions, and the layer that was chosen."""


def vectors_of(candidate: Candidate, trial: Trial) -> Vectors:
    """Standardised features of the trial's rows: a network's layers, or what there is without one."""
    rows, reading = trial.rows, candidate.reading
    reference = np.searchsorted(rows, trial.reference)
    if candidate.network is not None:
        features = reading.embeddings(candidate.network.to(device()), torch.as_tensor(rows, dtype=torch.long))
    elif isinstance(reading, PictureReading):
        features = dict(pixel_features(reading.store, rows, reference=reference, size=candidate.run.size))
    else:
        assert isinstance(reading, TextReading)
        return {name: np.asarray(found) for name, found in semantic(counted(reading.texts, rows, fitted=_fitted(reading, trial))).items()}
    return {name: _components(found, reference) if name.startswith("pca") else Standardiser.of(found[reference])(found)
            for name, found in features.items()}  # fmt: skip


def _components(found: Float[np.ndarray, "n d"], reference: Int[np.ndarray, "r"]) -> Float[np.ndarray, "n d"]:
    """Principal components keep their proportions: divided one by one, the last of them would be noise as large as the first."""
    centred = found - found[reference].mean(0)
    return np.asarray(centred / max(1e-12, float((centred[reference] ** 2).sum(1).mean()) ** 0.5))


def _fitted(reading: TextReading, trial: Trial) -> Int[np.ndarray, "m"]:
    """Documents that words are counted on: all but the tested ones."""
    return some_to_fit(reading.texts, np.setdiff1d(np.arange(len(reading.ids)), trial.test))


def vector_entry(
    contender: Contender,
    trial: Trial,
    *,
    probes: dict[str, Probe],
    judged: Callable[[Float[np.ndarray, "..."]], Judge],
    metrics: Sequence[Metric],
    keep: Callable[[Cell, Float[np.ndarray, "..."]], None] = lambda cell, found: None,
) -> UseEntry:
    """All seeds, probes, numbers of labels and draws of one row; `keep` is told each prediction."""
    scored: dict[Cell, list[Scored]] = {}
    layers: dict[Cell, Counter[str]] = {}
    for candidate in contender.candidates():
        vectors, rows = vectors_of(candidate, trial), trial.rows
        test = np.searchsorted(rows, trial.test)
        for name, probe in probes.items():
            for count, draws in trial.draws.items():
                judges = []
                for draw in draws:
                    found, layer = probe(vectors, np.searchsorted(rows, draw), test)
                    layers.setdefault((name, count), Counter())[layer] += 1
                    keep((name, count), found)
                    judges.append(judged(found))
                scored.setdefault((name, count), []).append(Scored.of(judges, trial.parts, metrics))
    joined = {cell: Scored.stacked(seeds) for cell, seeds in scored.items()}
    counts: dict[Cell, dict[str, int]] = {cell: dict(found.most_common()) for cell, found in layers.items()}
    return UseEntry(contender.name, contender.kind, len(contender.makers), joined, contender.runs, counts)


def told_texts(text: str | None, id: str | None, language: str | None, encoding: str | None) -> dict[str, Any]:
    """How texts are read, as `opened_for` takes it."""
    return {"text": text, "id": id, "language": language, "encoding": encoding}
