"""What an audit found, typed, and as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

from selfsup.probing.intervals import Interval

HELPS, KEEPS, COSTS, BREAKS, OPEN = "helps", "keeps", "costs", "breaks", "cannot tell"


@dataclass(frozen=True)
class Pair:
    """Two classes taken for one another more often in views than in whole pictures: shares of both classes' pictures, alike weighed.

    `low` and `high` are the ends of the interval of the rise, at 95 % over all pairs of classes together (Bonferroni). `examples` are
    ids of pictures that show it best.
    """

    first: str
    second: str
    before: float
    after: float
    low: float
    high: float
    examples: list[str] = field(default_factory=list)

    @property
    def rise(self) -> float:
        return self.after - self.before


@dataclass(frozen=True)
class Finding:
    """One transform: how well labels can be told from its views, what that is less than from whole pictures, and what it means.

    `told` is a balanced accuracy; `loss` what is lost of it, paired by pictures; `share` the same as a share of what can be told above
    chance, None where labels cannot be told at all; from `margin` of it on, labels break. `option` and `strength` are the task's option
    that it speaks for, and the value tried.
    """

    name: str
    words: str
    option: str
    strength: float
    told: Interval
    loss: Interval
    share: Interval | None
    margin: float
    verdict: str
    pairs: list[Pair] = field(default_factory=list)


@dataclass(frozen=True)
class Upright:
    """Whether pictures have a way up: how well one of four quarter turns can be told (.25 by chance), and upright from upside down (.5)."""

    quarter: Interval
    half: Interval

    @property
    def verdict(self) -> str:
        """ "yes", "no", "not top from bottom" (which looks alike upside down) or "cannot tell"."""
        if self.half.low > HALF_TOLD:
            return "yes"
        if self.quarter.high < QUARTER_TOLD:
            return "no"
        if self.half.high < HALF_TOLD and self.quarter.low > QUARTER_TOLD:
            return "not top from bottom"
        return OPEN


HALF_TOLD, QUARTER_TOLD = 0.6, 0.35
"""Below these, a way up is told for so few pictures (a fifth, an eighth) that rotation has mostly nothing to learn."""
