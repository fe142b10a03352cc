"""Layers of `transformers` models that compute the same with less: fewer products, fewer passes, in the last layer fewer tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from selfsup.backbones.text_attention import plain_attention

SELF_ATTENTION = {"BertSelfAttention", "RobertaSelfAttention", "XLMRobertaSelfAttention", "ElectraSelfAttention", "CamembertSelfAttention"}
"""Classes of `transformers` that project queries, keys and values by three layers of one size."""

_positions: ContextVar[Int[Tensor, "B K"] | None] = ContextVar("positions", default=None)


def quicken(model: Any) -> None:
    """Let layers whose computation can be had for less compute that way. Their parameters, and results but for rounding, stay."""
    last = getattr(getattr(model, "encoder", None), "layer", [None])[-1]
    inner = getattr(getattr(last, "attention", None), "self", None)
    if type(inner).__name__ in SELF_ATTENTION:
        last.attention.forward = MethodType(chosen_attention, last.attention)
        model.takes_positions = True
    for module in list(model.modules()):
        if type(module).__name__ in SELF_ATTENTION:
            module.forward = MethodType(joint_attention, module)
        for name, child in list(module.named_children()):
            if type(child).__name__ == "NewGELUActivation":  # eight passes over the widest tensor, where the library has one for it
                setattr(module, name, nn.GELU(approximate="tanh"))


@contextmanager
def at_positions(model: Any, at: Int[Tensor, "B K"] | None) -> Iterator[Int[Tensor, "B K"] | None]:
    """Compute the last layer of what runs in this context only at some positions, where we know how.

    Gives the positions that are still to be taken: all of them, where we do not.
    """
    if at is None or not getattr(model, "takes_positions", False):
        yield at
        return
    token = _positions.set(at)
    try:
        yield None
    finally:
        _positions.reset(token)


@contextmanager
def dropout_on(model: nn.Module, probability: float) -> Iterator[None]:
    """Let every dropout of a model, which is off otherwise, drop with this probability while it trains."""
    layers = [module for module in model.modules() if isinstance(module, nn.Dropout)]
    inner: list[Any] = [module for module in model.modules() if isinstance(getattr(module, "attention_dropout", None), float)]
    before = [layer.p for layer in layers], [module.attention_dropout for module in inner]
    if not layers and not inner:
        raise ValueError(f"{type(model).__name__} has no dropout that could be turned on: take another backbone, such as bert-mini.")
    _set_dropout(layers, inner, [probability] * len(layers), [probability] * len(inner))
    try:
        yield
    finally:
        _set_dropout(layers, inner, *before)


def _set_dropout(layers: list[nn.Dropout], inner: list[Any], outside: list[float], inside: list[float]) -> None:
    for layer, probability in zip(layers, outside, strict=True):
        layer.p = probability
    for module, probability in zip(inner, inside, strict=True):
        module.attention_dropout = probability


def joint_attention(self: Any, hidden_states: Tensor, attention_mask: Tensor | None = None, **others: Any) -> tuple[Tensor, Tensor | None]:
    """`forward` of a self-attention: one product in place of three, so that its input is cast, read and differentiated once."""
    if others.get("past_key_values") is not None:
        return type(self).forward(self, hidden_states, attention_mask, **others)  # type: ignore[no-any-return]
    query, key, value = projected(self, hidden_states, (self.query, self.key, self.value))
    return attended(self, query, key, value, attention_mask, **others)


def chosen_attention(
    self: Any, hidden_states: Tensor, attention_mask: Tensor | None = None, *rest: Any, **others: Any
) -> tuple[Tensor, Any]:
    """`forward` of the last layer's attention with its residual: of queries only at the positions asked for, of keys and values at all.

    What follows in the layer is done token by token, and so only for these.
    """
    at = _positions.get()
    if at is None:
        return type(self).forward(self, hidden_states, attention_mask, *rest, **others)  # type: ignore[no-any-return]
    chosen = taken_rows(hidden_states, at)
    (query,) = projected(self.self, chosen, (self.self.query,))
    key, value = projected(self.self, hidden_states, (self.self.key, self.self.value))
    if attention_mask is not None and attention_mask.shape[2] > 1:
        attention_mask = attention_mask.gather(2, at[:, None, :, None].expand(-1, -1, -1, attention_mask.shape[3]))
    result, weights = attended(self.self, query, key, value, attention_mask, **others)
    return self.output(result, chosen), weights


def projected(attention: Any, hidden: Tensor, layers: tuple[nn.Linear, ...]) -> Tensor:
    """Queries, keys or values (P, B, heads, T, d) of P layers in one product. Queries come scaled: weights are fewer than scores."""
    scales = [attention.scaling if layer is attention.query else 1.0 for layer in layers]
    weight = torch.cat([layer.weight if scale == 1 else layer.weight * scale for layer, scale in zip(layers, scales, strict=True)])
    bias = torch.cat([layer.bias if scale == 1 else layer.bias * scale for layer, scale in zip(layers, scales, strict=True)])
    shape = (*hidden.shape[:-1], len(layers), attention.num_attention_heads, attention.attention_head_size)
    return F.linear(hidden, weight, bias).view(shape).permute(2, 0, 3, 1, 4).contiguous()


def attended(attention: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **others: Any) -> tuple[Tensor, Any]:
    """What attention gives for each query, heads side by side."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    others.pop("past_key_values", None)
    attend = ALL_ATTENTION_FUNCTIONS.get_interface(attention.config._attn_implementation, plain_attention)
    dropout = attention.dropout.p if attention.training else 0.0
    result, weights = attend(attention, query, key, value, mask, dropout=dropout, scaling=1.0, **others)
    return result.flatten(2), weights


def taken_rows(hidden: Float[Tensor, "B T D"], positions: Int[Tensor, "B K"]) -> Float[Tensor, "B K D"]:
    """The states at the given positions of each row, by `index_select`: advanced indexing has a slow backward on processors."""
    rows, length, width = hidden.shape
    flat = positions + torch.arange(rows, device=positions.device)[:, None] * length
    return hidden.reshape(-1, width).index_select(0, flat.flatten()).view(rows, -1, width)
