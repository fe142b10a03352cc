"""Training: exact resume, ranks and accumulation equal to one process, budgets, schedules, failures that are injected."""

from __future__ import annotations

import json
import math
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

import rank_gradients
from selfsup.backbones import build
from selfsup.contract.pair_trials import PairTrial
from selfsup.options import task_options
from selfsup.pretext import Batch, Output, Pretext, Views
from selfsup.pretraining import pretrain
from selfsup.run import Run
from selfsup.tasks import find_task
from selfsup.train import Interrupted, TrainingFailed
from selfsup.train.budget import seconds_of, seconds_per_step
from selfsup.train.checkpoint import newest_checkpoint
from selfsup.train.distributed import World
from selfsup.train.optimizer import LARS
from selfsup.train.precision import Kernels
from selfsup.train.schedule import constant, cool_down_start, cosine
from selfsup.train.seeding import seed_of
from selfsup.train.step import Step
from selfsup.train.watch import Watch, directions_and_extent, embedding_rank, embedding_spread
from small_pairs import PAIR_TASKS, text_of
from small_tasks import PICTURE_TASKS

HERE = Path(__file__).parent


def digits(count: int = 120) -> np.ndarray[Any, Any]:
    images: np.ndarray[Any, Any] = load_digits().images[:count] / 16.0
    return images


def settle(folder: Path, task: str, steps: int, how: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(HERE / "pretrain_digits.py"), str(folder), task, str(steps), how], stderr=subprocess.PIPE)


def weights(folder: Path) -> bytes:
    return (folder / "backbone.safetensors").read_bytes()


def steps_in(folder: Path) -> int:
    newest = newest_checkpoint(folder / "checkpoints")
    return int(newest.name) if newest else 0


# Resume ---------------------------------------------------------------------------------------------------------------------------


def test_killed_at_random_steps_it_ends_in_the_same_weights(tmp_path: Path) -> None:
    """kill -9 at three random steps; the resumed run measures nothing (it would raise) and ends in the weights of a straight run."""
    straight = settle(tmp_path / "straight", "simclr", 24, "new")
    _, errors = straight.communicate(timeout=120)
    assert straight.returncode == 0, errors.decode()
    chance, folder = random.Random(7), tmp_path / "killed"
    for number, target in enumerate(sorted(chance.sample(range(2, 22), 3))):
        process = settle(folder, "simclr", 24, "resume" if number else "new")
        deadline = time.monotonic() + 90
        while steps_in(folder) < target and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.002)
        process.kill()
        process.communicate()
        assert steps_in(folder) >= target
    last = settle(folder, "simclr", 24, "resume")
    _, errors = last.communicate(timeout=120)
    assert last.returncode == 0, errors.decode()
    assert weights(folder) == weights(tmp_path / "straight")
    entries = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    steps = [entry["step"] for entry in entries if "loss" in entry]
    assert steps == sorted(set(steps)), "no step is logged twice"


def test_ctrl_c_and_sigterm_save_and_the_rest_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    straight = pretrain(digits(), task="rotation", size=16, steps=12, batch_size=32, out=tmp_path / "straight", precision="fp32")
    sent = []

    def interrupting(folder: Path) -> Any:
        original = signal.raise_signal

        def after(self: Any, number: int, *rest: Any, **named: Any) -> None:
            if number in (3, 7) and number not in sent:
                sent.append(number)
                original(signal.SIGTERM if number == 3 else signal.SIGINT)
            return kept(self, number, *rest, **named)

        return after

    from selfsup.train import loop

    kept = loop._Progress.after
    monkeypatch.setattr(loop._Progress, "after", interrupting(tmp_path))
    arguments: dict[str, Any] = {"task": "rotation", "size": 16, "steps": 12, "batch_size": 32, "precision": "fp32"}
    arguments["out"] = tmp_path / "stopped"
    with pytest.raises(Interrupted, match=r"step 4 of 12.*--resume"):
        pretrain(digits(), **arguments)
    with pytest.raises(Interrupted, match="step 8 of 12"):
        pretrain(digits(), **arguments, resume=True)
    resumed = pretrain(digits(), **arguments, resume=True)
    assert weights(resumed.folder) == weights(straight.folder)


