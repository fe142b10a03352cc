"""Labels: from folders, tables in other people's spelling, columns and sequences."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from selfsup.data import read_labels
from selfsup.data.matching import Matcher

IDS = ["a/1.png", "a/2.png", "b/1.png", "deep/er/x.jpg", "Größe/ü.png"]


def table(folder: Path, text: str, name: str = "labels.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_folders() -> None:
    labels = read_labels("folder", ["cat/1.png", "dog/x/2.png", "unlabelled/3.png", "Unknown/4.png", "5.png", "cat10/6.png", "cat2/7.png"])
    assert labels.values == ["cat", "dog", None, None, None, "cat10", "cat2"]
    assert labels.classes == ["cat", "cat2", "cat10", "dog"]
    assert labels.counts == {"cat": 1, "cat2": 1, "cat10": 1, "dog": 1}
    assert labels.targets == [0, 3, -1, -1, -1, 2, 1]
    assert read_labels("folder", ["train/cat/1.png", "test/dog/2.png"]).values == ["cat", "dog"]
    with pytest.raises(ValueError, match="The folders gave no label"):
        read_labels("folder", ["1.png", "2.png"])


def test_table_partly_labelled(tmp_path: Path) -> None:
    labels = read_labels(table(tmp_path, "path,label\na/1.png,1.0\nb/1.png,2\na/2.png,\nelse/9.png,1\n"), IDS)
    assert labels.values == ["1", None, "2", None, None]
    assert labels.unmatched == ["else/9.png"]
    assert labels.ambiguous == []


def test_other_peoples_paths(tmp_path: Path) -> None:
    text = "File;Class\nC:\\data\\A\\1.PNG;x\n./b//1.png;y\ner\\x;z\n/mnt/disk/gro\u0308ße/u\u0308.png;w\n"
    labels = read_labels(table(tmp_path, text), IDS)
    assert labels.values == ["x", None, "y", "z", None] or labels.values == ["x", None, "y", "z", "w"]
    assert labels.values[4] == "w", "accents in one sign or two"
    assert labels.unmatched == []


def test_equal_base_names() -> None:
    labels = read_labels({"1.png": "x", "2.png": "y", "x.jpg": "z", "2": "y"}, IDS)
    assert labels.values == [None, "y", None, "z", None]
    assert labels.unmatched == labels.ambiguous == ["1.png"]
    exact = Matcher(["1.png", "a/1.png", "A/1.png", "b/a/1.png"])
    assert exact.find("1.png") == [0]
    assert exact.find("a/1.png") == [1]
    assert exact.find("A/1.PNG") == [1, 2]
    assert exact.find("x/b/a/1.png") == [3]
    assert exact.find("c/1.png") == [0], "the only id that is the end of this path"
    assert exact.find("2.png") == exact.find("") == []
    assert Matcher(["d/1.png"]).find("c/1.png") == [], "another folder's file of the same name is another file"


def test_matching_survives_any_rewriting() -> None:
    """Ids written as on other systems are found again: separators, drives, case, leading folders."""
    chance = random.Random(0)
    ids = sorted(
        {"/".join(chance.choice("abcdefg") * chance.randrange(1, 3) for _ in range(chance.randrange(2, 5))) + ".png" for _ in range(300)}
    )
    matcher = Matcher(ids)
    for place, name in enumerate(ids):
        for rewritten in (
            name,
            name.replace("/", "\\"),
            f"./{name}",
            f"D:\\root folder\\{name}".replace("/", "\\"),
            f"/root folder/{name.upper()}",
        ):
            assert matcher.find(rewritten) == [place]


def test_conflicts_and_duplicates(tmp_path: Path) -> None:
    labels = read_labels(table(tmp_path, "path,label\na/1.png,x\na/1.png,x\na/2.png,x\na\\2.png,y\nb/1.png,y\n"), IDS)
    assert labels.values == ["x", None, "y", None, None]
    assert labels.conflicts == {"a/2.png": ["x", "y"]}


def test_parquet_and_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image_id": ["a/1", "a/2"], "target": [1.0, None], "vector": [[1.0], [2.0]]}), tmp_path / "t.parquet")
    assert read_labels(tmp_path / "t.parquet", IDS).values == ["1", None, None, None, None]
    wide = table(tmp_path, "path,defect,kind\na/1.png,yes,p\na/2.png,no,q\n")
    assert read_labels(f"{wide}:defect", IDS).values[:2] == ["yes", "no"]
    with pytest.raises(ValueError, match=r"`path`, `defect`, `kind`; which one holds the label"):
        read_labels(wide, IDS)
    with pytest.raises(ValueError, match="no column 'size'"):
        read_labels(f"{wide}:size", IDS)
    columns: dict[str, list[str | None]] = {"Kind": ["p", None, "q", "unknown", "1.0"]}
    assert read_labels("kind", IDS, columns=columns).values == ["p", None, "q", None, "1"]
    assert read_labels("label", IDS, columns={"y": ["p", "q", "p", "q", "p"]}).classes == ["p", "q"]


@pytest.mark.parametrize(
    "values", [[1, 0, 1, 0, 2], np.array([1, 0, 1, 0, 2]), torch.tensor([1, 0, 1, 0, 2]), [1.0, 0.0, True + 0, "0", 2]]
)
def test_sequences(values: object) -> None:
    labels = read_labels(values, IDS)  # type: ignore[arg-type]
    assert labels.values == ["1", "0", "1", "0", "2"]
    assert labels.classes == ["0", "1", "2"]


def test_sequences_for_arrays_with_gaps() -> None:
    """Row 1 of an array could not be used: the labels of the whole array still fall on the right pictures."""
    assert read_labels(["x", "y", "z"], ["0000000", "0000002"]).values == ["x", "z"]
    assert read_labels(np.array([1.0, np.nan]), ["0000000", "0000001"]).values == ["1", None]
    with pytest.raises(ValueError, match="2 labels were given for 3 pictures"):
        read_labels(["x", "y"], ["a", "b", "c"])
    with pytest.raises(ValueError, match="argmax"):
        read_labels(np.eye(3), ["a", "b", "c"])


def test_messages(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"labels='nowhere.csv' was given, which is no file. Expected 'folder'"):
        read_labels("nowhere.csv", IDS)
    with pytest.raises(ValueError, match=r"names 2 files, for example 'z.png', but none of the pictures, for example 'a/1.png'"):
        read_labels(table(tmp_path, "path,label\nz.png,1\ny.png,2\n"), IDS)
    with pytest.raises(ValueError, match="no label for any of the 5 pictures"):
        read_labels(table(tmp_path, "path,label\na/1.png,\na/2.png,nan\n"), IDS)
    with pytest.raises(ValueError, match="One that names the files was expected"):
        read_labels(table(tmp_path, "when,label\n1,2\n"), IDS)
