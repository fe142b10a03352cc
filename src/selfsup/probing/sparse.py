"""Sparse rows, such as counts of words: a hundred thousand columns of which a row fills a hundred.

Probes with a squared penalty, and neighbours by cosine, see nothing of rows but their products with one another. So n rows may be turned
onto n columns at most, exactly: with X X' = V L V', the rows V L^(1/2) have the same products, and another row t becomes
t X' V L^(-1/2), whose products with them are those of t. (Representer theorem: Kimeldorf and Wahba, Journal of Mathematical Analysis and
Applications 33, 1971.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias, TypeGuard

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from torch import Tensor

Sparse: TypeAlias = sparse.csr_matrix | sparse.csr_array

Rows: TypeAlias = Float[np.ndarray, "_ _"] | sparse.csr_matrix | sparse.csr_array
"""Features of n items."""

ROUNDING = 1e-10
"""Eigenvalues below this share of the largest are rounding errors of products in float64."""


def is_sparse(rows: Any) -> TypeGuard[Sparse]:
    """Whether rows are held as what is not 0 in them."""
    return bool(sparse.issparse(rows))


def dense(rows: Rows) -> Float[np.ndarray, "n r"]:
    """The rows as they are; sparse ones on at most n columns, with the same products."""
    return _span(rows)[0] if is_sparse(rows) else rows


def both_dense(train: Rows, test: Rows) -> tuple[Float[np.ndarray, "n r"], Float[np.ndarray, "m r"]]:
    """The rows as they are; of sparse ones, `train` on at most n columns, and `test` as far as it lies in them."""
    if not is_sparse(train):
        return train, test
    rows, axes = _span(train)
    return rows, np.asarray((test @ train.T).toarray() @ axes)


def cosines(queries: Rows, others: Rows, *, rows: int) -> Iterator[Float[Tensor, "b n"]]:
    """Cosine similarity of each query to all others, so many queries at a time."""
    if is_sparse(queries):
        columns = normalize(others).T.tocsr()
        for start in range(0, queries.shape[0], rows):
            yield torch.from_numpy((normalize(queries[start : start + rows]) @ columns).toarray()).float()
        return
    columns = F.normalize(torch.as_tensor(others, dtype=torch.float32), dim=1).T
    for some in torch.split(torch.as_tensor(queries, dtype=torch.float32), rows):
        yield F.normalize(some, dim=1) @ columns


def large_linear(
    train: Sparse, targets: Int[np.ndarray, "n"], test: Sparse, *, classes: int, strength: float, weights: np.ndarray
) -> Float[np.ndarray, "m K"]:
    """The same logistic regression as `probes.linear`, by scikit-learn on sparse rows; a class without labels gets 0."""
    present = np.unique(targets)
    doubled = 2 if len(present) == 2 else 1  # with two classes scikit-learn keeps one row of weights: see `logistic`
    model = LogisticRegression(C=doubled * strength, max_iter=1000).fit(train, targets, sample_weight=weights)
    scores = np.zeros((test.shape[0], classes))
    scores[:, present] = model.predict_proba(test)
    return scores


def _span(rows: Sparse) -> tuple[Float[np.ndarray, "n r"], Float[np.ndarray, "n r"]]:
    """The rows on the axes of their own span, and what a product with them is multiplied by to come there."""
    products = torch.from_numpy((rows @ rows.T).toarray().astype(np.float64))
    values, vectors = torch.linalg.eigh(products)
    real = values > ROUNDING * values[-1].clamp(min=1e-300)
    roots, vectors = values[real].sqrt(), vectors[:, real]
    return np.asarray((vectors * roots).numpy()), np.asarray((vectors / roots).numpy())
