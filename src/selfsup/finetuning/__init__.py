"""Fine-tuning: a model for use from a run and a few labels, and what it says of new data."""

from __future__ import annotations

from selfsup.finetuning.assembly import finetune
from selfsup.finetuning.classifier import Classifier, Start
from selfsup.finetuning.fitting import FineTuned, Plan, fine_tuned
from selfsup.finetuning.model import Compared, Model
from selfsup.finetuning.predicting import Predictions, predict
from selfsup.finetuning.recipe import Recipe
from selfsup.finetuning.training import train_classifier
from selfsup.finetuning.tuning import tuned

__all__ = [
    "Classifier", "Compared", "FineTuned", "Model", "Plan", "Predictions", "Recipe", "Start", "fine_tuned", "finetune", "predict",
    "train_classifier", "tuned",
]  # fmt: skip
