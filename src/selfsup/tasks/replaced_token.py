"""Replaced-token detection: a small network fills in hidden words, the backbone tells which words it put there."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selfsup.backbones import TextBackbone
from selfsup.backbones.text_names import HEAD, resized
from selfsup.heads import WordHead
from selfsup.losses import sampled_words
from selfsup.pretext import Batch, Output, TextPretext, Views
from selfsup.views.tokens import hidden_positions


class ReplacedTokenDetection(TextPretext):
    """Tell for each word whether a small masked language model put it there. Clark, Luong, Le, Manning (ELECTRA), ICLR 2020.

    arXiv 2003.10555. The generator is trained as a masked language model; what it draws for hidden words stands in their place; the
    backbone, the discriminator, tells for every word whether it was replaced. A word drawn rightly counts as not replaced. Both share
    the table of words, which the generator reads through a linear layer.

    Options: `rate` is the share of words that are hidden; `generator` the generator's width as a share of the backbone's (a quarter to
    a half in the paper); `weight` that of the discriminator's term, which is much smaller (50 in the paper); `within_documents` keeps
    attention inside each document of a packed row.
    """

    kind = "generative"
    learning_rate = 1e-3  # at 2.8e-3, as masked_lm has it, the two pull the table of words apart (docs/decisions/text_tasks.md)

    def __init__(
        self, backbone: TextBackbone, *, rate: float = 0.15, generator: float = 0.25, weight: float = 50.0, within_documents: bool = False
    ) -> None:
        super().__init__(backbone)
        if backbone.causal:
            raise ValueError(f"{backbone.name!r} is a decoder, whose tokens see no later ones; take an encoder, such as bert-mini.")
        if backbone.vocabulary.mask is None:
            raise ValueError("the tokeniser has no mask token, which stands for hidden words in the generator; add one.")
        if not 0 < generator <= 1:
            raise ValueError(f"generator={generator} is its width as a share of the backbone's: expected more than 0, and at most 1.")
        self.rate, self.weight, self.within_documents = rate, weight, within_documents
        self.mask: int = backbone.vocabulary.mask
        width = max(HEAD, round(backbone.width * generator / HEAD) * HEAD)
        self.generator = resized(backbone, width)
        self.generator.model.set_input_embeddings(nn.Identity())  # it reads the backbone's table
        self.reader = nn.Linear(backbone.embedding.embedding_dim, embedding_width(self.generator.model.config, width))
        self.generator_head = WordHead(width, backbone.embedding)
        self.dense, self.detect = nn.Linear(backbone.width, backbone.width), nn.Linear(backbone.width, 1)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        ids = batch["tokens"]
        words = self.backbone.vocabulary.on(ids.device)
        chosen = hidden_positions(ids, rng, rate=self.rate, is_special=words.is_special, is_start_of_word=words.is_start_of_word)
        hidden = torch.where(chosen.counted, self.mask, ids.gather(1, chosen.positions))
        uniform = torch.rand(chosen.positions.shape, generator=rng, device=ids.device)  # decides which word the generator draws
        views = {"tokens": ids, "positions": chosen.positions, "counted": chosen.counted, "uniform": uniform}
        views["seen"] = ids.scatter(1, chosen.positions, hidden)
        return views | ({"document": batch["document"]} if self.within_documents else {})

    def forward(self, views: Views) -> Output:
        ids, positions, document = views["tokens"], views["positions"], views.get("document")
        table, target = self.backbone.embedding.weight, ids.gather(1, positions)
        guesses = self.generator.states({"inputs_embeds": self.reader(self.backbone.embedding(views["seen"]))}, document, positions)
        states = self.generator_head(guesses)
        nats = self.generator_head.nats(states, table, target)
        drawn = sampled_words(states.flatten(0, 1), table, views["uniform"].flatten(), self.generator_head.bias).view(target.shape)
        filled = ids.scatter(1, positions, torch.where(views["counted"], drawn, target))
        logits = self.detect(F.gelu(self.dense(self.backbone.tokens(filled, document)))).squeeze(2)
        return {"nats": nats, "counted": views["counted"], "logits": logits, "replaced": filled != ids}

    def loss(self, output: Output) -> dict[str, Tensor]:
        # By the fixed number of places, so that parts of a batch weigh alike even where a row had too few words to hide.
        generator = (output["nats"] * output["counted"]).mean()
        discriminator = F.binary_cross_entropy_with_logits(output["logits"], output["replaced"].to(output["logits"].dtype))
        return {"generator": generator, "discriminator": self.weight * discriminator}


def embedding_width(configuration: Any, width: int) -> int:
    """The width in which a model reads words: its own, but in models that project them."""
    return int(getattr(configuration, "embedding_size", width))
