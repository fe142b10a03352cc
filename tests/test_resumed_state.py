"""What a task keeps between steps, besides weights, is there when a run goes on: teachers, centres, queues, rates of their own."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits

from selfsup.pretext import Output
from selfsup.pretraining import pretrain
from selfsup.tasks import find_task
from selfsup.train import Interrupted

KEPT: dict[str, tuple[dict[str, Any], list[str]]] = {
    "moco": ({"queue": 50}, ["keys", "owners", "place"]),
    "byol": ({}, ["teacher.projector.0.weight"]),
    "simsiam": ({}, ["predictor.0.weight"]),
    "dino": ({"centring": "mean"}, ["centre", "teacher.projector.1.directions"]),
    "ibot": ({"centring": "mean", "shared_head": False}, ["patch_centre", "teacher.patch_projector.1.directions"]),
    "data2vec": ({}, ["teacher.backbone.convolutions.0.weight"]),
    "ijepa": ({}, ["teacher.backbone.model.blocks.0.attn.qkv.weight"]),
}
"""Options of each task that keeps something, and some of what it keeps, which after eight steps is not what it was at the start."""


@pytest.mark.parametrize("name", KEPT)
def test_a_run_stopped_after_three_of_eight_steps_ends_in_the_same_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    images = load_digits().images[:120] / 16.0
    kind, (options, kept) = find_task(name), KEPT[name]
    wanted: dict[str, Any] = {"task": name, "options": options, "size": 16, "steps": 8, "batch_size": 16, "precision": "fp32"}
    straight = pretrain(images, **wanted, out=tmp_path / "straight")
    done, moved = [], kind.after_step

    def interrupted(self: Any, output: Output) -> None:
        moved(self, output)
        done.append({part: self.state_dict()[part].clone() for part in kept})
        if len(done) == 3:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(kind, "after_step", interrupted)
    with pytest.raises(Interrupted, match="step 3 of 8"):
        pretrain(images, **wanted, out=tmp_path / "stopped")
    resumed = pretrain(images, **wanted, out=tmp_path / "stopped", resume=True)
    one, two = (torch.load(run.checkpoints / "8" / "training.pt", weights_only=True)["task"] for run in (straight, resumed))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[part], two[part]) for part in one)
    assert not any(torch.equal(one[part], done[0][part]) for part in kept if part != "place")
    assert name != "moco" or int(one["place"]) == 8 * 32 % 50, "in the middle of a turn of the queue"
