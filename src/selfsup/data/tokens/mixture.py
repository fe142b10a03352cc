"""How often each language is seen: shares from sizes, and the rows of an epoch from shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from selfsup.data.batches import generator


@dataclass(frozen=True)
class Mixing:
    """How languages are mixed: `alpha` 1 as they are, 0 all alike; no text is seen more than `repeats` times while all text is read once.

    .3 is what XLM-R and mT5 took (Conneau et al., ACL 2020; Xue et al., NAACL 2021), 4 the repeats that Muennighoff et al. (NeurIPS 2023)
    found to be nearly as good as new text. Raises ValueError.
    """

    alpha: float = 0.3
    repeats: float = 4.0

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha={self.alpha} was given. Expected 0 (all languages alike) to 1 (as much as there is of each).")
        if self.repeats < 1:
            raise ValueError(f"repeats={self.repeats} was given. Expected at least 1: how often a small language may be repeated.")


def shares(sizes: Sequence[float], mixing: Mixing, *, budget: float | None = None) -> list[float]:
    """The share of each language in training, given how much there is of each; they sum to 1.

    q ~ p^alpha (Conneau & Lample, NeurIPS 2019, section 3.1), but no language is seen more than `repeats` times, and what that frees goes
    to the others in proportion. With alpha = 0 this is UniMax (Chung et al., ICLR 2023, algorithm 1). `budget` is how much is trained on,
    by default all of it once. Where it is more, everything has to be repeated, and the cap holds for each time that all is read: taken
    over the whole run it would undo alpha, since then all languages reach it.
    """
    total = sum(sizes)
    if not sizes or min(sizes) <= 0:
        raise ValueError(f"sizes={list(sizes)} were given. Expected a positive size for each language.")
    seen = total if budget is None else min(budget, total)
    most = [mixing.repeats * size / seen for size in sizes]
    weights = [(size / total) ** mixing.alpha for size in sizes]
    capped: set[int] = set()
    while True:
        free = 1 - sum(most[place] for place in capped)
        scale = free / sum(weight for place, weight in enumerate(weights) if place not in capped)
        over = {place for place, weight in enumerate(weights) if place not in capped and weight * scale > most[place] * (1 + 1e-9)}
        if not over:
            return [most[place] if place in capped else weight * scale for place, weight in enumerate(weights)]
        capped |= over


def whole_counts(parts: Sequence[float], total: int) -> list[int]:
    """`total` things in whole numbers, as near to the shares as can be: the largest remainders are rounded up."""
    counts = [int(part * total) for part in parts]
    order = sorted(range(len(parts)), key=lambda place: counts[place] - parts[place] * total)
    for place in order[: total - sum(counts)]:
        counts[place] += 1
    return counts


class Mixture:
    """The rows of each epoch, mixed: as many as there are in all, but of each language its share.

    `groups` are the rows of each language. A language is read from row to row in an order drawn anew for each pass through it, going on
    from epoch to epoch where it stopped: no row comes a second time before all have come once. Then the rows of the epoch are shuffled.
    Everything follows from (seed, epoch). `budget` in rows, as in `shares`.
    """

    def __init__(self, groups: Mapping[str, range], mixing: Mixing, *, budget: int | None = None) -> None:
        self.groups = {language: rows for language, rows in groups.items() if len(rows)}
        if not self.groups:
            raise ValueError("There is no row of any language. Expected at least one: use more text, or a smaller context.")
        sizes = [len(rows) for rows in self.groups.values()]
        parts = shares(sizes, mixing, budget=budget)
        self.shares = dict(zip(self.groups, parts, strict=True))
        self.counts = dict(zip(self.groups, whole_counts(parts, sum(sizes)), strict=True))

    def __len__(self) -> int:
        return sum(self.counts.values())

    def epoch(self, seed: int, number: int) -> Int64[Tensor, "N"]:
        """The store's rows in the order of an epoch."""
        rows = torch.cat([self._drawn(language, seed, number) for language in self.groups])
        return rows[torch.randperm(len(rows), generator=generator(seed, number))]

    def _drawn(self, language: str, seed: int, number: int) -> Int64[Tensor, "n"]:
        rows, count = self.groups[language], self.counts[language]
        place, end = number * count, (number + 1) * count
        drawn = [torch.empty(0, dtype=torch.int64)]
        while place < end:
            turn, start = divmod(place, len(rows))
            order = torch.randperm(len(rows), generator=generator(seed, f"{language}/{turn}"))
            drawn.append(order[start : start + end - place])
            place += len(drawn[-1])
        return torch.cat(drawn) + rows.start
