"""From a network and a few labels to a classifier: a linear probe, fine-tuned as far as held-back labels say that it helps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Int
from torch import nn

from selfsup.embedding import Reading
from selfsup.finetuning.beginning import frozen_features
from selfsup.finetuning.classifier import Classifier, between, probe_classifier
from selfsup.finetuning.held_back import SHARES, HeldBack, hold_back
from selfsup.finetuning.recipe import Recipe
from selfsup.finetuning.training import train_classifier
from selfsup.probing.choice import FEWEST, Choice

FEW_SHARE = 0.5
"""How far to go from the linear probe where labels are too few to choose by."""

FEW_LABELS = "Labels are too few to compare fine-tuning with the linear probe"

FEW_GROUPS = (
    "Groups are held back whole, and they leave labels of fewer than two classes to compare fine-tuning with the linear probe by "
    "(a class that lies in one group is only learned from; label some of each class in several groups, or give other groups)"
)

Told = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """How to fine-tune for some data: classes there are, rows that say how much features vary (labels unread), the recipe, and what of it
    is tried in place of its values. Without `compare` the fine-tuned end is taken, whatever the linear probe would do.
    """

    classes: int
    reference: Int[np.ndarray, "r"]
    recipe: Recipe
    options: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    compare: bool = True


@dataclass(frozen=True)
class FineTuned:
    """A classifier, and how it came about: `share` of the way from the linear `probe` to what `recipe` made of it in `steps`.

    `choice` is the probe's layer and strength. `held_back` is None where no label could be held back; `not_compared` says why labels could
    not choose, and is empty where they did.
    """

    classifier: Classifier
    probe: Classifier
    choice: Choice
    recipe: Recipe
    share: float
    held_back: HeldBack | None
    not_compared: str
    steps: int


def fine_tuned(
    network: nn.Module,
    reading: Reading[Any],
    *,
    rows: Int[np.ndarray, "n"],
    targets: Int[np.ndarray, "n"],
    plan: Plan,
    groups: np.ndarray | None = None,
    seed: int = 0,
    told: Told = lambda words: None,
) -> FineTuned:
    """Fit a linear probe on labelled rows, hold labels back to settle how to go on and how far, and fine-tune on all of them.

    Nothing but these labels chooses anything. From `FEWEST` labels a class (in the median) on, recipe and share are what told held-back
    labels best, and a share of 0 is the linear probe itself. With fewer, they are fixed, as they are where `groups` of the rows, which are
    held back whole, leave nothing to judge by.
    """
    frozen = frozen_features(
        network, reading, rows=rows, targets=targets, reference=plan.reference, classes=plan.classes, balanced=plan.recipe.balanced
    )
    choice = frozen.choice(groups=groups, seed=seed)
    sizes = np.unique_counts(targets).counts
    enough = bool(np.median(sizes) >= FEWEST)
    recipe, share, held = plan.recipe, FEW_SHARE if plan.compare else 1.0, None
    tried = []
    for one in _candidates(plan) if enough else [plan.recipe]:
        found = hold_back(network, reading, frozen=frozen, rows=rows, choice=choice, recipe=one, groups=groups, seed=seed, told=told)
        if found is None:  # nor will it be with another recipe
            break
        tried.append((one, found))
    if tried:
        recipe, held, share = _best(tried, share if not enough else None, plan.compare)
    start = frozen.start(choice)
    probe = classifier = probe_classifier(network, type(reading), plan.classes, start)
    if share > 0:
        told("all labels")
        end = train_classifier(
            network, reading, rows=rows, targets=targets, classes=plan.classes, recipe=recipe, seed=seed, start=start
        )  # fmt: skip
        classifier = between(probe, end, share)
    few = FEW_GROUPS if enough and groups is not None else FEW_LABELS
    reason = "" if enough and held else few
    return FineTuned(classifier.eval(), probe, choice, recipe, share, held, reason, recipe.steps_for(len(rows)) if share > 0 else 0)


def _candidates(plan: Plan) -> list[Recipe]:
    """The recipe with every combination of its options."""
    tried = [plan.recipe]
    for name, values in plan.options.items():
        tried = [replace(one, **{name: value}) for one in tried for value in values]
    return tried


def _best(tried: Sequence[tuple[Recipe, HeldBack]], share: float | None, compare: bool) -> tuple[Recipe, HeldBack, float]:
    """The recipe and share that told held-back items best; the shorter way wins where they are level."""
    shares = [share] if share is not None else list(SHARES) if compare else [1.0]
    return max(
        ((recipe, held, one) for one in shares for recipe, held in tried),
        key=lambda found: found[1].quality(found[2]),
    )
