"""Pretraining: from a folder of pictures to a run."""

from __future__ import annotations

import dataclasses
import platform
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from selfsup.backbones import Backbone, build, build_from, choose, load_weights, read_settings, save_backbone, save_settings
from selfsup.contract import check_before_training, in_words, made, written_by_user
from selfsup.data import Batches, Corpus, prepare
from selfsup.options import check_choice, task_options
from selfsup.pretext import Pretext
from selfsup.run import Run
from selfsup.samples import save_made, save_views
from selfsup.tasks import TASKS, find_task, load_attribute
from selfsup.train import train
from selfsup.train.budget import seconds_of
from selfsup.train.calibration import SHARE_TO_TIME, choose_kernels, time_steps
from selfsup.train.checkpoint import go_back, newest_checkpoint
from selfsup.train.distributed import World, device, world
from selfsup.train.log import clock
from selfsup.train.memory import keep_memory
from selfsup.train.optimizer import DEFAULT_DECAY, OPTIMIZERS, default_rate
from selfsup.train.schedule import SCHEDULES, cool_down_start

DEFAULT_BUDGET = "10m"
DEFAULT_BATCH = 128  # on small data twice the steps of half the batch were worth more: docs/results.md
WATCHED = 256  # pictures whose embeddings tell a collapse


@dataclass(frozen=True, kw_only=True)
class _Wishes:
    """What `pretrain` was asked for, apart from the data."""

    task: str
    options: dict[str, Any]
    backbone: str
    size: int | None
    budget: str | None
    steps: int | None
    epochs: float | None
    batch_size: int | None
    accumulate: int
    learning_rate: float | None
    weight_decay: float | None
    optimizer: str
    schedule: str
    precision: str
    seed: int
    out: str | Path | None
    views: str | None
    weights: str | Path | None
    store_limit: float

    def seconds(self) -> float | None:
        """The time budget, unless steps or epochs were given. Raises ValueError when more than one of the three was."""
        given = [name for name in ("budget", "steps", "epochs") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"got {' and '.join('--' + name for name in given)}; give one of --budget, --steps and --epochs.")
        return seconds_of(self.budget or DEFAULT_BUDGET) if given in ([], ["budget"]) else None


