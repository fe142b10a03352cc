"""Causal language model: predict each word from those before it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from selfsup.backbones import TextBackbone
from selfsup.losses import counted_mean, vocabulary_nats
from selfsup.pretext import Batch, Output, TextPretext, Views


class CausalLanguageModel(TextPretext):
    """Predict each word from those before it. Radford, Narasimhan, Salimans, Sutskever 2018; GPT-2: Radford et al. 2019.

    The table of words is that of the input, without a bias, as in GPT-2. The loss is in nats a token; `losses.bits_per_byte` compares
    networks with different vocabularies.

    Options: `within_documents` keeps attention inside each document of a packed row, and predicts no word from another document.
    """

    kind = "generative"
    learning_rate = 2.8e-3
    reads_forwards = True

    def __init__(self, backbone: TextBackbone, *, within_documents: bool = False) -> None:
        super().__init__(backbone)
        if not backbone.causal:
            raise ValueError(
                f"{backbone.name!r} is an encoder, whose tokens see the word they should predict; take gpt2-mini or llama-mini."
            )
        if backbone.embedding.embedding_dim != backbone.width:
            raise ValueError(f"{backbone.name!r} has words of another width than its states, so they cannot be predicted with one table.")
        self.within_documents = within_documents

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        ids = batch["tokens"]
        views = {"tokens": ids[:, :-1], "target": ids[:, 1:]}
        if not self.within_documents:
            return views
        document = batch["document"]
        return views | {"document": document[:, :-1], "counted": document[:, 1:] == document[:, :-1]}

    def count_of(self, views: Views) -> Tensor | None:
        return views["counted"].sum() if "counted" in views else None

    def forward(self, views: Views) -> Output:
        hidden, target = self.backbone.tokens(views["tokens"], views.get("document")), views["target"]
        nats = vocabulary_nats(hidden.flatten(0, 1), self.backbone.embedding.weight, target.flatten()).view(target.shape)
        return {"nats": nats, "target": target, "counted": views.get("counted", torch.ones_like(target, dtype=torch.bool))}

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"words": counted_mean(output["nats"], output["counted"])}

    def logits(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """What the network thinks comes after each token."""
        return F.linear(self.backbone.tokens(ids), self.backbone.embedding.weight)
