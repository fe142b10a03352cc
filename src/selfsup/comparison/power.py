"""How small a difference can be seen, and how many seeds, draws of labels and test items would show a smaller one.

The variance of a difference is that of one training, one draw and one item, each divided by how many there are. A pair of units is told
apart where its t-value passes the corrected threshold of the first step of `differences`; a true difference of (threshold + the normal
quantile of the power) standard errors does so with that power. Later steps ask for less, so this is on the careful side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from selfsup.comparison.estimates import KNOWN, Estimates
from selfsup.probing.intervals import LEVEL, widened_by_overlap

POWER = 0.8
MOST_SEEDS = 20
MOST_TIMES = 20
"""No more than this many times the test items are proposed: somebody has to label them."""

CHEAP_DRAWS = 20
"""So many draws of labels cost little: only probes are fitted anew."""


@dataclass(frozen=True)
class Design:
    """What a comparison is made of: `units`, `seeds` each, `draws` of labels, test `items` (or groups, where there are groups)."""

    units: int
    seeds: int
    draws: int
    items: int


@dataclass(frozen=True)
class Variation:
    """Variance of the difference of two units from one training each, from one draw, and from one item; medians over pairs.

    `overlap` of draws as in `Sample`; `shared_freedom` is what pairs tell of each other's draws, in degrees of freedom; `seeds_seen` is
    False where the variance over seeds was assumed.
    """

    seed: float
    draw: float
    item: float
    overlap: float
    shared_freedom: float
    seeds_seen: bool


@dataclass(frozen=True)
class Needs:
    """What would show `difference`: more seeds alone, more test items alone, or the least of both together (None: not within reason).

    `visible` is the smallest difference that the comparison as it was made would show with a power of 80 %.
    """

    difference: float
    visible: float
    made: Design
    seeds_alone: int | None
    items_alone: int | None
    together: Design | None

    @property
    def words(self) -> str:
        """One or two sentences for a reader."""
        said, points = f"With these labels a difference of less than {100 * self.visible:.1f} points cannot be seen.", 100 * self.difference
        if self.visible <= self.difference:
            return said
        if self.together is None:
            return f"{said} {MOST_SEEDS} seeds and {MOST_TIMES} times the test labels would not show {points:.1f} points either."
        now, then = self.made, self.together
        return (
            f"{said} For {points:.1f} points about {then.items:,} tested items (now {now.items:,}), {then.seeds} seeds (now {now.seeds}) "
            f"and {then.draws} draws of labels (now {now.draws}) would do."
        )


def design_of(found: Estimates, units: int | None = None) -> Design:
    """How the comparison was made, of so many `units` where `found` has some of them; seeds are the fewest that any with seeds has."""
    seeds = found.seeds[np.isfinite(found.seeds)]
    return Design(units or len(found.units), int(seeds.min()) if len(seeds) else 1, len(found.draws), len(found.influence))


def variation_of(found: Estimates) -> Variation:
    """What one training, one draw and one item add to the variance of a difference."""
    (draw, draw_freedom), item = found.draw_part(), found.item_part()
    rows = np.triu_indices(len(found.units), 1)
    return Variation(
        seed=2 * found.seed_variance if np.isfinite(found.seeds).any() else 0.0,
        draw=float(np.median(draw[rows])) / found.draw_factor,
        item=float(np.median(item[rows])) * len(found.influence),
        overlap=found.overlap,
        shared_freedom=max(0.0, draw_freedom - (len(found.draws) - 1)),
        seeds_seen=found.seed_freedom > 0,
    )


def visible(variation: Variation, design: Design, *, power: float = POWER) -> float:
    """The smallest true difference of two units, of all that are compared, that is told with this power."""
    seed_freedom = design.units * (design.seeds - 1.0) if variation.seeds_seen and design.seeds > 1 else KNOWN
    factor = widened_by_overlap(design.draws, variation.overlap) / design.draws
    parts = [
        (variation.seed / design.seeds, seed_freedom),
        (variation.draw * factor, max(design.draws - 1.0, 1.0) + variation.shared_freedom),
        (variation.item / design.items, max(design.items - 1.0, 1.0)),
    ]
    total = sum(variance for variance, _ in parts)
    if total <= 0:
        return 0.0
    freedom = total**2 / sum(variance**2 / degrees for variance, degrees in parts)
    threshold = stats.t.isf((1 - LEVEL) / (design.units * (design.units - 1)), freedom)
    return float((threshold + stats.norm.ppf(power)) * total**0.5)


def needs(found: Estimates, difference: float, *, units: int | None = None) -> Needs:
    """What would be needed to see `difference`, as a share of 1, among so many `units` (those of `found`); the sign does not matter."""
    variation, made, difference = variation_of(found), design_of(found, units), abs(difference)

    def fewest_items(design: Design) -> Design | None:
        """The design with as few items, of which there are at least as many as now, as show the difference."""
        low, high = design.items, design.items * MOST_TIMES
        if visible(variation, replace(design, items=high)) > difference:
            return None
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if visible(variation, replace(design, items=middle)) <= difference else (middle + 1, high)
        return replace(design, items=high)

    seeds = range(made.seeds, max(MOST_SEEDS, made.seeds) + 1)
    enough = [count for count in seeds if visible(variation, replace(made, seeds=count)) <= difference]
    items = fewest_items(made)
    draws = made.draws if made.draws == 1 else max(made.draws, CHEAP_DRAWS)  # all labels are one draw, and stay it
    designs = [design for count in seeds if (design := fewest_items(replace(made, seeds=count, draws=draws)))]
    together = min(designs, key=lambda design: design.items / made.items * design.seeds / made.seeds, default=None)
    return Needs(difference, visible(variation, made), made, enough[0] if enough else None, items.items if items else None, together)
