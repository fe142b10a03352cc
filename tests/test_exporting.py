"""Pictures and texts from the raw file on: other libraries alone, by the code that an export tells, give what `embed` gives."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import selfsup.exporting.exported
from command_line import failure, success
from exported_runs import TEXTS, code_in, picture_files, picture_run, run_in, text_run
from selfsup.backbones import build, save_backbone
from selfsup.data.decode import decode
from selfsup.data.tokens.tokenizer import Tokenizer
from selfsup.embedding import embed
from selfsup.exporting import FORMATS, export
from selfsup.exporting.picture_code import pixels_code
from selfsup.exporting.subjects import Pictures, subject_of
from selfsup.exporting.whole_networks import PictureNetwork

PICTURES = [
    # format, backbone, size, side at which pictures are stored, channels, layer
    ("timm", "resnet18", 32, 48, 3, "stage3/max"),  # first layers for small pictures
    ("timm", "compact_vit", 32, 32, 3, "block2/mean"),
    ("timm", "mobilenetv3_small_050", 96, 96, 1, "stage4/mean"),  # a part of it never trained
    ("torchvision", "resnet18", 96, 128, 1, "stage4/quarters"),
    ("torchvision", "resnet18", 32, 32, 3, "stage1/mean"),
    ("transformers", "convnext_atto", 32, 64, 3, "stage3/quarters"),
    ("transformers", "compact_vit", 32, 40, 3, "block4/mean"),
    ("onnx", "compact_convnet", 28, 40, 3, "stage3/quarters"),
    ("onnx", "compact_vit", 32, 32, 1, "block3/max"),
    ("torch", "compact_convnet", 28, 56, 1, "stage4/mean"),
]


@pytest.mark.parametrize(("format", "backbone", "size", "side", "channels", "layer"), PICTURES)
def test_picture_files_get_the_embeddings_of_embed(
    tmp_path: Path, format: str, backbone: str, size: int, side: int, channels: int, layer: str
) -> None:
    run = picture_run(tmp_path / "run", backbone, size=size, side=side, channels=channels)
    paths = picture_files(tmp_path / "pictures")
    expected = embed(run, tmp_path / "pictures", layer=layer)
    made = export(run, format=format, out=tmp_path / "out", layer=layer)
    found = code_in(tmp_path / "out")["embeddings"](paths)
    assert [Path(name).name for name in expected.ids] == [path.name for path in paths]
    assert (made.layer, made.width, made.folder) == (layer, expected.width, tmp_path / "out")
    scale = max(1.0, float(np.abs(expected.vectors).max()))
    np.testing.assert_allclose(np.asarray(found), expected.vectors, atol=1e-5 * scale)
    assert np.abs(expected.vectors[0] - expected.vectors[1]).max() > 1e-3 * scale, "different pictures, or nothing was compared"
    assert 0 <= made.difference < 1e-5


@pytest.mark.parametrize(("side", "channels"), [(40, 3), (64, 1)])
def test_pixels_are_those_of_the_run_to_the_bit(tmp_path: Path, side: int, channels: int) -> None:
    """Also of what is transparent, of 16 bits and of floats, on their side or not."""
    run = picture_run(tmp_path / "run", "compact_convnet", size=28, side=side, channels=channels)
    defined: dict[str, Any] = {}
    subject = subject_of(run, None)
    assert isinstance(subject, Pictures)
    exec("\n".join(["import numpy as np", "from PIL import Image, ImageOps", *pixels_code(subject)]), defined)
    floats = np.linspace(-3, 5, 600, dtype=np.float32).reshape(20, 30)
    floats[3, 4:7] = np.nan, np.inf, -np.inf
    (tmp_path / "pictures").mkdir()
    Image.fromarray(floats).save(tmp_path / "pictures" / "holes.tif")
    Image.fromarray(np.arange(600, dtype=np.int32).reshape(20, 30) - 90).save(tmp_path / "pictures" / "signed.tif")
    for path in picture_files(tmp_path / "pictures"):
        np.testing.assert_array_equal(defined["pixels"](path), decode(path, side=side, channels=channels).pixels, err_msg=path.name)


TEXT_FORMATS = [
    # format, backbone, task, layer, whether texts longer than the context are read to their end
    ("transformers", "bert-tiny", "masked_lm", "layer1/mean", False),
    ("transformers", "gpt2-tiny", "causal_lm", "layer2/last", False),
    ("transformers", "modernbert-tiny", "masked_lm", "first+last/mean", False),
    ("sentence-transformers", "bert-tiny", "masked_lm", "layer1/max", False),
    ("sentence-transformers", "modernbert-tiny", "masked_lm", "layer1/mean", False),
    ("sentence-transformers", "gpt2-tiny", "causal_lm", "first+last/mean", False),
    ("sentence-transformers", "llama-tiny", "causal_lm", "layer2/last", False),
    ("onnx", "bert-tiny", "masked_lm", "layer2/mean", True),
    ("torch", "gpt2-tiny", "causal_lm", "layer1/last", True),
    ("torch", "modernbert-tiny", "masked_lm", "layer1/max", True),
]


@pytest.mark.parametrize(("format", "backbone", "task", "layer", "whole"), TEXT_FORMATS)
def test_texts_get_the_embeddings_of_embed(tmp_path: Path, format: str, backbone: str, task: str, layer: str, whole: bool) -> None:
    run, _ = text_run(tmp_path / "run", backbone, task)
    made = export(run, format=format, out=tmp_path / "out", layer=layer)
    found = np.asarray(code_in(tmp_path / "out")["embeddings"](TEXTS))
    texts = TEXTS if whole else [text.encode()[:24].decode() for text in TEXTS]
    expected = embed(run, [(f"{n}", text) for n, text in enumerate(texts)], layer=layer, out=tmp_path / "expected.parquet")
    scale = max(1.0, float(np.abs(expected.vectors).max()))
    np.testing.assert_allclose(found, expected.vectors, atol=1e-5 * scale)
    assert np.abs(expected.vectors[0] - expected.vectors[1]).max() > 1e-3 * scale
    assert whole or any("window by window" in note for note in made.notes)
    embeddings = code_in(tmp_path / "out")["embeddings"]
    with_gaps = np.asarray(embeddings(["", TEXTS[1], ""]))
    np.testing.assert_allclose(with_gaps[1], expected.vectors[1], atol=1e-5 * scale)
    assert not with_gaps[[0, 2]].any(), "a text without tokens gets zeros, and costs no other its embedding"
    np.testing.assert_array_equal(np.asarray(embeddings([""])), np.zeros((1, expected.width)))


def test_layers_behind_the_chosen_one_are_left_out_where_that_changes_nothing(tmp_path: Path) -> None:
    for backbone, task, layers in (("bert-tiny", "masked_lm", 1), ("gpt2-tiny", "causal_lm", 2)):  # GPT-2 has a norm after its last layer
        run, _ = text_run(tmp_path / backbone, backbone, task)
        export(run, format="sentence-transformers", out=tmp_path / f"{backbone}-out", layer="layer1")
        configuration = json.loads((tmp_path / f"{backbone}-out" / "config.json").read_text(encoding="utf-8"))
        assert configuration.get("num_hidden_layers", configuration.get("n_layer")) == layers


@pytest.mark.parametrize(
    ("backbone", "task"),
    [("bert-tiny", "masked_lm"), ("modernbert-tiny", "masked_lm"), ("roberta-tiny", "masked_lm"), ("gpt2-tiny", "causal_lm"),
     ("llama-tiny", "causal_lm")],
)  # fmt: skip
def test_transformers_predicts_the_words_that_the_task_does(tmp_path: Path, backbone: str, task: str) -> None:
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

    run, module = text_run(tmp_path / "run", backbone, task)
    made = export(run, format="transformers", out=tmp_path / "out")
    kind: Any = AutoModelForCausalLM if task == "causal_lm" else AutoModelForMaskedLM
    ids = AutoTokenizer.from_pretrained(tmp_path / "out")("The [MASK] of room 7", return_tensors="pt").input_ids
    assert task == "causal_lm" or ids[0].tolist().count(module.mask) == 1
    with torch.no_grad():
        found = kind.from_pretrained(tmp_path / "out").eval()(input_ids=ids).logits
        expected = module.logits(ids) if task == "causal_lm" else module.logits(ids, torch.arange(ids.shape[1])[None])
    torch.testing.assert_close(found, expected, atol=5e-4 * float(expected.abs().max()), rtol=0)
    assert kind.__name__ in " ".join(made.notes)


def test_a_tokeniser_that_puts_tokens_around_texts_stops_doing_so(tmp_path: Path) -> None:
    """The network never saw them there: `embed` leaves them out, so an export has to."""
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    run, _ = text_run(tmp_path / "run", "bert-tiny", "masked_lm")
    backend = Tokenizer.load(tmp_path / "run").backend
    backend.post_processor = TemplateProcessing(single="[BOS] $A [EOS]", special_tokens=[("[BOS]", 257), ("[EOS]", 258)])
    backend.save(str(tmp_path / "run" / "tokenizer.json"))
    assert AutoTokenizer.from_pretrained(tmp_path / "run")("a").input_ids == [257, 97, 258]
    export(run, format="transformers", out=tmp_path / "out")
    assert AutoTokenizer.from_pretrained(tmp_path / "out")("a").input_ids == [97]


def test_onnx_takes_any_number_of_pictures(tmp_path: Path) -> None:
    run = picture_run(tmp_path / "run", "compact_convnet", size=28, side=28)
    export(run, format="onnx", out=tmp_path / "out")
    session = code_in(tmp_path / "out")["session"]
    pixels = np.random.default_rng(0).integers(0, 256, (7, 28, 28, 3), dtype=np.uint8)
    together = session.run(None, {"pixels": pixels})[0]
    for row in range(7):
        np.testing.assert_allclose(session.run(None, {"pixels": pixels[row : row + 1]})[0], together[row : row + 1], atol=1e-6)
    assert together.shape == (7, 128)


def test_the_card_tells_what_it_is(tmp_path: Path) -> None:
    run = picture_run(tmp_path / "run", "compact_convnet", size=28, side=28)
    scored = {"row": "simclr", "kind": "run", "runs": [], "probe": "linear", "labels_per_class": 10, "metric": "accuracy", "seeds": 1}
    scored |= {"value": 0.8125, "low": 0.7, "high": 0.9, "layers": {}, "accuracy": 0.8, "balanced_accuracy": 0.8, "average_precision": 0.8}
    lists = ("classes", "comparisons", "confusion", "per_class", "unmatched_labels", "notes")
    facts: dict[str, Any] = {name: [] for name in lists} | {"class_counts": {}}
    facts |= {"format": 1, "data": "x", "labels": "folder", "train": 1, "test": 77, "unlabelled": 0, "metric": "accuracy", "draws": 1}
    facts |= {"primary": {"probe": "linear", "labels_per_class": 10}, "skewed": False, "transductive": False, "rows": [scored]}
    run.results_file.write_text(json.dumps(facts | {"chosen_layer": {"run": "stage2/max"}}), encoding="utf-8")
    made = export(run, format="torch", out=tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert made.layer == "stage2/max", "the layer that evaluate chose"
    for told in ("| simclr | 81.2 | 70.0 to 90.0 |", "77 pictures", "license: unknown", "chosen by `selfsup evaluate`", "1 steps of 8"):
        assert told in card
    assert json.loads((tmp_path / "out" / "preprocessing.json").read_text(encoding="utf-8"))["layer"] == "stage2/max"


def test_what_cannot_be_exported_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = picture_run(tmp_path / "run", "compact_convnet", size=28, side=28)
    texts, _ = text_run(tmp_path / "texts", "bert-tiny", "masked_lm")
    out = tmp_path / "out"
    cases: list[tuple[Any, str, str]] = [
        (run, "hf", "expected one of timm, torchvision, transformers, onnx, torch"),
        (run, "sentence-transformers", "hold networks for pictures"),
        (texts, "timm", "expected one of transformers, sentence-transformers, onnx, torch"),
        (run, "timm", "expected --format onnx or torch"),
        (run, "transformers", "expected --format onnx or torch"),
        (run_in(tmp_path / "begun", task="simclr", backbone="compact_convnet"), "onnx", "is not finished"),
        (tmp_path, "onnx", "holds no run"),
        (picture_run(tmp_path / "small", "resnet18", size=32, side=32), "transformers", "onnx or torch, which can"),
        (picture_run(tmp_path / "vit", "compact_vit", size=32, side=32), "torchvision", "torchvision has no"),
    ]
    for subject, format, words in cases:
        with pytest.raises(ValueError, match=words):
            export(subject, format=format, out=out)
    with pytest.raises(ValueError, match="there is no layer"):
        export(run, format="torch", out=out, layer="stage9")
    monkeypatch.setattr(selfsup.exporting.exported, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'selfsup\[onnx\]'"):
        export(run, format="onnx", out=out)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'selfsup\[sentence-transformers\]'"):
        export(texts, format="sentence-transformers", out=out)
    assert not out.exists()
    assert not list(tmp_path.glob(".out*")), "nothing half written stays"


def test_an_export_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = picture_run(tmp_path / "run", "compact_convnet", size=28, side=28)
    forward = PictureNetwork.forward
    monkeypatch.setattr(PictureNetwork, "forward", lambda self, pixels: forward(self, pixels) + 2e-4)
    with pytest.raises(ValueError, match=r"differ by 0\.0002"):
        export(run, format="torch", out=tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    run = picture_run(tmp_path / "run", "compact_convnet", size=28, side=28)
    before = sorted(run.folder.rglob("*"))
    for place in (run.folder, run.folder / "run.json"):
        with pytest.raises(ValueError, match="give --out a new folder"):
            export(run, format="torch", out=place)
    (tmp_path / "empty").mkdir()
    export(run, format="torch", out=tmp_path / "empty")
    assert sorted(run.folder.rglob("*")) == before
    (tmp_path / "here").mkdir()
    with contextlib.chdir(tmp_path / "here"):
        export(run, format="torch", out=".")
    for name in ("empty", "here"):
        assert {path.name for path in (tmp_path / name).iterdir()} == {"README.md", "model.pt2", "preprocessing.json"}
    assert {path.name for path in tmp_path.iterdir()} == {"run", "empty", "here"}


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_backbone(build("compact_vit", size=28), tmp_path / "run")
    run_in(tmp_path / "run", task="mae", backbone="compact_vit", size=28, store_side=28, channels=3)
    said = success(capsys, "export", tmp_path / "run", "--format", "timm", "--out", tmp_path / "out", "--layer", "block4")
    assert "192 numbers an item, from layer block4/mean" in said
    assert str(tmp_path / "out" / "README.md") in said
    assert "is not empty" in failure(capsys, "export", tmp_path / "run", "--format", "timm", "--out", tmp_path / "out")
    refused = failure(capsys, "export", tmp_path / "run", "--format", "x", "--out", tmp_path / "other")
    assert all(name in refused for name, row in FORMATS.items() if row.pictures)


def test_heads_that_cannot_go_along_are_left_out_in_words(tmp_path: Path) -> None:
    run, _ = text_run(tmp_path / "run", "bert-tiny", "masked_lm")
    (run.folder / "heads.safetensors").unlink()
    made = export(run, format="transformers", out=tmp_path / "out")
    assert any("head of masked_lm was left out" in note for note in made.notes)
    assert json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))["architectures"] == ["BertModel"]


def test_encoders_of_encoder_decoders_go_out_as_encoders(tmp_path: Path) -> None:
    run, _ = text_run(tmp_path / "run", "t5-tiny", "masked_lm")
    made = export(run, format="transformers", out=tmp_path / "out", layer="layer1/mean")
    assert any("is not known here" in note for note in made.notes), "masked words are not what T5 predicts"
    texts = [text.encode()[:24].decode() for text in TEXTS]
    expected = embed(run, [(str(n), text) for n, text in enumerate(texts)], layer="layer1/mean", out=tmp_path / "e.parquet").vectors
    np.testing.assert_allclose(np.asarray(code_in(tmp_path / "out")["embeddings"](texts)), expected, atol=1e-5 * np.abs(expected).max())
