"""Cross-entropy over a large vocabulary, without ever holding all logits in fp32."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK = 2**22
"""Logits computed at a time: 16 MB in fp32, so that what is done to them element by element stays in a processor's cache."""

KEEP = 2**29
"""Bytes of gradients of logits that are kept for the backward pass; beyond that, logits are computed a second time instead."""

BLOCK = 64
"""Probabilities summed at once before any of them is looked at alone: two short searches in place of one long running sum."""


def vocabulary_nats(
    hidden: Float[Tensor, "N D"],
    embedding: Float[Tensor, "V D"],
    target: Int[Tensor, " N"],
    bias: Float[Tensor, " V"] | None = None,
    *,
    chunk: int = CHUNK,
    keep: int = KEEP,
) -> Float[Tensor, " N"]:
    """`-log softmax(hidden @ embedding.T + bias)[target]` for each row, in nats, as fp32 at least.

    The same numbers and gradients as `F.cross_entropy` on all logits gives. Rows are taken `chunk` logits at a time. What the backward
    pass needs of the logits, softmax minus one-hot, is written down at once in the precision of the matrix products (bf16 under
    autocast), up to `keep` bytes of it.
    """
    nats: Tensor = _VocabularyNats.apply(hidden, embedding, bias, target, chunk, keep)
    return nats


@torch.no_grad()
def sampled_words(
    hidden: Float[Tensor, "N D"],
    embedding: Float[Tensor, "V D"],
    uniform: Float[Tensor, " N"],
    bias: Float[Tensor, " V"] | None = None,
    *,
    chunk: int = CHUNK,
) -> Int[Tensor, " N"]:
    """A word drawn from `softmax(hidden @ embedding.T + bias)` for each row, by its number in [0, 1) from `uniform`.

    Inverse of the cumulative distribution (Devroye 1986, chapter III.2), so that nothing random is needed here.
    """
    rows, compute = max(1, chunk // len(embedding)), _compute_dtype(hidden)
    words = torch.empty(len(hidden), dtype=torch.int64, device=hidden.device)
    weight = embedding.to(compute)
    for part in _parts(len(hidden), rows):
        probabilities = _log_probabilities(hidden[part].to(compute), weight, bias).exp_()
        words[part] = _inverse_cumulative(probabilities, uniform[part].to(probabilities.dtype))
    return words


def bits_per_byte(nats: Float[Tensor, "*shape"], words: Int[Tensor, "*shape"], bytes_of: Int[Tensor, " V"]) -> Float[Tensor, ""]:
    """Bits it takes to tell a byte of text: nats / (ln 2 · bytes), which compares across vocabularies. Special ids are left out.

    Every byte counts alike, so means over batches have to be weighed by their bytes.
    """
    lengths = bytes_of[words]
    return (nats * (lengths > 0)).sum() / (math.log(2) * lengths.sum().clamp(min=1))


class _VocabularyNats(torch.autograd.Function):
    """`kept` is the gradient of each row's nats by its logits: row i of the upstream gradient scales row i of it, which is done to the
    small matrices beside it instead.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, embedding: Tensor, bias: Tensor | None, target: Tensor, chunk: int, keep: int) -> Tensor:
        compute = _compute_dtype(hidden)
        states, weight = hidden.detach().to(compute), embedding.detach().to(compute)
        ctx.rows = max(1, chunk // len(weight))
        size = len(states) * len(weight) * states.element_size()
        kept = states.new_empty(len(states), len(weight)) if any(ctx.needs_input_grad) and size <= keep else None
        nats = torch.empty(len(states), dtype=_loss_dtype(hidden), device=hidden.device)
        for part in _parts(len(states), ctx.rows):
            logs = _log_probabilities(states[part], weight, bias)
            nats[part] = -logs.gather(1, target[part, None]).squeeze(1)
            if kept is not None:
                kept[part] = _slope(logs, target[part])
        ctx.save_for_backward(states, weight, bias, target, kept)
        ctx.dtypes = hidden.dtype, embedding.dtype
        return nats

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        states, weight, bias, target, kept = ctx.saved_tensors
        scale = gradient[:, None].to(states.dtype)
        by_states = torch.empty_like(states)
        by_weight: Tensor | None = None
        by_bias: Tensor | None = None
        for part in _parts(len(states), ctx.rows if kept is None else len(states)):
            slope = kept if kept is not None else _slope(_log_probabilities(states[part], weight, bias), target[part]).to(states.dtype)
            by_states[part] = (slope @ weight) * scale[part]
            if ctx.needs_input_grad[1]:
                product = (slope.T @ (states[part] * scale[part])).to(ctx.dtypes[1])
                by_weight = product if by_weight is None else by_weight.add_(product)
            if bias is not None and ctx.needs_input_grad[2]:
                summed = (slope.T @ scale[part]).squeeze(1).to(bias.dtype)
                by_bias = summed if by_bias is None else by_bias.add_(summed)
        return by_states.to(ctx.dtypes[0]), by_weight, by_bias, None, None, None


def _parts(length: int, rows: int) -> list[slice]:
    return [slice(start, start + rows) for start in range(0, length, max(1, rows))]


def _compute_dtype(hidden: Tensor) -> torch.dtype:
    """The precision of matrix products: autocast's, where it is on."""
    kind = hidden.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype


def _loss_dtype(hidden: Tensor) -> torch.dtype:
    return torch.float64 if hidden.dtype == torch.float64 else torch.float32


def _log_probabilities(states: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    logits = (states @ weight.T).to(_loss_dtype(states))
    if bias is not None:
        logits += bias
    return logits.log_softmax(dim=1)


def _slope(logs: Tensor, target: Tensor) -> Tensor:
    """The gradient of -logs[target] by the logits: softmax minus one-hot. Overwrites `logs`."""
    return logs.exp_().scatter_add_(1, target[:, None], logs.new_full((len(logs), 1), -1.0))


def _inverse_cumulative(probabilities: Float[Tensor, "N V"], uniform: Float[Tensor, " N"]) -> Int[Tensor, " N"]:
    """The first word up to which probabilities sum to more than `uniform`; those of a row need not sum to 1."""
    rows, size = probabilities.shape
    blocks = torch.nn.functional.pad(probabilities, (0, -size % BLOCK)).view(rows, -1, BLOCK)
    running = blocks.sum(dim=2).cumsum(dim=1)
    sought = (uniform * running[:, -1])[:, None]
    block = torch.searchsorted(running, sought, right=True).clamp(max=running.shape[1] - 1)
    before = torch.where(block > 0, running.gather(1, (block - 1).clamp(min=0)), 0.0)
    inside = blocks.gather(1, block[:, :, None].expand(-1, -1, BLOCK)).squeeze(1).cumsum(dim=1)
    place = torch.searchsorted(inside, sought - before, right=True).clamp(max=BLOCK - 1)
    return (block * BLOCK + place).clamp(max=size - 1).squeeze(1)
