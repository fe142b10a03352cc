"""The loop: every task, every machine, one function."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from selfsup.data import Batches
from selfsup.pretext import Output, Pretext, Views
from selfsup.run import Run
from selfsup.train.checkpoint import load_checkpoint, newest_checkpoint, save_checkpoint
from selfsup.train.distributed import World, use_global_batch_norm
from selfsup.train.log import Log
from selfsup.train.memory import peak_memory
from selfsup.train.optimizer import make_optimizer, set_rate
from selfsup.train.precision import Kernels
from selfsup.train.schedule import SCHEDULES, cool_down_start
from selfsup.train.step import Step
from selfsup.train.watch import Watch, directions_and_extent, embed_sample, embedding_rank, embedding_spread

SECONDS_BETWEEN_CHECKPOINTS = 60.0
LOG_ENTRIES = 200  # about so many lines of metrics.jsonl a run
LOOKS = 20  # about so many looks at the embeddings a run
LOOKS_APART = 25  # steps: a look costs about as much as one, and is not to take a fifth of a short run
SHOWN = 5  # about so often what the task makes by then is kept


class Interrupted(InterruptedError):
    """Ctrl-C or SIGTERM: the state was saved, and `--resume` goes on from it."""


class TrainingFailed(ValueError):
    """The loss or its gradient is no longer a number; the last good checkpoint is kept."""


def train(
    task: Pretext,
    batches: Batches,
    run: Run,
    *,
    world: World,
    watched: Sequence[Tensor],
    until: int | None = None,
    observe: Callable[[int], None] | None = None,
) -> None:
    """Train `task` from its newest checkpoint, or from its start, to step `run.steps` (or `until`).

    `watched` is a fixed sample, as the backbone's `embed` takes it, whose embeddings tell a collapse; `observe` is called now and
    then with the number of steps done. Raises `Interrupted` after saving when asked to
    stop, and `TrainingFailed` when loss or gradient is not finite.
    """
    device = next(task.parameters()).device
    optimizer = make_optimizer(task, run.optimizer, rate=run.learning_rate, decay=run.weight_decay)
    newest = newest_checkpoint(run.checkpoints)
    start = load_checkpoint(newest, task, optimizer) if newest else 0
    kernels = Kernels(**run.choices["kernels"])
    kernels.apply(task)
    task.train()
    branch = cool_down_start(run.steps) if run.schedule == "constant" else None
    step = Step(task, _prepared(task, world), kernels, world, device)
    log = Log(run.metrics_file, steps=run.steps, quiet=not world.leads, unit=_unit(run))
    progress = _Progress(log, run, batches, world, [part.to(device) for part in watched], start, observe)
    with _stop_signal() as stop:
        saved, last = time.monotonic(), min(run.steps, until or run.steps)
        for number in range(start, last):
            progress.after(number, *one_step(step, optimizer, batches, run, number), task=task)
            stopping = world.any(stop.is_set())
            if stopping or number + 1 in (branch, last) or time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
                if world.leads:
                    save_checkpoint(run.checkpoints, number + 1, task, optimizer, keep=branch)
                world.wait()
                saved = time.monotonic()
            if stopping and number + 1 < last:
                raise Interrupted(f"stopped at step {number + 1:,} of {run.steps:,}; saved. Go on with --resume --out {run.folder}.")


def _unit(run: Run) -> tuple[str, int]:
    """What speed is told in, and how many of it a row has."""
    return {"text": ("tokens", run.size), "pair": ("pairs", 1)}.get(run.kind, ("pictures", 1))


def one_step(
    step: Step, optimizer: torch.optim.Optimizer, batches: Batches, run: Run, number: int
) -> tuple[dict[str, float], dict[str, float], Output]:
    """Draw views, add gradients, move the weights. Returns the loss terms, what else is logged, and the task's output."""
    began = time.perf_counter()
    micro = views_of(step, batches, run, number)
    waited = time.perf_counter() - began
    task = step.task
    task.progress.fill_(number / run.steps)
    task.steps.fill_(run.steps)
    rate = set_rate(optimizer, SCHEDULES[run.schedule](number, run.steps))
    optimizer.zero_grad(set_to_none=True)
    terms, output = step.gradients(micro)
    norm = float(torch.nn.utils.clip_grad_norm_(task.parameters(), run.clip))
    values = {name: float(term) for name, term in terms.items()}
    if not all(map(math.isfinite, [norm, *values.values()])):
        raise TrainingFailed(_failure(run, number, values, norm))
    optimizer.step()
    _after_step(task, output)
    return values, {"learning_rate": rate, "gradient_norm": norm, "waited": waited, "spent": time.perf_counter() - began}, output


def views_of(step: Step, batches: Batches, run: Run, number: int) -> list[Views]:
    """The views of this rank's micro-batches at step `number`."""
    parts = run.accumulate * step.world.size
    every = []
    for index in range(run.accumulate):
        batch = batches.at(number, part=(step.world.rank * run.accumulate + index, parts))
        batch = {name: rows.to(step.device, non_blocking=True) for name, rows in batch.items()}
        every.append(step.views(batch, run.seed, number, index))
    return every


