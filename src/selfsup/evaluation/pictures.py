"""The ground for pictures: raw pixels beside the networks, and near-copies told from thumbnails."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache as once
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Int
from sklearn.decomposition import PCA
from torch import nn

from selfsup.backbones import Backbone, build_from, load_weights, read_settings
from selfsup.data import Store
from selfsup.embedding import PictureReading, Reading
from selfsup.evaluation.baselines import Setup, Told, baseline_key
from selfsup.evaluation.cache import cached
from selfsup.evaluation.copies import near_copies
from selfsup.evaluation.ground import Ground
from selfsup.evaluation.predictions import Predictions, Setting
from selfsup.evaluation.problem import Problem
from selfsup.evaluation.scoring import score
from selfsup.finetuning import Recipe
from selfsup.finetuning.kinds import augment_of
from selfsup.probing.choice import Features
from selfsup.run import Run
from selfsup.train.precision import Kernels
from selfsup.views import plain

PIXEL_SIDE = 32
"""Pixels a side of the pictures behind the raw-pixel row, at most: more add columns and hardly tell more."""

COMPONENTS = (32, 64)
"""Principal components tried beside the pixels themselves; the first is what is used where labels are too few to choose."""

RATES = (2e-3, 5e-3)
"""Learning rates tried from scratch, the default first."""

MOST_VIEWS = 3
"""Views tried from scratch, at most: those that most runs were trained with. Each costs a third of a training for every draw."""


class PictureGround(Ground):
    """Pictures at the size some runs read them. Raw pixels are seen at `size`, that of the first run's backbone."""

    reads: ClassVar[type[Reading[Any]]] = PictureReading
    simple_rows: ClassVar[Mapping[str, str]] = {"pixels": "raw pixels"}
    reading: PictureReading

    def __init__(self, reading: PictureReading, problem: Problem, run: Run) -> None:
        self.reading, self.problem, self.size = reading, problem, run.size

    @staticmethod
    def key(run: Run) -> tuple[Any, ...]:
        """The size of the store."""
        return run.store_side, run.channels

    @staticmethod
    def backbone(run: Run) -> tuple[Any, ...]:
        """Its name and the shape of its pictures."""
        return run.backbone, run.size, run.channels

    @staticmethod
    def described(run: Run) -> str:
        """Its name and the size of its pictures."""
        return f"{run.backbone}, {run.size} px"

    def simple(self, name: str, settings: Sequence[Setting], *, told: Told) -> dict[Setting, Predictions]:
        """Raw pixels and their principal components."""
        rows, task = self.problem.task()

        @once
        def features() -> Features:
            return pixel_features(self.reading.store, rows, reference=task.reference, size=self.size)

        def make(setting: Setting) -> Predictions:
            return score(features(), task, [setting], default=f"pca{COMPONENTS[0]}")[setting]

        told(self.simple_rows[name])
        size = min(PIXEL_SIDE, self.size)
        keys = {setting: baseline_key(self.problem, self.reading.key, setting, size=size) for setting in settings}
        return {setting: cached(name, key, make=partial(make, setting)) for setting, key in keys.items()}

    def setup(self, runs: Sequence[Run]) -> Setup:
        """Networks as the runs' settings say, trained on their views with their kernels."""
        settings = read_settings(runs[0].folder)
        augments = tuple(augment for augment, _ in Counter(augment_of(run) for run in runs).most_common(MOST_VIEWS))
        kernels = Kernels(**runs[0].choices.get("kernels", {}))
        return Setup(
            reading=self.reading,
            problem=self.problem,
            fresh=partial(build_from, settings),
            backbone=dataclasses.asdict(settings),
            recipe=Recipe(augments[0], balanced=self.problem.skewed, kernels=kernels),
            options={"augment": augments, "learning_rate": RATES},
        )

    def weights(self, setup: Setup, path: str | Path) -> tuple[nn.Module, Reading[Any], list[str]]:
        """The runs' backbone, filled with what fits."""
        network = setup.build(0)
        assert isinstance(network, Backbone)
        return network, self.reading, load_weights(network, path)

    def copies(self) -> dict[str, str]:
        """Pictures whose thumbnails are alike."""
        tested = self.problem.test
        return near_copies(self.reading.store, np.setdiff1d(np.arange(len(self.reading.ids)), tested), tested)


def pixel_features(store: Store, rows: Int[np.ndarray, "n"], *, reference: Int[np.ndarray, "r"], size: int) -> Features:
    """Pictures as rows of numbers, whole and as principal components found on the `reference` positions (labels unread)."""
    side = min(PIXEL_SIDE, size)
    parts = [plain(store.batch(some)["image"], side).flatten(1) for some in torch.split(torch.as_tensor(rows, dtype=torch.long), 1024)]
    flat = np.asarray(torch.cat(parts).numpy())
    features = {"pixels": flat}
    for count in COMPONENTS:
        count = min(count, len(reference), flat.shape[1])
        found = PCA(count, svd_solver="covariance_eigh" if flat.shape[1] <= 1024 else "randomized", random_state=0).fit(flat[reference])
        features[f"pca{count}"] = np.asarray(found.transform(flat), dtype=np.float32)
    return features
