"""Whether pictures have a way up: what the rotation task asks, tried without labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from selfsup.auditing.findings import Upright
from selfsup.auditing.judging import paired_mean
from selfsup.auditing.probing import Question, told
from selfsup.auditing.sample import Sample


def turn_told(rows: Tensor, question: Question) -> tuple[np.ndarray, np.ndarray]:
    """For features (n, 4, d) of pictures at four quarter turns: the share of turns told right, and of upright from upside down."""
    return _told(rows, question), _told(rows[:, [0, 2]], question)


def judged_upright(told_right: list[tuple[np.ndarray, np.ndarray]], sample: Sample) -> Upright:
    """Both shares over seeds, with their intervals."""
    quarter, half = (np.stack(each) for each in zip(*told_right, strict=True))
    return Upright(paired_mean(quarter, sample), paired_mean(half, sample))


def _told(rows: Tensor, question: Question) -> np.ndarray:
    """Each turned picture is an item of its own, in its picture's fold."""
    count, turns, width = rows.shape
    turned = replace(
        question,
        targets=torch.arange(turns).repeat(count),
        classes=turns,
        folds=question.folds.repeat_interleave(turns),
        weights=question.weights.repeat_interleave(turns) / turns,
    )
    votes = told(rows.reshape(count * turns, 1, width), turned, blind=False)
    right = votes[np.arange(count * turns), turned.targets.numpy()]
    return np.asarray(right.reshape(count, turns).mean(1))
