"""Evaluation: what a run is worth with few labels, with intervals, beside baselines. Sees arrays, and never knows which task made them."""

from __future__ import annotations

from selfsup.evaluation.assembly import evaluate
from selfsup.evaluation.results import ClassScore, Comparison, Confusion, Prediction, Results, Row

__all__ = ["ClassScore", "Comparison", "Confusion", "Prediction", "Results", "Row", "evaluate"]
