"""SimCSE: recognise the same text, another stretch of it or read a second time through dropout, among all texts of the batch."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from selfsup.backbones import TextBackbone
from selfsup.backbones.text_layers import dropout_on
from selfsup.pretext import Batch, Output, TextPretext, Views
from selfsup.views.packed import cut_in_two, mean_of_texts, texts_in


class SimCSE(TextPretext):
    """Recognise the same text among all others. Gao, Yao, Chen (SimCSE), EMNLP 2021, arXiv 2104.08821, section 3.

    The pieces of documents in a packed row are its texts; attention stays inside each, and its embedding is the mean of its tokens.
    `positives="stretches"`: each text is cut in two at a random place, and the halves, which do not see one another, recognise each other,
    as in DeCLUTR (Giorgi et al., ACL 2021, arXiv 2006.03659) and Contriever (Izacard et al., 2022, arXiv 2112.09118). `"dropout"` is
    the paper's: the whole text is read twice and only dropout differs. That is for networks that know the language (`--weights`); one
    that begins from nothing has solved it within seconds and learned nothing.
    Dropout makes `forward` draw random numbers, from torch's generator that the loop seeds anew each step.

    Options: `positives`; `temperature` of the cosine, and `dropout` (.05 and .1 in the paper); `shortest` is the fewest tokens of a view.
    """

    couples_rows = True
    draws_in_forward = True
    kind = "contrastive"
    learning_rate = 2.8e-3

    def __init__(
        self, backbone: TextBackbone, *, positives: Literal["stretches", "dropout"] = "stretches", temperature: float = 0.05,
        dropout: float = 0.1, shortest: int = 8,
    ) -> None:  # fmt: skip
        super().__init__(backbone)
        if not 0 <= dropout < 1 or (dropout == 0 and positives == "dropout"):
            raise ValueError(
                f"dropout={dropout} with positives={positives}: expected less than 1, and not 0 where nothing else tells views apart."
            )
        self.positives, self.temperature, self.dropout, self.shortest = positives, temperature, dropout, shortest
        self.head = nn.Sequential(nn.Linear(backbone.width, backbone.width), nn.Tanh())  # for training only, as in the paper

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        ids = batch["tokens"]
        document = batch.get("document", torch.zeros_like(ids))
        if self.positives == "dropout":
            texts = texts_in(document, shortest=self.shortest)
            return {"tokens": ids, "document": document, "a": texts.number, "b": texts.number, "counted": texts.counted}
        texts = texts_in(document, shortest=2 * self.shortest)
        halves = cut_in_two(texts, rng, shortest=self.shortest)
        return {"tokens": ids, "document": halves.piece, "a": halves.first, "b": halves.second, "counted": texts.counted}

    def forward(self, views: Views) -> Output:
        ids, document, count = views["tokens"], views["document"], views["counted"].shape[1]
        reads = 2 if self.positives == "dropout" else 1
        with dropout_on(self.backbone.model, self.dropout if self.training else 0.0):
            hidden = self.backbone.tokens(ids.repeat(reads, 1), document.repeat(reads, 1)).chunk(reads)
        a, b = (mean_of_texts(read, views[side], count) for read, side in ((hidden[0], "a"), (hidden[-1], "b")))
        return {"a": self.head(a), "b": self.head(b), "counted": views["counted"]}

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"contrast": recognition(output["a"], output["b"], output["counted"], self.temperature)}


def recognition(
    a: Float[Tensor, "B S D"], b: Float[Tensor, "B S D"], counted: Bool[Tensor, "B S"], temperature: float
) -> Float[Tensor, ""]:
    """Cross-entropy of finding the second view of each counted text among those of all: the paper's equation 1."""
    places = counted.flatten().nonzero().squeeze(1)
    one, two = (F.normalize(side.flatten(0, 1).index_select(0, places), dim=1) for side in (a, b))
    return F.cross_entropy(one @ two.T / temperature, torch.arange(len(places), device=a.device))
