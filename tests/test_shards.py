"""Embeddings in shards: stopped and gone on with, by one process or several, they are those of one that was never stopped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from finetuning_fixture import IMAGES, picture_run
from selfsup.backbones import load_backbone, save_backbone
from selfsup.embedding import Embeddings, TextReading, embed, shards
from selfsup.embedding.shards import Shards
from selfsup.run import Run
from selfsup.train.distributed import World


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(shards, "ROWS", 40)
    return picture_run(tmp_path / "run")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    np.savez(tmp_path / "digits.npz", image=IMAGES[:300], name=[f"digit {number}" for number in range(300)])
    return tmp_path / "digits.npz"


def stopped_after(count: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Make the process stop before it writes one shard more; the numbers of those it wrote."""
    written: list[int] = []
    write = Shards.write

    def writing(self: Shards, number: int, table: Any) -> None:
        if len(written) == count:
            raise KeyboardInterrupt
        written.append(number)
        write(self, number, table)

    monkeypatch.setattr(Shards, "write", writing)
    return written


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(".*"))


def test_stopped_it_goes_on_with_the_shards_that_are_missing(run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = embed(run, data, out=tmp_path / "whole.parquet")
    with monkeypatch.context() as patch:
        assert stopped_after(3, patch) == []
        with pytest.raises(KeyboardInterrupt):
            embed(run, data, out=tmp_path / "parts.parquet")
    assert not (tmp_path / "parts.parquet").exists()
    with monkeypatch.context() as patch:
        written = stopped_after(99, patch)
        again = embed(run, data, out=tmp_path / "parts.parquet")
    assert written == [3, 4, 5, 6, 7]
    assert pq.read_table(again.file).equals(pq.read_table(whole.file))
    assert pq.read_schema(again.file).metadata == pq.read_schema(whole.file).metadata
    assert again.vectors.shape == (300, whole.width)
    assert left(tmp_path) == []


def test_what_other_weights_made_is_not_gone_on_with(run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stopped_after(2, patch)
        with pytest.raises(KeyboardInterrupt):
            embed(run, data, out=tmp_path / "a.parquet")
    network = load_backbone(run.folder)
    with torch.no_grad():
        next(network.parameters()).mul_(2)
    save_backbone(network, run.folder)
    changed = embed(run, data, out=tmp_path / "a.parquet")
    assert np.array_equal(changed.vectors, embed(run, data, out=tmp_path / "b.parquet").vectors)
    assert left(tmp_path) == []


def test_processes_share_the_shards_that_are_missing(tmp_path: Path) -> None:
    found = Shards(tmp_path / "e.parquet", 8 * shards.ROWS - 1, "x")
    assert [list(found.missing(World(rank, 3))) for rank in range(3)] == [[0, 3, 6], [1, 4, 7], [2, 5]]
    assert found.rows(7) == range(7 * shards.ROWS, 8 * shards.ROWS - 1)


def test_texts_are_gone_through_once_for_all_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [f"text {number}" for number in range(50)]
    (tmp_path / "texts.csv").write_text("\n".join(["text", *words]), encoding="utf-8")
    texts = TextReading.opened(tmp_path / "texts.csv")
    documents, passes = texts.documents, list[int]()

    class Counted:
        def __iter__(self) -> Iterator[Any]:
            passes.append(len(passes))
            return iter(documents)

    monkeypatch.setattr(texts, "documents", Counted())
    assert [text for start in range(0, 50, 10) for text in texts.some(np.arange(start, start + 10))] == words
    assert len(passes) == 1
    assert list(texts.some(np.array([3, 7]))) == [words[3], words[7]]
    assert list(texts.some(np.array([9, 49]))) == [words[9], words[49]]
    assert len(passes) == 2, "a row that is behind needs another pass"
    all_of_them = texts.some(np.arange(50))
    assert [next(all_of_them), *texts.some(np.array([0, 1])), *all_of_them] == [words[0], *words[:2], *words[1:]]


def test_two_processes_make_the_file_of_one(run: Run, data: Path, tmp_path: Path) -> None:
    alone: Embeddings = embed(run, data, out=tmp_path / "alone.parquet")
    arguments = ["embed", str(run.folder), str(data), "--out", str(tmp_path / "two.parquet")]
    code = "import sys; from selfsup.cli import main; from selfsup.embedding import shards"
    code += f"; shards.ROWS = 40; sys.argv[1:] = {arguments}; main()"
    script = tmp_path / "embed.py"
    script.write_text(code)
    torchrun = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", str(script)]
    done = subprocess.run(torchrun, check=True, timeout=180, capture_output=True, text=True)
    assert done.stdout.count("300 embeddings") == 1
    one, two = pq.read_table(alone.file), pq.read_table(tmp_path / "two.parquet")
    assert one.drop(["embedding"]).equals(two.drop(["embedding"]))
    np.testing.assert_allclose(np.stack(two["embedding"].to_numpy()), alone.vectors, rtol=1e-5, atol=1e-6)


def test_workers_of_a_cluster_make_the_file_of_one(run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers have shards of 8,192, which is all of it: the shard is theirs, and what is missing is told by this process."""
    monkeypatch.setattr(shards, "ROWS", 8192)
    monkeypatch.setattr("selfsup.cluster.joining.core_count", lambda: 2)
    alone = embed(run, data, out=tmp_path / "alone.parquet")
    spread = embed(run, data, out=tmp_path / "spread.parquet", on="ray")
    one, two = pq.read_table(alone.file), pq.read_table(spread.file)
    assert one.drop(["embedding"]).equals(two.drop(["embedding"]))
    np.testing.assert_allclose(spread.vectors, alone.vectors, rtol=1e-5, atol=1e-6)
    assert left(tmp_path) == []
