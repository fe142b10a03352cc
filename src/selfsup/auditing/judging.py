"""From what was told to what it means: losses and rising confusions with paired intervals, and a verdict."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from selfsup.auditing.findings import BREAKS, COSTS, HELPS, KEEPS, OPEN, Finding, Pair
from selfsup.auditing.sample import Sample
from selfsup.auditing.transforms import Transform
from selfsup.probing.intervals import LEVEL, Interval, influence_part, interval_around, mean_interval, spread_part
from selfsup.probing.intervals import Sample as Weighed

RISE = 0.03
"""Share of two classes' pictures that have to be confused anew for the pair to be named."""

EXAMPLES = 8
"""Pictures kept for each pair."""


def balanced(hits: Float[np.ndarray, "S n"], sample: Sample) -> Interval:
    """Balanced accuracy: the mean over seeds and, each class alike, over pictures."""
    return mean_interval(hits[:, None, :], Weighed(_weights(sample.targets), sample.members))


def find(transform: Transform, plain: Float[np.ndarray, "S n K"], views: Float[np.ndarray, "S n K"], sample: Sample) -> Finding:
    """What a transform does to the labels, from the votes of probes (shares of classes) over seeds."""
    before, after = (each[:, np.arange(len(sample.targets)), sample.targets] for each in (plain, views))
    whole, chance = balanced(before, sample), 1 / len(sample.classes)
    loss = _paired(before - after, sample.targets, sample.members)
    share = None
    if whole.low > chance:
        room = whole.value - chance
        share = Interval(loss.value / room, loss.low / room, loss.high / room)
    pairs = rising(plain, views, sample) if share is not None else []
    verdict = judge(share, margin=transform.margin, alike=bool(pairs) and transform.blind)
    return Finding(
        name=transform.name,
        words=transform.words,
        option=transform.option,
        strength=transform.strength,
        told=balanced(after, sample),
        loss=loss,
        share=share,
        margin=transform.margin,
        verdict=verdict,
        pairs=pairs,
    )


def judge(share: Interval | None, *, margin: float, alike: bool) -> str:
    """The verdict, from the share of predictability that is lost, and whether some classes became `alike`.

    Whether something is lost or gained is told by the interval leaving out 0; how much counts by the margin. Classes that became alike are
    broken however small a share of all they are. A loss that may be nothing and may be more than the margin cannot be told.
    """
    if share is None:
        return OPEN
    if share.value > 0 and (alike or (share.low > 0 and share.value >= margin)):
        return BREAKS
    if share.low > 0:
        return COSTS
    if share.high < 0:
        return HELPS
    return KEEPS if share.high < margin else OPEN


def rising(plain: Float[np.ndarray, "S n K"], views: Float[np.ndarray, "S n K"], sample: Sample) -> list[Pair]:
    """Pairs of classes that are confused more often in views, by at least `RISE`, the most first.

    A picture counts with the share of its views that were called the other class. Intervals are as wide as all pairs together ask for.
    """
    size = len(sample.classes)
    level = 1 - (1 - LEVEL) / (size * (size - 1) / 2)
    means = [_confusion(votes.mean(0), sample) for votes in (plain, views)]
    found = []
    for first, second in combinations(range(size), 2):
        before, after = ((table[first, second] + table[second, first]) / 2 for table in means)
        if after - before < RISE:
            continue
        rows = np.flatnonzero(np.isin(sample.targets, (first, second)))
        other = np.where(sample.targets[rows] == first, second, first)
        change = views[:, rows, other] - plain[:, rows, other]
        interval = _paired(change, sample.targets[rows], None if sample.members is None else sample.members[rows], level=level)
        if interval.low > 0:
            names, telling = (sample.classes[first], sample.classes[second]), rows[np.argsort(-change.mean(0), kind="stable")[:EXAMPLES]]
            ids = [sample.ids[row] for row in telling]
            found.append(Pair(*names, float(before), float(after), interval.low, interval.high, ids))
    return sorted(found, key=lambda pair: -pair.rise)


def _confusion(votes: Float[np.ndarray, "n K"], sample: Sample) -> Float[np.ndarray, "K K"]:
    """The share of each class (row) that was called each class."""
    return np.stack([votes[sample.targets == label].mean(0) for label in range(len(sample.classes))])


def paired_mean(shares: Float[np.ndarray, "S n"], sample: Sample) -> Interval:
    """The mean over seeds and pictures, classes alike, of a share that each picture has."""
    return _paired(shares, sample.targets, sample.members)


def _weights(targets: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """What each picture counts, classes alike, summing to 1."""
    counts = np.bincount(targets)
    return np.asarray(1 / (counts[targets] * (counts > 0).sum()))


def _paired(
    change: Float[np.ndarray, "S n"], targets: Int[np.ndarray, " n"], members: np.ndarray | None, *, level: float = LEVEL
) -> Interval:
    """The mean of a change, classes alike, with what other seeds, and other pictures (or groups) of the same classes, would change."""
    weights = _weights(targets)
    means, each = change @ weights, change.mean(0)
    centres = np.bincount(targets, weights=each) / np.maximum(np.bincount(targets), 1)
    influence = weights * (each - centres[targets])
    if members is not None:
        influence = np.bincount(members, weights=influence)
    found = interval_around(float(means.mean()), [influence_part(influence), spread_part(means)], low=-1.0, high=1.0)
    wider = 1.0 if level == LEVEL else float(stats.norm.ppf((1 + level) / 2) / stats.norm.ppf((1 + LEVEL) / 2))
    return Interval(found.value, found.value - wider * (found.value - found.low), found.value + wider * (found.high - found.value))
