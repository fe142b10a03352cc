"""Whole networks: from the pixels of a stored picture, or the ids of a window, to the embedding in one module."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from selfsup.backbones.text_names import configured
from selfsup.embedding.pictures import pooled_map
from selfsup.exporting.subjects import Documents, Pictures
from selfsup.views.resample import resize_matrix, resize_taps


class PictureNetwork(nn.Module):
    """Pixels (B, side, side, C), uint8, to embeddings (B, D): resized, normalised, embedded and pooled inside.

    With a model's top, to probabilities of classes (B, K); with a side's projection, to directions (B, E).
    """

    resize: Tensor

    def __init__(self, subject: Pictures) -> None:
        super().__init__()
        self.network = copy.deepcopy(subject.network).eval().requires_grad_(False)
        self.name, self.pool, self.top, self.shared = subject.name, subject.pool, subject.top, subject.shared
        side, size = subject.side, subject.network.size
        taps = resize_taps(torch.zeros(1), torch.full((1,), float(side)), source=side, size=size)
        matrix = torch.eye(size) if side == size else resize_matrix(taps, torch.empty(1, size, side))[0]
        self.resizes = side != size
        self.register_buffer("resize", matrix)

    def forward(self, pixels: UInt8[Tensor, "B S S C"]) -> Float[Tensor, "B D"]:
        images = pixels.permute(0, 3, 1, 2).float() / 255
        if self.resizes:
            images = self.resize @ images @ self.resize.T
        vectors = pooled_map(self.network.features(images)[self.name], self.pool)
        if self.shared is not None:
            return F.normalize(self.shared(vectors), dim=1)
        return vectors if self.top is None else self.top(vectors).softmax(dim=1)


class TextNetwork(nn.Module):
    """Ids (B, T) and which of them are of the text (B, T) to embeddings (B, D) of windows of at most the context.

    With a model's top, to scores of classes (B, K); with a side's projection, to its numbers (B, E), of any length.
    """

    def __init__(self, subject: Documents) -> None:
        super().__init__()
        self.model = plain_model(subject).requires_grad_(False)
        self.places, self.pool = subject.places, subject.pool
        self.on_top = subject.top or subject.shared

    def forward(self, input_ids: Int[Tensor, "B T"], attention_mask: Int[Tensor, "B T"]) -> Float[Tensor, "B D"]:
        given = {} if not hasattr(self.model.config, "use_cache") else {"use_cache": False}
        states = self.model(input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True, **given).hidden_states
        vectors = pooled_tokens(torch.stack([states[place] for place in self.places]).mean(dim=0), attention_mask, self.pool)
        return vectors if self.on_top is None else self.on_top(vectors)


def pooled_tokens(states: Float[Tensor, "B T D"], seen: Int[Tensor, "B T"], pool: str) -> Float[Tensor, "B D"]:
    """One vector a row of what its tokens became: their mean, maximum, or the last one."""
    weight = seen[:, :, None]
    if pool == "max":
        return states.masked_fill(weight == 0, -torch.inf).amax(dim=1)
    if pool == "last":
        last = (seen.sum(dim=1) - 1).clamp(min=0)[:, None, None].expand(-1, 1, states.shape[2])
        return states.gather(1, last).squeeze(1)
    return (states * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)


def plain_model(subject: Documents, *, kind: Any = None, **entries: Any) -> Any:
    """The model of `transformers` as it comes, in place of ours that computes the same with less, with the weights of the run.

    `kind` is an `AutoModel…` class, by default the one without heads; `entries` overrule its configuration. What the run has no
    weights for (heads, a pooling layer) starts as it always does, except that the pooling layer of BERT is left out.
    """
    from transformers import AutoModel, AutoModelForTextEncoding

    known = dict(subject.network.settings.configuration)
    configuration = configured(str(known.pop("model_type")), {**known, **entries})
    chosen = kind or (AutoModelForTextEncoding if configuration.is_encoder_decoder else AutoModel)
    model = chosen.from_config(configuration, attn_implementation="sdpa", dtype=torch.float32).eval()
    inner = model if kind is None else getattr(model, model.base_model_prefix)
    if getattr(inner, "pooler", None) is not None:
        inner.pooler = None
    own = inner.state_dict()
    given = {name.removeprefix("_orig_mod."): value.cpu() for name, value in subject.network.model.state_dict().items()}
    inner.load_state_dict({name: value for name, value in given.items() if name in own})
    return model
