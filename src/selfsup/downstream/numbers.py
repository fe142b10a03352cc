"""A number for some of the items, from a table's column or a sequence; what is no number is skipped and named."""

from __future__ import annotations

import math
import re
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

    `labels` is what `evaluate` takes. A decimal comma and groups of three digits are understood, by what the whole column has. Raises
    ValueError for words, and for fewer than 10 numbers.
    """
    found = read_labels(labels, reading.listed, columns=reading.listed_columns, noun=reading.noun)
    skipped = {path: f"means no {reading.noun.removesuffix('s')} there is" for path in found.unmatched}
    skipped |= {name: f"has several values: {', '.join(words)}" for name, words in found.conflicts.items()}
    values, decimal = dict.fromkeys(found.ids, math.nan), decimal_mark([word for word in found.values if word is not None])
    for name, word in zip(found.ids, found.values, strict=True):
        if word is not None:
            try:
                values[name] = number_of(word, decimal)
            except ValueError as error:
                skipped[name] = str(error)
    numbers = np.array([values[name] for name in reading.ids])
    there = numbers[np.isfinite(numbers)]
    if len(there) < FEWEST or np.ptp(there) == 0:
        reason = f", for example {next(iter(skipped.items()))}" if skipped else ""
        raise ValueError(
            f"{len(there)} {reading.noun} have a number ({len(np.unique(there))} different){reason}: expected {FEWEST} at least "
            "that differ. For classes, leave out --regression."
        )
    return numbers, skipped


OTHER = {",": ".", ".": ","}
PLAIN = {mark: re.compile(rf"[+-]?(?=.?\d)\d*{re.escape(mark)}\d*(?:[eE][+-]?\d+)?") for mark in OTHER}
GROUPS = {mark: re.compile(rf"[+-]?[1-9]\d{{0,2}}(?:{re.escape(mark)}\d{{3}})+") for mark in OTHER}
"""Whole numbers in groups of three digits: 1,200 or 1.200, which with another decimal mark have a value a thousand times smaller."""


def decimal_mark(words: Sequence[str]) -> str | None:
    """Which of "," and "." stands before decimals in a column, by what can be read in one way alone; None where nothing or both can."""
    marks = {mark for mark in map(_certain_mark, words) if mark is not None}
    return marks.pop() if len(marks) == 1 else None


def _certain_mark(word: str) -> str | None:
    """The decimal mark that a word gives away: that of 3,5 and 0,125 and 1.200,5 and 1.200.000 is the comma; 1,200 may have either."""
    for mark, other in OTHER.items():
        whole, found, decimals = word.partition(mark)
        if found and decimals.isdecimal() and GROUPS[other].fullmatch(whole):
            return mark
        if PLAIN[mark].fullmatch(word) and not GROUPS[mark].fullmatch(word):
            return mark
        if word.count(other) > 1 and GROUPS[other].fullmatch(word):
            return mark
    return None


def number_of(word: str, decimal: str | None = None) -> float:
    """A finite number in words: 3.5, 3,5, -2e3, 1,200.5. `decimal` is the mark before decimals in the column of 1,200, if known.

    Without it 1.200 is 1.2. Raises ValueError with the reason.
    """
    mark = _certain_mark(word) or decimal
    if mark is None and GROUPS[","].fullmatch(word):
        raise ValueError(f"{word!r} may be {word.replace(',', '')} or {word.replace(',', '.')}, and nothing else in the column tells which")
    grouped = mark is not None and GROUPS[OTHER[mark]].fullmatch(word.partition(mark)[0])
    plain = word.replace(OTHER[mark], "") if mark is not None and grouped else word
    try:
        value = float(plain.replace(",", ".") if mark == "," else plain)
    except ValueError:
        raise ValueError(f"{word!r} is no number") from None
    if not math.isfinite(value):
        raise ValueError(f"{word!r} is no number")
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