def pretrain(
    data: Any,
    *,
    task: str,
    options: dict[str, Any] | None = None,
    backbone: str = "auto",
    size: int | None = None,
    budget: str | None = None,
    steps: int | None = None,
    epochs: float | None = None,
    batch_size: int | None = None,
    accumulate: int = 1,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    optimizer: str = "adamw",
    schedule: str = "cosine",
    precision: str = "auto",
    seed: int = 0,
    out: str | Path | None = None,
    views: str | None = None,
    weights: str | Path | None = None,
    split: str | Path | None = None,
    holdout: float = 0.0,
    groups: str | None = None,
    resume: bool = False,
    kind: str = "auto",
    store_limit: float = 100.0,
) -> Run:
    """Pretrain a backbone on the pictures of `data` with a pretext task; labels are never read.

    `task` is a name from `selfsup tasks` or `file.py:Class`; `options` are its own. `budget` is a time (`90s`, `10m`), which becomes
    a number of steps by timing the first ones; or give `steps` or `epochs`. `batch_size` is the global batch, over ranks and the
    `accumulate` micro-batches. `views` names a function `file.py:function` from uint8 `(B, C, H, W)` and a `torch.Generator` to
    float `(B, C, size, size)` in [0, 1]. `weights` is what to start from. `split`, `holdout` and `groups` keep pictures out of
    pretraining; the run remembers which. `store_limit` bounds the decoded pictures on disk, in gigabytes. With `resume`, `out`
    names an interrupted run and its settings hold; more `steps` lengthen a run with a constant rate. Raises ValueError for what
    cannot be done, saying what would.
    """
    wishes = _Wishes(
        task=task, options=options or {}, backbone=backbone, size=size, budget=budget, steps=steps, epochs=epochs,
        batch_size=batch_size, accumulate=accumulate, learning_rate=learning_rate, weight_decay=weight_decay, optimizer=optimizer,
        schedule=schedule, precision=precision, seed=seed, out=out, views=views, weights=weights, store_limit=store_limit,
    )  # fmt: skip
    keep_memory()
    with world() as ranks:
        before = _interrupted(wishes) if resume else None
        if before is None:
            _check(wishes)
        parts = {"split": before.split_file} if before else {"split": split, "holdout": holdout, "groups": groups}
        corpus = prepare(
            data, size=before.size if before else size, **parts, kind=kind, store_limit=store_limit, wait=ranks.wait, leads=ranks.leads
        )
        run, module, batches = _again(before, corpus, wishes) if before else _anew(wishes, corpus, ranks)
        watched = corpus.store.batch(corpus.rows[:: max(1, len(corpus.rows) // WATCHED)][:WATCHED])["image"]
        with in_words(written_by_user(module), f"What was trained so far is in {run.folder}: mend the file and go on with --resume."):
            train(module, batches, run, world=ranks, watched=watched)
        if ranks.leads:
            save_backbone(module.backbone, run.folder)  # first: what is shown is not worth losing it
            with in_words(written_by_user(module), f"The backbone is trained and in {run.folder}; only pictures of it are missing."):
                save_made(run, module, corpus)
        ranks.wait()
    return run


def _check(wishes: _Wishes) -> None:
    """Everything that can be refused before the data is read."""
    task_options(find_task(wishes.task), wishes.options)
    check_choice("schedule", wishes.schedule, list(SCHEDULES))
    check_choice("optimizer", wishes.optimizer, list(OPTIMIZERS))
    check_choice("precision", wishes.precision, ["auto", "fp32", "bf16"])
    wishes.seconds()
    for name in ("steps", "epochs", "batch_size", "accumulate", "size", "learning_rate"):
        value = getattr(wishes, name)
        if value is not None and value <= 0:
            raise ValueError(f"{name} is {value}; expected more than 0.")
    if wishes.out is not None and (Path(wishes.out) / "run.json").exists():
        raise ValueError(f"{wishes.out} already holds a run, which is never overwritten. Give another --out, or --resume to go on with it.")


def _anew(wishes: _Wishes, corpus: Corpus, ranks: World) -> tuple[Run, Pretext, Batches]:
    """A new run: what was asked for, what follows from the data, and what is chosen by measuring."""
    kind = find_task(wishes.task)
    allowed = wishes.seconds()
    batch_size = _batch_size(wishes, ranks, len(corpus.rows))
    name, reason = ranks.share(_backbone(wishes, corpus, allowed, prefers_patches=kind.prefers_patches))
    torch.manual_seed(wishes.seed)
    mean, std = corpus.statistics()
    net = build(name, size=corpus.size, channels=corpus.channels, mean=mean, std=std)
    choices: dict[str, Any] = {"backbone": reason, "threads": torch.get_num_threads(), "device": device().type}
    if wishes.weights is not None:
        choices["weights_not_matched"] = load_weights(net, wishes.weights)
    module = _task(wishes, net, options := task_options(kind, wishes.options), store_side=corpus.store.side)
    batches = Batches(corpus.store, corpus.rows, batch_size=batch_size, seed=wishes.seed)
    choices |= choose_kernels(module, batches, ranks, precision=wishes.precision)
    decay = DEFAULT_DECAY[wishes.optimizer] if wishes.weight_decay is None else wishes.weight_decay
    run = Run(
        folder=_folder(wishes, ranks), data=corpus.name, root=corpus.root, task=wishes.task, options=options, backbone=name,
        size=corpus.size,
        channels=corpus.channels, store_side=corpus.store.side, views=wishes.views,
        weights=None if wishes.weights is None else str(wishes.weights), batch_size=batch_size, accumulate=wishes.accumulate, steps=0,
        budget=(wishes.budget or DEFAULT_BUDGET) if allowed else None, seed=wishes.seed, optimizer=wishes.optimizer,
        learning_rate=wishes.learning_rate or default_rate(kind, wishes.optimizer, batch_size), weight_decay=decay,
        schedule=wishes.schedule, pictures=len(corpus.rows), held_out=len(corpus.store.ids) - len(corpus.rows), choices=choices,
        versions=_versions(), store_limit=wishes.store_limit, fingerprint=corpus.store.fingerprint, skipped=dict(corpus.store.skipped),
        created=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    )  # fmt: skip
    run = _with_steps(run, wishes, allowed, module, batches, ranks)
    if ranks.leads:
        run.save()
        save_settings(module.backbone, run.folder)
        corpus.split.save(run.split_file)
        save_views(run, module, corpus)
        _tell(run)
    return run, module, batches


def _with_steps(run: Run, wishes: _Wishes, allowed: float | None, module: Pretext, batches: Batches, ranks: World) -> Run:
    """The run with its number of steps: as given, from epochs, or from the time a step takes."""
    if allowed is None:
        steps = wishes.steps or max(1, round((wishes.epochs or 0) * run.pictures / run.batch_size))
        return dataclasses.replace(run, steps=steps)
    began = time.perf_counter()
    per_step = ranks.share(time_steps(module, batches, run, ranks, most=SHARE_TO_TIME * allowed))
    left = max(per_step, allowed - (time.perf_counter() - began))
    return dataclasses.replace(run, steps=ranks.share(max(1, int(left / per_step))), choices=run.choices | {"seconds_per_step": per_step})


def _interrupted(wishes: _Wishes) -> Run:
    """The run to go on with. Code is never taken from a run folder: the task's and the views' file have to be named again."""
    if wishes.out is None:
        raise ValueError("--resume needs --out: the folder of the interrupted run.")
    run = Run.open(wishes.out)
    for name in ("task", "views"):
        if getattr(run, name) != getattr(wishes, name):
            then, now = getattr(run, name), getattr(wishes, name)
            raise ValueError(f"{run.folder} was started with --{name} {then}; got {now}. Give the same to resume.")
    return _lengthened(run, wishes.steps) if wishes.steps not in (None, run.steps) else run


def _lengthened(run: Run, steps: int | None) -> Run:
    """The run with more steps. Only a constant rate allows it: it goes on from where the cool-down began."""
    if steps is None or steps < run.steps or run.schedule != "constant":
        raise ValueError(
            f"{run.folder} has {run.steps:,} steps with a {run.schedule} rate; got --steps {steps}. Only a run with --schedule constant "
            f"can be lengthened, to more steps than it has. Otherwise start a new one with --weights {run.folder}."
        )
    newest, branch = newest_checkpoint(run.checkpoints), cool_down_start(run.steps)
    if newest is not None and int(newest.name) > branch:
        go_back(run.checkpoints, branch)
    longer = dataclasses.replace(run, steps=steps, budget=None)
    longer.save()
    return longer


def _again(run: Run, corpus: Corpus, wishes: _Wishes) -> tuple[Run, Pretext, Batches]:
    """An interrupted run as it was: nothing is measured, every choice comes from `run.json`."""
    if corpus.store.fingerprint != run.fingerprint:
        raise ValueError(
            f"the pictures of {corpus.name} are not those {run.folder} was started with ({len(corpus.store.ids)} now, "
            f"{run.pictures + run.held_out} then). Restore them, or start a new run with --weights {run.folder}."
        )
    torch.set_num_threads(run.choices["threads"])
    torch.manual_seed(run.seed)
    net = build_from(read_settings(run.folder))
    if run.weights is not None and newest_checkpoint(run.checkpoints) is None:  # stopped before the first: it starts as it did then
        load_weights(net, run.weights)
    module = _task(wishes, net, task_options(find_task(run.task), run.options), store_side=run.store_side)
    return run, module, Batches(corpus.store, corpus.rows, batch_size=run.batch_size, seed=run.seed)


def _task(wishes: _Wishes, net: Backbone, options: dict[str, Any], *, store_side: int) -> Pretext:
    """The task on its backbone, on the device, with the user's own views if any. What is the user's own is tried first."""
    kind = find_task(wishes.task)
    module = made(kind, lambda: kind(net, **options))
    if wishes.views is not None:
        function = load_attribute(wishes.views)
        if not callable(function):
            raise ValueError(f"--views {wishes.views} is {type(function).__name__}; expected a function of (image, rng).")
        module.own_views = function
    own = wishes.task if wishes.task not in TASKS else None
    if own is not None or wishes.views is not None:
        check_before_training(module, name=own, views=wishes.views, side=store_side)
    module.to(device())
    return module.to(memory_format=torch.channels_last) if net.patch is None else module  # the layout convolutions are fastest in


def _backbone(wishes: _Wishes, corpus: Corpus, allowed: float | None, *, prefers_patches: bool) -> tuple[str, str]:
    if wishes.backbone != "auto":
        return wishes.backbone, "asked for"
    picked = choose(size=corpus.size, channels=corpus.channels, seconds=allowed, prefers_patches=prefers_patches)
    return picked.name, picked.reason


def _batch_size(wishes: _Wishes, ranks: World, pictures: int) -> int:
    """The batch asked for, or 128, or less where there are fewer pictures; whole for every rank and micro-batch."""
    parts = wishes.accumulate * ranks.size
    smallest = 2 * parts if find_task(wishes.task).couples_rows else parts
    if pictures < max(2, smallest):
        raise ValueError(f"there are {pictures} pictures to train on; expected at least {max(2, smallest)}. Add some or hold out fewer.")
    wanted = wishes.batch_size or max(smallest, min(DEFAULT_BATCH, pictures) // parts * parts)
    if wanted > pictures:
        raise ValueError(f"batch size {wanted} is more than {pictures} pictures; give --batch-size {pictures // parts * parts} or less.")
    if wanted % parts:
        raise ValueError(
            f"batch size {wanted} cannot be split over {ranks.size} ranks x {wishes.accumulate} micro-batches; give a multiple of {parts}."
        )
    return wanted


def _folder(wishes: _Wishes, ranks: World) -> Path:
    """`--out`, or a new folder under `runs/` named after the task and the time."""
    name = wishes.task.rpartition(":")[2].lower()
    folder = Path(wishes.out) if wishes.out is not None else Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    return ranks.share(folder)


def _tell(run: Run) -> None:
    """What is going to happen, before it does."""
    kernels = run.choices["kernels"]
    per_step = run.choices.get("seconds_per_step")
    duration = f", about {clock(run.steps * per_step)}" if per_step else ""
    print(
        f"{run.row} on {run.pictures:,} pictures at {run.size} px ({run.held_out:,} held out, {len(run.skipped):,} skipped) with "
        f"{run.backbone} ({run.choices['backbone']}); {kernels['precision']}, {run.choices['threads']} threads; "
        f"{run.steps:,} steps of {run.batch_size}{duration}; into {run.folder}",
        file=sys.stderr,
    )


def _versions() -> dict[str, str]:
    packages = ("selfsup", "torch", "torchvision", "timm", "numpy", "scikit-learn")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
