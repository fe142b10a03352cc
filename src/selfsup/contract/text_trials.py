"""Rows of tokens that a task on text is tried on: made up, or of real documents."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from selfsup.backbones import TextBackbone, Vocabulary, build_text
from selfsup.contract.own_views import generator
from selfsup.data.documents import open_documents
from selfsup.data.tokens.tokenizer import Tokenizer

REAL_ROWS, REAL_CONTEXT = 8, 128  # rows of the user's texts, and bytes in each
WORDS = 64  # of each kind that made-up rows are written with, so that they repeat themselves as text does
SEVERAL = 6  # documents in the last of the made-up rows, about
TOKENS = 1024  # that are tried before training, about: enough to see rows in company, few enough for a large backbone


@dataclass(frozen=True)
class TextTrial:
    """One batch: `rows` of `context` tokens, each a byte, and the backbone that reads them."""

    backbone: str
    context: int
    rows: int = 8
    data: str = ""

    @property
    def name(self) -> str:
        """In words, what is tried."""
        return f"{self.data or 'made-up'} text, {self.context} bytes × {self.rows} on {self.backbone}"

    def network(self) -> TextBackbone:
        """A new backbone, drawn from torch's global random state."""
        return build_text(self.backbone, vocabulary=byte_vocabulary(), context=self.context)

    def batch(self) -> dict[str, Tensor]:
        """Made-up rows."""
        return made_up_rows(self.rows, self.context, byte_vocabulary())


ENCODERS = (TextTrial("bert-tiny", 64), TextTrial("bert-tiny", 48, rows=5))
DECODERS = (TextTrial("gpt2-tiny", 64), TextTrial("gpt2-tiny", 48, rows=5))


def text_trials(backbone: str | None, *, reads_forwards: bool) -> tuple[TextTrial, ...]:
    """The trials with made-up text: on an encoder and a decoder, on decoders where only these will do, or on the backbone asked for."""
    if backbone is None:
        return DECODERS if reads_forwards else (*ENCODERS, *DECODERS)
    return tuple(dataclasses.replace(trial, backbone=backbone) for trial in ENCODERS)


@cache
def byte_vocabulary() -> Vocabulary:
    """Each byte is a token."""
    return Vocabulary.of(Tokenizer.bytes())


def rows_before_training(network: TextBackbone) -> dict[str, Tensor]:
    """A few made-up rows for a run's own backbone and vocabulary, as long as those it will train on."""
    return made_up_rows(max(2, min(4, TOKENS // network.context)), network.context, network.vocabulary)


def made_up_rows(rows: int, context: int, vocabulary: Vocabulary) -> dict[str, Tensor]:
    """Packed rows as the store gives them: from one document all along the first to several in the last, each closed by its end token.

    `tokens` and `document` int64 (rows, context), `index` (rows,). Of ids that begin a word, and of others, a few are used, some often.
    """
    rng, shape = generator(3), (rows, context)
    ordinary = ~vocabulary.is_special.cpu()
    begins = vocabulary.is_start_of_word.cpu() & ordinary
    starts, others = _some(begins, rng), _some(ordinary & ~begins, rng)
    first, second = _drawn(starts if len(starts) else others, shape, rng), _drawn(others if len(others) else starts, shape, rng)
    tokens = torch.where(torch.rand(shape, generator=rng) < 0.4, first, second)
    ends = torch.rand(shape, generator=rng) < torch.linspace(0, SEVERAL / context, rows)[:, None]
    if vocabulary.eos is not None:
        tokens = tokens.masked_fill(ends, vocabulary.eos)
    before = ends.flatten().cumsum(0) - ends.flatten().long()
    return {"tokens": tokens, "document": before.view(shape), "index": torch.arange(rows)}


def _some(allowed: Tensor, rng: torch.Generator) -> Int[Tensor, " W"]:
    ids = allowed.nonzero().squeeze(1)
    return ids[torch.randperm(len(ids), generator=rng)[:WORDS]]


def _drawn(words: Int[Tensor, " W"], shape: tuple[int, int], rng: torch.Generator) -> Int[Tensor, "B T"]:
    """Some of the words often, others seldom."""
    return words[(torch.rand(shape, generator=rng).square() * len(words)).long()]


def real_rows(data: Any, backbone: str) -> tuple[TextTrial, dict[str, Tensor]]:
    """A trial with the first texts of `data`, as `pretrain` takes it, of each no more than a row and a half. Raises ValueError."""
    documents = open_documents(data)
    tokenizer, longest, wanted = Tokenizer.bytes(), 3 * REAL_CONTEXT // 2, REAL_ROWS * REAL_CONTEXT
    tokens, numbers = list[int](), list[int]()
    for number, text in enumerate(documents):
        ids = [*tokenizer.encode(text.text[:longest])[:longest].tolist(), tokenizer.end]
        tokens, numbers = tokens + ids, numbers + [number] * len(ids)
        if len(tokens) >= wanted:
            break
    rows = min(REAL_ROWS, len(tokens) // REAL_CONTEXT)
    if rows < 2:
        least = 2 * REAL_CONTEXT
        raise ValueError(f"{documents.name} holds {len(tokens)} bytes to try; expected at least {least}. Add some, or leave it out.")
    ids_of_rows, document = (torch.tensor(column[: rows * REAL_CONTEXT]).view(rows, REAL_CONTEXT) for column in (tokens, numbers))
    batch = {"tokens": ids_of_rows, "document": document, "index": torch.arange(rows)}
    return TextTrial(backbone, REAL_CONTEXT, rows, Path(documents.name).name), batch
