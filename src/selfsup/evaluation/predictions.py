"""What a row said of every tested item, for every seed and draw: the arrays that scores, intervals and comparisons are made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Setting:
    """One column of the score table: a probe at a number of labels a class."""

    probe: str
    labels_per_class: int | str

    @property
    def nearest(self) -> int | None:
        """The k of a recall@k, for which no label is learned from (`labels_per_class` is 0); None where a probe tells classes."""
        name, _, k = self.probe.partition("@")
        return int(k) if name == "recall" else None

    def __str__(self) -> str:
        """As it stands in messages."""
        return f"{self.probe}, {self.labels_per_class} labels a class"


@dataclass(frozen=True)
class Predictions:
    """S seeds, D draws, N tested items, K classes.

    `predicted` holds class numbers (S, D, N), or -1 for an item whose label was not found; `average_precision` that of each class against
    the rest (S, D, K), not a number for a class without tested items; `layers` the layer each probe chose (S, D).
    """

    predicted: Int[np.ndarray, "S D N"]
    average_precision: Float[np.ndarray, "S D K"]
    layers: np.ndarray

    def right(self, truth: Int[np.ndarray, "N"]) -> Float[np.ndarray, "S D N"]:
        """1 where an item was told right, else 0."""
        return np.asarray(self.predicted == truth, dtype=np.float64)

    def layer_counts(self) -> dict[str, int]:
        """How often each layer was chosen, most often first; nothing for rows that choose none."""
        names, counts = np.unique_counts(self.layers)
        order = np.argsort(-counts, kind="stable")
        return {str(names[i]): int(counts[i]) for i in order if names[i]}

    def save(self, file: Path) -> None:
        """Write the arrays, without pickles; the file appears whole or not at all."""
        draft = file.with_name(f".{file.name}.draft")
        with draft.open("wb") as stream:
            np.savez_compressed(
                stream, predicted=self.predicted, average_precision=self.average_precision, layers=self.layers.astype(np.str_)
            )
        draft.replace(file)

    @classmethod
    def load(cls, file: Path) -> Predictions:
        """Read the arrays back."""
        with np.load(file, allow_pickle=False) as arrays:
            return cls(arrays["predicted"], arrays["average_precision"], arrays["layers"])


def stack(parts: list[Predictions]) -> Predictions:
    """Several seeds of one row as one."""
    return Predictions(
        np.concatenate([part.predicted for part in parts]),
        np.concatenate([part.average_precision for part in parts]),
        np.concatenate([part.layers for part in parts]),
    )
