"""Parts of losses that two tasks or more share."""

from __future__ import annotations

from selfsup.losses.vocabulary import bits_per_byte, sampled_words, vocabulary_nats
from selfsup.losses.weighted import counted_mean, weighted_mean

__all__ = ["bits_per_byte", "counted_mean", "sampled_words", "vocabulary_nats", "weighted_mean"]
