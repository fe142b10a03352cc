"""The rows beside every score: raw pixels, the same backbone untrained, trained from scratch, and weights the user already has.

Each goes through the same probes, choices and draws as a run. What a baseline needs from a run is its backbone's settings, its picture
size, the views it was trained with, and the kernels that were fastest.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache as once
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.decomposition import PCA

from selfsup.backbones import Backbone, Settings, build_from, load_weights, read_settings
from selfsup.data import Store
from selfsup.embedding import layer_embeddings
from selfsup.evaluation.cache import cached, digest
from selfsup.evaluation.choice import FEWEST, Features
from selfsup.evaluation.predictions import Predictions, Setting, stack
from selfsup.evaluation.problem import Problem
from selfsup.evaluation.scoring import collect, default_layer, score
from selfsup.finetuning import Recipe, train_classifier, tuned
from selfsup.run import Run
from selfsup.train.distributed import device
from selfsup.train.precision import Kernels
from selfsup.views import Augment, plain

PIXELS, UNTRAINED, SCRATCH, WEIGHTS = "raw pixels", "untrained", "from scratch", "your weights"

INITIALISATIONS = 5

PIXEL_SIDE = 32
"""Pixels a side of the pictures behind the raw-pixel row, at most: more add columns and hardly tell more."""

COMPONENTS = (32, 64)
"""Principal components tried beside the pixels themselves; the first is what is used where labels are too few to choose."""

RATES = (2e-3, 5e-3)
"""Learning rates tried from scratch, the default first."""

Told = Callable[[str], None]


@dataclass(frozen=True)
class Setup:
    """What baselines share with the runs they stand beside: backbone settings, the runs' views and kernels, and the pictures."""

    settings: Settings
    augments: tuple[Augment, ...]
    kernels: Kernels
    store: Store
    problem: Problem

    def build(self, seed: int) -> Backbone:
        """The backbone with fresh weights; the caller's random numbers stay as they were."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return build_from(self.settings)

    def key(self, setting: Setting, **more: Any) -> dict[str, Any]:
        """What the predictions of a baseline at a setting depend on."""
        problem = self.problem
        return {
            "data": [self.store.fingerprint, self.store.side, self.store.channels],
            "targets": digest(problem.targets.tolist()),
            "test": digest(problem.test.tolist()),
            "reference": digest(problem.reference.tolist()),
            "draws": digest([draw.tolist() for draw in problem.draws[setting.labels_per_class]]),
            "setting": [setting.probe, setting.labels_per_class, problem.seed],
            **more,
        }


def setup_of(runs: Sequence[Run], *, store: Store, problem: Problem) -> Setup:
    """The setup of runs that share a backbone."""
    augments = dict.fromkeys(augment_of(run) for run in runs)
    kernels = runs[0].choices.get("kernels", {})
    return Setup(read_settings(runs[0].folder), tuple(augments), Kernels(**kernels), store, problem)


def augment_of(run: Run) -> Augment:
    """The views a run was trained with, as far as its options name them. Colours stay as they are where no option speaks of them."""
    known = {item.name for item in dataclasses.fields(Augment)} - {"size", "crop", "noise"}
    named = {name: tuple(value) if isinstance(value, list) else value for name, value in run.options.items() if name in known}
    options: dict[str, Any] = {"jitter": 0.0, "grey": 0.0} | named
    smallest = run.options.get("crop", 0.2)
    smallest = smallest if isinstance(smallest, float | int) and 0 < smallest <= 1 else 0.2  # a user's task may mean something else by it
    return Augment(size=run.size, crop=(float(smallest), 1.0), **options)


def pixels(setup: Setup, settings: Sequence[Setting], *, told: Told) -> dict[Setting, Predictions]:
    """Raw pixels and their principal components, through the probes."""
    rows, task = setup.problem.task()

    @once
    def features() -> Features:
        return pixel_features(setup.store, rows, reference=task.reference, size=setup.settings.size)

    def make(setting: Setting) -> Predictions:
        return score(features(), task, [setting], default=f"pca{COMPONENTS[0]}")[setting]

    told(PIXELS)
    size = min(PIXEL_SIDE, setup.settings.size)
    return {setting: cached("pixels", setup.key(setting, size=size), make=partial(make, setting)) for setting in settings}


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


def untrained(setup: Setup, settings: Sequence[Setting], *, told: Told) -> dict[Setting, Predictions]:
    """The backbone as initialised, several times over, through the probes with the same choice of layer."""
    return _joined(_untrained(setup, settings, told=told, seed=seed) for seed in range(INITIALISATIONS))


def own_weights(setup: Setup, settings: Sequence[Setting], *, told: Told, path: str | Path) -> tuple[dict[Setting, Predictions], list[str]]:
    """The weights a user already has, in the runs' backbone, through the probes, and in words what of them did not match."""
    network = setup.build(0)
    remarks = load_weights(network, path)
    told(f"{WEIGHTS} ({path})")
    return score_network(network, setup.store, problem=setup.problem, settings=settings), remarks


