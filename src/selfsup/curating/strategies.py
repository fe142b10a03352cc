"""Strategies: which items to label next, from embeddings and the labels there are. Every function returns rows, the best first.

Vectors are of length one. Everything is a function of its seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from sklearn.cluster import KMeans, MiniBatchKMeans

from selfsup.curating.neighbours import nearest
from selfsup.probing.choice import DEFAULT_STRENGTH
from selfsup.probing.probes import Standardiser, linear

MOST_CLUSTERS = 500
"""As TypiClust has it: more clusters are too small to tell what is typical in them."""

TYPICAL_NEIGHBOURS, SMALLEST = 20, 5
"""Neighbours that typicality is measured by, and the fewest items of a cluster that is asked about, of the same paper."""

POOL = 10
"""Times as many uncertain items are looked at as are wanted. Zhdanov, arXiv 1901.05954, section 4: a factor of 10 to 50."""

LARGE = 20_000
"""Items from which clusters are found on small batches."""


@dataclass(frozen=True)
class Pool:
    """N items: `vectors` of length one, `features` as the network gives them, `targets` (-1 where there is no label), and which may be
    asked about (`open`).
    """

    vectors: Float[np.ndarray, "N D"]
    features: Float[np.ndarray, "N D"]
    targets: Int[np.ndarray, "N"]
    open: Bool[np.ndarray, "N"]

    @property
    def labelled(self) -> Int[np.ndarray, "l"]:
        """Rows that have a label."""
        return np.flatnonzero(self.targets >= 0)


def by_chance(pool: Pool, count: int, seed: int) -> Int[np.ndarray, "b"]:
    """Any items: what every other strategy has to beat."""
    return np.random.default_rng(seed).permutation(np.flatnonzero(pool.open))[:count]


def typical(pool: Pool, count: int, seed: int) -> Int[np.ndarray, "b"]:
    """The most typical item of each of the largest clusters that have no label yet. Hacohen, Dekel, Weinshall, ICML 2022, arXiv 2202.02794.

    There are as many clusters as labels then; typicality is the inverse of the mean distance to 20 neighbours in the cluster.
    """
    clusters = clustered(pool.vectors, min(len(pool.labelled) + count, MOST_CLUSTERS), seed)
    sizes, taken = np.bincount(clusters), np.bincount(clusters[pool.labelled], minlength=int(clusters.max()) + 1)
    ranks: dict[int, list[int]] = {}
    left, chosen = np.bincount(clusters[pool.open], minlength=len(sizes)), list[int]()
    while len(chosen) < count and left.any():
        cluster = int(np.lexsort((-sizes, taken, sizes < SMALLEST, left == 0))[0])
        if cluster not in ranks:
            order = _by_typicality(pool.vectors, np.flatnonzero(clusters == cluster))
            ranks[cluster] = [row for row in order if pool.open[row]]
        chosen.append(ranks[cluster].pop(0))
        left[cluster] -= 1
        taken[cluster] += 1
    return np.array(chosen, dtype=np.int64)


def _by_typicality(vectors: Float[np.ndarray, "N D"], members: Int[np.ndarray, "m"]) -> list[int]:
    if len(members) < 2:
        return [int(row) for row in members]
    some = torch.from_numpy(vectors[members])
    cosines = nearest(some, some, count=TYPICAL_NEIGHBOURS, same=True)[0]
    distance = (2 - 2 * cosines).clamp(min=0).sqrt().mean(1).numpy()
    return [int(row) for row in members[np.argsort(distance, kind="stable")]]


def covering(pool: Pool, count: int, seed: int) -> Int[np.ndarray, "b"]:
    """Each the item furthest from everything labelled or chosen. Sener and Savarese, ICLR 2018, arXiv 1708.00489, algorithm 1."""
    vectors, free = pool.vectors, pool.open.copy()
    cosine = np.full(len(vectors), -2.0, dtype=np.float32)
    for start in range(0, len(pool.labelled), 256):
        cosine = np.maximum(cosine, (vectors @ vectors[pool.labelled[start : start + 256]].T).max(1))
    chosen: list[int] = []
    while len(chosen) < count and free.any():
        row = int(by_chance(pool, 1, seed)[0]) if cosine.max() <= -2 else int(np.where(free, cosine, np.inf).argmin())
        free[row] = False
        cosine = np.maximum(cosine, vectors @ vectors[row])
        chosen.append(row)
    return np.array(chosen, dtype=np.int64)


def uncertain(pool: Pool, count: int, seed: int) -> Int[np.ndarray, "b"]:
    """The items between whose two likeliest classes a linear probe decides least. Scheffer, Decomain, Wrobel, IDA 2001."""
    return margins(pool)[0][:count]


def uncertain_and_spread(pool: Pool, count: int, seed: int) -> Int[np.ndarray, "b"]:
    """One item of each cluster of the uncertain ones, clusters weighted by uncertainty. Zhdanov, 2019, arXiv 1901.05954."""
    order, margin = margins(pool)
    some = order[: POOL * count]
    if len(some) <= count:
        return some
    weights = 1 - margin[: len(some)] + 1e-6
    model = KMeans(count, n_init=1, random_state=seed).fit(pool.vectors[some], sample_weight=weights)
    distance = model.transform(pool.vectors[some])
    chosen = list(dict.fromkeys(int(row) for row in distance.argmin(0)))
    left = [row for row in range(len(some)) if row not in set(chosen)]
    return np.asarray(some[np.array([*chosen, *left][:count])])


def margins(pool: Pool) -> tuple[Int[np.ndarray, "o"], Float[np.ndarray, "o"]]:
    """Open rows, the least certain first, and by how much the likeliest class leads. Raises ValueError below two classes."""
    labelled, rows = pool.labelled, np.flatnonzero(pool.open)
    names, targets = np.unique(pool.targets[labelled], return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"labels of {len(names)} class tell nothing of what is uncertain: expected 2 classes. Use strategy 'typical'.")
    standard = Standardiser.of(pool.features)
    known, asked = standard(pool.features[labelled]), standard(pool.features[rows])
    shares = linear(known, targets, asked, classes=len(names), strength=DEFAULT_STRENGTH, balanced=True)
    best = np.sort(shares, axis=1)
    margin = best[:, -1] - best[:, -2]
    order = np.argsort(margin, kind="stable")
    return rows[order], margin[order]


def clustered(vectors: Float[np.ndarray, "N D"], count: int, seed: int) -> Int[np.ndarray, "N"]:
    """The cluster of each row, by k-means."""
    kind = KMeans if len(vectors) < LARGE else MiniBatchKMeans
    model = kind(min(count, len(vectors)), n_init=1, random_state=seed)
    return np.asarray(model.fit_predict(vectors), dtype=np.int64)


Strategy = Callable[[Pool, int, int], Int[np.ndarray, "b"]]

STRATEGIES: dict[str, Strategy] = {
    "random": by_chance,
    "typical": typical,
    "coverage": covering,
    "uncertain": uncertain,
    "mixed": uncertain_and_spread,
}
"""By the names users know them by."""