@torch.no_grad()
def _after_step(task: Pretext, output: Output) -> None:
    task.after_step(output)


def _prepared(task: Pretext, world: World) -> nn.Module:
    """The task as the loop calls it: wrapped in DDP if there are several ranks."""
    if world.size == 1:
        return task
    use_global_batch_norm(task)
    return DistributedDataParallel(task, broadcast_buffers=False)


def _failure(run: Run, number: int, values: dict[str, float], norm: float) -> str:
    terms = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
    newest = newest_checkpoint(run.checkpoints)
    kept = f"The checkpoint of step {newest.name} is kept." if newest else "There was no checkpoint yet."
    return (
        f"training broke at step {number + 1:,}: {terms}, gradient norm {norm:.4g}. {kept} "
        f"Try --learning-rate {run.learning_rate / 3:.2g} (it was {run.learning_rate:.2g}), or --precision fp32, in a new --out."
    )


@dataclass
class _Progress:
    """What the loop tells while it runs: sums between two entries of the log, and the watch over the embeddings."""

    log: Log
    run: Run
    batches: Batches
    world: World
    watched: Sequence[Tensor]
    start: int
    observe: Callable[[int], None] | None = None
    watch: Watch = field(default_factory=Watch)
    spent: float = 0.0
    waited: float = 0.0
    steps: int = 0
    losses: list[float] = field(default_factory=list)
    rank: float | None = None

    def __post_init__(self) -> None:
        entries = self.log.forget_after(self.start) if self.world.leads else []
        self.seconds = max((float(entry.get("seconds", 0.0)) for entry in entries), default=0.0)
        self.watch.remember(entries)

    def after(self, number: int, terms: dict[str, float], facts: dict[str, float], output: Output, *, task: Pretext) -> None:
        """Called after step `number` (from 0) with what `one_step` returned."""
        if not self.world.leads:
            return
        self.spent, self.waited, self.steps = self.spent + facts["spent"], self.waited + facts["waited"], self.steps + 1
        self.seconds += facts["spent"]
        self.losses.append(sum(terms.values()))
        done, steps = number + 1, self.run.steps
        looked = _is_time(done, steps, times=LOOKS, apart=LOOKS_APART)
        if self.observe is not None and _is_time(done, steps, times=SHOWN):
            self.observe(done)
        seen = self._look(done, task, output) if looked else {}
        speed = self.steps * self.run.batch_size / self.spent
        if looked or done % max(1, steps // LOG_ENTRIES) == 0:
            self.log.add(
                step=done, seconds=round(self.seconds, 3), loss=sum(terms.values()), terms=terms, examples_per_second=round(speed, 1),
                data_wait=round(self.waited / self.spent, 4), learning_rate=facts["learning_rate"],
                gradient_norm=facts["gradient_norm"], **seen,
            )  # fmt: skip
            left = (steps - done) * self.spent / self.steps
            self.log.show(done, terms=terms, speed=speed, left=left, data_wait=self.waited / self.spent, rank=self.rank)
            self.spent = self.waited = 0.0
            self.steps = 0

    def _look(self, done: int, task: Pretext, output: Output) -> dict[str, float | int | None]:
        embeddings = embed_sample(task.backbone, self.watched)
        self.rank, spread = embedding_rank(embeddings), embedding_spread(embeddings)
        mean_loss = sum(self.losses) / len(self.losses)
        self.losses.clear()
        of_head = _attracted(task, output)
        found = self.watch.warnings(
            progress=done / self.run.steps, loss=mean_loss, rank=self.rank, spread=spread, **of_head,
            blind=task.blind_loss(self.run.batch_size), falls=task.loss_falls,
        )  # fmt: skip
        for kind, words in found.items():
            self.log.warn(done, kind, words)
        rounded = {name: round(value, 5) for name, value in of_head.items()}
        return {"rank": round(self.rank, 3), "spread": round(spread, 5), **rounded, "peak_memory": peak_memory()}


def _attracted(task: Pretext, output: Output) -> dict[str, float]:
    """The directions and the extent of what the task's loss draws together; nothing where it draws nothing, or rows are few."""
    if task.attracted is None:
        return {}
    if task.attracted not in output:
        raise ValueError(
            f"{type(task).__name__} names {task.attracted!r} as attracted; expected a part of its output: {', '.join(output)}."
        )
    found = directions_and_extent(output[task.attracted])
    return {} if found is None else {"directions": found[0], "extent": found[1]}


def _is_time(done: int, steps: int, *, times: int, apart: int = 1) -> bool:
    """At the first and the last step, and about so many times between, at least so many steps `apart`."""
    return done in (1, steps) or done % max(apart, steps // times) == 0


@contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, so that the step that runs is finished first. A second Ctrl-C stops at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def stop(number: int, frame: object) -> None:
        if event.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        event.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
