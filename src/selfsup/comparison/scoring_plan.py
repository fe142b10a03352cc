"""What scoring has time for: draws of labels, tested items, numbers of labels, and at which of these networks are trained from scratch.

What a network costs to score is known from validation, which embeds and fits the same things in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from selfsup.evaluation import baselines
from selfsup.evaluation.problem import FEWEST_DRAWS, FEWEST_REFERENCE, FINETUNE, LabelsPerClass, Problem, Protocol
from selfsup.finetuning.held_back import FOLDS
from selfsup.finetuning.recipe import Recipe
from selfsup.finetuning.tuning import TUNING_FOLDS
from selfsup.probing.choice import FEWEST

PROBE = {"linear": 1.0, "knn": 0.15}
"""What a probe costs on the same labels, of a linear one with its choice of layer and strength."""

BESIDE_LABELS = 80
"""A probe costs as much as its labels and so many more: on digits 0.05 s with 10 labels, 0.22 with 100, 4.8 with 4,000."""

FEWEST_TESTED = 500
"""Tested items are not thinned out below so many: their part of an interval is then about 2 points wide."""

FEWEST_UNTRAINED = 3
"""Untrained networks stand beside each score at least so often."""

TRIALS = 4
"""About so many trainings tune one from scratch, each a third as long."""


@dataclass
class Pace:
    """What validation took: seconds and items embedded by backbone, and seconds and work of fitting probes (`work_of`)."""

    embedding: dict[str, list[float]] = field(default_factory=dict)
    fitting: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def embedded(self, backbone: str, seconds: float, items: int) -> None:
        """Count items that a backbone embedded."""
        before = self.embedding.get(backbone, [0.0, 0.0])
        self.embedding[backbone] = [round(before[0] + seconds, 4), before[1] + items]

    def fitted(self, seconds: float, work: float) -> None:
        """Count probes that were fitted."""
        self.fitting = [round(self.fitting[0] + seconds, 4), self.fitting[1] + work]

    def item(self, backbone: str) -> float:
        """Seconds to embed an item; where a backbone was not timed, the slowest of those that were."""
        found = {name: seconds / max(items, 1) for name, (seconds, items) in self.embedding.items()}
        return found.get(backbone, max(found.values(), default=0.0))

    def fit(self, work: float) -> float:
        """Seconds to fit so much."""
        return work * self.fitting[0] / max(self.fitting[1], 1e-9)


def work_of(probe: str, labels: float) -> float:
    """What fitting a probe on so many labels costs, in labels of a linear one."""
    return PROBE.get(probe, 0.0) * (labels + BESIDE_LABELS)


@dataclass(frozen=True)
class ScoringPlan:
    """How runs are scored: by `probes`, so many `draws` at `labels_per_class`, on at most `tested` items, beside networks from scratch.

    Of each backbone so many `untrained` networks stand beside.
    """

    draws: int
    tested: int
    untrained: int
    probes: tuple[str, ...]
    labels_per_class: tuple[LabelsPerClass, ...]
    scratch_at: tuple[LabelsPerClass, ...]


@dataclass(frozen=True)
class Costs:
    """What decides how long scoring takes: `runs` are how many there are of each backbone, `rows` the seconds of training it on a row."""

    problem: Problem
    protocol: Protocol
    pace: Pace
    runs: Mapping[str, int]
    rows: Mapping[str, float]

    def labels(self, count: LabelsPerClass) -> int:
        """Labelled items of one draw."""
        return len(self.problem.draws[count][0])

    def scoring(self, draws: int, tested: int, untrained: int, counts: Sequence[LabelsPerClass]) -> float:
        """Seconds to score every run and so many untrained networks as they are."""
        times = {count: 1 if count == "all" else draws for count in counts}
        learned = min(len(self.problem.train), sum(self.labels(count) * times[count] for count in counts))
        items = min(len(self.problem.reference), max(tested, FEWEST_REFERENCE)) + tested + learned
        work = sum(work_of(probe, self.labels(count)) * times[count] for probe in self.protocol.probes for count in counts)
        each = {name: items * self.pace.item(name) + self.pace.fit(work) for name in self.runs}
        return sum((number + untrained) * each[name] for name, number in self.runs.items())

    def scratch(self, draws: int, tested: int, count: LabelsPerClass) -> float:
        """Seconds to train every backbone from scratch at one number of labels, and to ask it."""
        return self._trained(draws, tested, count, dict.fromkeys(self.runs, 1), trainings=TRIALS / TUNING_FOLDS)

    def finetuning(self, draws: int, tested: int, counts: Sequence[LabelsPerClass]) -> float:
        """Seconds to fine-tune every run, each fold of its labels held back in turn."""
        return sum(self._trained(draws, tested, count, self.runs, trainings=FOLDS) for count in counts)

    def _trained(self, draws: int, tested: int, count: LabelsPerClass, networks: Mapping[str, int], *, trainings: float) -> float:
        """Seconds to train networks once for each draw, and so many times more where there are labels enough to choose inside."""
        recipe, times = Recipe(None), 1 if count == "all" else draws
        often = 1.0 if isinstance(count, int) and count < FEWEST else 1 + trainings
        rows = often * recipe.steps_for(self.labels(count)) * recipe.batch_size
        return times * sum(number * (rows * self.rows[name] + tested * self.pace.item(name)) for name, number in networks.items())

    def plan(self, *, networks: float, training: float) -> ScoringPlan:
        """What fits into the seconds for networks as they are, and into those for training on labels and what is left of the others.

        Draws are given up first, down to five; then untrained networks; then `all` labels; then tested items. The least of everything is
        always scored. Networks are fine-tuned, if that was asked for and fits at every number of labels, before others are trained from
        scratch. Where nothing can be trained on labels in its time, networks as they are have it.
        """
        found = self._with(networks, training)
        return found if found.scratch_at or FINETUNE in found.probes else self._with(networks + training, 0.0)

    def _with(self, networks: float, training: float) -> ScoringPlan:
        """The plan for these seconds."""
        counts, draws, tested, untrained = self._frozen(networks)
        left = training + max(0.0, networks - self.scoring(draws, tested, untrained, counts))
        probes = self.protocol.probes
        if FINETUNE in probes and len(probes) > 1:
            if (spent := self.finetuning(draws, tested, counts)) <= left:
                left -= spent
            else:
                probes = tuple(probe for probe in probes if probe != FINETUNE)
        chosen: list[LabelsPerClass] = []
        primary = self.protocol.primary.labels_per_class
        for count in sorted(counts, key=lambda count: (count != primary, count == "all", str(count).zfill(9))):
            if (spent := self.scratch(draws, tested, count)) <= left:
                left, chosen = left - spent, [*chosen, count]
        return ScoringPlan(draws, tested, untrained, probes, counts, tuple(chosen))

    def _frozen(self, seconds: float) -> tuple[tuple[LabelsPerClass, ...], int, int, int]:
        """Numbers of labels, draws, tested items and untrained networks that fit."""
        counts, draws, tested = self.protocol.labels_per_class, self.protocol.draws, len(self.problem.test)
        untrained = baselines.INITIALISATIONS
        while draws > FEWEST_DRAWS and self.scoring(draws, tested, untrained, counts) > seconds:
            draws -= 1
        while untrained > FEWEST_UNTRAINED and self.scoring(draws, tested, untrained, counts) > seconds:
            untrained -= 1
        fewest = min(FEWEST_TESTED, tested)
        if self.scoring(draws, fewest, untrained, counts) > seconds:
            counts = tuple(count for count in counts if count != "all") or counts
        while tested > fewest and self.scoring(draws, tested, untrained, counts) > seconds:
            tested = max(fewest, int(0.9 * tested))
        return counts, draws, tested, untrained


def in_words(plan: ScoringPlan, protocol: Protocol, tested: int) -> list[str]:
    """What there was no time for."""
    said = []
    if plan.draws < protocol.draws:
        said.append(f"{plan.draws} draws of labels in place of {protocol.draws}")
    if plan.untrained < baselines.INITIALISATIONS:
        said.append(f"{plan.untrained} untrained networks of each backbone in place of {baselines.INITIALISATIONS}")
    if plan.tested < tested:
        said.append(f"{plan.tested:,} of {tested:,} items tested")
    if lost := [probe for probe in protocol.probes if probe not in plan.probes]:
        said.append(f"nothing scored by {', '.join(lost)}")
    if lost := [str(count) for count in protocol.labels_per_class if count not in plan.labels_per_class]:
        said.append(f"nothing at {', '.join(lost)} labels")
    if lost := [str(count) for count in plan.labels_per_class if count not in plan.scratch_at]:
        said.append(f"nothing trained from scratch at {', '.join(lost)} labels")
    return said


def told_by(asked: Any) -> ScoringPlan:
    """A plan as it was kept."""
    counts = {name: tuple(asked[name]) for name in ("probes", "labels_per_class", "scratch_at")}
    return ScoringPlan(int(asked["draws"]), int(asked["tested"]), int(asked["untrained"]), **counts)
