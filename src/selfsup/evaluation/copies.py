"""Near-copies across the split: a tested picture that was also learned from makes every score too good."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from selfsup.data import Store
from selfsup.views import plain

SIDE = 16
"""Pixels a side at which pictures are compared: saving a picture again or at another size hardly moves it there."""

ALIKE = 0.999
"""Correlation of thumbnails from which two pictures count as near-copies."""

MOST = 20_000
"""Pictures learned from that are compared, at most; of the tested ones a tenth of that."""


def near_copies(store: Store, learned: Int[np.ndarray, "a"], tested: Int[np.ndarray, "b"], *, seed: int = 0) -> dict[str, str]:
    """Ids of tested pictures that have a near-copy among those learned from, with its id. Large sets are sampled."""
    rng = np.random.default_rng([seed, len(learned), len(tested)])
    learned, tested = _some(learned, MOST, rng), _some(tested, MOST // 10, rng)
    if not len(learned) or not len(tested):
        return {}
    (known, plain_known), (asked, plain_asked) = thumbnails(store, learned), thumbnails(store, tested)
    found = {}
    for start in range(0, len(tested), 512):
        likeness, nearest = (asked[start : start + 512] @ known.T).max(dim=1)
        for offset in torch.nonzero(likeness > ALIKE).flatten().tolist():
            place, twin = start + offset, int(nearest[offset])
            if not plain_asked[place] and not plain_known[twin]:
                found[store.ids[tested[place]]] = store.ids[learned[twin]]
    return found


def thumbnails(store: Store, rows: Int[np.ndarray, "n"]) -> tuple[Float[Tensor, "n d"], Bool[Tensor, "n"]]:
    """Pictures at 16 x 16, centred and of length one, and which of them are of one colour, whose likeness means nothing."""
    parts = []
    for some in torch.split(torch.as_tensor(rows, dtype=torch.long), 1024):
        parts.append(plain(store.batch(some)["image"], min(SIDE, store.side)).flatten(1))
    flat = torch.cat(parts)
    flat = flat - flat.mean(1, keepdim=True)
    length = flat.norm(dim=1, keepdim=True)
    return flat / length.clamp(min=1e-6), (length.flatten() / flat.shape[1] ** 0.5) < 0.01


def _some(rows: Int[np.ndarray, "n"], limit: int, rng: np.random.Generator) -> Int[np.ndarray, "m"]:
    return rows if len(rows) <= limit else np.sort(rng.permutation(rows)[:limit])
