"""Whether labels can be used, asked before anything is trained: a comparison that ends with a wrong column's name is lost time."""

from __future__ import annotations

from typing import Any

import numpy as np

from selfsup.comparison.wishes import Comparing
from selfsup.data import read_labels
from selfsup.embedding.kinds import READINGS
from selfsup.evaluation.problem import check_classes


def check_labels(data: Any, asked: Comparing) -> None:
    """Raise ValueError for labels that cannot be read, fit no item, or name fewer than two classes of two items."""
    how = READINGS[asked.modality]
    told = {name: value for name, value in asked.reading.items() if value is not None}
    opened = how.opened(data, kind=asked.shared.get("kind", "auto"), told=told)
    found = read_labels(asked.protocol.labels, opened.ids, columns=opened.columns, noun=how.noun)
    check_classes(found, np.array(found.targets), how.noun)
