"""Zero-shot classification: each picture is called what the class is whose prompts lie nearest. No label is learned from.

Radford and others, ICML 2021, arXiv 2103.00020, section 3.1: a name's direction is the mean of those of its prompts. A class with several
names, such as a group of many kinds of things, is as near as the nearest of them: Novack and others, ICML 2023, arXiv 2302.02551, ask so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from selfsup.probing.intervals import Interval, Sample, mean_interval
from selfsup.probing.metrics import is_skewed, item_weights


@dataclass(frozen=True)
class ZeroShot:
    """How many pictures are called right with the prompts of one language; `chance` is what calling blindly gets."""

    language: str
    templates: tuple[str, ...]
    metric: str
    pictures: int
    classes: int
    score: Interval
    chance: float


def name_directions(prompts: Sequence[Float[np.ndarray, "_ E"]]) -> Float[np.ndarray, "N E"]:
    """The direction of each name: the mean of those of its prompts, of length 1."""
    means = np.stack([own.mean(0) for own in prompts])
    return np.asarray(means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12), dtype=np.float32)


def called(pictures: Float[np.ndarray, "n E"], names: Float[np.ndarray, "N E"], *, each: Sequence[int]) -> Int[np.ndarray, "n"]:
    """The number of the class with the nearest name, -1 where two are equally near: that says nothing. `each` class has so many names."""
    near = np.maximum.reduceat(pictures @ names.T, np.cumsum([0, *each[:-1]]), axis=1)
    best = near.max(1, keepdims=True)
    return np.where((near == best).sum(1) == 1, near.argmax(1), -1)


def zero_shot_score(
    predicted: Int[np.ndarray, "S n"],
    targets: Int[np.ndarray, "n"],
    *,
    classes: int,
    groups: Shaped[np.ndarray, "n"] | None,
    language: str,
    templates: tuple[str, ...],
) -> ZeroShot:
    """Accuracy over seeds, balanced where classes are skewed; both have the chance 1 in K when one calls blindly, all alike."""
    counts = np.bincount(targets, minlength=classes)
    balanced = is_skewed(counts[counts > 0])
    sample = Sample(item_weights(targets, balanced=balanced), groups)
    found = mean_interval((predicted == targets)[:, None].astype(float), sample)
    return ZeroShot(language, templates, "balanced accuracy" if balanced else "accuracy", len(targets), classes, found, 1 / classes)
