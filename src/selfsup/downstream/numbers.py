"""A number for some of the items, from a table's column or a sequence; what is no number is skipped and named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from selfsup.data import read_labels
from selfsup.embedding import Reading

FEWEST = 10
"""Items with a number: fewer tell nothing."""


def read_numbers(labels: Any, reading: Reading[Any]) -> tuple[Float[np.ndarray, "n"], dict[str, str]]:
    """A number for each item of the reading, not a number where there is none, and what was skipped, with the reason.

    `labels` is what `evaluate` takes. A decimal comma is understood. Raises ValueError for words, and for fewer than 10 numbers.
    """
    found = read_labels(labels, reading.listed, columns=reading.listed_columns, noun=reading.noun)
    skipped = {path: f"means no {reading.noun.removesuffix('s')} there is" for path in found.unmatched}
    skipped |= {name: f"has several values: {', '.join(words)}" for name, words in found.conflicts.items()}
    values = dict.fromkeys(found.ids, math.nan)
    for name, word in zip(found.ids, found.values, strict=True):
        if word is not None:
            try:
                values[name] = number_of(word)
            except ValueError:
                skipped[name] = f"{word!r} is no number"
    numbers = np.array([values[name] for name in reading.ids])
    there = numbers[np.isfinite(numbers)]
    if len(there) < FEWEST or np.ptp(there) == 0:
        reason = f", for example {next(iter(skipped.items()))}" if skipped else ""
        raise ValueError(
            f"{len(there)} {reading.noun} have a number ({len(np.unique(there))} different){reason}: expected {FEWEST} at least "
            "that differ. For classes, leave out --regression."
        )
    return numbers, skipped


def number_of(word: str) -> float:
    """A finite number in words: 3.5, 3,5, -2e3. Raises ValueError."""
    value = float(word.replace(",", ".") if word.count(",") == 1 and "." not in word else word)
    if not math.isfinite(value):
        raise ValueError(word)
    return value


def ranks(values: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Ranks, the mean of them where values are equal."""
    ordered, counts = np.unique_inverse(values).inverse_indices, np.unique_counts(values).counts
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[ordered])


def number_scores(truth: Float[np.ndarray, "n"], said: Float[np.ndarray, "n"]) -> dict[str, float]:
    """R2 (1 minus the squared error over that of the mean), mean absolute error, and Spearman's correlation of ranks (0 for a constant)."""
    spread = float(((truth - truth.mean()) ** 2).sum())
    a, b = ranks(truth), ranks(said)
    a, b = a - a.mean(), b - b.mean()
    length = float(np.sqrt((a @ a) * (b @ b)))
    return {
        "R2": 1 - float(((truth - said) ** 2).sum()) / spread if spread else math.nan,
        "MAE": float(np.abs(truth - said).mean()),
        "Spearman": float(a @ b) / length if length else 0.0,
    }


def listing(names: Sequence[str]) -> str:
    """The first five, and how many more."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
