"""One training step: views, forward, loss over the whole batch, gradients."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from selfsup.pretext import Batch, Output, Pretext, Views
from selfsup.train.distributed import World, gather
from selfsup.train.precision import Kernels
from selfsup.train.seeding import seed_of


@dataclass(frozen=True)
class Step:
    """How a step is computed: `forward` is the task, or DDP around it."""

    task: Pretext
    forward: Callable[[Views], Output]
    kernels: Kernels
    world: World
    device: torch.device

    def views(self, batch: Batch, *place: int) -> Views:
        """The views of a micro-batch; `place` is (seed, step, micro-step), and fixes with the rank every random number of it."""
        seed = seed_of(*place, self.world.rank)
        torch.manual_seed(seed)  # for a user's own task that draws where it should not: at least it resumes
        return self.task.views(batch, torch.Generator(self.device).manual_seed(seed))

    def gradients(self, micro: list[Views]) -> tuple[dict[str, Tensor], Output]:
        """Add the gradients of the whole batch to the parameters; the loss terms, and the output `after_step` gets.

        If the loss couples rows, it is computed once, from the rows of all micro-batches and ranks; else once a micro-batch,
        and averaged, by what each holds if the task counts that: micro-batches and ranks have equally many rows.
        """
        if self.task.couples_rows:
            return self._coupled(micro)
        every: list[tuple[dict[str, Tensor], Output]] = []
        for index, (views, share) in enumerate(zip(micro, self._shares(micro), strict=True)):
            with nullcontext() if index == len(micro) - 1 else self._unsynchronised():
                output = self._output(views)
                terms = self.task.loss(output)
                (total(terms) * share).backward()  # type: ignore[no-untyped-call]
            every.append(({name: term.detach() * share for name, term in terms.items()}, detached(output)))
        terms = {name: torch.stack([terms[name] for terms, _ in every]).sum() for name in every[0][0]}
        return terms, joined([output for _, output in every])

    def _shares(self, micro: list[Views]) -> list[float]:
        """What each micro-batch's mean weighs in the whole batch's: alike, or by how many things it is a mean of."""
        counts = [count for views in micro if (count := self.task.count_of(views)) is not None]
        if len(counts) < len(micro):
            return [1 / len(micro)] * len(micro)
        own = torch.stack([count.float() for count in counts])
        mean = max(1.0, float(self.world.mean(own.sum())))
        return [count / mean for count in own.tolist()]

    def _coupled(self, micro: list[Views]) -> tuple[dict[str, Tensor], Output]:
        own = joined([self._output(views) for views in micro])
        whole = {name: gather(rows, self.world) for name, rows in own.items()}
        terms = self.task.loss(whole)
        total(terms).backward()  # type: ignore[no-untyped-call]
        return {name: term.detach() for name, term in terms.items()}, detached(whole)

    def _output(self, views: Views) -> Output:
        """Forward under autocast; what comes out is fp32, and so is the loss."""
        with self.kernels.autocast(self.device):
            output = self.forward(views)
        return {name: rows.float() if rows.is_floating_point() and rows.itemsize < 4 else rows for name, rows in output.items()}

    def _unsynchronised(self) -> Any:
        """No exchange of gradients between ranks until the last micro-batch."""
        return getattr(self.forward, "no_sync", nullcontext)()


def total(terms: dict[str, Tensor]) -> Tensor:
    """What training minimises."""
    return torch.stack(list(terms.values())).sum()


def joined(outputs: list[Output]) -> Output:
    """Outputs of several micro-batches as one."""
    return outputs[0] if len(outputs) == 1 else {name: torch.cat([output[name] for output in outputs]) for name in outputs[0]}


def detached(output: Output) -> Output:
    """The output without its graph, for `after_step` and the log."""
    return {name: rows.detach() for name, rows in output.items()}
