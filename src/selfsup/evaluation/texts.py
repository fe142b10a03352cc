"""The ground for texts: TF-IDF and latent semantic analysis beside the networks, and near-copies told from stretches of words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int
from torch import nn

from selfsup.embedding import Reading, TextReading
from selfsup.embedding import text_networks as networks
from selfsup.evaluation.baselines import Setup, Told, baseline_key
from selfsup.evaluation.cache import cached, digest
from selfsup.evaluation.ground import Ground
from selfsup.evaluation.predictions import Predictions, Setting
from selfsup.evaluation.problem import Problem
from selfsup.evaluation.scoring import score
from selfsup.evaluation.text_copies import near_text_copies
from selfsup.evaluation.words import COMPONENTS, Counted, counted, semantic, some_to_fit
from selfsup.finetuning import Recipe
from selfsup.probing.choice import Features
from selfsup.run import Run
from selfsup.train.precision import Kernels

RATES = (1e-3, 3e-4)
"""Learning rates tried from scratch, the default first."""


class TextGround(Ground):
    """Documents as ids of the tokeniser that some runs share."""

    reads: ClassVar[type[Reading[Any]]] = TextReading
    simple_rows: ClassVar[Mapping[str, str]] = {"tfidf": "TF-IDF", "lsa": "LSA"}
    own_networks: ClassVar[bool] = True
    reading: TextReading

    def __init__(self, reading: TextReading, problem: Problem, run: Run) -> None:
        self.reading, self.problem, self.run = reading, problem, run

    @staticmethod
    def key(run: Run) -> tuple[Any, ...]:
        """The tokeniser."""
        return (networks.tokenizer_digest(run.folder),)

    @staticmethod
    def backbone(run: Run) -> tuple[Any, ...]:
        """Its name and the tokeniser."""
        return run.backbone, networks.tokenizer_digest(run.folder)

    @staticmethod
    def described(run: Run) -> str:
        """Its name and a few signs of the tokeniser's hash."""
        return f"{run.backbone}, tokeniser {networks.tokenizer_digest(run.folder)[:4]}"

    def simple(self, name: str, settings: Sequence[Setting], *, told: Told) -> dict[Setting, Predictions]:
        """TF-IDF or latent semantic analysis, fitted on all documents that may be learned from."""
        _, task = self.problem.task()

        def make(setting: Setting) -> Predictions:
            told(self.simple_rows[name])
            features = self._features(name)
            default = DEFAULTS[name] if DEFAULTS[name] in features else next(iter(features))
            return score(features, task, [setting], default=default, standardise=False)[setting]

        data = [self.reading.texts.fingerprint]
        keys = {setting: baseline_key(self.problem, data, setting, fitted=digest(self._fitted.tolist())) for setting in settings}
        return {setting: cached(name, key, make=partial(make, setting)) for setting, key in keys.items()}

    @cached_property
    def _fitted(self) -> Int[np.ndarray, "m"]:
        return some_to_fit(self.reading.texts, self.problem.learnable)

    @cached_property
    def _counted(self) -> dict[str, Counted]:
        return counted(self.reading.texts, self.problem.task()[0], fitted=self._fitted)

    @cached_property
    def _semantic(self) -> Features:
        return semantic(self._counted)

    def _features(self, name: str) -> Features:
        return self._semantic if name == "lsa" else {kind: found.asked for kind, found in self._counted.items()}

    def setup(self, runs: Sequence[Run]) -> Setup:
        """Networks as the runs' settings say, trained with their kernels."""
        fresh, described = networks.fresh_network(runs[0].folder)
        kernels = Kernels(**runs[0].choices.get("kernels", {}))
        return Setup(
            reading=self.reading,
            problem=self.problem,
            fresh=fresh,
            backbone=described,
            recipe=Recipe(None, learning_rate=RATES[0], balanced=self.problem.skewed, kernels=kernels),
            options={"learning_rate": RATES},
        )

    def weights(self, setup: Setup, path: str | Path) -> tuple[nn.Module, Reading[Any], list[str]]:
        """Any encoder or decoder on disk, which reads with its own tokeniser."""
        network, remarks = networks.network_in(path)
        return network, TextReading.reading_as(path, self.reading.texts), remarks

    def copies(self) -> dict[str, str]:
        """Documents that stand in another, nearly whole."""
        tested = self.problem.test
        return near_text_copies(self.reading.texts, np.setdiff1d(np.arange(len(self.reading.ids)), tested), tested)


DEFAULTS = {"tfidf": "words", "lsa": f"words/{COMPONENTS[0]}"}
"""What is used where labels are too few to choose."""
