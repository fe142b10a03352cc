"""Downstream uses beside classification: boxes, masks, numbers and several labels an item, each scored on few labels beside baselines."""

from __future__ import annotations

from selfsup.downstream.detection import evaluate_detection
from selfsup.downstream.multi_label import evaluate_multi_label
from selfsup.downstream.regression import evaluate_regression
from selfsup.downstream.results import UseComparison, UseRow, UseScores
from selfsup.downstream.segmentation import evaluate_segmentation

__all__ = [
    "UseComparison",
    "UseRow",
    "UseScores",
    "evaluate_detection",
    "evaluate_multi_label",
    "evaluate_regression",
    "evaluate_segmentation",
]
