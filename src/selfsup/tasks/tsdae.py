"""TSDAE: rebuild a text, of which most words were deleted, from its embedding alone."""

from __future__ import annotations

import copy
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from selfsup.backbones import TextBackbone
from selfsup.backbones.text_attention import additive, product_dtype
from selfsup.heads import WordHead
from selfsup.losses import counted_mean
from selfsup.pretext import Batch, Output, TextPretext, Views
from selfsup.views.packed import mean_of_texts, positions_in, texts_in
from selfsup.views.tokens import delete_units, word_numbers


class TSDAE(TextPretext):
    """Rebuild a text, of which most words were deleted, from its embedding alone. Wang, Reimers, Gurevych, EMNLP 2021 Findings.

    arXiv 2104.06979. The pieces of documents in a packed row are its texts; the embedding of one is the mean of what is left of it.
    The decoder is the backbone once more, with the same weights: it sees the words before the one it predicts, and by attention of its
    own, in every layer, the embedding and nothing else of the encoder.

    Options: `deleted` is the share of words that are deleted (.6 in the paper); `shortest` is the fewest tokens of a text.
    """

    kind = "generative"
    learning_rate = 2.8e-3
    encoder = "bert"

    def __init__(self, backbone: TextBackbone, *, deleted: float = 0.6, shortest: int = 8) -> None:
        super().__init__(backbone)
        self.deleted, self.shortest, self.start = deleted, shortest, backbone.vocabulary.start
        self.decoder = [tied_decoder(backbone)]  # in a list: its weights are the backbone's, and not registered a second time
        self.crossing = nn.ModuleList(layer.crossattention for layer in self.decoder[0].encoder.layer)
        self.head = WordHead(backbone.width, backbone.embedding)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        ids = batch["tokens"]
        document = batch.get("document", torch.zeros_like(ids))
        words = self.backbone.vocabulary.on(ids.device)
        texts = texts_in(document, shortest=self.shortest)
        special = words.is_special[ids]
        units = word_numbers(words.is_start_of_word[ids], special, longest=ids.shape[1])
        positions, kept = delete_units(units, ~special & (texts.number < texts.count), texts.number, self.deleted, rng)
        number = texts.number.gather(1, positions).masked_fill(~kept, texts.count)
        return {
            "kept": ids.gather(1, positions), "kept_text": number, "tokens": ids, "text": texts.number, "document": document,
            "counted": texts.number < texts.count, "taken": texts.counted,
        }  # fmt: skip

    def count_of(self, views: Views) -> Tensor | None:
        return views["counted"].sum()

    def forward(self, views: Views) -> Output:
        hidden = self.backbone.tokens(views["kept"], views["kept_text"])
        embedded = mean_of_texts(hidden, views["kept_text"], views["taken"].shape[1])
        states = self.decode(views["tokens"], views["document"], views["text"], embedded)
        nats = self.head.nats(self.head(states), self.backbone.embedding.weight, views["tokens"])
        return {"nats": nats, "counted": views["counted"]}

    def decode(
        self, ids: Int[Tensor, "B T"], document: Int[Tensor, "B T"], text: Int[Tensor, "B T"], embedded: Float[Tensor, "B S D"]
    ) -> Float[Tensor, "B T D"]:
        """The states from which each token is predicted: from those before it in its document, and from its text's embedding."""
        places = positions_in(document)
        before = torch.where(places == 0, self.start, ids.roll(1, dims=1))
        length, dtype = ids.shape[1], product_dtype(embedded.dtype, ids.device)
        earlier = torch.ones(length, length, dtype=torch.bool, device=ids.device).tril()
        own = (document[:, :, None] == document[:, None, :]) & earlier
        theirs = text[:, :, None] == torch.arange(embedded.shape[1], device=ids.device)
        hidden: Tensor = self.decoder[0](
            input_ids=before, position_ids=places + self.backbone.offset, attention_mask=additive(own[:, None], dtype),
            encoder_hidden_states=embedded, encoder_attention_mask=additive(theirs[:, None], dtype), use_cache=False,
        ).last_hidden_state  # fmt: skip
        return hidden

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"reconstruction": counted_mean(output["nats"], output["counted"])}


def tied_decoder(backbone: TextBackbone) -> Any:
    """A decoder made of the backbone's own layers, with layers between them that attend to embeddings.

    Raises ValueError for kinds of model that `transformers` gives no such attention in this form.
    """
    model = backbone.model
    configuration = copy.deepcopy(model.config)
    fits = not backbone.causal and hasattr(configuration, "add_cross_attention") and hasattr(getattr(model, "encoder", None), "layer")
    if not fits:
        raise ValueError(
            f"{backbone.name!r} cannot be made a decoder that attends to an embedding; take bert-mini or another of BERT's kin."
        )
    configuration.is_decoder = configuration.add_cross_attention = True
    decoder = type(model)._from_config(configuration, attn_implementation=model.config._attn_implementation, dtype=torch.float32)
    decoder.pooler = None
    decoder.embeddings = model.embeddings
    for own, shared in zip(decoder.encoder.layer, model.encoder.layer, strict=True):
        if not hasattr(own, "crossattention"):
            raise ValueError(f"{backbone.name!r} has no attention to embeddings in transformers; take bert-mini.")
        own.attention, own.intermediate, own.output = shared.attention, shared.intermediate, shared.output
    return decoder