def _untrained(setup: Setup, settings: Sequence[Setting], *, told: Told, seed: int) -> dict[Setting, Predictions]:
    """Kept predictions of one initialisation; it is built and embeds only if some are missing."""
    told(f"{UNTRAINED} (initialisation {seed + 1} of {INITIALISATIONS})")
    rows, task = setup.problem.task()

    @once
    def features() -> Features:
        return network_features(setup.build(seed), setup.store, rows)

    def make(setting: Setting) -> Predictions:
        found = features()
        return score(found, task, [setting], default=default_layer(list(found)))[setting]

    key = {"backbone": dataclasses.asdict(setup.settings), "seed": seed}
    return {setting: cached("untrained", setup.key(setting, **key), make=partial(make, setting)) for setting in settings}


def score_network(network: Backbone, store: Store, *, problem: Problem, settings: Sequence[Setting]) -> dict[Setting, Predictions]:
    """What the probes say on one network's layers."""
    rows, task = problem.task()
    features = network_features(network, store, rows)
    return score(features, task, settings, default=default_layer(list(features)))


def network_features(network: Backbone, store: Store, rows: Int[np.ndarray, "n"]) -> Features:
    """All layers of a network, pooled in every way, in the store's order of `rows`."""
    return layer_embeddings(network.to(device()), store, torch.as_tensor(rows, dtype=torch.long))


def from_scratch(setup: Setup, settings: Sequence[Setting], *, told: Told) -> dict[Setting, Predictions]:
    """The backbone trained from scratch on the labels of each draw, each time from other initial weights.

    It has no probe of its own: the same predictions stand beside every probe. The views where runs differ in them, and then the
    learning rate, are tuned inside the labels from 5 a class on.
    """
    found: dict[int | str, Predictions] = {}
    backbone = dataclasses.asdict(setup.settings)
    views = [json.dumps(dataclasses.asdict(augment)) for augment in setup.augments]
    for count in dict.fromkeys(setting.labels_per_class for setting in settings):
        key = setup.key(Setting("scratch", count), backbone=backbone, views=views, rates=RATES)
        found[count] = cached("scratch", key, make=partial(_train_draws, setup, count, told=told))
    return {setting: found[setting.labels_per_class] for setting in settings}


def _train_draws(setup: Setup, count: int | str, *, told: Told) -> Predictions:
    scores: list[tuple[Float[np.ndarray, "N K"], str]] = []
    problem, draws = setup.problem, setup.problem.draws[count]
    options = {"augment": setup.augments, "learning_rate": RATES}
    for number, draw in enumerate(draws):
        told(f"{SCRATCH} ({count} labels a class, draw {number + 1} of {len(draws)})")
        network, targets = setup.build(1000 + number), problem.targets[draw]
        recipe = Recipe(setup.augments[0], balanced=problem.skewed, kernels=setup.kernels)
        if not isinstance(count, int) or count >= FEWEST:
            recipe = tuned(network, setup.store, rows=draw, targets=targets, recipe=recipe, options=options, seed=number)
        model = train_classifier(network, setup.store, rows=draw, targets=targets, classes=len(problem.classes), recipe=recipe, seed=number)
        scores.append((model.predict(setup.store, problem.test), ""))
    return collect(scores, problem.truth)


def _joined(seeds: Iterator[dict[Setting, Predictions]]) -> dict[Setting, Predictions]:
    """Several seeds of one row, setting by setting."""
    every = list(seeds)
    return {setting: stack([found[setting] for found in every]) for setting in every[0]}
