"""A comparison on a cluster of Ray with two workers: the runs and the answer of one machine, through deaths, failures and stops."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import selfsup
from command_line import failure
from selfsup.cluster import Place, check_machines, joining, machines, missing_here, own_cores, place_of, versions
from selfsup.comparison import Compared, climbing
from selfsup.comparison.plan import Ladder, Rung, cost, waiting
from selfsup.comparison.words import sentences
from selfsup.run import Run
from test_comparison import compared as whole
from test_comparison import hurried
from test_comparison import quick as quick

TASKS = ("moody.py:Moody", "dae")
MOODY = Path(__file__).with_name("moody.py")


def compared(folder: Path, **more: Any) -> Compared:
    """Two tasks, two rungs, two seeds: six trainings, from a folder that holds the user's own task."""
    shutil.copy(MOODY, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(climbing, "rung_count", lambda units: 2)
        found = whole(Path("out"), tasks=TASKS, budget="30m", draws=5, probes=("linear",), threads=1, **more)
    return replace(found, folder=folder / "out")


# A cluster of this machine ----------------------------------------------------------------------------------------------------------


@dataclass
class Cluster:
    """The cluster that the tests of this file share."""

    home: Path
    held: ExitStack


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as held:
        patch.setenv("HOME", str(home))
        patch.setattr(joining, "core_count", lambda: 2)
        held.enter_context(joining.cluster(None))
        yield Cluster(home, held)


def members() -> dict[int, str]:
    """The processes of our cluster by number, but for this one: those that have its token."""
    token, found = joining._token().encode(), {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if token in (folder / "environ").read_bytes() and int(folder.name) != os.getpid():
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:  # ended meanwhile
            continue
    return found


def listening(processes: set[int]) -> dict[str, int]:
    """The addresses that processes accept connections at, and how many at each."""
    sockets = set()
    for process in processes:
        for file in Path(f"/proc/{process}/fd").glob("*"):
            try:
                sockets.add(str(file.readlink()))
            except OSError:
                continue
    found: dict[str, int] = {}
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                raw = np.frombuffer(bytes.fromhex(fields[1].partition(":")[0]), "<u4").astype(">u4").tobytes()
                address = socket.inet_ntop(family, raw)
                found[address] = found.get(address, 0) + 1
    return found


@pytest.mark.skipif(not Path("/proc/net/tcp").is_file(), reason="reads what Linux says of processes")
def test_nobody_else_can_reach_it(two_workers: Cluster) -> None:
    processes = members()
    assert any("gcs_server" in line for line in processes.values())
    found = listening(set(processes) | {os.getpid()})
    assert sum(found.values()) >= 3
    assert set(found) <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    assert not (two_workers.home / ".ray").exists(), "the token is in no file"


# The same answer --------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    with pytest.MonkeyPatch.context() as patch:
        hurried(patch)
        return compared(tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="module")
def spread(two_workers: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """Trained by two workers, of which one is killed in the middle of a run."""
    folder = tmp_path_factory.mktemp("spread")
    (folder / "die").touch()
    with pytest.MonkeyPatch.context() as patch:
        hurried(patch)
        return compared(folder, on="ray")


def assert_same_runs(first: Path, second: Path) -> None:
    """Weights and checkpoints bit for bit, losses, samples and choices; only times differ."""
    names = {folder.name for folder in (first / "runs").iterdir()}
    assert names == {folder.name for folder in (second / "runs").iterdir()}
    for name in names:
        one, other = Run.open(first / "runs" / name), Run.open(second / "runs" / name)
        files = {str(file.relative_to(one.folder)) for file in one.folder.rglob("*") if file.is_file()}
        assert files == {str(file.relative_to(other.folder)) for file in other.folder.rglob("*") if file.is_file()}, name
        assert "backbone.safetensors" in files
        for file in files - {"run.json", "metrics.jsonl"}:
            assert same(one.folder / file, other.folder / file), (name, file)
        assert replace(one, folder=other.folder, created=other.created) == other
        assert losses(one) == losses(other)


def same(first: Path, second: Path) -> bool:
    """Byte by byte; states of training by what they hold, since which of two equal words is written but once hangs on their identity."""
    if first.name != "training.pt":
        return first.read_bytes() == second.read_bytes()
    return alike(torch.load(first, weights_only=True), torch.load(second, weights_only=True))


def alike(first: Any, second: Any) -> bool:
    """Whether two states hold the same numbers and words."""
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return list(first) == list(second) and all(alike(value, second[key]) for key, value in first.items())
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(alike, first, second))
    return bool(first == second)


def losses(run: Run) -> list[tuple[int, float]]:
    """What was logged, but for times."""
    entries = [json.loads(line) for line in run.metrics_file.read_text().splitlines()]
    return [(entry["step"], entry["loss"]) for entry in entries]


def assert_same_answer(first: Compared, second: Compared) -> None:
    assert sentences(first.answer) == sentences(second.answer)
    assert first.answer.rungs == second.answer.rungs
    assert first.answer.finalists == second.answer.finalists
    assert first.results.rows == second.results.rows


def test_two_workers_give_the_runs_and_the_answer_of_one_process(alone: Compared, spread: Compared) -> None:
    assert_same_runs(alone.folder, spread.folder)
    assert_same_answer(alone, spread)
    assert spread.answer.spent["training by workers"] > 0
    assert "pretraining" not in spread.answer.spent
    assert not (spread.folder / ".ray").exists()


def test_a_killed_worker_loses_what_came_after_its_last_checkpoint(alone: Compared, spread: Compared) -> None:
    """Killed at step 12 of 13, the run goes on from step 10, where the cool-down began."""
    assert not (spread.folder.parent / "die").exists(), "nobody died"
    done, again = (steps_of(one.folder.parent) for one in (alone, spread))
    assert {process for process, _ in done} == {str(os.getpid())}
    assert str(os.getpid()) not in {process for process, _ in again}
    repeated = Counter(progress for _, progress in again) - Counter(progress for _, progress in done)
    assert repeated == Counter(f"{step / 13:.4f}" for step in (10, 11, 12))


def steps_of(folder: Path) -> list[tuple[str, str]]:
    """The process and the progress of every step of our own task but the first ones, which are also tried before it trains."""
    lines = [line.split() for line in (folder / "steps").read_text().splitlines()]
    return [(process, progress) for process, progress in lines if float(progress) > 0]


def test_a_comparison_goes_on_anywhere(
    alone: Compared, two_workers: Cluster, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun without a cluster, stopped on one by Ctrl-C, failed there when it went on, ended without: it is the one that ran alone."""
    monkeypatch.setattr("selfsup.comparison.wanted.pretrain", stopping_at_the_second)
    with pytest.raises(InterruptedError, match="--resume --out out"):
        compared(tmp_path)
    monkeypatch.undo()
    hurried(monkeypatch)
    (tmp_path / "stop").write_text(str(os.getpid()))
    with pytest.raises(InterruptedError, match="--resume --out out"):
        compared(tmp_path, on="ray", resume=True)
    (tmp_path / "fail").touch()
    with pytest.raises(ValueError, match=r"moody.py:Moody \(seed [01]\) cannot be trained: .*not in the mood"):
        compared(tmp_path, on="ray", resume=True)
    assert not (tmp_path / "stop").exists()
    found = compared(tmp_path, resume=True)
    assert_same_runs(alone.folder, found.folder)
    assert_same_answer(alone, found)


def stopping_at_the_second(*arguments: Any, **settings: Any) -> Run:
    """`pretrain`, which somebody stops at the second task."""
    if settings["task"] == TASKS[1]:
        raise InterruptedError("here")
    return selfsup.pretrain(*arguments, **settings)


# What is told ------------------------------------------------------------------------------------------------------------------------


def test_other_threads_are_another_comparison(alone: Compared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(alone.folder.parent)
    with pytest.raises(ValueError, match="begun with threads 1, and got 2"):
        whole(Path("out"), tasks=TASKS, budget="30m", draws=5, probes=("linear",), threads=2, resume=True)


def test_a_machine_with_other_versions_is_named(two_workers: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    nodes = [node["NodeID"] for node in ray.nodes()]
    check_machines(tmp_path, str(tmp_path), nodes)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(machines, "versions", lambda: versions() | {"torch": "1.0"})
    with pytest.raises(ValueError, match=rf"the machine {socket.gethostname()} .* has torch {torch.__version__.partition('+')[0]}"):
        check_machines(tmp_path, None, nodes)


def test_a_folder_that_is_not_shared_is_named(tmp_path: Path) -> None:
    mark = tmp_path / ".seen"
    assert "does not see" in str(missing_here(mark, "one", [], versions()))
    mark.write_text("two")
    assert f"does not see {tmp_path}" in str(missing_here(mark, "one", [], versions())), "a folder of that name, on another disk"
    assert missing_here(mark, "two", [str(tmp_path)], versions()) is None
    assert "does not see /no/data" in str(missing_here(mark, "two", ["/no/data"], versions()))


def test_places() -> None:
    assert place_of(None) is None
    assert place_of("ray") == Place(None)
    assert place_of("ray:auto") == Place("auto")
    assert place_of("ray:10.0.0.1:6379") == Place("10.0.0.1:6379")
    for wrong in ("slurm", "ray:", "rays", ""):
        with pytest.raises(ValueError, match="expected ray"):
            place_of(wrong)


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["compare", tmp_path, "--labels", "folder", "--tasks", "rotation,dae"]
    assert "Run the command on a machine of the cluster" in failure(capsys, *common, "--on", "ray://head:10001")
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ray" else found(name))
    assert "pip install 'selfsup[ray]'" in failure(capsys, *common, "--on", "ray")


def test_waiting_by_hand() -> None:
    """4 units for 50 s and 3 more of them to 100 s, by two workers: 2 x 52, 2 x (100 - 40 + 2), and 3 more seeds in 2 x 102."""
    ladder = Ladder((Rung(50.0, 4), Rung(100.0, 3)), 3, 2)
    assert waiting(ladder, workers=2, overhead=2.0) == pytest.approx(104 + 124 + 204)
    assert waiting(ladder, workers=1, overhead=2.0) == pytest.approx(cost(ladder, overhead=2.0))
    assert waiting(ladder, workers=9, overhead=2.0) == pytest.approx(52 + 62 + 102)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not keep processes to cores")
def test_trainings_do_not_share_cores() -> None:
    before = os.sched_getaffinity(0)
    with own_cores(1) as first:
        assert os.sched_getaffinity(0) == set(first)
        os.sched_setaffinity(0, before)
        with own_cores(len(before)) as all_of_them:
            assert all_of_them == (), "one of them is taken"
            assert os.sched_getaffinity(0) == before
    with own_cores(len(before)) as cores:
        assert set(cores) == before
    assert os.sched_getaffinity(0) == before


def test_a_cluster_is_gone_when_it_is_ended(two_workers: Cluster) -> None:
    """The last test: nothing of it is left running, on disk or in this process."""
    folders = {Path(line.partition("--temp-dir=")[2].split()[0]) for line in members().values() if "--temp-dir=" in line}
    assert len(folders) == 1
    assert all(folder.is_dir() for folder in folders)
    two_workers.held.close()
    until = time.monotonic() + 20
    while members() and time.monotonic() < until:
        time.sleep(0.1)
    assert members() == {}
    assert not any(folder.exists() for folder in folders)
    assert "RAY_AUTH_TOKEN" not in os.environ
