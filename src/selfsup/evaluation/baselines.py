"""The rows beside every score that a network gives: the runs' backbone untrained, trained from scratch, and the weights a user has.

Each goes through the same probes, choices and draws as a run, whatever kind of data it is for.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache as once
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn

from selfsup.embedding import Reading
from selfsup.evaluation.cache import cached, digest
from selfsup.evaluation.predictions import Predictions, Setting, stack
from selfsup.evaluation.problem import Problem
from selfsup.evaluation.scoring import collect, score
from selfsup.finetuning import Recipe, train_classifier, tuned
from selfsup.probing.choice import FEWEST, Features, default_layer
from selfsup.train.distributed import device

UNTRAINED, SCRATCH, WEIGHTS = "untrained", "from scratch", "your weights"

INITIALISATIONS = 5
"""Untrained networks beside a score, unless something else is asked for."""

Told = Callable[[str], None]


@dataclass(frozen=True)
class Setup:
    """What networks beside some runs share with them: how data is read, the problem, and how such a network is made and trained.

    `fresh` makes one from torch's global random numbers; `backbone` is all that decides how; `recipe` trains it, its `options` are tuned.
    """

    reading: Reading[Any]
    problem: Problem
    fresh: Callable[[], nn.Module]
    backbone: Mapping[str, Any]
    recipe: Recipe
    options: Mapping[str, Sequence[Any]]

    def build(self, seed: int) -> nn.Module:
        """The backbone with fresh weights; the caller's random numbers stay as they were."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.fresh()


def baseline_key(problem: Problem, data: Sequence[Any], setting: Setting, **more: Any) -> dict[str, Any]:
    """What the predictions of a baseline at a setting depend on; `data` is what its features do."""
    return {
        "data": list(data),
        "targets": digest(problem.targets.tolist()),
        "test": digest(problem.test.tolist()),
        "reference": digest(problem.reference.tolist()),
        "draws": digest([draw.tolist() for draw in problem.draws[setting.labels_per_class]]),
        "setting": [setting.probe, setting.labels_per_class, problem.seed],
        **more,
    }


def untrained(setup: Setup, settings: Sequence[Setting], *, initialisations: int, told: Told) -> dict[Setting, Predictions]:
    """The backbone as initialised, so many times, through the probes with the same choice of layer."""
    return _joined(_untrained(setup, settings, told=told, number=(seed, initialisations)) for seed in range(initialisations))


def _untrained(setup: Setup, settings: Sequence[Setting], *, told: Told, number: tuple[int, int]) -> dict[Setting, Predictions]:
    """Kept predictions of one initialisation of so many; it is built and embeds only if some are missing."""
    seed, several = number
    told(f"{UNTRAINED} (initialisation {seed + 1} of {several})")
    rows, task = setup.problem.task()

    @once
    def features() -> Features:
        return network_features(setup.build(seed), setup.reading, rows)

    def make(setting: Setting) -> Predictions:
        found = features()
        return score(found, task, [setting], default=default_layer(list(found)))[setting]

    return {
        setting: cached(
            "untrained",
            baseline_key(setup.problem, setup.reading.key, setting, backbone=setup.backbone, seed=seed),
            make=partial(make, setting),
        )
        for setting in settings
    }


def score_network(
    network: nn.Module, reading: Reading[Any], *, problem: Problem, settings: Sequence[Setting]
) -> dict[Setting, Predictions]:
    """What the probes say on one network's layers."""
    rows, task = problem.task()
    features = network_features(network, reading, rows)
    return score(features, task, settings, default=default_layer(list(features)))


def network_features(network: nn.Module, reading: Reading[Any], rows: Int[np.ndarray, "n"]) -> Features:
    """All layers of a network, pooled in every way, in the order of `rows`."""
    return reading.embeddings(network.to(device()), torch.as_tensor(rows, dtype=torch.long))


def from_scratch(setup: Setup, settings: Sequence[Setting], *, told: Told) -> dict[Setting, Predictions]:
    """The backbone trained from scratch on the labels of each draw, each time from other initial weights.

    It has no probe of its own: the same predictions stand beside every probe. Views where runs differ in them, and then the
    learning rate, are tuned inside the labels from 5 a class on.
    """
    found: dict[int | str, Predictions] = {}
    views = [json.dumps(dataclasses.asdict(augment)) for augment in setup.options.get("augment", ())]
    rates = setup.options["learning_rate"]
    for count in dict.fromkeys(setting.labels_per_class for setting in settings):
        setting = Setting("scratch", count)
        key = baseline_key(setup.problem, setup.reading.key, setting, backbone=setup.backbone, views=views, rates=rates)
        found[count] = cached("scratch", key, make=partial(_train_draws, setup, count, told=told))
    return {setting: found[setting.labels_per_class] for setting in settings}


def _train_draws(setup: Setup, count: int | str, *, told: Told) -> Predictions:
    scores: list[tuple[Float[np.ndarray, "N K"], str]] = []
    problem, reading, draws = setup.problem, setup.reading, setup.problem.draws[count]
    for number, draw in enumerate(draws):
        told(f"{SCRATCH} ({count} labels a class, draw {number + 1} of {len(draws)})")
        network, targets, recipe = setup.build(1000 + number), problem.targets[draw], setup.recipe
        if not isinstance(count, int) or count >= FEWEST:
            recipe = tuned(network, reading, rows=draw, targets=targets, recipe=recipe, options=setup.options, seed=number)
        model = train_classifier(network, reading, rows=draw, targets=targets, classes=len(problem.classes), recipe=recipe, seed=number)
        scores.append((model.predict(reading, problem.test), ""))
    return collect(scores, problem.truth)


def _joined(seeds: Iterator[dict[Setting, Predictions]]) -> dict[Setting, Predictions]:
    """Several seeds of one row, setting by setting."""
    every = list(seeds)
    return {setting: stack([found[setting] for found in every]) for setting in every[0]}
