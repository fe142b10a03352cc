"""Run by tests as a process of its own, to be killed: pretrains on made-up documents in two languages, saving after every step."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

import selfsup.pretraining.beginning
import selfsup.train.loop
from selfsup.pretraining import pretrain
from sentences import sentences


def refuse(*_: Any, **__: Any) -> None:
    raise AssertionError("a resumed run must not measure anything again")


if __name__ == "__main__":
    folder, task, steps, resume = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] == "resume"
    torch.set_num_threads(1)
    selfsup.train.loop.SECONDS_BETWEEN_CHECKPOINTS = 0.0
    if resume:
        for name in ("choose_kernels", "time_steps"):
            setattr(selfsup.pretraining.beginning, name, refuse)
    pretrain(
        sentences(), task=task, backbone="gpt2-tiny" if task == "causal_lm" else "bert-tiny", steps=steps, batch_size=8, context=24,
        out=folder, seed=5, holdout=0.1, resume=resume, precision="fp32", language=None if resume else "language",
        vocabulary=None if resume else 400,
    )  # fmt: skip
