"""Captioning: write the caption of a picture."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from selfsup.backbones import PairBackbone
from selfsup.heads import t5_decoder
from selfsup.losses import vocabulary_nats
from selfsup.pretext import Batch, Output, PairPretext, Views
from selfsup.views import Augment


class Captioning(PairPretext):
    """Write the caption of a picture, word by word. Tschannen and others, NeurIPS 2023, arXiv 2306.07915 (Cap and CapPa).

    The text network, a decoder, reads the caption as far as it goes and sees no picture; a small decoder behind it, which is thrown away,
    reads on and attends to all positions of the picture's last map, and says the next word (the two halves of CoCa's decoder: Yu and
    others, TMLR 2022, arXiv 2205.01917, section 3.2). A vector for each language, or column of captions, is added to what it reads (as in
    XLM, Lample and Conneau, NeurIPS 2019, arXiv 1901.07291), so that the language of a caption can be chosen. The loss is in nats a
    token, the end of a caption among them.

    Options: `depth` is the number of that decoder's layers; `parallel` the share of captions of which no word is read, so that each has
    to come from the picture alone (.75 in the paper's CapPa, section 3.1; its decoder also sees places that follow, this one does not);
    `crop` the smallest share of the picture's area a view shows, `flip` the probability of mirroring and `jitter` the strength of other
    colours, as for `clip`.
    """

    kind = "generative"
    learning_rate = 1e-3
    reads_forwards = True
    shares_space = False

    def __init__(
        self, backbone: PairBackbone, *, depth: int = 2, parallel: float = 0.0, crop: float = 0.6, flip: float = 0.0, jitter: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(backbone)
        text = backbone.text
        if not text.causal or text.embedding.embedding_dim != text.width:
            raise ValueError(f"{text.name!r} does not read forwards, so it cannot write captions; take a decoder, gpt2-tiny or llama-tiny.")
        if text.vocabulary.eos is None:
            raise ValueError("the tokeniser has no token for the end of a caption; add one, or leave --tokenizer out to have one trained.")
        if depth < 1 or not 0 <= parallel < 1:
            raise ValueError(f"depth={depth}, parallel={parallel}: expected at least 1 layer, and a share of captions below 1.")
        self.start, self.end, self.parallel = text.vocabulary.start, text.vocabulary.eos, parallel
        self.look = nn.Sequential(nn.LayerNorm(backbone.image.width), nn.Linear(backbone.image.width, text.width))
        self.decoder = t5_decoder(text, depth)
        self.languages = nn.Embedding(len(backbone.languages), text.width) if len(backbone.languages) > 1 else None
        self.places = nn.Parameter(torch.randn(text.context, text.width)) if parallel else None
        self.default_views = Augment(size=backbone.size, crop=(crop, 1.0), flip=flip, jitter=jitter, grey=0.0)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        pairs = self.pairs(batch, rng)
        target, counted = self.ended(pairs["tokens"], pairs["attended"])
        alone = torch.rand(len(target), generator=rng, device=rng.device) < self.parallel
        return {"image": pairs["image"], "target": target, "counted": counted, "language": pairs["language"], "alone": alone}

    def ended(self, tokens: Int[Tensor, "B T"], attended: Bool[Tensor, "B T"]) -> tuple[Int[Tensor, "B U"], Bool[Tensor, "B U"]]:
        """Captions with the token that ends each behind it, and what of the rows they are.

        A row has no more tokens than the network reads: of a caption that fills it, which may have been cut, no end is asked. Behind the
        end stands the same token, which is read by nothing that counts.
        """
        length, longest = attended.sum(dim=1, keepdim=True), min(tokens.shape[1] + 1, self.backbone.text.context)
        place = torch.arange(longest, device=tokens.device)
        target = torch.where(place < length, F.pad(tokens, (0, 1))[:, :longest], self.end)
        return target, place <= length

    def count_of(self, views: Views) -> Tensor | None:
        return views["counted"].sum()

    def forward(self, views: Views) -> Output:
        counted = views["counted"]
        nats = self.nats(self.regions(views["image"]), views["target"], counted, views["language"], views["alone"])
        return {"nats": nats, "counted": counted.sum(dim=1)}

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"caption": output["nats"].sum() / output["counted"].sum().clamp(min=1)}

    def regions(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B S D"]:
        """What the decoder attends to: every position of each picture's last map, as wide as the text network."""
        with self.backbone.learning("image"):
            seen = self.backbone.image.tokens(images)
        regions: Tensor = self.look(seen)
        return regions

    def nats(
        self,
        regions: Float[Tensor, "B S D"],
        target: Int[Tensor, "B U"],
        counted: Bool[Tensor, "B U"],
        language: Int[Tensor, " B"],
        alone: Bool[Tensor, " B"] | None = None,
    ) -> Float[Tensor, " B"]:
        """The surprise at each whole caption, in nats: summed over what is counted of it."""
        longest = int(counted.any(dim=0).sum())
        target, counted = target[:, :longest], counted[:, :longest]
        before = torch.cat([torch.full_like(target[:, :1], self.start), target[:, :-1]], dim=1)
        states = self.states(regions, before, language, alone)
        # Only where there is a caption: the table of words is the dearest part, and most rows are shorter than the longest.
        where = counted.flatten().nonzero().squeeze(1)
        surprise = vocabulary_nats(
            states.flatten(0, 1).index_select(0, where), self.backbone.text.embedding.weight, target.flatten().index_select(0, where)
        )
        return surprise.new_zeros(len(target)).index_add(0, where // longest, surprise)

    def states(
        self, regions: Float[Tensor, "B S D"], before: Int[Tensor, "B U"], language: Int[Tensor, " B"], alone: Tensor | None = None
    ) -> Float[Tensor, "B U D"]:
        """What predicts the word that follows each token. No token sees a later one, so what stands behind a caption changes nothing."""
        with self.backbone.learning("text"):
            read = self.backbone.text.tokens(before)
        if self.places is not None and alone is not None:
            read = torch.where(alone[:, None, None], self.places[: before.shape[1]].to(read.dtype), read)
        if self.languages is not None:
            read = read + self.languages(language)[:, None]
        states: Tensor = self.decoder(inputs_embeds=read, encoder_hidden_states=regions, use_cache=False).last_hidden_state
        return states

    def next_words(self, regions: Float[Tensor, "B S D"], before: Int[Tensor, "B U"], language: Int[Tensor, " B"]) -> Float[Tensor, "B V"]:
        """Scores of the word that follows the beginning of each caption, `start` and what was written behind it."""
        return F.linear(self.states(regions, before, language)[:, -1], self.backbone.text.embedding.weight).float()
