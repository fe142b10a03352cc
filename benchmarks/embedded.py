"""Embeddings with their labels, computed once and kept: what benchmarks of curating start from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from selfsup.curating.collection import around, collect
from selfsup.data import read_labels
from selfsup.embedding import TextReading
from selfsup.embedding.grouping import groups_of
from selfsup.embedding.texts import Texts
from selfsup.evaluation.words import COMPONENTS, Counted, semantic, vectoriser

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Embedded:
    """Labelled items: `features` (n, D) and `unit`, around their mean and of length one; `tested`, what the run held out.

    `words` are what texts give without a network: TF-IDF of words brought to 300 numbers, of length one; None for pictures.
    """

    features: Array
    unit: Array
    targets: Array
    tested: Array
    groups: Array | None
    layer: str
    words: Array | None


def words_of(texts: Texts) -> Array:
    """TF-IDF of the words of all texts, brought to 300 numbers (LSA), as `evaluate` has it for a baseline."""
    counts = vectoriser("words").fit_transform(texts.some(np.arange(len(texts.lengths))))
    return np.asarray(semantic({"words": Counted(counts, counts)})[f"words/{COMPONENTS[-1]}"])


def embedded(run: Path, data: str, *, labels: str, out: Path, groups: str | None = None) -> Embedded:
    """Of every labelled item, now or when this was last called for this run."""
    file = out / f"{run.parent.name}-{run.name}.npz"
    if not file.is_file():
        found = collect(run, data, {})
        reading = found.reading
        named = read_labels(labels, reading.listed, columns=reading.listed_columns)
        targets = dict(zip(named.ids, named.targets, strict=True))
        members = groups_of(groups, found.run, reading)
        out.mkdir(parents=True, exist_ok=True)
        np.savez(
            file, features=found.features, targets=[targets[name] for name in reading.ids], layer=found.layer,
            tested=[part == "test" for part in reading.parts_in(found.run)], groups=[] if members is None else members.astype(str),
            words=words_of(reading.texts) if isinstance(reading, TextReading) else [],
        )  # fmt: skip
    with np.load(file, allow_pickle=False) as kept:
        known = kept["targets"] >= 0
        features = kept["features"][known]
        unit = around(features, features.mean(0, dtype=np.float64)).numpy()
        members = kept["groups"][known] if len(kept["groups"]) else None
        words = kept["words"][known] if "words" in kept and len(kept["words"]) else None
        return Embedded(features, unit, kept["targets"][known], kept["tested"][known], members, str(kept["layer"]), words)
