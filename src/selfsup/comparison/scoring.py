"""The scores that are reported: all runs on the tested items, beside baselines, as far as the budget goes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from selfsup.comparison.climbing import Climb
from selfsup.comparison.plan import BASELINES, SCORING
from selfsup.comparison.scoring_plan import Costs, ScoringPlan, in_words
from selfsup.comparison.units import Unit
from selfsup.comparison.wishes import Comparing
from selfsup.evaluation import Results, evaluate
from selfsup.evaluation.problem import FEWEST_TESTED

UNTRAINED = 0.5
"""Share of the time for baselines that goes to untrained networks; the rest to what is trained on labels."""


def scored(climb: Climb, asked: Comparing, data: Any, finalists: Sequence[Unit], seeds: int) -> Results:
    """Every unit's run, and the finalists' further seeds, on the tested items, beside baselines."""
    assert climb.validation is not None
    began, state, protocol = time.perf_counter(), climb.state, asked.protocol
    units = state.trained
    further = [(unit, asked.seed + number) for unit in finalists for number in range(1, seeds)]
    further = [(unit, seed) for unit, seed in further if unit.folder(seed) not in climb.lost]
    runs = [state.runs / unit.folder(seed) for unit, seed in [*((unit, asked.seed) for unit in units), *further]]
    if state.scoring is None:
        state.scoring = _planned(climb, asked, [*units, *(unit for unit, _ in further)])
        state.save()
    plan = state.scoring
    climb.told(f"scoring {len(runs)} runs on the tested items with {plan.draws} draws of labels, beside baselines")
    there = len(climb.validation.problem.test)
    results = evaluate(
        runs, data, labels=protocol.labels, probes=plan.probes, labels_per_class=plan.labels_per_class, draws=plan.draws,
        tested=max(plan.tested, FEWEST_TESTED), initialisations=plan.untrained, seed=protocol.seed, weights=asked.weights,
        scratch_at=plan.scratch_at, out=state.folder, **asked.reading,
    )  # fmt: skip
    state.add("scoring", time.perf_counter() - began)
    lost = in_words(plan, protocol, there)
    given_up = [f"For want of time: {'; '.join(lost)}."] if lost else []
    return replace(results, notes=[*state.notes, *results.notes, *given_up])


def _planned(climb: Climb, asked: Comparing, units: Sequence[Unit]) -> ScoringPlan:
    """What fits into the shares for scoring and baselines, of which validation took a part already. `units` has one for each run."""
    assert climb.validation is not None
    state, measured = climb.state, climb.state.measured
    runs = Counter(measured[unit.name].backbone for unit in units)
    rows: dict[str, float] = {}
    for unit in units:
        one = measured[unit.name]
        rows[one.backbone] = min(rows.get(one.backbone, float("inf")), one.seconds_per_step / one.batch_size)
    costs = Costs(climb.validation.problem, asked.protocol, state.pace, runs, rows)
    share = SCORING + UNTRAINED * BASELINES
    left = share * asked.seconds - state.spent.get("scoring", 0.0)
    return costs.plan(networks=left, training=(1 - UNTRAINED) * BASELINES * asked.seconds)
