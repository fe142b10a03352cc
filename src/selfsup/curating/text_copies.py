"""Near-copies among documents, by the words in a row that they share; every pair is looked at that shares any."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer

from selfsup.curating.pairs import CONTAINED, EDITED, IDENTICAL, SAME_WORDS, Pair, chained
from selfsup.embedding.texts import Texts

WORDS = 5
"""Words in a row that are compared: hardly five of them are the same by chance. Broder, SEQUENCES 1997."""

THRESHOLD = 0.5
"""Share of the shorter document's stretches that the other has too, from which a pair counts."""

NEARLY_ALL = 0.95
"""Share from which a document is said to stand in the other as a whole."""

MOST_DOCUMENTS = 500
"""Documents that may share a stretch; in more of them it is boilerplate, which says nothing of copies and costs its square."""

BITS = 2**30
"""Numbers of stretches: two of a million different ones share one with a chance of a thousandth."""

ROWS = 256

WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")
"""A word; in Chinese and Japanese, which do not part them, a character."""


def text_pairs(texts: Texts, *, threshold: float) -> list[Pair]:
    """Every pair of documents that share at least `threshold` of the stretches of five words of the shorter, smaller row first.

    Documents that are equal but for white space are pairs with the first of them; those of fewer than five words are compared as a whole.
    """
    same: dict[int, list[int]] = {}
    for row, key in enumerate(texts.hashes.tolist()):
        same.setdefault(key, []).append(row)
    pairs = [pair for rows in same.values() for pair in chained(rows, IDENTICAL)]
    rest = np.array([rows[0] for rows in same.values()])
    shared, sizes = stretches(texts, rest)
    pairs += [Pair(int(rest[a]), int(rest[b]), kind, share) for a, b, kind, share in _alike(shared, sizes, threshold)]
    return sorted(pairs, key=lambda pair: (pair.first, pair.second))


def stretches(texts: Texts, rows: np.ndarray) -> tuple[sparse.csr_matrix, Float[np.ndarray, "n"]]:
    """Which stretches each document has, without boilerplate, and how many."""
    hashing = HashingVectorizer(
        analyzer=_stretches_of, binary=True, norm=None, alternate_sign=False, dtype=np.float32, n_features=BITS
    )  # fmt: skip
    table = hashing.transform(texts.some(rows)).tocsr()
    numbers, places, counts = np.unique(table.indices, return_inverse=True, return_counts=True)
    narrow = sparse.csr_matrix((table.data, places, table.indptr), shape=(table.shape[0], len(numbers)))
    kept = narrow[:, np.flatnonzero(counts <= MOST_DOCUMENTS)].tocsr()
    return kept, np.asarray(kept.sum(axis=1)).ravel()


def _stretches_of(text: str) -> Iterator[str]:
    words = WORD.findall(text.casefold())
    if 0 < len(words) < WORDS:
        yield " ".join(words)
    for start in range(len(words) - WORDS + 1):
        yield " ".join(words[start : start + WORDS])


def _alike(table: sparse.csr_matrix, sizes: np.ndarray, threshold: float) -> Iterator[tuple[int, int, str, float]]:
    columns = table.T.tocsr()
    for start in range(0, table.shape[0], ROWS):
        product = (table[start : start + ROWS] @ columns).tocoo()
        first, second = product.row + start, product.col
        shorter = np.minimum(sizes[first], sizes[second])
        chosen = (first < second) & (product.data >= threshold * shorter) & (shorter > 0)
        for a, b, count in zip(first[chosen].tolist(), second[chosen].tolist(), product.data[chosen].tolist(), strict=True):
            longer, least = max(sizes[a], sizes[b]), min(sizes[a], sizes[b])
            kind = SAME_WORDS if count == longer else CONTAINED if count >= NEARLY_ALL * least and longer > least / NEARLY_ALL else EDITED
            yield a, b, kind, float(count / least)
