"""Evaluation: what a run is worth with few labels, or without any, with intervals, beside baselines. Sees arrays, never a task's name."""

from __future__ import annotations

from selfsup.evaluation.across_languages import LanguageScores, evaluate_across_languages
from selfsup.evaluation.assembly import evaluate
from selfsup.evaluation.caption_scores import CaptionScores, evaluate_captions
from selfsup.evaluation.modelling_scores import ModellingScores, evaluate_language_modelling
from selfsup.evaluation.pair_scores import PairRow, PairScores, evaluate_pairs
from selfsup.evaluation.problem import primary_count
from selfsup.evaluation.results import ClassScore, Comparison, Confusion, Prediction, Results, Row

__all__ = [
    "CaptionScores",
    "ClassScore",
    "Comparison",
    "Confusion",
    "LanguageScores",
    "ModellingScores",
    "PairRow",
    "PairScores",
    "Prediction",
    "Results",
    "Row",
    "evaluate",
    "evaluate_across_languages",
    "evaluate_captions",
    "evaluate_language_modelling",
    "evaluate_pairs",
    "primary_count",
]
