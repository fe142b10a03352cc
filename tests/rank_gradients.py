"""Run by tests, alone or under torchrun: first-step gradients and a short loss curve of every task, from views split by row.

The curve goes on with what teachers, centres and queues have become after each step.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel

from selfsup.backbones import build
from selfsup.contract.pair_trials import PairTrial
from selfsup.options import task_options
from selfsup.tasks import TASKS, find_task
from selfsup.train.distributed import use_global_batch_norm, world
from selfsup.train.precision import Kernels
from selfsup.train.step import Step

UNITS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in TASKS if find_task(name).modality != "text"},
    "moco with a queue": ("moco", {"queue": 48}),
    "swav with local views": ("swav", {"local_views": 3}),
    "dino with a centre": ("dino", {"centring": "mean", "local_views": 3}),
    "ibot with two heads": ("ibot", {"shared_head": False, "koleo": 0.1, "blocks": True, "centring": "mean"}),
}
"""What is tried: every task with its defaults, and options that bring a state or a term of their own."""


def main(folder: Path) -> None:
    with world() as ranks:
        for (unit, (name, options)), dtype in itertools.product(UNITS.items(), (torch.float32, torch.float64)):
            kind = find_task(name)
            torch.manual_seed(0)
            text = "gpt2-tiny" if getattr(kind, "reads_forwards", False) else "bert-tiny"
            trial = PairTrial(f"compact_convnet+{text}", 16, rows=16, side=16)
            image = torch.randint(256, (16, 3, 16, 16), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
            batch = {
                **(trial.batch() if kind.modality == "pair" else {}),
                "image": image,
                "aspect": torch.ones(16),
                "index": torch.arange(16),
            }
            alone = "compact_vit" if kind.prefers_patches else "compact_convnet"
            net: Any = trial.network() if kind.modality == "pair" else build(alone, size=16)
            task = kind(net, **task_options(kind, options)).to(dtype)
            task.steps.fill_(30)  # a teacher that follows fast enough to be seen in three
            views = task.views(batch, torch.Generator().manual_seed(2))
            rows = slice(ranks.rank * 16 // ranks.size, (ranks.rank + 1) * 16 // ranks.size)
            own = {part: (view.to(dtype) if view.is_floating_point() else view)[rows] for part, view in views.items()}
            forward: torch.nn.Module = task
            if ranks.size > 1:
                use_global_batch_norm(task)
                forward = DistributedDataParallel(task, broadcast_buffers=False)
            step = Step(task, forward, Kernels(), ranks, torch.device("cpu"))
            optimizer = torch.optim.SGD(task.parameters(), lr=0.01)
            curve, gradients = [], {}
            for number in range(3):
                optimizer.zero_grad()
                terms, output = step.gradients([own])
                total = torch.stack(list(terms.values())).sum() / ranks.size
                if ranks.size > 1:
                    torch.distributed.all_reduce(total)
                curve.append(float(total))
                if number == 0:
                    gradients = {part: parameter.grad.clone() for part, parameter in task.named_parameters() if parameter.grad is not None}
                optimizer.step()
                with torch.no_grad():
                    task.after_step(output)
            if ranks.leads:
                torch.save({"gradients": gradients, "curve": curve}, folder / f"{unit}-{str(dtype).removeprefix('torch.')}-{ranks.size}.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
