"""Curating from files to tables and pages, as commands and from Python, for pictures and for texts."""

from __future__ import annotations

import csv
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images
from sklearn.neighbors import NearestNeighbors

import selfsup
from command_line import failure, success
from finetuning_fixture import IMAGES, TARGETS, picture_run, text_run
from selfsup.backbones import build, save_backbone
from selfsup.data import make_split, open_source
from selfsup.run import Run
from text_stand_ins import topic_texts

HOSTILE = "<img src=x>.png"


class Page(HTMLParser):
    """Checks nesting, and counts elements."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.counts: dict[str, int] = {}
        self.source = file.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert not self.open

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1
        if name not in ("img", "meta", "br"):
            self.open.append(name)
        if name == "img":
            assert (dict(attributes)["src"] or "").startswith("data:image/png;base64,")

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def photos(folder: Path) -> Path:
    """Forty tiles of two photographs, one under a hostile name, with four copies of them."""
    tiles = [
        photo[top : top + 64, left : left + 64] for photo in load_sample_images().images for top in (40, 160) for left in range(0, 640, 64)
    ]
    folder.mkdir()
    for number, tile in enumerate(tiles):
        Image.fromarray(tile).save(folder / (HOSTILE if number == 7 else f"{number:02d}.png"))
    originals = [Image.open(folder / f"{number:02d}.png") for number in (3, 12, 25, 31)]
    originals[0].resize((45, 45), Image.Resampling.LANCZOS).save(folder / "small.png")
    originals[1].save(folder / "saved.jpg", quality=70)
    originals[2].crop((2, 1, 63, 62)).save(folder / "cut.png")
    originals[3].transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "turned.png")
    (folder / "again.png").write_bytes((folder / "20.png").read_bytes())
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def photo_run(folder: Path, data: Path) -> Run:
    """Freshly initialised weights for pictures of 64 px in colour."""
    source = open_source(data)
    run = Run(
        folder=folder, data=str(data), root=source.root, task="simclr", options={}, backbone="compact_convnet", size=64, channels=3,
        store_side=64, batch_size=32, steps=1, learning_rate=1e-3, weight_decay=0.0,
    )  # fmt: skip
    run.save()
    torch.manual_seed(0)
    save_backbone(build("compact_convnet", size=64, channels=3), folder)
    return run


def news(folder: Path) -> Path:
    """Sixty texts of three topics, one of them copied with an end cut off."""
    for text in topic_texts(60):
        file = folder / text.id
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.text, encoding="utf-8")
    first = sorted(folder.rglob("*.txt"))[0]
    words = first.read_text(encoding="utf-8").split()
    (folder / "copy.txt").write_text(" ".join(words[: int(0.8 * len(words))]), encoding="utf-8")
    return folder


def test_copies_among_photographs_are_found_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = photos(tmp_path / "photos")
    run = photo_run(tmp_path / "run", data)
    keep = tmp_path / "keep.csv"
    told = success(capsys, "duplicates", run.folder, data, "--out", tmp_path / "out", "--keep", keep)
    pairs = {frozenset((row["first"], row["second"])): row["kind"] for row in rows_of(tmp_path / "out" / "duplicates.csv")}
    assert pairs == {
        frozenset(("03.png", "small.png")): "resized",
        frozenset(("12.png", "saved.jpg")): "re-compressed",
        frozenset(("25.png", "cut.png")): "cropped",
        frozenset(("31.png", "turned.png")): "flipped",
        frozenset(("20.png", "again.png")): "identical",
    }
    assert {row["id"] for row in rows_of(keep) if row["keep"] == "yes"} >= {"03.png", "25.png"}
    assert sorted(row["keep"] for row in rows_of(keep)) == ["no"] * 5 + ["yes"] * 5
    assert "5 of 45 pictures are near-copies of others, in 5 groups" in told
    page = Page(tmp_path / "out" / "duplicates.html")
    assert page.counts["img"] == 10


def test_outliers_with_their_neighbours_and_hostile_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = photos(tmp_path / "photos")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(data / "noise.png")
    run = photo_run(tmp_path / "run", data)
    success(capsys, "outliers", run.folder, data)
    table = rows_of(run.folder / "curating" / "outliers.csv")
    embeddings = selfsup.embed(run, data, out=tmp_path / "embeddings.parquet")
    cosine = NearestNeighbors(n_neighbors=11, metric="cosine").fit(embeddings.vectors).kneighbors(embeddings.vectors)[0]
    expected = dict(zip(embeddings.ids, cosine[:, 1:].mean(1), strict=True))
    distances = [float(row["distance"]) for row in table]
    assert distances == sorted(distances, reverse=True)
    np.testing.assert_allclose(distances, [expected[row["id"]] for row in table], atol=1e-5)
    assert len(table) == 46
    page = Page(run.folder / "curating" / "outliers.html")
    assert page.counts["img"] == 46 * 6
    assert "&lt;img src=x&gt;" in page.source
    success(capsys, "outliers", run.folder, data, "--without-samples")
    page = Page(run.folder / "curating" / "outliers.html")
    assert "img" not in page.counts
    assert "noise.png" not in page.source


def test_texts_are_curated_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = news(tmp_path / "texts")
    run, out = text_run(tmp_path / "run", data), tmp_path / "out"
    success(capsys, "duplicates", run.folder, "--out", out, "--keep", out / "keep.csv")
    [pair] = rows_of(out / "duplicates.csv")
    assert (pair["kind"], pair["similarity"]) == ("contained", "1.000000")
    assert [row["keep"] for row in rows_of(out / "keep.csv") if row["id"] == "copy.txt"] == ["no"]
    success(capsys, "outliers", run.folder, data, "--out", out)
    success(capsys, "suggest", run.folder, data, "-n", 7, "--out", out)
    success(capsys, "suspects", run.folder, data, "--labels", "folder", "--out", out)
    assert len(rows_of(out / "suggestions.csv")) == 7
    excerpts = [Page(out / f"{name}.html").counts["p"] for name in ("duplicates", "outliers", "suggestions")]
    assert min(excerpts) > 4


def test_wrong_labels_are_found_among_digits(tmp_path: Path) -> None:
    targets = TARGETS[:300].copy()
    wrong = np.arange(0, 300, 25)
    targets[wrong] = (targets[wrong] + 3) % 10
    run = picture_run(tmp_path / "run")
    found = selfsup.suspects(run, IMAGES[:300], labels=targets)
    first = {int(item.id) for item in found.items[: len(wrong)]}
    assert len(first & set(wrong.tolist())) >= 0.7 * len(wrong)
    right = [int(item.suggested) == TARGETS[int(item.id)] for item in found.suspected if int(item.id) in wrong]
    assert np.mean(right) > 0.7
    assert [item.probability for item in found.items] == sorted(item.probability for item in found.items)
    assert [row["id"] for row in rows_of(found.table)] == [item.id for item in found.suspected]
    assert Page(found.page).counts["img"] == 6 * len(found.suspected)


def test_what_was_held_out_or_has_a_label_is_not_suggested(tmp_path: Path) -> None:
    run = picture_run(tmp_path / "run")
    split = make_split(open_source(IMAGES[:300]).ids, holdout=0.3)
    split.save(run.split_file)
    labels: list[object] = [TARGETS[row] if row % 3 == 0 else None for row in range(300)]
    for strategy, given in (("auto", None), ("auto", labels), ("coverage", labels)):
        found = selfsup.suggest(run, IMAGES[:300], labels=given, count=20, strategy=strategy)
        chosen = [int(item.id) for item in found.items]
        assert len(set(chosen)) == 20
        assert not set(chosen) & set(split.rows("test"))
        if given is not None:
            assert all(row % 3 for row in chosen)
        assert "held out" in found.notes[0]
    first = selfsup.suggest(run, IMAGES[:300], count=20)
    assert [item.id for item in first.items] == [item.id for item in selfsup.suggest(run, IMAGES[:300], count=20).items]


def test_a_filled_in_table_of_suggestions_is_read_as_labels(tmp_path: Path) -> None:
    run = picture_run(tmp_path / "run")
    found = selfsup.suggest(run, IMAGES[:300], count=30)
    lines = found.table.read_text().splitlines()
    filled = [f"{line.split(',')[0]},{TARGETS[int(line.split(',')[0])]},{line.split(',')[2]}" for line in lines[1:]]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join([lines[0], *filled]))
    again = selfsup.suggest(run, IMAGES[:300], count=10, labels=table)
    assert again.labelled == 30
    assert not {item.id for item in again.items} & {item.id for item in found.items}


def test_bad_wishes_are_refused_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "digits.npy"
    np.save(data, (load_digits().images[:40] * 15).astype(np.uint8))
    run = picture_run(tmp_path / "run", str(data))
    assert "Expected one of auto, random" in failure(capsys, "suggest", run.folder, "--strategy", "tipical")
    assert "threshold=1.5" in failure(capsys, "duplicates", run.folder, "--threshold", 1.5)
    assert "there is no layer 'stage9'" in failure(capsys, "outliers", run.folder, "--layer", "stage9")
    assert "no run.json" in failure(capsys, "outliers", tmp_path)
    with pytest.raises(ValueError, match="nothing is left to label"):
        selfsup.suggest(run, labels=TARGETS[:40])
    with pytest.raises(ValueError, match="expected at least 1"):
        selfsup.outliers(run, neighbours=0)
