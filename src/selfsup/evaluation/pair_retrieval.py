"""Pictures found by their texts and texts by their pictures. A hit is any text that says of the picture what one of its own does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped

from selfsup.data.pairs.listing import identity_of
from selfsup.evaluation.retrieval import CHUNK, KS, chances
from selfsup.probing.intervals import Interval, Sample, mean_interval

WAYS = ("picture to text", "text to picture")


@dataclass(frozen=True)
class Matches:
    """The captions of one language, each once, that some pictures have: `texts`, and for each of the pictures `rows` which are its own."""

    group: str
    rows: Int[np.ndarray, "n"]
    texts: list[str]
    own: Bool[np.ndarray, "n m"]


@dataclass(frozen=True)
class Retrieval:
    """How often what is sought is among the nearest k, one way, in one language; `chance` is what k blind draws would find."""

    group: str
    way: str
    queries: int
    candidates: int
    recall: dict[int, Interval]
    chance: dict[int, float]


def matches_of(captions: Sequence[Sequence[tuple[str, str]]], rows: Sequence[int], group: str) -> Matches | None:
    """What some pictures are called in one language, given (text, language) of each; None where fewer than two texts or pictures are.

    Texts that differ in case and white space alone are one: a picture's caption that another has too is right for both.
    """
    numbers: dict[int, int] = {}
    texts, kept, own = list[str](), list[int](), list[list[int]]()
    for row in rows:
        mine = []
        for text, spoken in captions[row]:
            if spoken == group:
                number = numbers.setdefault(identity_of(text), len(texts))
                texts += [text] if number == len(texts) else []
                mine.append(number)
        if mine:
            kept.append(row)
            own.append(mine)
    if len(kept) < 2 or len(texts) < 2:
        return None
    table = np.zeros((len(kept), len(texts)), dtype=bool)
    for place, mine in enumerate(own):
        table[place, mine] = True
    return Matches(group, np.array(kept), texts, table)


def ranks_of(queries: Float[np.ndarray, "n E"], gallery: Float[np.ndarray, "m E"], own: Bool[np.ndarray, "n m"]) -> Int[np.ndarray, "n"]:
    """How many foreign items of the gallery are at least as near to each query as the nearest of its own.

    What is equally near counts against the embedding: one that has collapsed finds nothing.
    """
    columns, found = torch.from_numpy(gallery).T, []
    size = max(1, CHUNK // max(1, len(gallery)))
    for start in range(0, len(queries), size):
        near = torch.from_numpy(queries[start : start + size]) @ columns
        mine = torch.from_numpy(own[start : start + size])
        best = near.masked_fill(~mine, -torch.inf).amax(1, keepdim=True)
        found.append(((near >= best) & ~mine).sum(1))
    return np.asarray(torch.cat(found).numpy())


def both_ways(
    seeds: Sequence[tuple[Float[np.ndarray, "n E"], Float[np.ndarray, "m E"]]],
    matches: Matches,
    groups: Shaped[np.ndarray, "n"] | None = None,
) -> list[Retrieval]:
    """What networks of several seeds find, given the directions of pictures and texts by each; `groups` are the pictures'."""
    across = [ranks_of(pictures, texts, matches.own) for pictures, texts in seeds]
    back = [ranks_of(texts, pictures, matches.own.T) for pictures, texts in seeds]
    of_texts = None if groups is None else groups[matches.own.argmax(0)]
    return [
        _scored(np.stack(across), matches.own, matches.group, WAYS[0], groups),
        _scored(np.stack(back), matches.own.T, matches.group, WAYS[1], of_texts),
    ]


def _scored(
    ranks: Int[np.ndarray, "S n"], own: Bool[np.ndarray, "n m"], group: str, way: str, groups: Shaped[np.ndarray, "n"] | None
) -> Retrieval:
    queries, candidates = own.shape
    sample = Sample(np.full(queries, 1 / queries), groups)
    recall = {k: mean_interval((ranks < k)[:, None].astype(float), sample) for k in KS}
    blind = {k: float(chances(own.sum(1), candidates, k=k).mean()) for k in KS}
    return Retrieval(group, way, queries, candidates, recall, blind)
