"""The beginning: a linear probe fitted on frozen features, which fine-tuning goes on from.

Fine-tuning from a random linear layer bends features before that layer means anything; from a fitted one it does not (Kumar et al., ICLR
2022, arXiv 2202.10054, "LP-FT").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import nn

from selfsup.embedding import Reading
from selfsup.finetuning.classifier import Start
from selfsup.probing.choice import Choice, choose, default_layer
from selfsup.probing.probes import Standardiser, linear_weights
from selfsup.train.distributed import device


@dataclass(frozen=True)
class Frozen:
    """Features of labelled items from a network that stays as it is, layer by layer, standardised: `layers` of rows like `targets`.

    `standardisers` hold what standardised each layer, from items whose labels are not read.
    """

    layers: Mapping[str, np.ndarray]
    standardisers: Mapping[str, Standardiser]
    targets: Int[np.ndarray, "n"]
    classes: int
    balanced: bool

    def choice(self, *, groups: np.ndarray | None = None, seed: int = 0) -> Choice:
        """Layer and strength of the probe, chosen inside these labels as `evaluate` does, or by its defaults where they are few.

        `groups` of the labelled items are held back whole.
        """
        layer = default_layer(list(self.layers))
        return choose(
            self.layers, self.targets, probe="linear", labels_per_class="all", default=layer, groups=groups, balanced=self.balanced,
            seed=seed,
        )  # fmt: skip

    def start(self, choice: Choice, inside: Int[np.ndarray, "m"] | None = None) -> Start:
        """The probe fitted on all labels, or on those at some positions."""
        some = np.arange(len(self.targets)) if inside is None else inside
        found = self.standardisers[choice.layer]
        weights, offsets = linear_weights(
            self.layers[choice.layer][some], self.targets[some], classes=self.classes, strength=choice.strength, balanced=self.balanced
        )
        return Start(choice.layer, found.mean, found.scale, weights.float(), offsets.float())


def frozen_features(
    network: nn.Module,
    reading: Reading[Any],
    *,
    rows: Int[np.ndarray, "n"],
    targets: Int[np.ndarray, "n"],
    reference: Int[np.ndarray, "r"],
    classes: int,
    balanced: bool,
) -> Frozen:
    """What every layer of a network makes of labelled rows; those of `reference` say by how much features vary."""
    every = np.unique(np.concatenate([rows, reference]))
    found = reading.embeddings(network.to(device()), torch.as_tensor(every, dtype=torch.long))
    own, sample = np.searchsorted(every, rows), np.searchsorted(every, reference)
    standardisers = {name: Standardiser.of(values[sample]) for name, values in found.items()}
    layers = {name: standardisers[name](values[own]) for name, values in found.items()}
    return Frozen(layers, standardisers, targets, classes, balanced)
