"""The kinds of data that can be trained on."""

from __future__ import annotations

from selfsup.pretraining.material import Material
from selfsup.pretraining.pairs import Pairs
from selfsup.pretraining.pictures import Pictures
from selfsup.pretraining.texts import Texts

MATERIALS: dict[str, type[Material]] = {material.kind: material for material in (Pictures, Texts, Pairs)}
"""By what a task learns from."""
