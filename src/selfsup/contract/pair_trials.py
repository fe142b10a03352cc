"""Pairs that a task is tried on, made up: smooth pictures, and rows of bytes as captions."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from selfsup.backbones import PairBackbone, Vocabulary, build, build_text
from selfsup.contract.own_views import generator
from selfsup.contract.picture_trials import Shown, made_up_batch
from selfsup.contract.text_trials import byte_vocabulary, made_up_rows
from selfsup.data.pairs import PairWanted, prepare_pairs
from selfsup.data.tokens.tokenizer import Tokenizer

REAL_ROWS, REAL_CONTEXT = 8, 48  # pairs of the user's, and bytes of each caption
WIDTH = 32  # of the shared space
MOST = 3  # captions of a picture
LANGUAGES = ("en", "de")


@dataclass(frozen=True)
class PairTrial(Shown):
    """One batch of pictures with captions of at most `context` bytes, and the two backbones that see and read them."""

    context: int = 12

    @property
    def name(self) -> str:
        """In words, what is tried."""
        return f"{self.pictures} with captions × {self.rows} on {self.backbone}"

    def network(self) -> PairBackbone:
        """Two new backbones, drawn from torch's global random state."""
        image, plus, text = self.backbone.partition("+")
        if not plus:
            raise ValueError(f"the backbone of pairs is two, IMAGE+TEXT, such as compact_convnet+bert-tiny; got {self.backbone}")
        seen = build(image, size=self.size, channels=self.channels)
        read = build_text(text, vocabulary=byte_vocabulary(), context=self.context)
        return PairBackbone(seen, read, width=WIDTH, languages=LANGUAGES)

    def batch(self) -> dict[str, Tensor]:
        """Made-up pairs."""
        return made_up_pairs(self.rows, self.channels, self.side, self.context, byte_vocabulary())


TRIALS = (
    PairTrial("compact_convnet+bert-tiny", 16, side=20),
    PairTrial("compact_vit+gpt2-tiny", 28, channels=1, rows=5, side=40, context=9),
)


DECODERS = (dataclasses.replace(TRIALS[0], backbone="compact_convnet+gpt2-tiny"), TRIALS[1])


def pair_trials(backbone: str | None, *, reads_forwards: bool) -> tuple[PairTrial, ...]:
    """The trials with made-up pairs, on decoders where only these will do, or the same on the backbone asked for."""
    if backbone is None:
        return DECODERS if reads_forwards else TRIALS
    return tuple(dataclasses.replace(trial, backbone=backbone) for trial in TRIALS)


def real_pairs(data: Any, backbone: str) -> tuple[PairTrial, dict[str, Tensor]]:
    """A trial with the first pairs of `data`, as `pretrain` takes it. Raises ValueError."""
    corpus = prepare_pairs(data, PairWanted(), size=None, context=REAL_CONTEXT, tokenizer=Tokenizer.bytes())
    batch = corpus.store.batch(corpus.rows[:REAL_ROWS])
    pictures = corpus.store.pictures
    rows, name = len(batch["image"]), Path(corpus.name).name
    return PairTrial(backbone, corpus.size, pictures.channels, rows, pictures.side, name, REAL_CONTEXT), batch


def made_up_pairs(rows: int, channels: int, side: int, context: int, vocabulary: Vocabulary) -> dict[str, Tensor]:
    """Pairs as their store gives them: one to three captions a picture of one to `context` tokens, the last picture and text a copy."""
    rng = generator(4)
    tokens = made_up_rows(rows * MOST, context, vocabulary)["tokens"].view(rows, MOST, context)
    counts = 1 + torch.arange(rows) % MOST
    there = torch.arange(MOST) < counts[:, None]
    length = torch.where(there, torch.randint(1, context + 1, (rows, MOST), generator=rng), 0)
    within = torch.arange(context) < length[:, :, None]
    caption = torch.where(there, torch.arange(rows * MOST).view(rows, MOST), -1)
    caption[-1, 0] = caption[0, 0]
    picture = torch.arange(rows)
    picture[-1] = picture[0]
    return {
        **made_up_batch(rows, channels, side), "tokens": torch.where(within, tokens, 0), "length": length, "captions": counts,
        "caption": caption, "picture": picture, "language": torch.randint(len(LANGUAGES), (rows, MOST), generator=rng),
    }  # fmt: skip
