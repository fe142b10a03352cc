"""SimCSE: recognise the same text, read a second time through dropout, among all texts of the batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from selfsup.backbones import TextBackbone
from selfsup.backbones.text_layers import dropout_on
from selfsup.pretext import Batch, Output, TextPretext, Views
from selfsup.views.packed import mean_of_texts, texts_in


class SimCSE(TextPretext):
    """Recognise the same text among all others, seen twice through dropout. Gao, Yao, Chen, EMNLP 2021, arXiv 2104.08821, section 3.

    The pieces of documents in a packed row are its texts; attention stays inside each, and its embedding is the mean of its tokens.
    The only corruption is dropout, so `forward` draws random numbers, from torch's generator that the loop seeds anew each step.

    Options: `temperature` of the cosine, and `dropout` (.05 and .1 in the paper); `shortest` is the fewest tokens of a text.
    """

    couples_rows = True
    draws_in_forward = True
    kind = "contrastive"
    learning_rate = 3e-4

    def __init__(self, backbone: TextBackbone, *, temperature: float = 0.05, dropout: float = 0.1, shortest: int = 8) -> None:
        super().__init__(backbone)
        if not 0 < dropout < 1:
            raise ValueError(f"dropout={dropout} is all that tells two views of a text apart: expected more than 0 and less than 1.")
        self.temperature, self.dropout, self.shortest = temperature, dropout, shortest
        self.head = nn.Sequential(nn.Linear(backbone.width, backbone.width), nn.Tanh())  # for training only, as in the paper

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        ids = batch["tokens"]
        document = batch.get("document", torch.zeros_like(ids))
        texts = texts_in(document, shortest=self.shortest)
        return {"tokens": ids, "document": document, "text": texts.number, "counted": texts.counted}

    def forward(self, views: Views) -> Output:
        ids, document, text = (views[name].repeat(2, 1) for name in ("tokens", "document", "text"))
        with dropout_on(self.backbone.model, self.dropout if self.training else 0.0):
            hidden = self.backbone.tokens(ids, document)
        a, b = self.head(mean_of_texts(hidden, text, views["counted"].shape[1])).chunk(2)
        return {"a": a, "b": b, "counted": views["counted"]}

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"contrast": recognition(output["a"], output["b"], output["counted"], self.temperature)}


def recognition(
    a: Float[Tensor, "B S D"], b: Float[Tensor, "B S D"], counted: Bool[Tensor, "B S"], temperature: float
) -> Float[Tensor, ""]:
    """Cross-entropy of finding the second view of each counted text among those of all: the paper's equation 1."""
    places = counted.flatten().nonzero().squeeze(1)
    one, two = (F.normalize(side.flatten(0, 1).index_select(0, places), dim=1) for side in (a, b))
    return F.cross_entropy(one @ two.T / temperature, torch.arange(len(places), device=a.device))
