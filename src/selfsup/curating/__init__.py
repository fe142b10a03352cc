"""Curating: what to do with data nobody labelled before and while it is labelled: near-copies, outliers, what to label, doubtful labels."""

from __future__ import annotations

from selfsup.curating.duplication import Duplicate, Duplicates, duplicates
from selfsup.curating.outlying import Outlier, Outliers, outliers
from selfsup.curating.suggesting import Suggestion, Suggestions, suggest
from selfsup.curating.suspecting import Suspect, Suspects, suspects

__all__ = [
    "Duplicate",
    "Duplicates",
    "Outlier",
    "Outliers",
    "Suggestion",
    "Suggestions",
    "Suspect",
    "Suspects",
    "duplicates",
    "outliers",
    "suggest",
    "suspects",
]
