"""Vocabularies, rows of tokens and text backbones as small as tests want them."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from selfsup.backbones import TextBackbone, Vocabulary, build_text

PAD, UNK, CLS, SEP, MASK = range(5)


def vocabulary(size: int = 60) -> Vocabulary:
    """Five special ids; every third of the others goes on with a word; each stands for one to four bytes."""
    ids = torch.arange(size)
    special = ids < 5
    return Vocabulary(
        size=size, special=(PAD, UNK, CLS, SEP, MASK), is_start_of_word=(ids % 3 != 0) & ~special,
        bytes_of=torch.where(special, 0, 1 + ids % 4), mask=MASK, pad=PAD, bos=CLS, eos=SEP,
    )  # fmt: skip


def rows(count: int = 6, length: int = 32, size: int = 60, seed: int = 0) -> dict[str, Tensor]:
    """Packed rows: documents of random lengths, each ended by a separator, one after the other."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, size, (count, length), generator=generator)
    ends = torch.rand(count, length, generator=generator) < 1 / 12
    document = (ends.flatten().cumsum(0) - ends.flatten().long()).view(count, length)
    return {"tokens": torch.where(ends, SEP, ids), "document": document, "index": torch.arange(count)}


def backbone(name: str = "bert-tiny", *, size: int = 60, context: int = 32, seed: int = 0, **arguments: Any) -> TextBackbone:
    """A freshly initialised backbone of two layers."""
    torch.manual_seed(seed)
    return build_text(name, vocabulary=vocabulary(size), context=context, arguments=arguments or None)


def rng(seed: int = 0) -> torch.Generator:
    """A generator of its own."""
    return torch.Generator().manual_seed(seed)


def fresh(kind: Any, configuration: Any, attention: str) -> Any:
    """A model of `transformers` as it comes. It notes its attention in what it is given, so that gets a copy."""
    build = getattr(kind, "_from_config", None) or kind.from_config
    return build(copy.deepcopy(configuration), attn_implementation=attention)
