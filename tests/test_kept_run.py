"""A later release can read it: a run folder made once and kept resumes, is embedded, and its format number is checked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from selfsup.embedding import embed
from selfsup.pretraining import pretrain
from selfsup.run import FORMAT, Run

KEPT = Path(__file__).parent / "kept_run"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return shutil.copytree(KEPT, tmp_path / "kept")


def test_a_kept_run_resumes_and_embeds(kept: Path) -> None:
    images = load_digits().images[:60] / 16.0
    before = Run.open(kept)
    assert (before.task, before.steps, before.format) == ("simclr", 8, FORMAT)
    run = pretrain(images, task="simclr", out=kept, resume=True)
    logged = [json.loads(line)["step"] for line in run.metrics_file.read_text().splitlines()]
    assert logged == list(range(1, 9))
    embeddings = embed(run, images)
    assert embeddings.vectors.shape == (60, embeddings.width)
    assert np.isfinite(embeddings.vectors).all()


def test_an_unknown_format_number_is_a_clear_error(kept: Path) -> None:
    file = kept / "run.json"
    told = file.read_text()
    file.write_text(json.dumps(json.loads(told) | {"format": FORMAT + 1}))
    with pytest.raises(ValueError, match=f"format {FORMAT + 1}; this release reads format {FORMAT}"):
        Run.open(kept)
    file.write_text(told)
    backbone = kept / "backbone.json"
    backbone.write_text(json.dumps(json.loads(backbone.read_text()) | {"format": 99}))
    with pytest.raises(ValueError, match="format 99"):
        embed(kept, load_digits().images[:60] / 16.0)
