"""Masked language model: predict hidden words from those around them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from selfsup.backbones import TextBackbone
from selfsup.heads import WordHead
from selfsup.losses import counted_mean
from selfsup.pretext import Batch, Output, TextPretext, Views
from selfsup.views.tokens import hidden_positions, hide_tokens


class MaskedLanguageModel(TextPretext):
    """Predict hidden words from those around them. Devlin, Chang, Lee, Toutanova, NAACL 2019, arXiv 1810.04805.

    A fixed number of tokens a row is chosen, never a special one; most of them become the mask, some a random word of the whole
    vocabulary, some stay. Only chosen tokens are predicted, and only for them is the last layer computed.

    Options: `rate` is the share that is chosen (20–25 % suits small networks and long runs, Wettig et al., EACL 2023, arXiv
    2202.08005); `whole_words` chooses all tokens of a word or none; `spans` chooses stretches of 1 to 10 tokens or words (Joshi et
    al., TACL 2020, arXiv 1907.10529), which fare alike; `masked` and `random` are the shares of the chosen that become the mask or a
    random word; `within_documents` keeps attention inside each document of a packed row.
    """

    kind = "generative"
    learning_rate = 2.8e-3

    def __init__(
        self, backbone: TextBackbone, *, rate: float = 0.15, whole_words: bool = False, spans: bool = False, masked: float = 0.8,
        random: float = 0.1, within_documents: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(backbone)
        if backbone.causal:
            raise ValueError(f"{backbone.name!r} is a decoder, whose tokens see no later ones; take an encoder, such as bert-mini.")
        if backbone.vocabulary.mask is None:
            raise ValueError("the tokeniser has no mask token, which stands for hidden words; add one, or take task causal_lm.")
        self.rate, self.whole_words, self.spans = rate, whole_words, spans
        self.masked, self.random, self.within_documents = masked, random, within_documents
        self.mask: int = backbone.vocabulary.mask
        self.head = WordHead(backbone.width, backbone.embedding)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        ids = batch["tokens"]
        words = self.backbone.vocabulary.on(ids.device)
        chosen = hidden_positions(
            ids, rng, rate=self.rate, is_special=words.is_special, is_start_of_word=words.is_start_of_word,
            whole_words=self.whole_words, spans=self.spans,
        )  # fmt: skip
        seen = hide_tokens(
            ids, chosen, mask=self.mask, ordinary=words.ordinary, rng=rng, masked=self.masked, random=self.random, together=self.spans
        )
        views = {"seen": seen, "positions": chosen.positions, "target": ids.gather(1, chosen.positions), "counted": chosen.counted}
        return views | ({"document": batch["document"]} if self.within_documents else {})

    def count_of(self, views: Views) -> Tensor | None:
        return views["counted"].sum()

    def forward(self, views: Views) -> Output:
        hidden = self.backbone.tokens(views["seen"], views.get("document"), at=views["positions"])
        nats = self.head.nats(self.head(hidden), self.backbone.embedding.weight, views["target"])
        return {"nats": nats, "counted": views["counted"]}

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"words": counted_mean(output["nats"], output["counted"])}

    def logits(self, ids: Int[Tensor, "B T"], positions: Int[Tensor, "B K"]) -> Float[Tensor, "B K V"]:
        """What the network thinks stands at the given positions of rows in which some tokens are the mask."""
        states = self.head(self.backbone.tokens(ids, at=positions))
        return F.linear(states, self.backbone.embedding.weight, self.head.bias)
