"""Fine-tuned models from the raw file or text on: one file, without this library, gives what `predict` gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from exported_runs import CLASSES, TEXTS, code_in, model_of, picture_files, picture_run, text_run
from selfsup.exporting import export
from selfsup.finetuning import predict


@pytest.mark.parametrize(("format", "channels"), [("onnx", 3), ("torch", 1)])
def test_pictures_get_the_probabilities_of_predict(tmp_path: Path, format: str, channels: int) -> None:
    run = picture_run(tmp_path / "run", "compact_convnet", size=28, side=40, channels=channels)
    model = model_of(run, tmp_path / "model", "stage4/max")
    paths = picture_files(tmp_path / "pictures")
    made = export(tmp_path / "model", format=format, out=tmp_path / "out")
    code = code_in(tmp_path / "out")
    expected = predict(model, tmp_path / "pictures").probabilities
    assert code["classes"] == CLASSES
    np.testing.assert_allclose(np.asarray(code["probabilities"](paths)), expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 1e-3, "different pictures are told apart, or nothing was compared"
    assert (made.width, made.layer) == (3, "stage4/max")
    assert "(4 labels)" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("format", "backbone", "task", "layer"),
    [("onnx", "bert-tiny", "masked_lm", "layer2/mean"), ("torch", "gpt2-tiny", "causal_lm", "layer2/last"),
     ("torch", "bert-tiny", "masked_lm", "layer1/max")],
)  # fmt: skip
def test_texts_get_the_probabilities_of_predict(tmp_path: Path, format: str, backbone: str, task: str, layer: str) -> None:
    run, _ = text_run(tmp_path / "run", backbone, task)
    model = model_of(run, tmp_path / "model", layer)
    made = export(model, format=format, out=tmp_path / "out")
    whole = layer != "layer1/max"
    texts = TEXTS if whole else [text.encode()[:24].decode() for text in TEXTS]
    found = code_in(tmp_path / "out")["probabilities"](texts)
    expected = predict(model, [(str(n), text) for n, text in enumerate(texts)]).probabilities
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 1e-3
    assert whole or any("windows are averaged" in note for note in made.notes)
    mixed = code_in(tmp_path / "out")["probabilities"](["", texts[1]])
    np.testing.assert_allclose(mixed[1], expected[1], atol=1e-5)
    vector = np.full(model.width, -0.1 / 0.7)  # of zeros, standardised as `model_of` says
    weights = load_file(tmp_path / "model" / "model.safetensors")
    scores = (weights["linear.weight"].numpy() @ vector + weights["linear.bias"].numpy()) / 1.7
    np.testing.assert_allclose(mixed[0], np.exp(scores) / np.exp(scores).sum(), atol=1e-5)


@pytest.mark.parametrize(("columns", "words"), [("subject, body", "'subject' and 'body', in this order"), ("body", "column 'body'")])
def test_columns_that_held_the_text_are_told(tmp_path: Path, columns: str, words: str) -> None:
    """Who has only the folder has to join them alike, to get the probabilities of `predict` for a table."""
    run, _ = text_run(tmp_path / "run", "bert-tiny", "masked_lm")
    model = model_of(run, tmp_path / "model", "layer2/mean", told={"text": columns})
    export(model, format="torch", out=tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "preprocessing.json").read_text(encoding="utf-8"))
    assert facts["text"] == columns.split(", ")
    assert words in facts["steps"][0]
    assert words in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    table = [{"subject": "Lamp", "body": "It flickers."}, {"subject": "", "body": "No bill."}]
    texts = ["Lamp\n\nIt flickers.", "No bill."] if "," in columns else ["It flickers.", "No bill."]
    found = code_in(tmp_path / "out")["probabilities"](texts)
    np.testing.assert_allclose(found, predict(model, table, text=columns).probabilities, atol=1e-5)


def test_models_are_refused_where_they_do_not_fit(tmp_path: Path) -> None:
    run = picture_run(tmp_path / "run", "compact_vit", size=32, side=32)
    model = model_of(run, tmp_path / "model", "block4/mean")
    for options, words in (
        ({"format": "timm"}, "expected one of onnx, torch, which hold models"),
        ({"format": "torch", "layer": "block3/mean"}, "classifies block4/mean"),
    ):
        with pytest.raises(ValueError, match=words):
            export(model, out=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
