"""Several processes, each with its own rows of the batch, giving the gradients of one. Started by `torchrun`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """This process among all: `rank` of `size`."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.rank == 0

    def wait(self) -> None:
        """Until every process has come here."""
        if self.size > 1:
            dist.barrier()

    def share(self, value: T) -> T:
        """The leading process's value, in every process: for choices made by measuring, which must not differ."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if self.size == 1:
            return flag
        total = torch.tensor(float(flag), device=device())
        dist.all_reduce(total)
        return bool(total > 0)

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a number over the processes."""
        if self.size == 1:
            return value
        total = value.clone()
        dist.all_reduce(total)
        return total / self.size


@contextmanager
def world(patience: timedelta | None = None) -> Iterator[World]:
    """The world `torchrun` set up, or a world of one. Gives each process its share of the machine's threads.

    `patience` is how long one process waits for another before it takes that for lost; torch's half an hour by default.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    local = int(os.environ.get("LOCAL_WORLD_SIZE", size))
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // local))
    own = not dist.is_initialized()
    if own:
        dist.init_process_group("gloo" if device().type == "cpu" else None, timeout=patience)
    try:
        yield World(dist.get_rank(), dist.get_world_size())
    finally:
        if own:
            dist.destroy_process_group()


def device() -> torch.device:
    """The accelerator torch finds, this process's one of several; or the processor."""
    if not torch.accelerator.is_available():
        return torch.device("cpu")
    kind = torch.accelerator.current_accelerator()
    assert kind is not None
    return torch.device(kind.type, int(os.environ.get("LOCAL_RANK", "0")))


class _Gather(torch.autograd.Function):
    """Rows of all ranks. Every rank computes the same loss from them, and DDP averages gradients over ranks: hence times the size."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        ctx.rows = len(own)
        every = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        dist.all_gather(every, own.contiguous())
        return torch.cat(every)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        start = dist.get_rank() * ctx.rows
        return gradient[start : start + ctx.rows] * dist.get_world_size()


def gather(rows: Tensor, world: World) -> Tensor:
    """The rows of every rank, rank by rank, with gradients to this rank's own. Every rank has equally many."""
    if world.size == 1:
        return rows
    gathered: Tensor = _Gather.apply(rows)
    return gathered


def summed(values: Tensor) -> Tensor:
    """The sum over ranks, through which gradients flow."""
    result: Tensor = all_reduce(values)  # type: ignore[no-untyped-call]
    return result


class GlobalBatchNorm(nn.modules.batchnorm._BatchNorm):
    """BatchNorm with the statistics of the whole batch over ranks, through a differentiable all-reduce.

    On any device: torch's `SyncBatchNorm` refuses the CPU. Each rank must have equally many rows.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        assert input.ndim >= 2, f"BatchNorm needs (B, C, ...); got {tuple(input.shape)}"

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        axes = [axis for axis in range(input.ndim) if axis != 1]
        count = input.numel() // input.shape[1] * dist.get_world_size()
        wide = input.float() if input.itemsize < 4 else input
        shape = [1, -1] + [1] * (input.ndim - 2)
        mean = summed(wide.sum(axes)) / count
        centred = wide - mean.view(shape)
        variance = summed(centred.square().sum(axes)) / count  # a second pass: E[x²] - E[x]² cancels in fp32
        self._follow(mean.detach(), variance.detach(), count)
        result: Tensor = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            result = result * self.weight.view(shape) + self.bias.view(shape)
        return result.to(input.dtype)

    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Running statistics, with the unbiased variance as `nn.BatchNorm2d` keeps it."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        momentum = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * count / max(1, count - 1), momentum)


def use_global_batch_norm(module: nn.Module) -> None:
    """Make every BatchNorm in `module` use the statistics of all ranks. Parameters and buffers stay the same objects."""
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.__class__ = GlobalBatchNorm
