"""Sources: folders of all sorts, files, globs, tables, arrays, datasets, and what is none of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch.utils.data import IterableDataset, TensorDataset

from picture_files import folder_of, save, scene
from selfsup.data import Undecodable, open_source, suggest_side, suggest_size
from selfsup.data.arrays import array_source, dataset_source
from selfsup.data.tables import read_table


def test_nested_folder(tmp_path: Path) -> None:
    folder_of(tmp_path, ["b/x.png", "a/x.png", "a/deep/er/x2.jpg", "a/deep/er/x10.jpg", "Größe/日本 1.webp", "top.BMP"])
    for name in ("notes.txt", "a/labels.csv", ".hidden.jpg", "a/.git/x.png", "__MACOSX/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    source = open_source(tmp_path)
    assert source.ids == ["a/deep/er/x2.jpg", "a/deep/er/x10.jpg", "a/x.png", "b/x.png", "Größe/日本 1.webp", "top.BMP"]
    assert source.ignored == {".txt": 1, ".csv": 1, "hidden": 3}
    assert all(source.read(i, side=8).pixels.shape == (8, 8, 3) for i in range(len(source)))
    assert source.shape(0) == ((20, 30), False)
    assert source.items[2].size == (tmp_path / "a/x.png").stat().st_size


def test_links(tmp_path: Path) -> None:
    """Circles end, a linked folder comes in once under its real name, links to nothing are named."""
    root = folder_of(tmp_path / "data", ["real/a.png"])
    elsewhere = folder_of(tmp_path / "elsewhere", ["b.png"])
    (root / "0link").symlink_to(root / "real")
    (root / "real" / "up").symlink_to(root)
    (root / "other").symlink_to(elsewhere)
    (root / "self.png").symlink_to(root / "self.png")
    (root / "gone.png").symlink_to(root / "nothing.png")
    (root / "file.png").symlink_to(elsewhere / "b.png")
    source = open_source(root)
    assert source.ids == ["file.png", "other/b.png", "real/a.png"]
    assert set(source.skipped) == {"self.png", "gone.png", "real/up"}
    assert source.skipped["gone.png"] == "a link to nothing"


def test_pipes_and_locked_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder_of(tmp_path, ["a.png", "locked/b.png"])
    os.mkfifo(root / "pipe.jpg")
    os.mkfifo(root / "pipe")
    scandir = os.scandir

    def guarded(folder: Path) -> object:
        if folder.name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr("selfsup.data.scan.os.scandir", guarded)
    source = open_source(root)
    assert source.ids == ["a.png"]
    assert source.skipped == {"pipe.jpg": "not a regular file", "locked": "folder not read: Permission denied"}


def test_names_that_are_no_text(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.png"
    with open(raw, "wb") as file:  # noqa: PTH123 - bytes on purpose
        file.write(save(tmp_path / "a.png", scene()).read_bytes())
    source = open_source(tmp_path)
    assert source.ids == ["a.png", "caf\\xe9.png"]
    assert source.read(1).shape == (40, 60)
    assert [name.encode() for name in source.ids]


def test_file_glob_and_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder_of(tmp_path, ["a/1.png", "a/2.png", "a/b/3.png", "[x]/4.png", "a/5.jpg"])
    (root / "a/6.png").mkdir()
    assert open_source(root / "a/1.png").ids == ["1.png"]
    assert open_source(str(root / "a" / "*.png")).ids == ["1.png", "2.png"]
    assert open_source(str(root / "**" / "*.png")).ids == ["[x]/4.png", "a/1.png", "a/2.png", "a/b/3.png"]
    assert open_source(str(root / "[x]")).ids == ["4.png"]
    assert open_source([root / "a/b/3.png", str(root / "a/1.png")]).ids == ["1.png", "b/3.png"]
    monkeypatch.chdir(root)
    assert open_source("a").ids == ["1.png", "2.png", "5.jpg", "b/3.png"]
    assert open_source("a\\b").ids == ["3.png"]
    monkeypatch.setenv("HOME", str(root))
    assert open_source("~/a").root == str((root / "a").resolve())


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_tables(tmp_path: Path, ending: str) -> None:
    folder_of(tmp_path, ["p/1.png", "p/2.png", "p/3.png"])
    paths, patients = ["p/2.png", "p\\1.png", str(tmp_path / "p/3.png"), "./p/2.png", "p/gone.png"], [7, 8, 9, 9, 9]
    table = tmp_path / f"list.{ending}"
    if ending == "csv":
        table.write_text("Path;Patient\n" + "".join(f"{path};{patient}\n" for path, patient in zip(paths, patients, strict=True)))
    elif ending == "parquet":
        pq.write_table(pa.table({"Path": paths, "Patient": patients}), table)
    else:
        rows = pa.table({"Path": paths, "Patient": patients}).to_pylist()
        table.write_text("".join(f"{row}\n".replace("'", '"') for row in rows))
    source = open_source(table)
    assert source.ids == ["p/1.png", "p/2.png", "p/3.png"]
    assert source.columns == {"Patient": ["8", "7", "9"]}
    assert source.skipped == {"p/gone.png": "no such file"}


@pytest.mark.parametrize(
    "content",
    [
        b"path,label\na.png,1\nb.png,\n",
        b"\xef\xbb\xbfpath;label\r\na.png;1\r\n\r\nb.png;\r\n",
        "path\tlabel\na.png\t1\nb.png\t\n".encode("utf-16"),
        "path\tlabel\na.png\t1\nb.png\t\n".encode("utf-16-le"),
        b'"path"|"label"\n"a.png"|"1"\n"b.png"|""\n',
        b"path, label\n'a.png', '1'\n'b.png', ''\n",
        b"sep=;\npath;label\na.png;1\nb.png\n",
        b"a.png,1\nb.png,\n",
    ],
)
def test_csv_of_any_kind(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    assert read_table(tmp_path / "t.csv") == {"path": ["a.png", "b.png"], "label": ["1", None]}


def test_csv_with_commas_quotes_lines_and_umlauts(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes('path,label\n"a, b.png","say ""x"""\n"c.png","two\nlines"\nü.png,Größe\n'.encode("cp1252"))
    assert read_table(tmp_path / "t.csv") == {"path": ["a, b.png", "c.png", "ü.png"], "label": ['say "x"', "two\nlines", "Größe"]}
    (tmp_path / "s.txt").write_text("a.png 3\nb.png 4\n")
    assert read_table(tmp_path / "s.txt") == {"path": ["a.png", "b.png"], "label": ["3", "4"]}
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ValueError, match="empty"):
        read_table(tmp_path / "empty.csv")


