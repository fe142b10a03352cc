"""Pictures found by words and words by pictures, in the space that a run of pairs has made."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from selfsup import index, search
from selfsup.backbones import save_projection
from selfsup.embedding.pair_reading import PairReading, pairs_for
from selfsup.embedding.weights import weights_digest
from selfsup.pretraining import pretrain
from selfsup.run import Run
from selfsup.trained import pair_network
from small_pairs import table
from test_pairs import QUICK


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return pretrain(str(data), **QUICK, steps=40, out=tmp_path_factory.mktemp("runs") / "clip")


def test_words_and_pictures_find_pictures(run: Run, data: Path, tmp_path: Path) -> None:
    made = index(run, str(data), to=tmp_path / "things.db")
    assert made.count == 48
    reading = PairReading(run, pairs_for(run, str(data), {}))
    network = pair_network(run.folder).eval()
    pictures = reading.pictures(network, range(48))
    [words] = reading.texts(network, ["a red square"])
    found = search(tmp_path / "things.db", "a red square", k=48)
    by_id = dict(zip(reading.ids, pictures @ words, strict=True))
    np.testing.assert_allclose([hit.score for hit in found.hits], [by_id[hit.id] for hit in found.hits], atol=1e-5)
    np.testing.assert_allclose([hit.score for hit in found.hits], sorted(by_id.values(), reverse=True), atol=1e-5)
    file = data.parent / "images" / "005.png"
    assert search(tmp_path / "things.db", str(file), k=1).hits[0].score == pytest.approx(1, abs=1e-4)
    assert search(tmp_path / "things.db", like=file, k=1).hits[0].score == pytest.approx(1, abs=1e-4)


def test_pictures_find_words(run: Run, data: Path, tmp_path: Path) -> None:
    made = index(run, str(data), to=tmp_path / "words.db", side="text", text="text")
    assert made.count == 96
    reading = PairReading(run, pairs_for(run, str(data), {}))
    network = pair_network(run.folder).eval()
    [picture] = reading.pictures(network, [5])
    found = search(tmp_path / "words.db", str(data.parent / "images" / "005.png"), k=1).hits[0]
    texts = sorted({caption.text for captions in reading.captions for caption in captions})
    assert found.score == pytest.approx(float((reading.texts(network, texts) @ picture).max()), abs=1e-4)
    assert search(tmp_path / "words.db", "rot: bar", k=1).hits[0].fields["text"] == "rot: bar"


def test_a_side_with_another_projection_is_another_run(run: Run, tmp_path: Path) -> None:
    """Two runs that keep the same frozen pictures' network differ in their projection alone."""
    other = tmp_path / "other"
    shutil.copytree(run.folder / "image", other)
    assert weights_digest(other) == weights_digest(run.folder / "image")
    save_projection(torch.zeros(32, 4), other)
    assert weights_digest(other) != weights_digest(run.folder / "image")


def test_sides_that_are_missing_or_another_runs_are_named(run: Run, data: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="learned from 'image' and has no side 'text'"):
        index(run.folder / "image", str(data), to=tmp_path / "a.db", side="text")
    alone = tmp_path / "moved" / "image"
    shutil.copytree(run.folder / "image", alone)
    index(alone, str(data), to=tmp_path / "b.db", layer="shared")
    with pytest.raises(ValueError, match=r"is one side of a run of pairs, and .* is missing"):
        search(tmp_path / "b.db", "a red square")
