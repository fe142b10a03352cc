"""Runs of pairs: trained, resumed, and taken apart into sides that every later stage reads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from selfsup.backbones import load_backbone
from selfsup.embedding import embed
from selfsup.pretraining import pretrain
from selfsup.run import Run
from selfsup.trained import load_task
from small_pairs import arrays, table

QUICK: dict[str, Any] = {
    "task": "clip", "backbone": "compact_convnet+bert-tiny", "size": 16, "batch_size": 16, "precision": "fp32", "context": 24,
    "tokenizer": "bytes", "shared_width": 32,
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return pretrain(str(data), **QUICK, steps=60, holdout=0.25, out=tmp_path_factory.mktemp("runs") / "clip")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {f"{side}/{name}": value for side, file in (("image", "backbone"), ("text", "model"))
            for name, value in load_file(folder / side / f"{file}.safetensors").items()}  # fmt: skip


def test_it_learns_to_tell_pairs_apart(run: Run) -> None:
    entries = [json.loads(line) for line in run.metrics_file.read_text().splitlines()]
    losses = [entry["loss"] for entry in entries if "loss" in entry]
    assert losses[-1] < 0.7 * losses[0]
    assert run.kind == "pair"
    assert run.choices["captions"] == {"en": 36, "de": 36}
    assert (run.pictures, run.held_out) == (36, 12)


def test_a_resumed_run_ends_like_a_straight_one(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from selfsup import pretraining
    from selfsup.train import train

    asked = {**QUICK, "task": "siglip", "steps": 6}
    straight = pretrain(str(data), **asked, out=tmp_path / "straight")

    def half(*given: Any, **named: Any) -> None:
        train(*given, **named, until=3)
        raise KeyboardInterrupt

    monkeypatch.setattr(pretraining, "train", half)
    with pytest.raises(KeyboardInterrupt):
        pretrain(str(data), **asked, out=tmp_path / "stopped")
    monkeypatch.undo()
    pretrain(str(data), **asked, out=tmp_path / "stopped", resume=True)
    one, other = weights(straight.folder), weights(tmp_path / "stopped")
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_each_side_is_a_run_that_embeds(run: Run, data: Path, tmp_path: Path) -> None:
    image, text = Run.open(run.folder / "image"), Run.open(run.folder / "text")
    assert (image.kind, text.kind, image.name, text.name) == ("image", "text", "clip-image", "clip-text")
    pictures = embed(image, str(data), out=tmp_path / "a.parquet")
    assert (pictures.count, pictures.layer) == (48, "stage3/mean")
    words = embed(text, str(data), text="text", out=tmp_path / "b.parquet", layer="layer2/mean")
    assert (words.count, words.width) == (96, 128)
    with pytest.raises(ValueError, match="has two sides; give one of them"):
        embed(run, str(data))


def test_the_shared_layer_of_both_sides_is_the_space_of_the_task(run: Run, data: Path, tmp_path: Path) -> None:
    """What `embed --layer shared` writes is what the task compares: the same directions, picture by picture and text by text."""
    seen = embed(run.folder / "image", str(data), layer="shared", out=tmp_path / "a.parquet")
    read = embed(run.folder / "text", str(data), text="text", layer="shared", out=tmp_path / "b.parquet")
    assert seen.width == read.width == 32
    task = load_task(run)
    from selfsup.data.pairs import PairWanted, prepare_pairs
    from selfsup.data.tokens.tokenizer import Tokenizer
    from selfsup.views import plain

    corpus = prepare_pairs(str(data), PairWanted(), size=16, context=24, tokenizer=Tokenizer.load(run.folder / "text"))
    batch = corpus.store.batch(torch.arange(48))
    net: Any = task.backbone
    with torch.no_grad():
        pictures = net.pictures(plain(batch["image"], 16))
        texts = net.texts(batch["tokens"][:, 0], torch.arange(batch["tokens"].shape[2]) < batch["length"][:, :1])
    np.testing.assert_allclose(seen.vectors, pictures.numpy(), atol=2e-5)
    np.testing.assert_allclose(read.vectors[::2], texts.numpy(), atol=2e-5)
    np.testing.assert_allclose(np.linalg.norm(seen.vectors, axis=1), 1, atol=1e-5)


def test_shards_of_another_projection_are_not_gone_on_with(run: Run, data: Path, tmp_path: Path) -> None:
    from selfsup.backbones import read_projection, save_projection
    from selfsup.embedding.working import ShardWriter, Work

    other = tmp_path / "other"
    shutil.copytree(run.folder / "image", other)
    work = Work(other, str(data), {}, "auto", "shared", tmp_path / "e.parquet")
    before = ShardWriter(work).shards
    assert ShardWriter(work).shards == before
    projection = read_projection(other)
    assert projection is not None
    save_projection(projection + 1, other)
    assert ShardWriter(work).shards.made_of != before.made_of


def test_what_was_held_out_is_known_on_both_sides(run: Run, data: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    embed(run.folder / "image", str(data), out=tmp_path / "a.parquet")
    embed(run.folder / "text", str(data), text="text", out=tmp_path / "b.parquet")
    pictures, texts = pq.read_table(tmp_path / "a.parquet"), pq.read_table(tmp_path / "b.parquet")
    parts = dict(zip(pictures["id"].to_pylist(), pictures["part"].to_pylist(), strict=True))
    assert sorted(parts.values()).count("test") == 12
    assert texts["part"].to_pylist() == [parts[name] for name in texts["image"].to_pylist()]


def test_sides_come_from_earlier_runs_and_one_stays_frozen(run: Run, data: Path, tmp_path: Path) -> None:
    tuned = pretrain(
        str(data), task="siglip", steps=3, batch_size=16, image_from=run.folder / "image", freeze="image", text_from=run.folder,
        precision="fp32", out=tmp_path / "lit",
    )  # fmt: skip
    before, after = weights(run.folder), weights(tuned.folder)
    assert all(torch.equal(value, after[name]) for name, value in before.items() if name.startswith("image/"))
    assert not all(torch.equal(value, after[name]) for name, value in before.items() if name.startswith("text/"))
    assert tuned.choices["shared_width"] == 256
    on = pretrain(str(data), task="clip", steps=1, batch_size=16, weights=run.folder, precision="fp32", out=tmp_path / "on")
    assert on.choices["shared_width"] == 32, "projections came along"
    assert load_backbone(on.folder / "image").settings.mean == load_backbone(run.folder / "image").settings.mean


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"freeze": "image"}, "give --image-from RUN too"),
        ({"backbone": "compact_convnet"}, "IMAGE.TEXT, such as"),
        ({"deduplicate": True}, "--deduplicate is for texts alone"),
        ({"task": "simclr", "backbone": "auto", "tokenizer": None, "context": None}, "--shared-width is for pairs"),
        ({"image_from": "nowhere"}, "holds no backbone for image"),
        ({"kind": "text"}, "learns from pair"),
    ],
)
def test_what_does_not_go_together_is_refused(wrong: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        pretrain(arrays(16), **{**QUICK, **wrong}, steps=1, out=tmp_path / "run")
