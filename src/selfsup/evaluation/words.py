"""Features of texts without a network: TF-IDF of words and of characters, and latent semantic analysis of both.

Fitted on documents that may be learned from, without their labels, as pretraining is. Rows have length 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from selfsup.embedding.texts import Texts
from selfsup.probing.choice import Features
from selfsup.probing.sparse import Sparse

COMPONENTS = (100, 300)
"""Of latent semantic analysis. Deerwester et al., Journal of the American Society for Information Science 41, 1990, found 100 best."""

FITTED = 20_000_000
"""Characters of the documents that are fitted on, at most: their 3- to 5-grams take half a gigabyte."""

MOST_FEATURES = 2**18
"""Words or n-grams that are told apart, the most frequent ones."""

KINDS: dict[str, dict[str, Any]] = {
    "words": {"token_pattern": r"(?u)[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|\b\w\w+\b"},
    "characters": {"analyzer": "char_wb", "ngram_range": (3, 5)},
}
"""What is counted. In Chinese and Japanese, which put no spaces between words, each character counts as a word."""


def vectoriser(kind: str) -> TfidfVectorizer:
    """TF-IDF of "words" or "characters" as scikit-learn defines it, with the logarithm of counts."""
    return TfidfVectorizer(**KINDS[kind], sublinear_tf=True, max_features=MOST_FEATURES, dtype=np.float32)


def some_to_fit(texts: Texts, rows: Int[np.ndarray, "n"], *, most: int = FITTED) -> Int[np.ndarray, "m"]:
    """As many of some rows, drawn by a fixed seed, as have `most` characters together; one at least."""
    drawn = np.random.default_rng([0, len(rows)]).permutation(rows)
    return np.sort(drawn[: max(1, int((np.cumsum(texts.lengths[drawn]) <= most).sum()))])


@dataclass(frozen=True)
class Counted:
    """TF-IDF of one kind: of the rows it was fitted on, and of those asked for."""

    known: Sparse
    asked: Sparse


def counted(texts: Texts, rows: Int[np.ndarray, "n"], *, fitted: Int[np.ndarray, "m"]) -> dict[str, Counted]:
    """Every kind of TF-IDF that finds anything in the texts, with vocabulary and document frequencies of the rows `fitted`.

    Both are in order. Each text is taken apart once. Raises ValueError where there is nothing to count.
    """
    found = {}
    fresh = np.setdiff1d(rows, fitted)
    every = np.concatenate([fitted, fresh])
    order = np.argsort(every)
    places = order[np.searchsorted(every[order], rows)]
    for kind in KINDS:
        model = vectoriser(kind)
        try:
            known = model.fit_transform(texts.some(fitted))
        except ValueError as error:
            if "empty vocabulary" not in str(error):
                raise
            continue
        parts = [known, model.transform(texts.some(fresh))] if len(fresh) else [known]
        found[kind] = Counted(known, sparse.vstack(parts).tocsr()[places])
    if not found:
        raise ValueError("the documents hold no words and no letters: score them without the baselines tfidf and lsa.")
    return found


def semantic(counts: Mapping[str, Counted]) -> Features:
    """Latent semantic analysis, `KIND/COMPONENTS`: rows on the first singular vectors of those fitted on, brought to length 1."""
    features = {}
    for kind, count in counts.items():
        most = max(1, min(COMPONENTS[-1], *(size - 1 for size in count.known.shape)))
        turned = TruncatedSVD(most, random_state=0).fit(count.known).transform(count.asked)
        for components in COMPONENTS:
            features[f"{kind}/{components}"] = np.asarray(normalize(turned[:, :components]), dtype=np.float32)
    return features
