"""How fast each task trains beside SimCLR on the same backbone, and where the time of its step goes.

    python benchmarks/task_speed.py                                  # digits of 28 px and emoji of 64 px, compact_convnet
    python benchmarks/task_speed.py --backbones compact_convnet compact_vit --rounds 5

Every task in turn, round after round, steps of 128 pictures as `pretrain` computes them; medians. A step is views, forward (the backbone,
then heads and decoders), loss with the backward pass, and the optimiser with the clipping of gradients.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

from real_data import emoji, mnist
from selfsup.backbones import build
from selfsup.data import Batches, prepare
from selfsup.options import task_options
from selfsup.tasks import TASKS, find_task
from selfsup.tasks.mae import MapDecoder
from selfsup.train.calibration import choose_kernels
from selfsup.train.distributed import World
from selfsup.train.memory import keep_memory
from selfsup.train.optimizer import make_optimizer
from selfsup.train.precision import Kernels
from selfsup.train.step import Step, total

PARTS = ("views", "backbone", "heads", "loss and backward", "optimiser")
BATCH, STEPS, WARM_UP = 128, 6, 3


class Timed:
    """One task on one backbone, and how long the parts of its steps take."""

    def __init__(self, name: str, backbone: str, batches: Batches, *, size: int, channels: int) -> None:
        torch.manual_seed(0)
        kind = find_task(name)
        self.task = kind(build(backbone, size=size, channels=channels), **task_options(kind, {}))
        if self.task.backbone.patch is None:
            self.task = self.task.to(memory_format=torch.channels_last)
        self.batches = batches
        self.kernels = Kernels(**choose_kernels(self.task, batches, World())["kernels"])
        self.optimizer = make_optimizer(self.task.train(), "adamw", rate=1e-4, decay=0.05)
        self.seconds: dict[str, list[float]] = {part: [] for part in PARTS}
        self.in_heads = 0.0
        for child, module in self.task.named_children():
            if child != "backbone":
                self._watch(module.paint if isinstance(module, MapDecoder) else module)  # its forward runs the backbone too

    def _watch(self, head: nn.Module) -> None:
        def begin(*_: Any) -> None:
            self.in_heads -= time.perf_counter()

        def end(*_: Any) -> None:
            self.in_heads += time.perf_counter()

        head.register_forward_pre_hook(begin)
        head.register_forward_hook(end)

    @contextmanager
    def _part(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[name].append(time.perf_counter() - began)

    def step(self, number: int) -> None:
        """One step as the training loop computes it."""
        step = Step(self.task, self.task, self.kernels, World(), torch.device("cpu"))
        self.optimizer.zero_grad(set_to_none=True)
        batch = self.batches.at(number)
        with self._part("views"):
            views = step.views(batch, 0, number, 0)
        self.in_heads = 0.0
        with self._part("backbone"), self.kernels.autocast(torch.device("cpu")):
            output = self.task(views)
        self.seconds["backbone"][-1] -= self.in_heads
        self.seconds["heads"].append(self.in_heads)
        with self._part("loss and backward"):
            terms = self.task.loss({name: rows.float() if rows.is_floating_point() else rows for name, rows in output.items()})
            torch.autograd.backward(total(terms))
        with self._part("optimiser"):
            torch.nn.utils.clip_grad_norm_(self.task.parameters(), 1.0)
            self.optimizer.step()
        with torch.no_grad():
            self.task.after_step({name: rows.detach() for name, rows in output.items()})

    def medians(self) -> dict[str, float]:
        """Seconds of each part."""
        return {part: median(values) for part, values in self.seconds.items()}


def measured(pictures: np.ndarray[Any, Any], backbone: str, rounds: int) -> dict[str, dict[str, float]]:
    """Seconds of each part of a step, task by task."""
    corpus = prepare(pictures, size=None)
    batches = Batches(corpus.store, corpus.rows, batch_size=BATCH, seed=0)
    fitting = [name for name in TASKS if find_task(name).modality == "image"]
    names = [name for name in fitting if corpus.channels == 3 or not find_task(name).needs_color]
    timed: dict[str, Timed] = {}
    for name in names:
        try:
            timed[name] = Timed(name, backbone, batches, size=corpus.size, channels=corpus.channels)
        except ValueError as refused:  # I-JEPA, where the backbone is no ViT
            print(f"{name} is left out: {refused}")
    for turn in range(rounds + 1):
        for one in timed.values():
            for number in range(STEPS if turn else WARM_UP):
                one.step(number)
            if turn == 0:
                one.seconds = {part: [] for part in PARTS}
    return {name: one.medians() for name, one in timed.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="*", default=["mnist", "emoji"], choices=["mnist", "emoji"])
    parser.add_argument("--backbones", nargs="*", default=["compact_convnet"])
    parser.add_argument("--rounds", type=int, default=4)
    asked = parser.parse_args()
    keep_memory()
    for data in asked.data:
        pictures, _ = {"mnist": mnist, "emoji": emoji}[data]()
        for backbone in asked.backbones:
            found = measured(pictures, backbone, asked.rounds)
            first = BATCH / sum(found["simclr"].values())
            print(f"\n{data}, {pictures.shape[1]} px, {backbone}, {torch.get_num_threads()} threads\n")
            print("| task | pictures/s | beside SimCLR | " + " | ".join(PARTS) + " |\n|---|--:|--:|" + "--:|" * len(PARTS))
            for name, parts in sorted(found.items(), key=lambda item: sum(item[1].values())):
                whole = sum(parts.values())
                shares = " | ".join(f"{100 * parts[part] / whole:.0f} %" for part in PARTS)
                print(f"| {name} | {BATCH / whole:,.0f} | {BATCH / whole / first:.1f} | {shares} |")


if __name__ == "__main__":
    main()
