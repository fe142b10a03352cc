"""Scores that choose: what probes say of labelled items that are not tested, each told by a probe that did not learn from it.

A comparison drops units and picks finalists by these, and by nothing else: the items that the final scores are of choose nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from selfsup.comparison.scoring_plan import Pace, work_of
from selfsup.embedding import opened_for
from selfsup.embedding.grouping import groups_of
from selfsup.evaluation.kinds import ground_of
from selfsup.evaluation.predictions import Setting
from selfsup.evaluation.problem import LabelsPerClass, Problem, Protocol, pose
from selfsup.evaluation.scoring import Task, score
from selfsup.probing.choice import default_layer
from selfsup.probing.draws import subsample
from selfsup.probing.intervals import Sample
from selfsup.probing.metrics import item_weights
from selfsup.probing.probes import PROBES
from selfsup.run import Run

REPEATS = 3
"""Times that the labelled items are halved anew: two draws of labels each. More would narrow an interval hardly, since at a rung the seeds,
of which there is one, are most of it (2 points assumed, where six draws leave about 1), and cost as much each."""

MOST, FEWEST = 1000, 300
"""Labelled items that are judged: their part of an interval is then about 1.5 points wide, and 3 at the fewest."""

TIMED, WARM_UP = 48, 8
"""Items that are embedded to see how long one takes, and before them."""


@dataclass(frozen=True)
class Halving:
    """The labelled items that choose, halved several times: `rows` of the reading, and for each repeat which of them are in the first half.

    In every repeat each half is told by a probe that learned from at most `most` labels a class of the other half.
    """

    rows: Int[np.ndarray, "n"]
    first: Bool[np.ndarray, "R n"]
    targets: Int[np.ndarray, "n"]
    most: LabelsPerClass
    groups: np.ndarray | None

    def sample(self, *, balanced: bool) -> Sample:
        """The items as intervals see them. Halves are redrawn from the same labels, so that repeats overlap by half."""
        return Sample(item_weights(self.targets, balanced=balanced), self.groups, 0.5)


def halved(problem: Problem, groups: np.ndarray | None, *, most: LabelsPerClass, judged: int = MOST) -> Halving:
    """At most `judged` labelled items of the training part in halves, stratified by class; whole groups fall on one side of them."""
    rows = problem.train[subsample(problem.targets[problem.train], limit=judged, seed=problem.seed)]
    targets = problem.targets[rows]
    members = None if groups is None else groups[rows]
    rng = np.random.default_rng([problem.seed, len(rows)])
    first = np.stack([_half(targets, members, rng) for _ in range(REPEATS)])
    if not (first.any(1) & (~first).any(1)).all():
        of = f"{len(rows):,} labelled {problem.noun}" + ("" if members is None else f" in {len(np.unique(members)):,} groups")
        raise ValueError(f"too few labels to choose by: {of} are left beside the tested ones, and they have to be halved. Label more.")
    return Halving(rows, first, targets, most, members)


def _half(targets: Int[np.ndarray, "n"], groups: np.ndarray | None, rng: np.random.Generator) -> Bool[np.ndarray, "n"]:
    """Half of each class; of whole groups, each put where its classes are fewer so far."""
    first = np.zeros(len(targets), dtype=bool)
    if groups is None:
        for label in np.unique(targets):
            members = rng.permutation(np.flatnonzero(targets == label))
            first[members[: (len(members) + int(rng.integers(2))) // 2]] = True
        return first
    names, member = np.unique(groups, return_inverse=True)
    counts = np.zeros((2, int(targets.max()) + 1))
    for number in rng.permutation(len(names)):
        rows = np.flatnonzero(member == number)
        own = np.bincount(targets[rows], minlength=counts.shape[1])
        side = int(np.argmin(counts @ (own > 0) + rng.random(2) * 1e-6))
        counts[side] += own
        first[rows] = side == 0
    return first


def _at_most(targets: Int[np.ndarray, "n"], rows: Int[np.ndarray, "h"], most: LabelsPerClass, rng: np.random.Generator) -> np.ndarray:
    """Of the `rows` at most so many of each class."""
    if most == "all":
        return rows
    return np.sort(np.concatenate([rng.permutation(rows[targets[rows] == label])[: int(most)] for label in np.unique(targets[rows])]))


class Validation:
    """The data opened once, and every run scored on the same halves of the same labelled items by the primary probe.

    There are `judged` of them: as many as were before, where a comparison goes on; else as many as a table may take `seconds` to embed.
    """

    def __init__(
        self, first: Run, data: Any, protocol: Protocol, told: Mapping[str, Any], *, judged: int | None = None, seconds: float = math.inf
    ) -> None:
        self.opened = opened_for(first, data, told)
        self.protocol = protocol
        self.readings: dict[Any, Any] = {}
        reading = self._reading(first)
        self.problem = pose(reading, runs=[first], protocol=protocol)
        self.judged = judged or self._affordable(first, reading, seconds)
        groups = groups_of(protocol.groups, first, reading)
        self.halving = halved(self.problem, groups, most=protocol.primary.labels_per_class, judged=self.judged)

    @property
    def sample(self) -> Sample:
        """The judged items as intervals see them."""
        return self.halving.sample(balanced=self.problem.skewed)

    def table(self, run: Run, pace: Pace) -> Float[np.ndarray, "R n"]:
        """1 where an item was told right in a repeat, else 0. What it took is counted in `pace`."""
        reading = self._reading(run)
        network = reading.network(run)
        halving = self.halving
        began = time.perf_counter()
        features = reading.embeddings(network, torch.as_tensor(halving.rows, dtype=torch.long))
        embedded = time.perf_counter()
        pace.embedded(run.backbone, embedded - began, len(halving.rows))
        primary = self.protocol.primary.probe
        probe = Setting(primary if primary in PROBES else "linear", halving.most)  # what trains networks would take too long here
        rng = np.random.default_rng([self.problem.seed, 1])
        sides = [half for first in halving.first for half in (first, ~first)]
        drawn = [_at_most(halving.targets, np.flatnonzero(half), halving.most, rng) for half in sides]
        every = np.arange(len(halving.rows))
        task = Task(halving.targets, len(self.problem.classes), every, {halving.most: drawn}, every, self.problem.skewed, self.problem.seed)
        right = score(features, task, [probe], default=default_layer(list(features)))[probe].right(task.truth)[0]
        pace.fitted(time.perf_counter() - embedded, sum(work_of(probe.probe, len(draw)) for draw in drawn))
        return np.asarray(np.where(halving.first, right[1::2], right[::2]))

    def _affordable(self, run: Run, reading: Any, seconds: float) -> int:
        """How many items are embedded in so many seconds, within bounds."""
        network, rows = reading.network(run), torch.as_tensor(self.problem.train[: WARM_UP + TIMED], dtype=torch.long)
        reading.embeddings(network, rows[:WARM_UP])
        began = time.perf_counter()
        reading.embeddings(network, rows[-TIMED:])
        return int(min(MOST, max(FEWEST, seconds * min(TIMED, len(rows)) / (time.perf_counter() - began))))

    def _reading(self, run: Run) -> Any:
        kind = ground_of(run)
        key = kind.key(run)
        if key not in self.readings:
            self.readings[key] = kind.reads.of(run, self.opened)
        return self.readings[key]
