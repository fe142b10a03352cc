"""Span corruption: write down the spans that were taken out of a text."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor, nn

from selfsup.backbones import TextBackbone
from selfsup.heads import t5_decoder
from selfsup.losses import vocabulary_nats
from selfsup.pretext import Batch, Output, TextPretext, Views
from selfsup.views.span_corruption import corrupt_spans, span_counts


class SpanCorruption(TextPretext):
    """Write down the spans that were taken out of a text. Raffel et al. (T5), JMLR 21, 2020, arXiv 1910.10683, section 3.1.4.

    In the encoder's row a sentinel stands for each span; the decoder, T5's, writes each sentinel and what stood there. Sentinels, and
    what the decoder starts from, are words of the task's own beside the tokeniser's. What separates the documents of a row is a token
    like others, as in T5.

    Options: `rate` is the share of tokens taken out, in spans of `length` tokens on average (.15 and 3 in the paper; half of them gives a
    short training three times as much to learn from, as in UL2's extreme denoising, arXiv 2205.05131); `depth` is the number of the
    decoder's layers, which are thrown away.
    """

    kind = "generative"
    learning_rate = 2.8e-3

    def __init__(self, backbone: TextBackbone, *, rate: float = 0.5, length: float = 3.0, depth: int = 2) -> None:
        super().__init__(backbone)
        if backbone.causal or backbone.embedding.embedding_dim != backbone.width:
            raise ValueError(f"{backbone.name!r} cannot be T5's encoder, which sees whole rows; take an encoder, such as bert-mini.")
        if not 0 < rate < 1 or length < 1 or depth < 1:
            raise ValueError(f"rate={rate}, length={length}, depth={depth}: expected a share of tokens, and at least 1 for the others.")
        self.rate, self.length, self.size = rate, length, backbone.embedding.num_embeddings
        self.sentinels = span_counts(backbone.context, rate=rate, length=length)[1] + 1
        self.extra = nn.Parameter(torch.randn(self.sentinels + 1, backbone.width) * backbone.embedding.weight.detach().std())
        self.decoder = t5_decoder(backbone, depth)
        # T5 starts its words as large as what its layers add to them, and divides them by the root of their width where they are outputs.
        # Smaller words, as other encoders have, are brought to that size where the decoder reads them, or it would hardly see them.
        own = bool(getattr(backbone.model.config, "scale_decoder_outputs", False))
        self.scale: float = backbone.width**-0.5 if own else 1.0
        self.gain: float = 1.0 if own else 1 / float(backbone.embedding.weight.detach().std())

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        ids = batch["tokens"]
        sentinels = torch.arange(self.size, self.size + self.sentinels, device=ids.device)
        corrupted = corrupt_spans(ids, sentinels, rate=self.rate, length=self.length, rng=rng)
        return {"seen": corrupted.seen, "target": corrupted.target}

    def forward(self, views: Views) -> Output:
        target = views["target"]
        table = torch.cat([self.backbone.embedding.weight, self.extra])
        encoded = self.backbone.states({"inputs_embeds": F.embedding(views["seen"], table)}, None, None)
        before = F.embedding(self.shifted(target), table) * self.gain
        states = self.decoder(inputs_embeds=before, encoder_hidden_states=encoded, use_cache=False).last_hidden_state
        nats = vocabulary_nats((states * self.scale).flatten(0, 1), table, target.flatten())
        return {"nats": nats.view(target.shape)}

    def shifted(self, target: Int[Tensor, "B U"]) -> Int[Tensor, "B U"]:
        """What stands before each word of the target: the one before, and the task's last own word before the first."""
        return torch.cat([torch.full_like(target[:, :1], self.size + self.sentinels), target[:, :-1]], dim=1)

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"spans": output["nats"].mean()}
