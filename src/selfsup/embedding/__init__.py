"""Embedding: what a backbone makes of every item of a data set, layer by layer, and a Parquet file of it."""

from __future__ import annotations

from selfsup.embedding.choosing import chosen_layer
from selfsup.embedding.kinds import opened_for, told_for
from selfsup.embedding.pictures import POOLS, PictureReading
from selfsup.embedding.reading import Reading, checked_layer, parts_in
from selfsup.embedding.text_reading import TextReading
from selfsup.embedding.writing import Embeddings, embed

__all__ = [
    "POOLS",
    "Embeddings",
    "PictureReading",
    "Reading",
    "TextReading",
    "checked_layer",
    "chosen_layer",
    "embed",
    "opened_for",
    "parts_in",
    "told_for",
]
