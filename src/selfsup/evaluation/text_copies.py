"""Near-copies across the split: a tested document that was, whole or nearly, also learned from makes every score too good."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int
from sklearn.feature_extraction.text import HashingVectorizer

from selfsup.embedding.texts import Texts

WORDS = 5
"""Words in a row that are compared: hardly five of them are the same by chance. Broder, SEQUENCES 1997."""

CONTAINED = 0.8
"""Share of a document's stretches of five words that another has, from which it counts as a near-copy."""

MOST = 20_000
"""Documents learned from that are compared, at most; of the tested ones a tenth of that."""


def near_text_copies(texts: Texts, learned: Int[np.ndarray, "a"], tested: Int[np.ndarray, "b"], *, seed: int = 0) -> dict[str, str]:
    """Ids of tested documents of which most stands in one of those learned from, with its id. Large sets are sampled.

    Documents of fewer than five words count as copies when they are equal.
    """
    rng = np.random.default_rng([seed, len(learned), len(tested)])
    learned, tested = _some(learned, MOST, rng), _some(tested, MOST // 10, rng)
    if not len(learned) or not len(tested):
        return {}
    first = {int(texts.hashes[row]): row for row in learned.tolist()[::-1]}
    twins = {row: first[int(texts.hashes[row])] for row in tested.tolist() if int(texts.hashes[row]) in first}
    shingles = HashingVectorizer(ngram_range=(WORDS, WORDS), binary=True, norm=None, alternate_sign=False, dtype=np.float32)
    asked, known = shingles.transform(texts.some(tested)), shingles.transform(texts.some(learned))
    total = np.asarray(asked.sum(axis=1)).ravel()
    for start in range(0, len(tested), 256):
        shared = asked[start : start + 256] @ known.T
        best, most = np.asarray(shared.argmax(axis=1)).ravel(), shared.max(axis=1).toarray().ravel()
        for offset in np.flatnonzero(most >= CONTAINED * np.maximum(total[start : start + 256], 1)).tolist():
            twins.setdefault(int(tested[start + offset]), int(learned[best[offset]]))
    return {texts.ids[row]: texts.ids[twin] for row, twin in sorted(twins.items())}


def _some(rows: Int[np.ndarray, "n"], limit: int, rng: np.random.Generator) -> Int[np.ndarray, "m"]:
    return rows if len(rows) <= limit else np.sort(rng.permutation(rows)[:limit])
