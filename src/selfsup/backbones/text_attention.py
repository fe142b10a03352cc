"""Attention of text backbones: plain or fused, over whole rows or inside documents, with a mask only where one is needed.

Both are registered with `transformers`, so that its models call them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Tensor, nn

from selfsup.backbones.backbone import Attention

NAMES: dict[Attention, str] = {"plain": "selfsup_plain", "fused": "selfsup_fused"}
"""The names under which `transformers` finds our attention."""

_document: ContextVar[Int[Tensor, "B T"] | None] = ContextVar("document", default=None)


@contextmanager
def inside_documents(document: Int[Tensor, "B T"] | None) -> Iterator[None]:
    """Self-attention of what runs in this context stays inside documents, given by the running number of each token's."""
    token = _document.set(document)
    try:
        yield
    finally:
        _document.reset(token)


@cache
def register_attention() -> None:
    """Make both kinds of attention known to `transformers`."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAMES["plain"], plain_attention)
    AttentionInterface.register(NAMES["fused"], sdpa_attention_forward)

    def visible(**asked: Any) -> Tensor | None:
        return visible_keys(sdpa_mask, **asked)

    def added(**asked: Any) -> Tensor | None:
        seen, dtype = visible_keys(sdpa_mask, **asked), asked["dtype"]
        return None if seen is None else additive(seen, product_dtype(dtype, seen.device))

    AttentionMaskInterface.register(NAMES["fused"], visible)
    AttentionMaskInterface.register(NAMES["plain"], added)


def visible_keys(
    build: Callable[..., Tensor | None], *, allow_is_causal_skip: bool = True, allow_is_bidirectional_skip: bool = False, **asked: Any
) -> Bool[Tensor, "B 1 T S"] | None:
    """Which keys each query sees, as the model asks for it (`build` knows how) and inside documents; None where it is told by less."""
    document = _document.get()
    if document is not None and document.shape[1] != asked["kv_length"]:  # attention to another sequence
        document = None
    free = document is None
    seen = build(
        allow_is_causal_skip=allow_is_causal_skip and free, allow_is_bidirectional_skip=allow_is_bidirectional_skip and free, **asked
    )
    if seen is None or document is None:
        return seen
    return seen & (document[:, None, :, None] == document[:, None, None, :])


def additive(seen: Bool[Tensor, "..."], dtype: torch.dtype) -> Tensor:
    """0 where a key is seen, the lowest number where not. No infinity: a query that sees nothing would give none numbers."""
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, torch.finfo(dtype).min)


@lru_cache(maxsize=8)
def triangle(length: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """What is added to scores so that no token sees a later one."""
    return additive(torch.ones(length, length, dtype=torch.bool, device=device).tril(), dtype)


def plain_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    position_bias: Tensor | None = None,
    is_causal: bool | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Matmul, softmax, matmul over (B, heads, T, d), as `transformers` calls attention; gives (B, T, heads, d).

    In bf16 on a processor this is several times as fast as the fused kernel at a few hundred tokens (docs/decisions/backbones.md).
    Queries are scaled, which are fewer than scores. Raises ValueError where a model asks for what this does not do.
    """
    if others.get("softcap") is not None or others.get("s_aux") is not None:
        raise ValueError("this model caps its scores or adds sinks to them, which plain attention does not: use attention='fused'.")
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = (query if scale == 1.0 else query * scale) @ key.transpose(-2, -1)
    if position_bias is not None:
        scores = scores + position_bias
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    if attention_mask is None and causal and scores.shape[-2] > 1:
        attention_mask = triangle(scores.shape[-1], scores.dtype, scores.device)[-scores.shape[-2] :]
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = scores.softmax(dim=-1)
    if dropout > 0:
        weights = F.dropout(weights, dropout)
    return (weights.to(value.dtype) @ value).transpose(1, 2).contiguous(), None


def product_dtype(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """The precision scores will have: autocast's, where it is on."""
    return torch.get_autocast_dtype(device.type) if torch.is_autocast_enabled(device.type) else dtype
