"""Pictures that Parquet files hold as bytes: alone and with captions, in one file or several, and what is broken among them."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from picture_files import encoded, png_that_claims, scene
from selfsup.data import Undecodable, open_source, open_store
from selfsup.data.cells import Cells, picture_column
from selfsup.data.documents.kind import looks_like_text
from selfsup.data.pairs import PairWanted, open_pairs, prepare_pairs
from selfsup.data.tokens.tokenizer import Tokenizer

STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def pngs(count: int, first: int = 0) -> list[bytes]:
    return [encoded(scene(20, 30, first + number), "PNG") for number in range(count)]


def structs(cells: list[bytes | None]) -> pa.Array:
    """As `datasets` writes a column of pictures."""
    return pa.array([{"bytes": cell, "path": f"{number}.png"} for number, cell in enumerate(cells)], STRUCT)


def written(file: Path, columns: dict[str, Any], **options: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), file, **options)
    return file


@pytest.mark.parametrize("kind", ["struct", "binary", "large_binary"])
def test_each_row_is_a_picture_with_its_columns(tmp_path: Path, kind: str) -> None:
    cells = pngs(7)
    column = structs([*cells]) if kind == "struct" else pa.array(cells, getattr(pa, kind)())
    labels = ["a", "b", "a", "b", "a", "b", None]
    file = written(tmp_path / "t.parquet", {"label": labels, "image": column, "hash": pa.array([b"xx"] * 7)}, row_group_size=3)
    source = open_source(file)
    assert source.ids == [f"t.parquet#{row}" for row in range(1, 8)]
    assert source.columns["label"] == labels
    assert "image" not in source.columns
    for row in (6, 0, 3, 2, 5, 1):  # in no order, over row groups
        np.testing.assert_array_equal(source.read(row).pixels, scene(20, 30, row))
    assert source.shape(4) == ((20, 30), False)


def test_several_files_by_a_glob_and_as_a_folder(tmp_path: Path) -> None:
    for shard in (10, 2, 1):
        written(tmp_path / f"train-{shard}.parquet", {"image": structs([*pngs(3, shard)]), f"only{shard}": ["x", "y", "z"]})
    source = open_source(str(tmp_path / "train-*.parquet"))
    assert source.ids[::3] == ["train-1.parquet#1", "train-2.parquet#1", "train-10.parquet#1"]
    assert source.columns["only2"] == [None, None, None, "x", "y", "z", None, None, None]
    np.testing.assert_array_equal(source.read(8).pixels, scene(20, 30, 12))
    assert open_source(tmp_path).ids == source.ids
    store = open_store(source, side=16, channels=3)
    assert len(store) == 9
    assert len({*store.checksums.tolist()}) == 7  # of 1, 2, 3; 2, 3, 4; 10, 11, 12


def test_what_is_broken_is_skipped_and_named_by_file_and_row(tmp_path: Path) -> None:
    good = pngs(4)
    cells = [good[0], b"\x89PNG\r\n\x1a\n broken", None, png_that_claims(60_000, 60_000), good[1], b"", good[2], good[3]]
    written(tmp_path / "t.parquet", {"image": structs(cells)})
    (tmp_path / "u.parquet").write_bytes(b"PAR1 and nothing more PAR1")
    written(tmp_path / "v.parquet", {"label": ["no pictures"]})
    source = open_source(tmp_path)
    store = open_store(source, side=16, channels=3)
    assert store.ids == [f"t.parquet#{row}" for row in (1, 5, 7, 8)]
    assert set(store.skipped) == {"u.parquet", "v.parquet", *(f"t.parquet#{row}" for row in (2, 3, 4, 6))}
    assert store.skipped["t.parquet#3"] == "the cell is empty"
    assert "too many pixels" in store.skipped["t.parquet#4"]
    assert store.skipped["v.parquet"] == "no column of pictures"


def test_damage_in_the_middle_costs_the_rows_behind_it_and_is_met_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfsup.data.cells.AT_ONCE", 4)
    rng = np.random.default_rng(0)
    cells = [encoded(rng.integers(0, 256, (32, 32, 3), np.uint8), "PNG") for _ in range(60)]
    options = {"row_group_size": 30, "compression": "gzip", "data_page_size": 4000, "write_batch_size": 2, "use_dictionary": False}
    file = written(tmp_path / "t.parquet", {"image": pa.array(cells)}, **options)
    whole, start = bytearray(file.read_bytes()), pq.ParquetFile(file).metadata.row_group(1).column(0).data_page_offset
    size = pq.ParquetFile(file).metadata.row_group(1).column(0).total_compressed_size
    whole[start + size // 2 : start + size // 2 + 20_000] = bytes(20_000)
    file.write_bytes(whole)
    source = open_source(file)
    right, tried = [], 0
    stream = pq.ParquetFile.iter_batches

    def counted(*args: Any, **named: Any) -> Any:
        nonlocal tried
        tried += 1
        return stream(*args, **named)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", counted)
    for row in range(60):
        try:
            source.read(row)
            right.append(row)
        except Undecodable as error:
            assert "damaged Parquet file" in str(error)  # noqa: PT017 - some rows are read
    assert right == list(range(len(right)))
    assert 30 < len(right) < 50
    assert tried == 2


def test_memory_is_that_of_a_few_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    file, rows = tmp_path / "t.parquet", 400
    with pq.ParquetWriter(file, pa.schema([("image", pa.binary())]), data_page_size=1 << 16, write_batch_size=4) as writer:
        cells = [encoded(rng.integers(0, 256, (160, 160, 3), np.uint8), "PNG") for _ in range(20)]
        writer.write_table(pa.table({"image": pa.array(cells * (rows // 20))}), row_group_size=rows)
    held, pool = 0, pa.default_memory_pool()
    cells_of, before = Cells(file, "image"), pool.bytes_allocated()
    tracemalloc.start()
    for row in range(rows):
        assert cells_of.read(row)[:4] == b"\x89PNG"
        held = max(held, pool.bytes_allocated() - before)
    python = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert file.stat().st_size > 28_000_000
    assert held < 15_000_000
    assert python < 2_000_000


def test_threads_read_the_same(tmp_path: Path) -> None:
    for shard in range(6):  # more files than are open at once
        written(tmp_path / f"{shard}.parquet", {"image": structs([*pngs(20, 20 * shard)])}, row_group_size=7)
    source = open_source(tmp_path)
    order = np.random.default_rng(0).permutation(120).tolist()
    with ThreadPoolExecutor(8) as pool:
        for row, decoded in zip(order, pool.map(source.read, order), strict=True):
            np.testing.assert_array_equal(decoded.pixels, scene(20, 30, row))


def test_which_column_holds_pictures(tmp_path: Path) -> None:
    other = pa.array([b"no picture"] * 4)
    file = written(tmp_path / "t.parquet", {"image": other, "photo": pa.array(pngs(4)), "sound": structs([b"RIFF"] * 4)})
    assert picture_column(file) == "photo"
    assert picture_column(file, "Sound") == "sound.bytes"
    assert picture_column(file, "none") is None
    paths = written(tmp_path / "p.parquet", {"path": ["a.png"], "digest": pa.array([b"0123"])})
    assert picture_column(paths) is None
    assert not looks_like_text(str(tmp_path / "t*.parquet"))


def test_pairs_from_one_file_and_from_shards(tmp_path: Path) -> None:
    for shard in range(2):
        columns = {
            "caption": [["one", f"another {shard}"], ["two"], [], ["three"]],
            "image": structs([*pngs(2, 2 * shard), b"broken", pngs(1, 9)[0]]),
            "colour": ["red", "green", "blue", "black"],
        }
        written(tmp_path / f"{shard}.parquet", columns)
    listing = open_pairs(str(tmp_path / "*.parquet"))
    assert listing.source.ids == [f"{shard}.parquet#{row}" for shard in range(2) for row in (1, 2, 4)]
    assert [[one.text for one in own] for own in listing.captions[:2]] == [["one", "another 0"], ["two"]]
    assert listing.captions[0][0].place == "0.parquet#1"
    assert listing.source.columns["colour"][:3] == ["red", "green", "black"]
    assert listing.skipped["0.parquet#3"] == "no caption"
    assert "pictures from column `image`; captions from `caption`" in listing.notes["0.parquet"]
    corpus = prepare_pairs(tmp_path, PairWanted(), size=None, context=8, tokenizer=Tokenizer.bytes())
    assert corpus.store.pictures.ids == listing.source.ids
    first = corpus.store.batch(corpus.rows)["picture"]
    assert first[2] == first[5]  # equal pictures in two files
    assert len(set(first.tolist())) == 5


def test_languages_and_names_of_columns(tmp_path: Path) -> None:
    file = written(tmp_path / "t.parquet", {"foto": pa.array(pngs(2)), "en": ["a", "b"], "de": ["c", ""], "x": ["d", "e"]})
    found = open_pairs(file)
    assert [[(one.text, one.group) for one in own] for own in found.captions] == [[("a", "en"), ("c", "de")], [("b", "en")]]
    named = open_pairs(file, PairWanted(image="foto", text="x", language="=en"))
    assert [[(one.text, one.group) for one in own] for own in named.captions] == [[("d", "en")], [("e", "en")]]
    with pytest.raises(ValueError, match=r"no column `fr`; the columns are"):
        open_pairs(file, PairWanted(text="fr"))
