"""The probe that trains the network too: what `finetune` would hand over for each draw of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from selfsup.embedding import Reading
from selfsup.evaluation.baselines import Told
from selfsup.evaluation.predictions import Predictions, Setting
from selfsup.evaluation.problem import FINETUNE, Problem
from selfsup.evaluation.scoring import collect
from selfsup.finetuning import Plan, fine_tuned
from selfsup.finetuning.kinds import kind_of
from selfsup.run import Run


@dataclass(frozen=True)
class Finetuned:
    """What fine-tuned networks say of the tested items, and in how many draws the linear probe was kept."""

    predictions: Predictions
    kept_probe: int


def score_finetuned(
    run: Run, network: nn.Module, reading: Reading[Any], *, problem: Problem, settings: Sequence[Setting], told: Told
) -> dict[Setting, Finetuned]:
    """The settings that ask for fine-tuning. Each draw chooses inside its own labels, groups held back whole, as `finetune` does."""
    recipe, options = kind_of(run.kind, run.folder).recipe(run, balanced=problem.skewed, views={})
    plan = Plan(len(problem.classes), problem.reference, recipe, options)
    found = {}
    for setting in (setting for setting in settings if setting.probe == FINETUNE):
        draws, scores, kept = problem.draws[setting.labels_per_class], [], 0
        for number, draw in enumerate(draws):
            told(f"run {run.name}, fine-tuned ({setting.labels_per_class} labels a class, draw {number + 1} of {len(draws)})")
            groups = None if problem.members is None else problem.members[draw]
            done = fine_tuned(network, reading, rows=draw, targets=problem.targets[draw], plan=plan, groups=groups, seed=number)
            scores.append((done.classifier.predict(reading, problem.test), done.choice.layer))
            kept += done.share == 0
        found[setting] = Finetuned(collect(scores, problem.truth), kept)
    return found
