"""Training: one loop, and what it needs. Knows a task's four places and never a task's name."""

from selfsup.train.loop import Interrupted, TrainingFailed, train

__all__ = ["Interrupted", "TrainingFailed", "train"]