def test_a_constant_rate_can_be_lengthened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of 10 steps lengthened to 20 ends like one of 20 from the start: both warm up in one step and part at the cool-down."""
    monkeypatch.setattr("selfsup.train.loop.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    arguments: dict[str, Any] = {"task": "rotation", "size": 16, "batch_size": 32, "schedule": "constant", "precision": "fp32"}
    long = pretrain(digits(), **arguments, steps=20, out=tmp_path / "long")
    pretrain(digits(), **arguments, steps=10, out=tmp_path / "short")
    with pytest.raises(ValueError, match="more steps than it has"):
        pretrain(digits(), **arguments, steps=5, out=tmp_path / "short", resume=True)
    lengthened = pretrain(digits(), **arguments, steps=20, out=tmp_path / "short", resume=True)
    assert weights(lengthened.folder) == weights(long.folder)


def test_only_two_checkpoints_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfsup.train.loop.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    run = pretrain(digits(), task="rotation", size=16, steps=5, batch_size=32, out=tmp_path / "run")
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["4", "5", "newest"]


def test_a_run_is_never_overwritten_and_resume_asks_for_the_same(tmp_path: Path) -> None:
    pretrain(digits(), task="rotation", size=16, steps=2, batch_size=32, out=tmp_path / "run")
    with pytest.raises(ValueError, match="never overwritten"):
        pretrain(digits(), task="rotation", size=16, steps=2, out=tmp_path / "run")
    with pytest.raises(ValueError, match="started with --task rotation"):
        pretrain(digits(), task="simclr", out=tmp_path / "run", resume=True)
    with pytest.raises(ValueError, match=r"pictures of .* are not those .* 80 now, 120 then"):
        pretrain(digits(80), task="rotation", out=tmp_path / "run", resume=True)


# One process, several ranks, several micro-batches --------------------------------------------------------------------------------


def test_two_ranks_give_the_gradients_of_one_process(tmp_path: Path) -> None:
    """Every task, in fp32 and in fp64, in one start of the processes, and some with options that bring a state or a term of their own."""
    rank_gradients.main(tmp_path)
    torchrun = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    subprocess.run([*torchrun, str(HERE / "rank_gradients.py"), str(tmp_path)], check=True, timeout=400)
    assert set(rank_gradients.UNITS) >= {*PICTURE_TASKS, *PAIR_TASKS}
    for name in rank_gradients.UNITS:
        for dtype, gradient, curve in (("float32", 1e-4, 1e-2), ("float64", 1e-9, 1e-6)):
            one, two = (torch.load(tmp_path / f"{name}-{dtype}-{size}.pt", weights_only=True) for size in (1, 2))
            largest = max(float(part.norm()) for part in one["gradients"].values())
            for part, expected in one["gradients"].items():
                difference = float((two["gradients"][part] - expected).norm())
                # biases that BatchNorm takes away again have no gradient but rounding: judged against the largest
                assert difference <= gradient * max(float(expected.norm()), 1e-3 * largest), (name, dtype, part)
            assert two["curve"] == pytest.approx(one["curve"], rel=curve, abs=1e-2 * curve), (name, dtype)  # a cosine begins near 0


@pytest.mark.parametrize("name", [*PICTURE_TASKS, *PAIR_TASKS])
def test_accumulation_gives_the_gradients_of_the_whole_batch(name: str) -> None:
    """4 x 16 against 1 x 64, without BatchNorm, whose statistics are those of a micro-batch by definition."""
    kind = find_task(name)
    torch.manual_seed(0)
    text = text_of(name) if name in PAIR_TASKS else "bert-tiny"
    trial = PairTrial(f"compact_vit+{text}", 16, rows=64, side=16)
    net: Any = trial.network() if name in PAIR_TASKS else build("compact_vit", size=16)
    task = kind(net, **task_options(kind, {})).double()
    for module in task.modules():
        for child, layer in module.named_children():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                setattr(module, child, nn.Identity())
    image = torch.randint(256, (64, 3, 16, 16), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    batch = {**(trial.batch() if name in PAIR_TASKS else {}), "image": image, "aspect": torch.ones(64), "index": torch.arange(64)}
    views = task.views(batch, torch.Generator().manual_seed(2))
    views = {part: view.double() if view.is_floating_point() else view for part, view in views.items()}
    step = Step(task, task, Kernels(), World(), torch.device("cpu"))
    terms, _ = step.gradients([views])
    whole = {part: parameter.grad.clone() for part, parameter in task.named_parameters() if parameter.grad is not None}
    task.zero_grad()
    micro = [{part: view[start : start + 16] for part, view in views.items()} for start in range(0, 64, 16)]
    accumulated, _ = step.gradients(micro)
    for part, term in terms.items():
        torch.testing.assert_close(accumulated[part], term, rtol=1e-9, atol=0.0)
    for part, parameter in task.named_parameters():
        if parameter.requires_grad:  # teachers do not
            assert parameter.grad is not None
            torch.testing.assert_close(parameter.grad, whole[part], rtol=1e-7, atol=1e-10, msg=part)


# What follows from the budget -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200), ("1h30m", 5400), ("1.5m", 90)])
def test_budgets_in_words(words: str, seconds: float) -> None:
    assert seconds_of(words) == seconds


@pytest.mark.parametrize("words", ["", "10", "ten minutes", "m10", "0s", "5x"])
def test_budgets_that_are_no_time(words: str) -> None:
    with pytest.raises(ValueError, match="10m"):
        seconds_of(words)


def test_seconds_per_step_is_the_median(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("selfsup.train.budget.time.perf_counter", lambda: clock[0])
    durations = iter([9.0, 1.0, 5.0, 1.2, 0.9, 1.1])

    def step(_: int) -> None:
        clock[0] += next(durations)

    assert seconds_per_step(step, most=18.1) == pytest.approx(1.1)
    durations = iter([4.0, 2.0, 3.0])
    assert seconds_per_step(step, most=6.1, warm=True) == pytest.approx(3.0)


def test_a_time_budget_becomes_steps(tmp_path: Path) -> None:
    """As many steps as fit into three seconds at the time measured for one, less what measuring took. No clock: machines are busy."""
    run = pretrain(digits(), task="rotation", size=16, budget="3s", batch_size=32, out=tmp_path / "run")
    planned = run.choices["seconds_per_step"] * run.steps
    assert 0.5 < planned <= 3.0
    last = json.loads(run.metrics_file.read_text().splitlines()[-1])
    assert last["step"] == run.steps


def test_cosine_and_constant() -> None:
    assert cosine(0, 100) == pytest.approx(0.2)
    assert cosine(5, 100) == pytest.approx(1.0)
    assert cosine(52, 100) == pytest.approx(0.5 * (1 + math.cos(math.pi * 47 / 95)))
    assert cosine(99, 100) < 0.001
    rates = [constant(step, 1000) for step in range(1000)]
    assert rates[:50] == pytest.approx([(step + 1) / 50 for step in range(50)])
    assert set(rates[50:800]) == {1.0}
    assert all(later < earlier for earlier, later in pairwise(rates[799:]))
    assert 0 < rates[-1] < 0.01
    assert cool_down_start(1000) == 800


def test_seeds_differ_for_near_places() -> None:
    seeds = {seed_of(a, b, c, d) for a in range(4) for b in range(50) for c in range(3) for d in range(3)}
    assert len(seeds) == 4 * 50 * 3 * 3
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_lars_by_hand() -> None:
    parameter, bias = nn.Parameter(torch.tensor([[3.0, 4.0]])), nn.Parameter(torch.tensor([1.0]))
    parameter.grad, bias.grad = torch.tensor([[0.0, 2.0]]), torch.tensor([0.5])
    LARS([{"params": [parameter, bias]}], 0.1, weight_decay=0.01, trust=0.02).step()
    update = torch.tensor([[0.03, 2.04]])
    torch.testing.assert_close(parameter.detach(), torch.tensor([[3.0, 4.0]]) - 0.1 * 0.02 * 5.0 / update.norm() * update)
    torch.testing.assert_close(bias.detach(), torch.tensor([1.0 - 0.1 * 0.5]))


# What goes wrong ------------------------------------------------------------------------------------------------------------------


class Broken(Pretext):
    """Turns NaN at the step asked for, or draws all embeddings together, which collapses."""

    couples_rows = True

    def __init__(self, backbone: Any, *, at: int = 3, collapse: bool = False) -> None:
        super().__init__(backbone)
        self.at, self.collapse, self.seen = at, collapse, 0

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        return {"a": self.augment(batch, rng), "b": self.augment(batch, rng)}

    def forward(self, views: Views) -> Output:
        return {side: self.backbone.embed(view) for side, view in views.items()}

    def loss(self, output: Output) -> dict[str, Tensor]:
        if self.collapse:
            return {"agreement": F.normalize(output["a"]).var(0).sum()}
        broken = torch.nan if self.progress >= self.at / 8 else 1.0
        return {"agreement": (output["a"] - output["b"]).square().mean() * broken}


OWN = """
from test_training import Broken
"""


def own(tmp_path: Path) -> str:
    sys.path.insert(0, str(HERE))
    (tmp_path / "own.py").write_text(OWN)
    return f"{tmp_path / 'own.py'}:Broken"


def test_nan_stops_with_the_step_and_keeps_the_last_good_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfsup.train.loop.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    with pytest.raises(TrainingFailed, match=r"step 4.*nan.*step 3 is kept.*--learning-rate"):
        pretrain(digits(), task=own(tmp_path), size=16, steps=8, batch_size=32, out=tmp_path / "run", options={"at": 3})
    state = torch.load(tmp_path / "run" / "checkpoints" / "3" / "training.pt", weights_only=True)
    assert all(torch.isfinite(part).all() for part in state["task"].values())


def test_a_collapse_is_said_in_words(tmp_path: Path) -> None:
    run = pretrain(
        digits(), task=own(tmp_path), size=16, steps=60, batch_size=32, out=tmp_path / "run", options={"collapse": True}, learning_rate=0.01
    )
    warnings = [entry["warning"] for entry in map(json.loads, run.metrics_file.read_text().splitlines()) if "warning" in entry]
    assert any("collapsed" in words for words in warnings)


@pytest.mark.parametrize(
    ("rank", "spread", "collapsed"),
    [(60, 0.4, False), (16, 0.04, False), (2.5, 0.04, True), (60, 0.005, True), (1.2, 0.3, True)],
    ids=["as it began", "a large common part", "few directions, close together", "all alike", "one direction"],
)
def test_what_counts_as_a_collapse(rank: float, spread: float, collapsed: bool) -> None:
    watch = Watch()
    assert not watch.warnings(progress=0.1, loss=2.0, rank=80, spread=0.48)
    assert ("collapse" in watch.warnings(progress=0.2, loss=1.0, rank=rank, spread=spread)) == collapsed


@pytest.mark.parametrize(
    ("directions", "extent", "collapsed"),
    [(2.1, 1.0, False), (1.9, 1.0, True), (20.0, 0.26, False), (20.0, 0.24, True)],
    ids=["a plane", "a line", "smaller", "a point"],
)
def test_what_counts_as_a_collapse_of_what_views_are_compared_by(directions: float, extent: float, collapsed: bool) -> None:
    """The embeddings before it differ as at first. One batch of three may show little by chance."""
    watch, said = Watch(), []
    for place, (number, far) in enumerate([(30.0, 1.0), (1.0, 1.0), (directions, extent), (directions, extent)]):
        said.append(watch.warnings(progress=place / 20, loss=1.0, rank=80, spread=0.3, directions=number, extent=far))
    assert not any(said[:2])
    assert ("collapse" in said[2] or "collapse" in said[3]) == collapsed
    assert not collapsed or "has collapsed: it differs in" in str(said[2:])


def test_a_resumed_run_remembers_what_views_were_compared_by() -> None:
    watch = Watch()
    watch.remember([{"step": step, "loss": 1.0, "rank": 80.0, "spread": 0.3, "directions": 1.2, "extent": 5.0} for step in (1, 25)])
    assert "collapse" in watch.warnings(progress=0.5, loss=1.0, rank=80, spread=0.3, directions=1.2, extent=5.0)
    small = Watch()
    small.remember([{"step": 1, "loss": 1.0, "rank": 80.0, "spread": 0.3, "directions": 9.0, "extent": 5.0}])
    assert not small.warnings(progress=0.4, loss=1.0, rank=80, spread=0.3, directions=9.0, extent=0.6)
    assert "collapse" in small.warnings(progress=0.5, loss=1.0, rank=80, spread=0.3, directions=9.0, extent=0.4)


def test_directions_and_extent_by_hand() -> None:
    """Rows along a line, however far; the corners of a square, twice as far in one dimension; the first of several views counts."""
    along = torch.arange(20.0)[:, None] * torch.tensor([3.0, -1.0, 0.0])
    assert directions_and_extent(along) == pytest.approx((1.0, (3 + 1) / 3 * 35**0.5), abs=1e-4)  # the variance of 0 to 19 is 35
    square = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]).repeat(5, 1)
    assert directions_and_extent(square) == pytest.approx((2.0, (20 / 19) ** 0.5), abs=1e-4)
    assert directions_and_extent(torch.stack([square, square.flip(0) * 0], dim=1)) == directions_and_extent(square)
    assert directions_and_extent(square[:15]) is None


def test_means_over_tokens_that_begin_close_together_have_not_collapsed() -> None:
    watch = Watch()
    assert not watch.warnings(progress=0.1, loss=9.0, rank=184, spread=0.089)
    assert not watch.warnings(progress=0.2, loss=8.0, rank=178, spread=0.008)


def test_a_flat_loss_is_said_in_words_once() -> None:
    watch = Watch()
    said = [watch.warnings(progress=step / 20, loss=4.16, rank=50, spread=0.5) for step in range(20)]
    assert [len(words) for words in said].count(1) == 1
    assert "has not fallen" in next(words["flat"] for words in said if words)
    resumed = Watch()
    resumed.remember([{"step": 1, "loss": 6.0, "rank": 50.0, "spread": 0.5}, {"step": 2, "warning": "flat", "kind": "flat"}])
    assert resumed.losses == [6.0]
    assert not any(resumed.warnings(progress=0.5 + step / 20, loss=6.1, rank=50, spread=0.5) for step in range(10)), "said before"
    falling = Watch()
    assert not any(falling.warnings(progress=step / 20, loss=4.16 - 0.1 * step, rank=50, spread=0.5) for step in range(20))


def test_rank_and_spread_by_hand() -> None:
    """Four points at the corners of a square: two equal singular values. Points along one line: one."""
    square = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert embedding_rank(square) == pytest.approx(2.0, abs=1e-4)
    assert embedding_rank(square * torch.tensor([1.0, 0.0])) == pytest.approx(1.0, abs=1e-4)
    assert embedding_spread(torch.ones(5, 3)) == pytest.approx(0.0)
    assert embedding_spread(torch.randn(4000, 64, generator=torch.Generator().manual_seed(0))) == pytest.approx(1.0, abs=0.02)


def test_unknown_run_formats_are_refused(tmp_path: Path) -> None:
    run = pretrain(digits(), task="rotation", size=16, steps=2, batch_size=32, out=tmp_path / "run")
    replace(run, format=99).save()
    with pytest.raises(ValueError, match="format 99"):
        Run.open(run.folder)