def test_arrays() -> None:
    grey = np.arange(2 * 6 * 8, dtype=np.uint8).reshape(2, 6, 8)
    assert np.array_equal(open_source(grey).read(1).pixels[:, :, 0], grey[1])
    assert open_source(grey).ids == ["0000000", "0000001"]
    colour = np.stack([grey] * 3, axis=3)
    colour[..., 1] //= 2
    for values in (colour, torch.from_numpy(colour.transpose(0, 3, 1, 2).copy()), colour.transpose(0, 3, 1, 2)):
        assert np.array_equal(open_source(values).read(1).pixels, colour[1])
    assert np.array_equal(open_source(grey / 255.0).read(1).pixels[:, :, 0], grey[1])
    wide = grey.astype(np.uint16) * 40 + 7
    assert open_source(wide).read(0).pixels.min() == 0
    assert open_source(wide).read(1).pixels.max() == 255, "scaled over all pictures, not one by one"
    holes = grey / 255.0
    holes[1, 2, 3] = np.nan
    with pytest.raises(Undecodable, match="NaN"):
        open_source(holes).read(1)


def test_npz_and_npy(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (3, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", train_images=images, train_labels=np.array([[2], [0], [1]]), other=np.zeros(9))
    source = open_source(tmp_path / "a.npz")
    assert np.array_equal(source.read(2).pixels[:, :, 0], images[2])
    assert source.columns["label"] == ["2", "0", "1"]
    np.save(tmp_path / "a.npy", images)
    assert np.array_equal(open_source(tmp_path / "a.npy").read(2).pixels[:, :, 0], images[2])
    np.savez(tmp_path / "b.npz", x=np.array([{}, 1], dtype=object))
    (tmp_path / "c.npz").write_bytes(b"no archive")
    np.savez(tmp_path / "d.npz", weights=np.zeros((3, 4)))
    for name in ("b.npz", "c.npz", "d.npz"):
        with pytest.raises(ValueError, match=name):
            open_source(tmp_path / name)


def test_datasets() -> None:
    pictures = torch.rand(4, 3, 8, 10)
    source = open_source(TensorDataset(pictures, torch.arange(4)))
    assert torch.allclose(torch.from_numpy(source.read(2).pixels.copy()).permute(2, 0, 1) / 255, pictures[2], atol=0.5 / 255)
    with pytest.raises(Undecodable, match="Normalize"):
        open_source(TensorDataset(pictures - 5)).read(0)
    named = open_source([{"image": pictures[0], "label": 1}])
    assert named.shape(0) == ((8, 10), False)

    class Stream(IterableDataset[torch.Tensor]):
        def __iter__(self) -> Iterator[torch.Tensor]:
            return iter(pictures)

    with pytest.raises(ValueError, match="IterableDataset"):
        dataset_source(Stream())


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((5, 784), r"reshape\(5, 28, 28\)"),
        ((50, 40, 3), "single picture"),
        ((5, 8, 8, 7), "channels"),
        ((0, 8, 8), "none of them 0"),
        ((7,), "Expected"),
    ],
)
def test_arrays_that_are_no_pictures(shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        array_source(np.zeros(shape))


def test_messages(tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    (tmp_path / "empty").mkdir()
    for name in ("a.txt", "b.txt", "c.csv"):
        (texts / name).write_text("words")
    (tmp_path / "x.zip").write_bytes(b"PK")
    (tmp_path / "columns.csv").write_text("a,b\n1,2\n")
    (tmp_path / "gone.csv").write_text("path,b\nnowhere.png,2\n")
    cases = {
        str(texts): r"holds no picture, but other files \(2 \.txt, 1 \.csv\)",
        str(tmp_path / "empty"): "is empty. Expected pictures",
        str(tmp_path / "missing" / "x"): f"There is no .* nearest folder there is: {tmp_path}",
        str(tmp_path / "*.jpg"): "matches no file",
        str(tmp_path / "x.zip"): "Unpack it",
        str(texts / "a.txt"): "holds no picture",
        str(tmp_path / "columns.csv"): "columns `a`, `b`.*`path`",
        str(tmp_path / "gone.csv"): "nowhere.png: no such file",
        "": "empty path",
        "x" * 5000: "could not be opened|There is no",
    }
    for data, words in cases.items():
        with pytest.raises(ValueError, match=words):
            open_source(data)
    with pytest.raises(ValueError, match="int was given"):
        dataset_source(7)
    with pytest.raises(ValueError, match="kind='text'"):
        open_source(tmp_path, kind="text")


@pytest.mark.parametrize(
    ("pixels", "size", "side"), [(28, 28, 28), (30, 32, 32), (41, 64, 64), (90, 64, 92), (100, 128, 128), (300, 128, 256)]
)
def test_sizes(pixels: int, size: int, side: int) -> None:
    source = open_source(np.zeros((3, pixels, pixels), np.uint8))
    assert suggest_size(source) == (size, 1)
    assert suggest_side(source, size) == side
    assert suggest_side(source, 512) == 512


def test_channels(tmp_path: Path) -> None:
    grey = np.stack([scene()[:, :, 0]] * 3, axis=2)
    for number in range(5):
        save(tmp_path / f"{number}.jpg", grey)
    assert suggest_size(open_source(tmp_path)).channels == 1
    save(tmp_path / "5.jpg", scene())
    assert suggest_size(open_source(tmp_path)).channels == 3
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "bad.png").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"None of the 1 pictures.*bad\.png: no picture"):
        suggest_size(open_source(tmp_path / "only"))
