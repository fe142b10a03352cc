"""A user's own file: what it may import, and what is said when it fails in the middle of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from selfsup import pretrain
from selfsup.tasks import find_task

TASK = """
import torch
import torch.nn.functional as F
from torch import nn

from selfsup import Pretext
from answers import ANSWERS


class Mirrored(Pretext):
    def __init__(self, backbone, *, fails_at: float = 2.0, shows: bool = True):
        super().__init__(backbone)
        self.fails_at, self.shows = fails_at, shows
        self.head = nn.Linear(backbone.width, ANSWERS)

    def views(self, batch, rng):
        image = self.augment(batch, rng)
        mirrored = torch.randint(ANSWERS, (len(image),), generator=rng, device=rng.device)
        return {"image": torch.where(mirrored[:, None, None, None] == 1, image.flip(-1), image), "mirrored": mirrored}

    def forward(self, views):
        if self.progress >= self.fails_at:
            raise KeyError("teacher")  # here
        return {"logits": self.head(self.backbone.embed(views["image"])), "mirrored": views["mirrored"]}

    def loss(self, output):
        return {"mirrored": F.cross_entropy(output["logits"], output["mirrored"])}

    def show(self, batch, rng):
        return {} if self.shows or self.progress == 0 else {"picture": self.absent}
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    """A task that imports a file beside it."""
    (tmp_path / "answers.py").write_text("ANSWERS = 2\n")
    (tmp_path / "mirrored.py").write_text(TASK)
    return f"{tmp_path / 'mirrored.py'}:Mirrored"


PICTURES = np.random.default_rng(0).integers(0, 256, (24, 16, 16), dtype=np.uint8)


def test_may_import_a_file_beside_it(own: str) -> None:
    assert find_task(own).__name__ == "Mirrored"


def test_failing_in_the_middle_of_a_run_names_the_line_and_how_to_go_on(own: str, tmp_path: Path) -> None:
    line = TASK.splitlines().index(next(line for line in TASK.splitlines() if "# here" in line)) + 1
    with pytest.raises(ValueError, match=f"mirrored.py:{line} raised KeyError: 'teacher'. .*run.*--resume"):
        pretrain(PICTURES, task=own, options={"fails_at": 0.5}, steps=6, batch_size=8, out=tmp_path / "run")
    (tmp_path / "mirrored.py").write_text(TASK.replace('raise KeyError("teacher")', "pass"))
    run = pretrain(PICTURES, task=own, out=tmp_path / "run", resume=True)
    assert (run.folder / "backbone.safetensors").is_file()


def test_failing_to_show_pictures_does_not_lose_the_backbone(own: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"mirrored.py:\d+ raised AttributeError.* The backbone is trained"):
        pretrain(PICTURES, task=own, options={"shows": False}, steps=3, batch_size=8, out=tmp_path / "run")
    assert (tmp_path / "run" / "backbone.safetensors").is_file()
