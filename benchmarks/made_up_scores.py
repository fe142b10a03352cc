"""Made-up tables of rightness whose true scores and variances are known, for trying the statistics of comparisons.

An item is told right where the sum of normal effects is above 0: the unit's level, the draw of labels (shared by all units, and the unit's
own), the seed, the item (shared, the unit's own, the training's own), and the rest. All effects together have variance 1, so a unit at
level z has the true score Phi(z), and an effect of standard deviation s moves the score by about s phi(z).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from selfsup.probing.intervals import Sample

ITEM, ITEM_OF_UNIT, ITEM_OF_TRAINING = 0.6, 0.1, 0.1
"""Shares of the variance. Rightness averaged over three seeds and ten draws then correlates by about 0.7 between units, as on solar
cells; on the digits it is 0.5 to 0.65."""


@dataclass(frozen=True)
class Made:
    """How tables are made. Spreads are standard deviations as shares of 1, at `score`; runs of `group` items err together."""

    seeds: int = 3
    draws: int = 10
    items: int = 500
    score: float = 0.85
    seed_spread: float = 0.015
    draw_spread: float = 0.025
    own_draw_spread: float = 0.012
    group: int = 1
    uneven: float = 1.0
    """Every other unit has seed and draw spreads this many times as large, the rest as many times smaller."""

    def sample(self) -> Sample:
        """The items as intervals see them."""
        groups = np.arange(self.items) // self.group if self.group > 1 else None
        return Sample(np.full(self.items, 1 / self.items), groups)

    def tables(self, below: Sequence[float], rng: np.random.Generator, *, seeds: Sequence[int] = ()) -> dict[str, np.ndarray]:
        """A table for each unit whose true score lies this far below `score`; `seeds` overrules their number, unit by unit."""
        slope = stats.norm.pdf(stats.norm.ppf(self.score))
        shared = rng.normal(0, self.draw_spread / slope, (1, self.draws, 1)) + self._items(ITEM, 1, rng)
        found = {}
        for unit, distance in enumerate(below):
            count = seeds[unit] if seeds else self.seeds
            factor = self.uneven ** (1 if unit % 2 else -1)
            seed = rng.normal(0, factor * self.seed_spread / slope, (count, 1, 1))
            draw = rng.normal(0, factor * self.own_draw_spread / slope, (1, self.draws, 1))
            own = self._items(ITEM_OF_UNIT, 1, rng) + self._items(ITEM_OF_TRAINING, count, rng)
            moving = (self.seed_spread**2 + self.own_draw_spread**2) * factor**2 + self.draw_spread**2
            rest = 1 - ITEM - ITEM_OF_UNIT - ITEM_OF_TRAINING - moving / slope**2
            level = stats.norm.ppf(self.score - distance)
            noise = rng.standard_normal((count, self.draws, self.items), dtype=np.float32) * np.float32(rest**0.5)
            found[f"unit {unit}"] = (noise + (level + shared + seed + draw + own).astype(np.float32) > 0).astype(np.float32)
        return found

    def _items(self, variance: float, count: int, rng: np.random.Generator) -> np.ndarray:
        """Effects of items; half of their variance belongs to their groups where there are groups."""
        own = rng.standard_normal((count, 1, self.items))
        if self.group > 1:
            groups = rng.standard_normal((count, 1, -(-self.items // self.group)))
            own = (own + np.repeat(groups, self.group, axis=2)[..., : self.items]) / 2**0.5
        return np.asarray(own * variance**0.5)
