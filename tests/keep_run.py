"""Made `tests/kept_run`: a small run of SimCLR on scikit-learn's digits, stopped half-way. Run again only for a new format number."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from sklearn.datasets import load_digits

import selfsup.backbones.compact
from selfsup.pretraining import pretrain
from selfsup.train import Interrupted, loop

FOLDER = Path(__file__).parent / "kept_run"


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    selfsup.backbones.compact.WIDTHS = (8, 8, 8, 8, 8, 8, 16)
    original = loop._Progress.after

    def stopping(self: loop._Progress, number: int, *rest: object, **named: object) -> None:
        if number == 3:
            signal.raise_signal(signal.SIGTERM)
        original(self, number, *rest, **named)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop._Progress, "after", stopping)
        options = {"hidden": 16, "dimensions": 8}
        with pytest.raises(Interrupted):
            pretrain(load_digits().images[:60] / 16.0, task="simclr", options=options, size=16, steps=8, batch_size=16, holdout=0.2,
                     out=FOLDER, precision="fp32")  # fmt: skip


if __name__ == "__main__":
    main()
