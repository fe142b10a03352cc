"""Tasks that tell a slow teacher's features: a collapse is told, and of a healthy run nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from selfsup.latent_prediction import LatentPrediction
from small_tasks import warned

SHORT: dict[str, Any] = {"pictures": 600, "size": 16, "steps": 60, "batch_size": 64}


@pytest.mark.parametrize(("task", "asked", "options"), [("data2vec", {}, {"flip": 0}), ("ijepa", {"backbone": "compact_vit"}, {})])
def test_a_collapse_is_told_where_the_teacher_is_trained_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, asked: dict[str, Any], options: dict[str, Any]
) -> None:
    """Nothing holds features apart then: all that has to be done is to make every token the same."""
    monkeypatch.setattr(LatentPrediction, "told", lambda self, image: self.backbone.tokens(image)[:, None])
    assert "collapse" in warned(tmp_path, task, learning_rate=5e-3, options={**options, "normalise": "token"}, **asked, **SHORT)


@pytest.mark.parametrize(
    ("task", "asked"), [("data2vec", {"options": {"flip": 0}, "learning_rate": 5e-3}), ("ijepa", {"backbone": "compact_vit"})]
)
def test_of_a_healthy_run_nothing_is_told(tmp_path: Path, task: str, asked: dict[str, Any]) -> None:
    assert warned(tmp_path, task, **asked, **SHORT) == []
