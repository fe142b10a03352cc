"""The store: opened again, added to, killed, torn, filled up, shared."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from picture_files import folder_of, save, scene
from selfsup.data import Store, decode, open_source, open_store, prepare
from selfsup.data.ingest import in_words, size_in_words
from selfsup.data.journal import Journal, Key, Writer

SIDE = 16
ROW = 3 * SIDE * SIDE


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files decoded since the test began."""
    names: list[str] = []

    def counting(path: str, *, side: int | None = None, channels: int | None = None) -> object:
        names.append(Path(path).name)
        return decode(path, side=side, channels=channels)

    monkeypatch.setattr("selfsup.data.sources.decode", counting)
    return names


def opened(root: Path, cache: Path, **options: int) -> Store:
    limit = options.get("limit_bytes", 10**9)
    return open_store(
        open_source(root), side=SIDE, channels=3, cache=cache, limit_bytes=limit, progress=False, least=options.get("least", 1)
    )


def journal_of(cache: Path) -> Journal:
    (folder,) = (cache / "stores").iterdir()
    return Journal.load(folder, ROW)


def test_pixels_and_facts(tmp_path: Path, cache: Path) -> None:
    root = folder_of(tmp_path / "data", ["a/1.png", "b/1.png", "c.png"])
    save(root / "tall.png", scene(90, 30))
    store = opened(root, cache)
    assert store.ids == ["a/1.png", "b/1.png", "c.png", "tall.png"]
    assert store.paths == [str(root / name) for name in store.ids]
    assert store.aspects.tolist() == pytest.approx([1.5, 1.5, 1.5, 1 / 3])
    assert store.pixels.shape == (4, 3, SIDE, SIDE)
    assert store.pixels.dtype == torch.uint8
    with Image.open(root / "b/1.png") as image:
        expected = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, reducing_gap=2.0)).transpose(2, 0, 1)
    assert np.array_equal(store.pixels[1].numpy(), expected)
    batch = store.batch(torch.tensor([3, 1]))
    assert torch.equal(batch["image"], store.pixels[[3, 1]])
    assert torch.equal(batch["index"], torch.tensor([3, 1]))
    assert batch["aspect"].tolist() == pytest.approx([1 / 3, 1.5])
    batch["image"].zero_()
    assert store.pixels.any(), "a batch is a copy"


def test_second_opening_decodes_nothing(tmp_path: Path, cache: Path, decoded: list[str]) -> None:
    root = folder_of(tmp_path / "data", [f"{number}.png" for number in range(10)])
    (root / "bad.png").write_bytes(b"bad")
    first = opened(root, cache)
    assert len(decoded) == 11
    second = opened(root, cache)
    assert len(decoded) == 11
    assert first.fingerprint == second.fingerprint
    assert torch.equal(first.pixels, second.pixels)
    assert first.skipped == second.skipped == {"bad.png": "no picture of a known format (3 bytes)"}
    assert len(second) == 10


def test_new_changed_and_lost_files(tmp_path: Path, cache: Path, decoded: list[str]) -> None:
    root = folder_of(tmp_path / "data", ["1.png", "2.png", "3.png"])
    opened(root, cache)
    decoded.clear()
    save(root / "10.png", scene(20, 30, 10))
    save(root / "0.png", scene(20, 30, 11))
    save(root / "2.png", scene(30, 20, 12))
    (root / "3.png").unlink()
    store = opened(root, cache)
    assert sorted(decoded) == ["0.png", "10.png", "2.png"]
    assert store.ids == ["0.png", "1.png", "2.png", "10.png"]
    fresh = opened(root, tmp_path / "another cache")
    assert torch.equal(store.pixels, fresh.pixels)
    assert torch.equal(store.batch(torch.tensor([3, 0]))["image"], fresh.batch(torch.tensor([3, 0]))["image"])
    assert store.fingerprint == fresh.fingerprint
    assert torch.equal(store.aspects, fresh.aspects)


def test_a_touched_file_is_decoded_again(tmp_path: Path, cache: Path, decoded: list[str]) -> None:
    root = folder_of(tmp_path / "data", ["1.png", "2.png"])
    first = opened(root, cache)
    decoded.clear()
    os.utime(root / "1.png", ns=(1, 1))
    assert opened(root, cache).fingerprint == first.fingerprint
    assert decoded == ["1.png"]


