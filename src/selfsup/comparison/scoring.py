"""The scores that are reported: all runs on the tested items, beside baselines, with as many draws of labels as the budget allows."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from selfsup.comparison.climbing import Climb
from selfsup.comparison.plan import BASELINES, SCORING
from selfsup.comparison.state import State
from selfsup.comparison.units import Unit
from selfsup.comparison.validation import REPEATS
from selfsup.comparison.wishes import Comparing
from selfsup.evaluation import Results, evaluate
from selfsup.evaluation.baselines import INITIALISATIONS
from selfsup.evaluation.problem import FEWEST_DRAWS, LabelsPerClass, Problem
from selfsup.finetuning.recipe import Recipe
from selfsup.finetuning.tuning import TUNING_FOLDS
from selfsup.probing.choice import FEWEST

TRIALS = 4
"""About so many trainings tune one from scratch, each a third as long."""


def scored(climb: Climb, asked: Comparing, data: Any, finalists: Sequence[Unit], seeds: int) -> Results:
    """Every unit's run, and the finalists' further seeds, on the tested items, beside baselines."""
    assert climb.validation is not None
    began, state, protocol = time.perf_counter(), climb.state, asked.protocol
    runs = [state.runs / unit.folder(asked.seed) for unit in state.units if unit.name in state.measured]
    runs += [state.runs / unit.folder(asked.seed + number) for unit in finalists for number in range(1, seeds)]
    if state.draws is None:
        state.draws = _draws(climb, asked, len(runs))
        state.save()
    climb.told(f"scoring {len(runs)} runs on the tested items with {state.draws} draws of labels, beside baselines")
    supervised = _supervised(state, asked, climb.validation.problem)
    results = evaluate(
        runs, data, labels=protocol.labels, probes=protocol.probes, labels_per_class=protocol.labels_per_class, draws=state.draws,
        seed=protocol.seed, weights=asked.weights, scratch_at=supervised, out=state.folder, **asked.reading,
    )  # fmt: skip
    state.add("scoring", time.perf_counter() - began)
    return results


def _draws(climb: Climb, asked: Comparing, runs: int) -> int:
    """As many draws of labels as were asked for, or fewer, so that scoring fits into its share: told from what validation took."""
    fits = 2 * REPEATS * sum(len(rung.steps) for rung in climb.history)
    each = climb.state.spent.get("scoring", 0.0) / fits
    backbones = {one.backbone for one in climb.state.measured.values()}
    networks = runs + INITIALISATIONS * len(backbones)
    a_draw = networks * len(asked.protocol.probes) * sum(count != "all" for count in asked.protocol.labels_per_class) * each
    left = SCORING * asked.seconds - climb.state.spent.get("scoring", 0.0)
    return max(FEWEST_DRAWS, min(asked.protocol.draws, int(left / max(a_draw, 1e-6))))


def _supervised(state: State, asked: Comparing, problem: Problem) -> list[LabelsPerClass]:
    """The numbers of labels at which training from scratch fits into its share of the budget: the primary first, then from few to many.

    A step is taken to cost as much as the cheapest unit's, row by row.
    """
    row = min(one.seconds_per_step / one.batch_size for one in state.measured.values())
    recipe, left = Recipe(None), BASELINES * asked.seconds
    chosen: list[LabelsPerClass] = []
    primary = asked.protocol.primary.labels_per_class
    for count in sorted(asked.protocol.labels_per_class, key=lambda count: (count != primary, count == "all", str(count).zfill(9))):
        labels, draws = len(problem.draws[count][0]), 1 if count == "all" else state.draws or FEWEST_DRAWS
        steps = recipe.steps_for(labels) * (1.0 if isinstance(count, int) and count < FEWEST else 1.0 + TRIALS / TUNING_FOLDS)
        spent = draws * math.ceil(steps) * recipe.batch_size * row
        if spent <= left:
            left, chosen = left - spent, [*chosen, count]
    return chosen
