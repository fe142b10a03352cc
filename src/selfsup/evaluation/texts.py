"""The ground for texts: TF-IDF and latent semantic analysis beside the networks, and near-copies told from stretches of words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache as once
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import nn

from selfsup.embedding import Reading, TextReading
from selfsup.embedding import text_networks as networks
from selfsup.evaluation.baselines import Setup, Told, baseline_key
from selfsup.evaluation.cache import cached, digest
from selfsup.evaluation.choice import Features
from selfsup.evaluation.ground import Ground, SimpleRows
from selfsup.evaluation.predictions import Predictions, Setting
from selfsup.evaluation.problem import Problem
from selfsup.evaluation.scoring import score
from selfsup.evaluation.text_copies import near_text_copies
from selfsup.evaluation.words import COMPONENTS, counted, semantic, some_to_fit
from selfsup.finetuning import Recipe
from selfsup.run import Run
from selfsup.train.precision import Kernels

TFIDF, SEMANTIC = "TF-IDF", "LSA"

RATES = (1e-3, 3e-4)
"""Learning rates tried from scratch, the default first."""


class TextGround(Ground):
    """Documents as ids of the tokeniser that some runs share."""

    reads: ClassVar[type[Reading[Any]]] = TextReading
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

    def simple(self, settings: Sequence[Setting], *, told: Told) -> SimpleRows:
        """TF-IDF and latent semantic analysis, fitted on all documents that may be learned from. Nothing where no words were found."""
        rows, task = self.problem.task()
        texts, fitted = self.reading.texts, some_to_fit(self.reading.texts, self.problem.learnable)
        count = once(lambda: counted(texts, rows, fitted=fitted))
        made: dict[str, Callable[[], Features]] = {
            TFIDF: once(lambda: {kind: found.asked for kind, found in count().items()}),
            SEMANTIC: once(lambda: semantic(count())),
        }

        def make(name: str, setting: Setting) -> Predictions:
            told(name)
            features = made[name]()
            default = DEFAULTS[name] if DEFAULTS[name] in features else next(iter(features))
            return score(features, task, [setting], default=default, standardise=False)[setting]

        def key(setting: Setting) -> dict[str, Any]:
            return baseline_key(self.problem, [texts.fingerprint], setting, fitted=digest(fitted.tolist()))

        return {name: {setting: cached(name, key(setting), make=partial(make, name, setting)) for setting in settings} for name in made}

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


DEFAULTS = {TFIDF: "words", SEMANTIC: f"words/{COMPONENTS[0]}"}
"""What is used where labels are too few to choose."""