def test_skipped_files_that_may_work_again(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A locked file is named, and tried again at the next opening although its size and time are the same."""
    root = folder_of(tmp_path / "data", ["1.png", "2.png"])
    path_open = Path.open

    def guarded(self: Path, *arguments: str, **options: str) -> object:
        if self.name == "2.png":
            raise PermissionError(13, "Permission denied")
        return path_open(self, *arguments, **options)  # type: ignore[call-overload]

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", guarded)
        store = opened(root, cache)
    assert store.ids == ["1.png"]
    assert store.skipped == {"2.png": "Permission denied"}
    assert opened(root, cache).ids == ["1.png", "2.png"]


def test_a_mixed_folder(tmp_path: Path, cache: Path) -> None:
    """Ten good, one empty, one of text, one cut off, one bomb, a CSV: ten rows, four skipped, one ignored."""
    from picture_files import encoded, png_that_claims

    root = folder_of(tmp_path / "data", [f"{number}.jpg" for number in range(10)])
    (root / "empty.png").write_bytes(b"")
    (root / "text.png").write_text("text")
    (root / "cut.jpg").write_bytes(encoded(scene(300, 300), "JPEG")[:2000])
    (root / "bomb.png").write_bytes(png_that_claims(50_000, 50_000))
    (root / "labels.csv").write_text("path,label\n")
    store = opened(root, cache)
    assert len(store) == 10
    assert set(store.skipped) == {"empty.png", "text.png", "cut.jpg", "bomb.png"}
    assert store.ignored == {".csv": 1}


def test_too_few(tmp_path: Path, cache: Path) -> None:
    root = folder_of(tmp_path / "data", ["1.png"])
    (root / "2.png").write_bytes(b"no")
    with pytest.raises(ValueError, match=r"holds a single picture; 1 more could not be decoded. Expected at least 2"):
        opened(root, cache, least=2)
    (root / "1.png").unlink()
    with pytest.raises(ValueError, match=r"None of the 1 pictures.*2\.png: no picture"):
        opened(root, cache)


def test_arrays_stay_in_memory(cache: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (5, 8, 12), dtype=np.uint8)
    store = open_store(open_source(images), side=8, cache=cache, progress=False)
    assert store.pixels.shape == (5, 1, 8, 8)
    assert store.aspects.tolist() == pytest.approx([1.5] * 5)
    assert not cache.exists()
    squares = open_store(open_source(images[:, :, :8]), side=8, progress=False)
    assert np.array_equal(squares.pixels[:, 0].numpy(), images[:, :, :8])
    holes = images / 255.0
    holes[2] = np.nan
    store = open_store(open_source(holes), side=8, progress=False)
    assert store.ids == ["0000000", "0000001", "0000003", "0000004"]
    assert store.skipped == {"0000002": "holds NaN or infinite values"}
    with pytest.raises(ValueError, match="limit is 100 bytes"):
        open_store(open_source(images), side=8, limit_bytes=100, progress=False)


def test_columns_follow_their_rows(tmp_path: Path, cache: Path) -> None:
    folder_of(tmp_path / "data", ["1.png", "2.png", "3.png"])
    (tmp_path / "data" / "2.png").write_bytes(b"no")
    (tmp_path / "data" / "list.csv").write_text("path,label\n3.png,three\n2.png,two\n1.png,one\n")
    store = opened(tmp_path / "data" / "list.csv", cache)
    assert store.columns == {"label": ["one", "three"]}
    assert store.source_ids == ["1.png", "2.png", "3.png"]


def test_limits(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder_of(tmp_path / "data", ["1.png", "2.png", "3.png"])
    with pytest.raises(ValueError, match=r"3 pictures need 2.3 kB in .*limit is 2 kB"):
        opened(root, cache, limit_bytes=2000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1000, 0, 1000))
    with pytest.raises(ValueError, match=r"where 1 kB are free.*SELFSUP_CACHE"):
        opened(root, cache)


def test_a_full_disk(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, decoded: list[str]) -> None:
    """The disk takes two and a half pictures, then refuses: what was stored is kept, the rest follows when there is room."""
    root = folder_of(tmp_path / "data", [f"{number}.png" for number in range(6)])
    written = 0
    write = os.write

    def filling(descriptor: int, data: memoryview) -> int:
        nonlocal written
        if len(data) > 1000 // 4 and written + len(data) > 2.5 * ROW:
            if written >= 2.5 * ROW:
                raise OSError(errno.ENOSPC, "No space left on device")
            data = data[: int(2.5 * ROW) - written]
        if len(data) > 200:
            written += len(data)
        return write(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr("selfsup.data.journal.os.write", filling)
        with pytest.raises(ValueError, match=r"disk filled up.*kept"):
            opened(root, cache)
    assert len(journal_of(cache).entries) == 2
    decoded.clear()
    store = opened(root, cache)
    assert len(decoded) == 4
    assert store.fingerprint == opened(root, tmp_path / "other").fingerprint


def test_cache_that_cannot_be_written(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "data", ["1.png"])
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ValueError, match=r"cannot be written to.*SELFSUP_CACHE"):
        opened(root, tmp_path / "file")


def test_torn_journals(tmp_path: Path, cache: Path) -> None:
    """A journal cut off at any byte loses the pictures behind the cut, and nothing else goes wrong."""
    root = folder_of(tmp_path / "data", ["1.png", "2.png", "3.png"])
    whole = opened(root, cache).fingerprint
    file = journal_of(cache).file
    content = file.read_bytes()
    for cut in [*range(0, len(content), 7), len(content) - 1]:
        file.write_bytes(content[:cut])
        written = sum(line.startswith(b"[") for line in content[:cut].split(b"\n")[:-1])
        assert len(journal_of(cache).entries) == written
        assert opened(root, cache).fingerprint == whole, f"cut at {cut}"
    file.write_bytes(content.replace(b'"2.png"', b"\x00\x00\x00\x00\x00\x00\x00"))
    assert opened(root, cache).fingerprint == whole
    file.write_bytes(b'{"format":999}\n')
    assert opened(root, cache).fingerprint == whole


def test_pixels_lost_in_a_power_failure(tmp_path: Path, cache: Path, decoded: list[str]) -> None:
    """Lines that reached the disk before their pixels are found out by their checksum, unless they are marked as safe."""
    root = folder_of(tmp_path / "data", ["1.png", "2.png", "3.png"])
    whole = opened(root, cache).fingerprint
    journal = journal_of(cache)
    journal.file.write_bytes(journal.file.read_bytes().removesuffix(b'"synced"\n'))
    pixels = bytearray(journal.pixel_file.read_bytes())
    pixels[ROW : 2 * ROW] = bytes(ROW)
    journal.pixel_file.write_bytes(pixels)
    decoded.clear()
    assert opened(root, cache).fingerprint == whole
    assert decoded == ["2.png"]
    journal_of(cache).pixel_file.unlink()
    assert opened(root, cache).fingerprint == whole


def test_waste_is_given_back(tmp_path: Path, cache: Path) -> None:
    """A store at its limit drops pictures of files that have changed, before it refuses."""
    root = folder_of(tmp_path / "data", ["1.png", "2.png", "3.png"])
    first = opened(root, cache)
    pixels = first.pixels.clone()
    for turn in range(1, 6):
        save(root / "2.png", scene(20, 30 + turn, turn))
        store = opened(root, cache, limit_bytes=5 * ROW)
        assert journal_of(cache).pixel_file.stat().st_size <= 5 * ROW
        assert store.fingerprint == opened(root, tmp_path / f"other{turn}").fingerprint
    assert torch.equal(first.pixels, pixels), "a store that was open before still shows its own pictures"
    assert len(list(journal_of(cache).folder.glob("pixels-*.u8"))) == 1


def test_stores_do_not_mix(tmp_path: Path, cache: Path) -> None:
    folder_of(tmp_path / "one" / "data", ["1.png"])
    save(tmp_path / "two" / "data" / "1.png", scene(20, 30, 5))
    one, two = (opened(tmp_path / name / "data", cache) for name in ("one", "two"))
    assert one.fingerprint != two.fingerprint
    assert open_store(open_source(tmp_path / "one/data"), side=8, channels=1, cache=cache, progress=False).pixels.shape == (1, 1, 8, 8)
    part = opened(tmp_path / "one/data/1.png", cache)
    assert part.fingerprint == one.fingerprint


def test_ten_thousand_open_in_a_moment(tmp_path: Path, cache: Path) -> None:
    """The journal of 10,000 pictures is read, and their pixels mapped, in well under a second."""
    folder = cache / "stores" / "many"
    writer = Writer(Journal.load(folder, ROW))
    keys = [Key(f"folder/{number:05d}.png", 1000 + number, number) for number in range(10_000)]
    pixels = np.zeros((3, SIDE, SIDE), np.uint8)
    for key in keys:
        writer.add(key, pixels, (10, 20))
    writer.close()
    spent = []
    for _ in range(3):
        start = time.thread_time()  # other processes, and threads of other tests, may be at work
        journal = Journal.load(folder, ROW)
        spent.append(time.thread_time() - start)
    assert min(spent) < 0.5
    assert list(journal.entries) == keys


KILLS = """
import os, random, signal, sys, threading, time
from pathlib import Path
from selfsup.data import open_source, open_store
from selfsup.data import sources
from selfsup.data.journal import Journal

root, cache, chance = Path(sys.argv[1]), Path(sys.argv[2]), random.Random(0)
decode, stored, early, turn = sources.decode, 0, 0, threading.Lock()


def slow(path, **options):
    with turn:  # as slow with many processors as with one
        time.sleep(0.002)
    return decode(path, **options)


sources.decode = slow


def start():
    child = os.fork()
    if child == 0:
        open_store(open_source(root), side=16, channels=3, cache=cache, progress=False)
        os._exit(0)
    return child


for attempt in range(16):
    child = start()
    time.sleep(chance.uniform(0.02, 0.1))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    early += os.WIFSIGNALED(status)
    for folder in (cache / "stores").glob("*"):
        journal = Journal.load(folder, 768)
        assert len(journal.entries) >= stored, "lost what was stored"
        stored = len(journal.entries)
        assert all(journal.checksum(entry.row) == entry.checksum for entry in journal.entries.values())
    if not os.WIFSIGNALED(status):
        break
assert early >= 2, "never killed at work"
children = [start(), start(), start()]
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
(folder,) = (cache / "stores").glob("*")
journal = Journal.load(folder, 768)
assert journal.rows == len(journal.entries) == 120, (journal.rows, len(journal.entries))
print(early)
"""


def test_kill_at_any_moment(tmp_path: Path, cache: Path) -> None:
    """SIGKILL at random moments loses nothing that was stored; three processes at once then decode the rest once, not three times."""
    root = folder_of(tmp_path / "data", [f"{number}.png" for number in range(120)])
    script = tmp_path / "kills.py"
    script.write_text(KILLS)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, script, root, cache], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert opened(root, cache).fingerprint == opened(root, tmp_path / "other").fingerprint


def test_time_is_told_first(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("selfsup.data.ingest._WORTH_SAYING", 0.0)
    root = folder_of(tmp_path / "data", [f"{number}.png" for number in range(30)])
    open_store(open_source(root), side=SIDE, channels=3, cache=cache)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Decoding 30 pictures: about 1 s, 23 kB in ")
    open_store(open_source(root), side=SIDE, channels=3, cache=cache)
    assert capsys.readouterr().err == ""


def test_words() -> None:
    assert [in_words(seconds) for seconds in (0.2, 59.5, 200, 3700)] == ["1 s", "1 min 0 s", "3 min 20 s", "1 h 1 min"]
    assert [size_in_words(count) for count in (12, 640_000_000, 1_970_000_000)] == ["12 bytes", "640 MB", "1.97 GB"]


def test_an_open_array_is_decoded_once_for_each_size() -> None:
    """Arrays have no file in the cache: who opens the same source again finds what was decoded of it."""
    source = open_source(np.random.default_rng(0).integers(0, 256, (6, 20, 20), dtype=np.uint8))
    first = open_store(source, side=8, channels=1, progress=False)
    assert open_store(source, side=8, channels=1, progress=False) is first
    assert open_store(source, side=16, channels=1, progress=False).side == 16
    fewer = replace(source, items=source.items[:3])
    assert len(open_store(fewer, side=8, channels=1, progress=False)) == 3


@pytest.mark.parametrize("shape", [(40, 9, 9), (40, 9, 9, 3)])
def test_mean_and_deviation_are_those_of_the_pixels(shape: tuple[int, ...]) -> None:
    """Counted from a histogram, beside torch's on the numbers themselves."""
    pictures = np.random.default_rng(1).integers(0, 200, shape, dtype=np.uint8)
    corpus = prepare(pictures, size=9, holdout=0.2)
    pixels = corpus.store.take(corpus.rows).double().div(255).transpose(0, 1).flatten(1)
    mean, deviation = corpus.statistics()
    assert mean == tuple(round(value, 4) for value in pixels.mean(1).tolist())
    assert deviation == tuple(round(value, 4) for value in pixels.std(1).tolist())
