"""Both sides of a run of pairs with their projections: other libraries alone give the directions that `embed --layer shared` gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from exported_runs import TEXTS, code_in, picture_files, picture_run, side_of, text_run
from selfsup.embedding import embed
from selfsup.exporting import export

WIDTH = 12


@pytest.mark.parametrize("format", ["torch", "onnx"])
def test_picture_files_get_the_directions_of_embed(tmp_path: Path, format: str) -> None:
    run = side_of(picture_run(tmp_path / "run", "compact_convnet", size=28, side=40), WIDTH)
    paths = picture_files(tmp_path / "pictures")
    expected = embed(run, tmp_path / "pictures", layer="shared")
    made = export(run, format=format, out=tmp_path / "out", layer="shared")
    found = np.asarray(code_in(tmp_path / "out")["embeddings"](paths))
    assert (made.layer, made.width, found.shape[1]) == ("shared/mean", WIDTH, WIDTH)
    np.testing.assert_allclose(found, expected.vectors, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.abs(found[0] - found[1]).max() > 1e-3
    assert f"projected, without bias, to {WIDTH} numbers" in json.loads((tmp_path / "out/preprocessing.json").read_text())["steps"][-1]


@pytest.mark.parametrize("format", ["torch", "onnx", "sentence-transformers"])
def test_texts_get_the_directions_of_embed(tmp_path: Path, format: str) -> None:
    """Long ones too, whose windows are averaged before they get length 1, and one without tokens, which gets zeros."""
    run = side_of(text_run(tmp_path / "run", "bert-tiny", "masked_lm")[0], WIDTH)
    made = export(run, format=format, out=tmp_path / "out", layer="shared/mean")
    found = np.asarray(code_in(tmp_path / "out")["embeddings"]([*TEXTS, ""]))
    texts = TEXTS if format != "sentence-transformers" else [text.encode()[:24].decode() for text in TEXTS]
    expected = embed(run, [(f"{n}", text) for n, text in enumerate(texts)], layer="shared", out=tmp_path / "expected.parquet")
    assert (made.layer, made.width) == ("shared/mean", WIDTH)
    np.testing.assert_allclose(found[:-1], expected.vectors, atol=1e-5)
    np.testing.assert_array_equal(found[-1], np.zeros(WIDTH))
    assert np.abs(found[0] - found[1]).max() > 1e-3


def test_formats_that_hold_the_backbone_alone_say_so(tmp_path: Path) -> None:
    run = side_of(picture_run(tmp_path / "run", "resnet18", size=32, side=32), WIDTH)
    with pytest.raises(
        ValueError, match=r"'timm' holds the backbone, and the shared layer is a projection behind it: expected onnx, torch"
    ):
        export(run, format="timm", out=tmp_path / "out", layer="shared")
    alone = picture_run(tmp_path / "alone", "compact_convnet", size=28, side=28)
    with pytest.raises(ValueError, match="there is no layer 'shared'"):
        export(alone, format="torch", out=tmp_path / "out", layer="shared")
    assert not (tmp_path / "out").exists()
