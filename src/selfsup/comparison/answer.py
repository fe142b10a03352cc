"""The answer: which unit to use, for each way of using it, with the evidence, what it cost and what more would bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy import stats

from selfsup.comparison.climbing import Climb, Climbed
from selfsup.comparison.differences import Differences, differences
from selfsup.comparison.efficiency import label_efficiency
from selfsup.comparison.estimates import estimate
from selfsup.comparison.outlook import outlook_of
from selfsup.comparison.power import needs
from selfsup.comparison.units import Unit
from selfsup.evaluation import Comparison, Results
from selfsup.evaluation.baselines import SCRATCH
from selfsup.evaluation.predictions import Setting
from selfsup.evaluation.problem import LabelsPerClass, Problem, thinned
from selfsup.evaluation.scoreboard import sample_of
from selfsup.probing.intervals import LEVEL

Tables = Mapping[str, Float[np.ndarray, "S D N"]]


@dataclass(frozen=True)
class Use:
    """One way of using what was learned: a probe at a number of labels a class, how the units stand there, and what would tell more.

    `best` is the unit to take, `needed` words on what would tell it from the next, where that is not told.
    """

    probe: str
    labels_per_class: LabelsPerClass
    best: str
    standing: Differences
    needed: str | None

    @property
    def alike(self) -> list[str]:
        """Units that are not told apart from the best, but for the one that is taken."""
        return [one.unit for one in self.standing.standings if one.verdict != "worse" and one.unit != self.best]

    @property
    def told(self) -> bool:
        """Whether anything is told apart at all."""
        return self.standing.answer != "cannot tell"


@dataclass(frozen=True)
class Cost:
    """What a unit took: seconds of training as they were measured and `steps`, of one run; passes over the data; speed and size.

    `memory` are the bytes that the process had in use at most while the unit was trained, None where that is not known.
    """

    unit: str
    seconds: float
    steps: int
    passes: float
    examples_per_second: float
    parameters: int
    operations: float
    backbone: str
    memory: int | None


@dataclass(frozen=True)
class Answer:
    """Everything a comparison found.

    `recommended` is the best unit at the primary setting, and `run` the folder of its first run; `uses` have every setting, the primary
    first; `rungs` what happened at each; `efficiency` and `outlook` are sentences on the recommended unit, `pays` its lead on the strongest
    row without pretraining.
    """

    recommended: str
    run: str
    uses: list[Use]
    costs: list[Cost]
    rungs: list[Climbed]
    finalists: list[str]
    seeds: int
    efficiency: list[str]
    outlook: str
    pays: Comparison | None
    spent: dict[str, float]
    refused: dict[str, str]


def answered(results: Results, climb: Climb, finalists: Sequence[Unit], seeds: int) -> Answer:
    """Compare the units that reached the last rung on the tested items, at every setting that was scored."""
    assert climb.validation is not None
    assert climb.state.scoring is not None
    problem, last = thinned(climb.validation.problem, climb.state.scoring.tested), climb.history[-1]
    folders = {
        unit.folder(climb.seed + number): unit.name for unit in climb.state.units for number in range(seeds) if unit.name in last.scores
    }
    primary = results.primary["probe"], results.primary["labels_per_class"]
    settings = dict.fromkeys([primary, *((said.probe, said.labels_per_class) for said in results.predictions)])
    uses = [_use(tables_of(results, folders, *setting), problem, *setting) for setting in settings]
    best = uses[0].best
    unit = next(unit for unit in climb.state.units if unit.name == best)
    own = {name: unit for name, unit in folders.items() if unit == best}
    efficiency = efficiencies(
        results,
        problem,
        own,
        backbone=climb.state.measured[best].backbone,
        seeds=(uses[0].standing.seed_spread, uses[0].standing.seed_freedom),
    )
    ahead = _outlook(climb, best)
    costs = [_cost(climb, unit) for unit in climb.state.trained]
    return Answer(
        recommended=best, run=unit.folder(climb.seed), uses=uses, costs=costs, rungs=list(climb.history),
        finalists=[unit.name for unit in finalists], seeds=seeds, efficiency=efficiency, outlook=ahead,
        pays=_pays(results, unit.folder(climb.seed), uses[0]), spent=dict(climb.state.spent), refused=dict(climb.state.refused),
    )  # fmt: skip


def _pays(results: Results, run: str, use: Use) -> Comparison | None:
    """The recommended unit against the strongest row without pretraining, None where there is none.

    It was chosen as the best of several on the same items, so the interval is as wide as all of them together ask for (Bonferroni); where
    it was trained once, what seeds change is added as it is for the others.
    """
    row = next(row for row in results.rows if run in row.runs)
    for item in results.comparisons:
        if (item.row, item.probe, item.labels_per_class) == (row.row, use.probe, use.labels_per_class) and item.best_baseline:
            several = len(use.standing.standings)
            variance = ((item.high - item.low) / 2 / stats.norm.isf((1 - LEVEL) / 2)) ** 2
            variance += use.standing.seed_spread**2 if len(row.runs) == 1 else 0.0
            half = float(stats.norm.isf((1 - LEVEL) / 2 / several) * variance**0.5)
            low, high = max(-1.0, item.difference - half), min(1.0, item.difference + half)
            return replace(item, low=low, high=high, verdict="better" if low > 0 else "worse" if high < 0 else "not told apart")
    return None


def tables_of(results: Results, folders: Mapping[str, str], probe: str, count: LabelsPerClass) -> dict[str, Float[np.ndarray, "S D N"]]:
    """What each unit told rightly, seed by seed and draw by draw; `folders` says which unit a run is of."""
    truth = np.array(list(results.truth.values()))
    found: dict[str, dict[str, list[np.ndarray]]] = {}
    for said in results.predictions:
        if said.probe == probe and said.labels_per_class == count and said.run in folders:
            found.setdefault(folders[said.run], {}).setdefault(said.run, []).append(np.array(said.predicted) == truth)
    return {unit: np.stack([np.stack(draws) for draws in runs.values()]).astype(float) for unit, runs in found.items()}


def _use(tables: Tables, problem: Problem, probe: str, count: LabelsPerClass) -> Use:
    sample = sample_of(problem, Setting(probe, count))
    standing = differences(tables, sample)
    best, second = standing.standings[0], standing.standings[1]
    needed = None
    if second.verdict != "worse":
        pair = {one.unit: tables[one.unit] for one in (best, second)}
        seen = standing.seed_spread if standing.seeds_seen else None
        needed = needs(estimate(pair, sample, seed_spread=seen), standing.pairs[0].plain.value, units=len(tables)).words
    return Use(probe, count, best.unit, standing, needed)


def efficiencies(
    results: Results, problem: Problem, folders: Mapping[str, str], *, backbone: str, seeds: tuple[float, float] | None = None
) -> list[str]:
    """How many times the labels training from scratch would need, at each number of labels, by the linear probe.

    `folders` names the runs, all of one unit on that `backbone`, that `results` scored; `seeds` is as for `label_efficiency`. Nothing is
    said where training the backbone from scratch was scored at fewer than two numbers of labels.
    """
    probe = "linear" if any(row.probe == "linear" for row in results.rows) else results.primary["probe"]
    numbers = {count: _labels(problem, count) for count in dict.fromkeys(row.labels_per_class for row in results.rows)}
    pretrained, scratch, samples = {}, {}, {}
    for count, number in numbers.items():
        own = tables_of(results, folders, probe, count)
        beside = _scratch_table(results, probe, count, backbone)
        if own and number not in samples:
            samples[number] = sample_of(problem, Setting(probe, count))
            pretrained[number] = next(iter(own.values()))
            if beside is not None:
                scratch[number] = beside
    if len(scratch) < 2:
        return []
    return [f"with {found.labels:g} labels a class: {found.words}" for found in label_efficiency(pretrained, scratch, samples, seeds=seeds)]


def _scratch_table(results: Results, probe: str, count: LabelsPerClass, backbone: str) -> Float[np.ndarray, "S D N"] | None:
    """What training a backbone from scratch told rightly; its name stands in the row where there are several."""
    truth, names = np.array(list(results.truth.values())), (SCRATCH, f"{SCRATCH} ({backbone}")
    rows = [said for said in results.predictions if (said.probe, said.labels_per_class) == (probe, count)]
    rows = [said for said in rows if said.row == names[0] or said.row.startswith(names[1])]
    return np.stack([np.array(said.predicted) == truth for said in rows])[None].astype(float) if rows else None


def _labels(problem: Problem, count: LabelsPerClass) -> float:
    """A number of labels a class; of all labels, their mean over classes."""
    return float(count) if count != "all" else round(len(problem.train) / len(problem.classes), 1)


def _outlook(climb: Climb, best: str) -> str:
    """What twice the time would bring for a unit, from its validation at every rung."""
    assert climb.validation is not None
    unit = next(unit for unit in climb.state.units if unit.name == best)
    tables = {}
    for rung in climb.history:
        found = climb.state.kept(unit, rung.steps[best]) if best in rung.steps else None
        if found is not None:
            tables[rung.seconds] = found[None]
    return outlook_of(tables, climb.validation.sample).words


def _cost(climb: Climb, unit: Unit) -> Cost:
    reached = [rung for rung in climb.history if unit.name in rung.steps][-1]
    one, steps = climb.state.measured[unit.name], reached.steps[unit.name]
    return Cost(
        unit.name, steps * one.seconds_per_step, steps, steps * one.batch_size / one.rows, one.batch_size / one.seconds_per_step,
        one.parameters, one.operations, one.backbone, one.memory,
    )  # fmt: skip
