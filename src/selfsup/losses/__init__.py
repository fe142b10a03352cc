"""Parts of losses that two tasks or more share."""

from __future__ import annotations

from selfsup.losses.agreement import by_picture, crossed_cosine
from selfsup.losses.pairs import alike_pairs, matching, pairwise_sigmoid
from selfsup.losses.redundancy import off_diagonal
from selfsup.losses.vocabulary import bits_per_byte, sampled_words, vocabulary_nats
from selfsup.losses.weighted import counted_mean, weighted_mean

__all__ = [
    "alike_pairs",
    "bits_per_byte",
    "by_picture",
    "counted_mean",
    "crossed_cosine",
    "matching",
    "off_diagonal",
    "pairwise_sigmoid",
    "sampled_words",
    "vocabulary_nats",
    "weighted_mean",
]
