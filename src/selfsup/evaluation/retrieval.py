"""Retrieval: how often what is sought is among the nearest by cosine. Features are dense or sparse; nothing is fitted.

A hit at k means that fewer than k items that were not sought are as near as the nearest that was. So what is equally near counts against
the embedding, whatever the order of items, and an embedding that has collapsed to a point finds nothing.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped

from selfsup.probing.metrics import item_weights
from selfsup.probing.sparse import Rows, cosines

KS = (1, 5, 10)

RETRIEVAL = "retrieval"
"""What a user asks for to have tested items sought from one another; its columns are recall@1, recall@5 and recall@10."""

HUBS = 10
"""Neighbours over which the margin's local density is a mean. Conneau et al., ICLR 2018, arXiv 1710.04087, section 2.3."""

CHUNK = 2**24
"""Similarities held in memory at once."""


def ranks(
    queries: Rows,
    gallery: Rows,
    *,
    sought: Shaped[np.ndarray, "n"],
    keys: Shaped[np.ndarray, "m"],
    own: Int[np.ndarray, "n"] | None = None,
    density: Float[np.ndarray, "m"] | None = None,
) -> Int[np.ndarray, "n"]:
    """How many items of the gallery that are not sought are at least as near to each query as the nearest that is; m where none is sought.

    Items whose key equals what a query seeks are sought. `own` is the query's own place in the gallery, which is left out. `density` is
    taken off the similarities (`densities` gives it, for the margin criterion).
    """
    _, numbers = np.unique(np.concatenate([sought, keys]), return_inverse=True)
    wanted, known = torch.from_numpy(numbers[: len(sought)]), torch.from_numpy(numbers[len(sought) :])
    found, start = [], 0
    for near in cosines(queries, gallery, rows=max(1, CHUNK // gallery.shape[0])):
        rows = torch.arange(start, start + len(near))
        if density is not None:
            near = near - torch.from_numpy(density).float()
        match = wanted[rows, None] == known
        if own is not None:
            mine = torch.from_numpy(own)[rows, None]
            near, match = near.scatter(1, mine, -torch.inf), match.scatter(1, mine, False)
        best = near.masked_fill(~match, -torch.inf).amax(1, keepdim=True)
        before = ((near >= best) & ~match).sum(1)
        found.append(torch.where(match.any(1), before, gallery.shape[0]))
        start += len(near)
    return np.asarray(torch.cat(found).numpy())


def densities(gallery: Rows, queries: Rows) -> Float[np.ndarray, "m"]:
    """Half the mean cosine of each item of the gallery to its nearest queries: what hubs, near to everything, are to lose."""
    parts = []
    for near in cosines(gallery, queries, rows=max(1, CHUNK // queries.shape[0])):
        parts.append(near.topk(min(HUBS, near.shape[1]), dim=1).values.mean(1) / 2)
    return np.asarray(torch.cat(parts).numpy())


def chances(sought: Int[np.ndarray, "n"], candidates: int, *, k: int) -> Float[np.ndarray, "n"]:
    """The chance that k of the candidates, drawn blindly, hold one of so many sought ones."""
    missed = np.ones(len(sought))
    for drawn in range(min(k, candidates)):
        missed *= np.maximum(candidates - sought - drawn, 0) / (candidates - drawn)
    return 1 - missed


def label_ranks(features: Rows, targets: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """How many items of other labels are at least as near to each item as the nearest other item of its own; n where there is none."""
    return ranks(features, features, sought=targets, keys=targets, own=np.arange(len(targets)))


def query_weights(targets: Int[np.ndarray, "n"], *, balanced: bool) -> Float[np.ndarray, "n"]:
    """What each item counts as a query, summing to 1: nothing where no other item has its label. Raises ValueError if none has."""
    weights = np.where(_others(targets) > 0, item_weights(targets, balanced=balanced), 0.0)
    if not weights.any():
        raise ValueError("no tested item has the label of another: expected two of a class, to find one from the other.")
    return np.asarray(weights / weights.sum())


def label_chance(targets: Int[np.ndarray, "n"], *, k: int, balanced: bool) -> float:
    """The share of queries for which k other items, drawn blindly, would hold one of the same label."""
    return float(chances(_others(targets), len(targets) - 1, k=k) @ query_weights(targets, balanced=balanced))


def _others(targets: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    return np.asarray(np.bincount(targets)[targets] - 1)
