"""Labels held back: what classifiers say of labelled items they did not learn from, which is all that choices rest on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn

from selfsup.embedding import Reading
from selfsup.finetuning.beginning import Frozen
from selfsup.finetuning.classifier import between, probe_classifier
from selfsup.finetuning.recipe import Recipe
from selfsup.finetuning.training import train_classifier
from selfsup.probing.choice import Choice
from selfsup.probing.draws import stratified_folds
from selfsup.probing.metrics import item_weights

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""How far to go from the linear probe to where fine-tuning ended. All are read off one training, as stopping early would have to be too."""

FOLDS = 3

ENOUGH = 200
"""Held-back items that will do: where one fold has as many, the others are not trained."""


@dataclass(frozen=True)
class HeldBack:
    """What was said of held-back items: scores before the softmax by share, the truth, and the fold and the group (if any) of each item."""

    logits: Mapping[float, Float[np.ndarray, "n K"]]
    truth: Int[np.ndarray, "n"]
    folds: Int[np.ndarray, "n"]
    balanced: bool
    groups: np.ndarray | None = None

    @property
    def weights(self) -> Float[np.ndarray, "n"]:
        """What each item counts, summing to 1."""
        return item_weights(self.truth, balanced=self.balanced)

    def right(self, share: float) -> Float[np.ndarray, "n"]:
        """1 where an item was told right."""
        return np.asarray(self.logits[share].argmax(1) == self.truth, dtype=np.float64)

    def accuracy(self, share: float) -> float:
        """Share told right; with every class counted alike where they are skewed."""
        return float(self.weights @ self.right(share))

    def quality(self, share: float) -> tuple[float, float]:
        """What choices are made by: accuracy (rounded, as sums are), and only where it is equal the mean probability of the truth."""
        shares = torch.softmax(torch.as_tensor(self.logits[share]), dim=1).numpy()
        return round(self.accuracy(share), 9), float(self.weights @ shares[np.arange(len(self.truth)), self.truth])


def hold_back(
    network: nn.Module,
    reading: Reading[Any],
    *,
    frozen: Frozen,
    rows: Int[np.ndarray, "n"],
    choice: Choice,
    recipe: Recipe,
    groups: np.ndarray | None = None,
    seed: int = 0,
    told: Callable[[str], None] = lambda words: None,
) -> HeldBack | None:
    """Fine-tune on all but one fold of the labels, from a probe fitted on these, and say what the items of that fold are.

    `groups` of the rows are held back whole. Items that are alone in their class, or whose group is, are learned from and never held back.
    None where what can be held back is not of two classes: whoever says the same of everything would be right.
    """
    folds = stratified_folds(frozen.targets, folds=FOLDS, seed=seed + 1, groups=groups)  # not those that the layer was chosen with
    judged = _judged(folds, frozen.targets)
    logits: dict[float, list[np.ndarray]] = {share: [] for share in SHARES}
    places = []
    for number in judged:
        inside, outside = np.flatnonzero(folds != number), np.flatnonzero(folds == number)
        told(f"labels held back, part {number + 1} of {len(judged)}")
        start = frozen.start(choice, inside)
        first = probe_classifier(network, type(reading), frozen.classes, start)
        last = train_classifier(
            network, reading, rows=rows[inside], targets=frozen.targets[inside], classes=frozen.classes, recipe=recipe, seed=seed,
            start=start,
        )  # fmt: skip
        for share in SHARES:
            logits[share].append(between(first, last, share).logits(reading, rows[outside]))
        places.append(outside)
    if not places:
        return None
    every = np.concatenate(places)
    return HeldBack(
        {share: np.concatenate(parts) for share, parts in logits.items()}, frozen.targets[every], folds[every], frozen.balanced,
        None if groups is None else groups[every],
    )  # fmt: skip


def _judged(folds: Int[np.ndarray, "n"], targets: Int[np.ndarray, "n"]) -> list[int]:
    """The folds to hold back: the first where it is enough by itself, else all that hold anything; none where they are of one class."""
    if (folds == 0).sum() >= ENOUGH and len(np.unique(targets[folds == 0])) > 1:
        return [0]
    return np.unique(folds[folds >= 0]).tolist() if len(np.unique(targets[folds >= 0])) > 1 else []
