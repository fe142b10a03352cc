"""Published figures beside our own: local copies are read right and refused by name, no test picture is learned from, rows are run once."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from lightly.utils.benchmarking import knn_predict

import local_copies
import reproduce
from local_copies import CLASSES, RECORD, TEST, TRAINING, NotHere, cifar10, imagenette
from picture_files import save
from published import FIGURES
from selfsup.backbones import build
from selfsup.data import Batches, Split
from selfsup.options import task_options
from selfsup.probing.probes import knn
from selfsup.tasks import TASKS, find_task

RECORDS = 10
DARK, BRIGHT = 180, 220  # training pictures are nowhere brighter, tested ones nowhere darker


@pytest.fixture
def cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which CIFAR-10's binary version is unpacked, with ten pictures a file."""
    monkeypatch.setattr(local_copies, "RECORDS", RECORDS)
    rng, folder = np.random.default_rng(0), tmp_path / "downloads" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for name in (*TRAINING, TEST):
        records = rng.integers(*((BRIGHT, 256) if name == TEST else (0, DARK)), (RECORDS, RECORD), dtype=np.uint8)
        records[:, 0] = np.arange(RECORDS)
        (folder / name).write_bytes(records.tobytes())
    return folder.parent


@pytest.fixture
def nette(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which Imagenette is unpacked, with two classes."""
    monkeypatch.setattr(local_copies, "IMAGENETTE", {"train": 12, "val": 8})
    rng, folder = np.random.default_rng(1), tmp_path / "downloads" / "imagenette2-160"
    for part, each in (("train", 6), ("val", 4)):
        for name in [f"n0{label}/n0{label}_{number}.JPEG" for label in (1440764, 2102040) for number in range(each)]:
            level = rng.integers(*((BRIGHT + 20, 256) if part == "val" else (0, DARK - 60)))  # JPEG is not exact
            save(folder / part / name, np.full((160, 170, 3), level, np.uint8))
    return folder.parent


@pytest.fixture
def small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that take a tenth of the time."""
    monkeypatch.setattr(reproduce, "FIGURES", [dataclasses.replace(row, backbone="compact_convnet") for row in FIGURES])


def arguments(place: Path, out: Path, *more: str) -> list[str]:
    return ["--cifar10", str(place), "--imagenette", str(place), "--out", str(out), *more]


def test_without_copies_every_row_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reproduce.main(arguments(tmp_path, tmp_path / "out")) == 0
    said = capsys.readouterr().out
    lines = [line for line in said.splitlines() if "not run here: " in line]
    assert len(lines) == len(FIGURES)
    for line, figure in zip(lines, FIGURES, strict=True):
        data = {"cifar10": "CIFAR-10", "imagenette": "Imagenette"}[figure.source.data]
        why = f"no {data} in {tmp_path}" if figure.task in TASKS else "selfsup has no such task"
        assert line.startswith(f"| {figure.method} |")
        assert line.endswith(f"| {figure.percent:.1f} | not run here: {why} |")
    assert "cifar-10-binary.tar.gz" in said
    assert not (tmp_path / "out" / "rows.jsonl").exists()


@pytest.mark.parametrize("figure", [row for row in FIGURES if row.task in TASKS], ids=lambda row: row.name)
def test_options_are_those_of_the_task(figure: Any) -> None:
    known = task_options(find_task(figure.task), figure.options)
    assert known.items() >= figure.options.items()


def test_networks_are_those_that_were_published() -> None:
    """At 32 px a ResNet keeps the resolution in its first layer; a ViT has patches of 16 px at both sizes."""
    assert [build("resnet18", size=size).settings.stem for size in (32, 128)] == ["small", "standard"]
    assert [build("vit_small_patch16_224", size=size).patch for size in (128, 224)] == [16, 16]


def test_cifar_is_read_to_the_byte(cifar: Path, tmp_path: Path) -> None:
    copy = cifar10(cifar, tmp_path / "out")
    with np.load(copy.data) as arrays:
        images, labels, parts = arrays["images"], arrays["label"], arrays["part"]
    assert copy.train == 5 * RECORDS
    assert labels.tolist() == [*CLASSES] * 6
    assert parts.tolist() == ["train"] * 50 + ["test"] * 10
    written = b"".join((cifar / "cifar-10-batches-bin" / name).read_bytes() for name in (*TRAINING, TEST))
    for row, y, x, channel in [(0, 0, 0, 0), (13, 2, 31, 1), (42, 17, 5, 2), (59, 31, 31, 2)]:
        assert images[row, y, x, channel] == written[row * 3073 + 1 + 1024 * channel + 32 * y + x]


def test_broken_copies_are_refused_by_name(cifar: Path, nette: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    third = cifar / "cifar-10-batches-bin" / TRAINING[2]
    whole = third.read_bytes()
    third.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match=rf"{TRAINING[2]} has 30,729 bytes; expected 30,730 .*Unpack"):
        cifar10(cifar, tmp_path / "out")
    third.write_bytes(b"\x0a" + whole[1:])
    with pytest.raises(ValueError, match=rf"{TRAINING[2]} has the label 10; expected 0 to 9"):
        cifar10(cifar, tmp_path / "out")
    third.unlink()
    with pytest.raises(ValueError, match=rf"{TRAINING[2]} is missing; expected .*{TEST}"):
        cifar10(cifar, tmp_path / "out")
    next((nette / "imagenette2-160" / "val").glob("*/*.JPEG")).unlink()
    with pytest.raises(ValueError, match=r"val has 7 pictures .*expected the 8 of version 2"):
        imagenette(nette, tmp_path / "out", size=128)
    assert reproduce.main(arguments(cifar, tmp_path / "out")) == 1, "something the user gave is broken"
    said = capsys.readouterr()
    assert said.out.count(f"not run here: {third} is missing") == sum(row.source.data == "cifar10" and row.task in TASKS for row in FIGURES)
    assert said.err.count("is missing") == 1, "once is enough"


def test_the_pickled_version_is_never_read(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"\x80\x04")
    with pytest.raises(NotHere, match="a pickle, which is never read") as caught:
        cifar10(tmp_path, tmp_path / "out")
    assert "cifar-10-binary.tar.gz" in caught.value.get


def test_the_version_suits_the_size(nette: Path, tmp_path: Path) -> None:
    shutil.copytree(nette / "imagenette2-160", nette / "imagenette2")
    assert imagenette(nette, tmp_path, size=128).data.name == "imagenette2-160"
    assert imagenette(nette, tmp_path, size=224).data.name == "imagenette2"
    assert imagenette(nette / "imagenette2-160", tmp_path, size=224).data.name == "imagenette2-160", "asked for by name"


@pytest.mark.usefixtures("small_networks")
def test_rows_are_run_once_and_learn_from_no_test_picture(
    cifar: Path, nette: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cifar == nette
    seen: list[Any] = []
    drawn = Batches.at

    def watched(self: Batches, *args: Any, **options: Any) -> dict[str, torch.Tensor]:
        batch = drawn(self, *args, **options)
        seen.append((batch["image"].shape[2], int(batch["image"].max())))
        return batch

    monkeypatch.setattr(Batches, "at", watched)
    out = tmp_path / "out"
    asked = arguments(cifar, out, "--tasks", "simclr", "--libraries", "lightly", "--epochs", "0.5", "--batch-size", "6", "--seeds", "2")
    assert reproduce.main(asked) == 0
    assert {side for side, _ in seen} == {32, 172}, "both were trained on"
    assert max(brightest for _, brightest in seen) < DARK
    first = capsys.readouterr().out
    cells = [line.split(" | ")[-1] for line in first.splitlines() if line.startswith("| SimCLR")]
    assert len(cells) == 3
    assert all("by their kNN" in cell and "epochs 0.5 instead of" in cell and "batch 6 instead of" in cell for cell in cells)
    records = [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]
    seeds = [out / f"lightly-imagenette-simclr-0.5-6-{seed}" for seed in (0, 1)]
    assert [record["theirs"] for record in records[1:]] == pytest.approx([sum(map(by_hand, seeds)) / 2] * 2)
    for folder in seeds:
        parts = Split.load(folder / "split.parquet").by_id()
        assert parts == {name: "test" if name.startswith("val/") else "train" for name in parts}
    scored = [
        json.loads((out / "scores" / f"lightly-{data}-simclr-0.5-6" / "results.json").read_text()) for data in ("cifar10", "imagenette")
    ]
    assert [(found["train"], found["test"], found["transductive"]) for found in scored] == [(50, 10, False), (12, 8, False)]

    monkeypatch.setattr(reproduce, "reproduced", None)  # whoever calls it fails
    assert reproduce.main(asked) == 0
    assert capsys.readouterr().out == first


def by_hand(folder: Path) -> float:
    """Every one of the fewer than 200 training pictures votes with exp(cosine / .1) for its class."""
    table = pq.read_table(folder / "last.parquet")
    labels = [name.split("/")[1] for name in table["id"].to_pylist()]
    rows = np.array(table["embedding"].to_pylist())
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    parts, right = table["part"].to_pylist(), list[bool]()
    for row, part in enumerate(parts):
        if part == "test":
            votes = dict.fromkeys(sorted(set(labels)), 0.0)
            for other in (other for other, part in enumerate(parts) if part == "train"):
                votes[labels[other]] += np.exp(rows[row] @ rows[other] / 0.1)
            right.append(max(votes, key=lambda label: votes[label]) == labels[row])
    return sum(right) / len(right)


def test_nearest_neighbours_vote_as_lightlys() -> None:
    rng = np.random.default_rng(3)
    train, test, targets = rng.normal(size=(300, 16)), rng.normal(size=(50, 16)), rng.integers(0, 5, 300)
    ours = knn(train, targets, test, classes=5, neighbours=200, temperature=0.1)
    unit = [torch.nn.functional.normalize(torch.tensor(rows), dim=1) for rows in (test, train)]
    theirs = knn_predict(unit[0], unit[1].T.contiguous(), torch.tensor(targets), num_classes=5, knn_k=200, knn_t=0.1)
    assert ours.argmax(1).tolist() == theirs[:, 0].tolist()


def test_a_dry_run_tells_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(reproduce, "seconds_a_picture", lambda name: 0.001)
    asked = arguments(tmp_path, tmp_path / "out", "--tasks", "simclr", "--libraries", "lightly", "solo-learn", "--dry-run", "--seeds", "2")
    assert reproduce.main(asked) == 0
    said = capsys.readouterr().out
    assert "| about 5.6 hours here; not run here: no CIFAR-10" in said  # 2 seeds, 200 epochs of 50,000
    assert "| about 27.8 hours here; not run here: no CIFAR-10" in said  # 2 seeds, 1,000 epochs of 50,000
    assert "| about 4.2 hours here; not run here: no Imagenette" in said  # 2 seeds, 800 epochs of 9,469
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("small_networks")
def test_time_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(reproduce, "TIMED", {32: 4})
    assert 0 < reproduce.seconds_a_picture(FIGURES[0].name) < 60
    assert capsys.readouterr().err == f"timing {FIGURES[0].name}\n", "what is said of noise would mislead"
