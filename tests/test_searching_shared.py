"""Indexes whose embeddings come in shards: killed and gone on with, made by two processes or a cluster, they are those of one process."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import selfsup
from finetuning_fixture import picture_run
from indexed import save_digits
from selfsup.embedding import shards
from selfsup.embedding.shards import Shards
from selfsup.run import Run

ROWS = 8
KILLED = """
import os, signal
write = shards.Shards.write
def writing(self, number, table):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, number, table)
shards.Shards.write = writing
"""
TELLING = """
import os
write = shards.Shards.write
def writing(self, number, table):
    print(f"process {os.environ['RANK']} wrote {number}", flush=True)
    write(self, number, table)
shards.Shards.write = writing
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(shards, "ROWS", ROWS)
    save_digits(tmp_path / "digits", range(40))
    return picture_run(tmp_path / "run", tmp_path / "digits")


def script(folder: Path, to: Path, changed: str) -> Path:
    """A program that indexes in shards of eight, with something changed beforehand."""
    arguments = ["index", str(folder / "run"), str(folder / "digits"), "--to", str(to)]
    file = folder / "index.py"
    code = f"import sys\nfrom selfsup.cli import main\nfrom selfsup.embedding import shards\nshards.ROWS = {ROWS}\n"
    file.write_text(code + changed + f"sys.argv[1:] = {arguments}\nmain()\n", encoding="utf-8")
    return file


def kept(to: Path) -> dict[str, np.ndarray]:
    """The embeddings of an index by key, as its Parquet files have them, each once."""
    table = pa.concat_tables(pq.read_table(file) for file in sorted((to / "vectors").glob("*.parquet")))
    assert len(set(table["key"].to_pylist())) == len(table)
    return dict(zip(table["key"].to_pylist(), np.stack(table["embedding"].to_numpy()), strict=True))


def same(one: Path, two: Path) -> bool:
    """Whether two indexes hold the same rows, nothing else in their folders."""
    first, second = kept(one), kept(two)
    close = first.keys() == second.keys() and all(np.allclose(first[key], second[key], rtol=1e-5, atol=1e-6) for key in first)
    return close and {part.name for part in one.iterdir()} == {part.name for part in two.iterdir()}


def test_killed_it_goes_on_with_what_is_missing(run: Run, tmp_path: Path) -> None:
    whole = selfsup.index(run, to=tmp_path / "whole.db")
    assert (whole.count, whole.embedded) == (40, 40)
    to = tmp_path / "parts.db"
    killed = subprocess.run([sys.executable, str(script(tmp_path, to, KILLED))], timeout=300, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not list((to / "vectors").glob("*.parquet")), "shards lie apart until they are taken in"
    again = selfsup.index(run, tmp_path / "digits", to=to)
    assert (again.count, again.embedded, again.added) == (40, 40 - 3 * ROWS, 40)
    assert same(to, tmp_path / "whole.db")


def test_shards_hold_when_other_items_are_wanted(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are those of contents: what was embedded before a stop is used though the data changed."""
    written: list[int] = []
    write = Shards.write

    def writing(self: Shards, number: int, table: pa.Table) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(number)
        write(self, number, table)

    with monkeypatch.context() as patch:
        patch.setattr(Shards, "write", writing)
        with pytest.raises(KeyboardInterrupt):
            selfsup.index(run, to=tmp_path / "parts.db")
    save_digits(tmp_path / "digits", range(40, 43))
    shutil.rmtree(tmp_path / "digits" / "0")
    left = len(list((tmp_path / "digits").rglob("*.png")))
    made = selfsup.index(run, tmp_path / "digits", to=tmp_path / "parts.db")
    assert made.count == left
    assert 0 < made.embedded < left
    selfsup.index(run, tmp_path / "digits", to=tmp_path / "whole.db")
    wanted, found = kept(tmp_path / "whole.db"), kept(tmp_path / "parts.db")
    assert wanted.keys() <= found.keys()
    assert all(np.allclose(wanted[key], found[key], rtol=1e-5, atol=1e-6) for key in wanted)


def test_two_processes_make_the_index_of_one(run: Run, tmp_path: Path) -> None:
    selfsup.index(run, to=tmp_path / "alone.db")
    torchrun = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    for embedded in (40, 0):  # the second time nothing is missing
        call = [*torchrun, str(script(tmp_path, tmp_path / "two.db", TELLING))]
        done = subprocess.run(call, check=True, timeout=400, capture_output=True, text=True)
        assert done.stdout.count("rows of") == done.stdout.count(f"{embedded} embedded, {embedded} added") == 1
        assert {f"process {number % 2} wrote {number}" in done.stdout for number in range(5)} == {embedded == 40}
    assert same(tmp_path / "two.db", tmp_path / "alone.db")


def test_workers_of_a_cluster_make_the_index_of_one(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers have shards of their own release's size, which is all of it."""
    monkeypatch.setattr(shards, "ROWS", 2048)
    monkeypatch.setattr("selfsup.cluster.joining.core_count", lambda: 2)
    selfsup.index(run, to=tmp_path / "alone.db")
    spread = selfsup.index(run, tmp_path / "digits", to=tmp_path / "spread.db", on="ray")
    assert (spread.count, spread.embedded) == (40, 40)
    assert same(tmp_path / "spread.db", tmp_path / "alone.db")


def test_vectors_too_wide_for_milvus_are_refused_before_all_are_made(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfsup.searching.indexing.MOST_NUMBERS", 10)
    monkeypatch.setattr(Shards, "write", lambda *given: pytest.fail("all were embedded"))
    with pytest.raises(ValueError, match=r"Layer stage3/mean gives \d+ numbers, and Milvus takes 10"):
        selfsup.index(run, to=tmp_path / "a.db")
