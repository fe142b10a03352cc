"""Run by tests as a process of its own, to be killed: pretrains on scikit-learn's digits, saving after every step."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits

import selfsup.pretraining.beginning
import selfsup.train.loop
from selfsup.pretraining import pretrain


def refuse(*_: Any, **__: Any) -> None:
    raise AssertionError("a resumed run must not measure anything again")


if __name__ == "__main__":
    folder, task, steps, resume = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] == "resume"
    torch.set_num_threads(1)
    torch.set_flush_denormal(False)
    selfsup.train.loop.SECONDS_BETWEEN_CHECKPOINTS = 0.0
    if resume:
        for name in ("choose_kernels", "time_steps"):
            setattr(selfsup.pretraining.beginning, name, refuse)
    images = load_digits().images[:200] / 16.0
    pretrain(images, task=task, size=16, steps=steps, batch_size=16, out=folder, seed=5, holdout=0.1, resume=resume, precision="fp32")
