"""Shards of embeddings written on a cluster of Ray, by Ray Data: workers open run and data once, and take shard after shard."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from selfsup.cluster import Place, alive, check_machines, cluster, fits, shared_environment
from selfsup.embedding.working import ShardWriter, Work
from selfsup.train.distributed import device

THREADS = 1
"""Of each worker: items are embedded one batch after another in each, and workers side by side."""


def write_on_ray(place: Place, writer: ShardWriter, numbers: Sequence[int], told: Callable[[str], None]) -> None:
    """Write some shards on the cluster at `place`, each at one worker. Raises ValueError where there is none that sees run and data."""
    if not numbers:
        return
    told("joining the cluster" if place.address else "beginning a cluster on this machine")
    resources = {"CPU": float(THREADS), **({"GPU": 1.0} if device().type == "cuda" else {})}
    with cluster(place.address), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Ray Data warns of settings of its own that nobody made
        import ray

        nodes = [node for node in alive() if fits(node, resources)]
        check_machines(writer.shards.folder, writer.work.data, [node["NodeID"] for node in nodes])
        workers = min(len(numbers), sum(fits(node, resources) for node in nodes))
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        opened = (writer.work, writer.shards.made_of, str(Path.cwd()), shared_environment())
        written = ray.data.from_items([{"shard": number} for number in numbers], override_num_blocks=len(numbers)).map(
            Worker, fn_constructor_args=opened, compute=ray.data.ActorPoolStrategy(size=workers),
            **{f"num_{name.lower()}s": count for name, count in resources.items()},
        )  # fmt: skip
        for done, _ in enumerate(written.iter_rows(), start=1):
            told(f"{done} of {len(numbers)} shards, by {workers} workers")


class Worker:
    """Writes shards where Ray placed it."""

    def __init__(self, work: Work, made_of: str, folder: str, environment: Mapping[str, str]) -> None:
        os.chdir(folder)
        os.environ.update(environment)
        torch.set_num_threads(THREADS)
        self.writer = ShardWriter(work)
        if self.writer.shards.made_of != made_of:
            raise ValueError(f"{work.run} or the data are not the same on this machine: both have to lie where all machines see them.")

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        self.writer.write(int(row["shard"]))
        return row
