"""Documents, a tokeniser and networks so small that what they give can be worked out by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from selfsup.data.documents import Counts


@dataclass(frozen=True)
class Text:
    """A document."""

    id: str
    text: str
    language: str | None = None
    columns: Mapping[str, str | None] = field(default_factory=dict)


class ListOfTexts:
    """Documents in a list, which counts how often it was read from the beginning."""

    def __init__(self, texts: Sequence[Text]) -> None:
        self.texts = list(texts)
        self.name, self.root = "a list", ""
        self.skipped: dict[str, str] = {}
        self.notes: dict[str, str] = {}
        self.bytes: int | None = None
        self.counts = Counts()
        self.passes = 0

    def __iter__(self) -> Iterator[Text]:
        self.passes += 1
        return iter(self.texts)

    def fingerprint(self) -> str:
        return hashlib.sha256(repr(self.texts).encode()).hexdigest()[:16]


class WordEncoder:
    """Each word between spaces is an id, by a hash, below `size`."""

    def __init__(self, size: int = 500) -> None:
        self.size = size

    def encode_batch(self, texts: Sequence[str]) -> list[NDArray[Any]]:
        return [np.array([self._number(word) for word in text.split()], dtype=np.uint16) for text in texts]

    def _number(self, word: str) -> int:
        return int(hashlib.sha256(word.encode()).hexdigest()[:8], 16) % self.size


class Bag(nn.Module):
    """A text backbone of two layers: an embedding of each word, and that plus the mean of the row (of what came before, if causal)."""

    def __init__(self, size: int = 500, width: int = 16, *, context: int = 8, causal: bool = False) -> None:
        super().__init__()
        self.table = nn.Embedding(size, width)
        self.layers = ("layer1", "layer2")
        self.width, self.context, self.causal = width, context, causal

    def features(self, ids: Int[Tensor, "B T"], attended: Bool[Tensor, "B T"] | None = None) -> dict[str, Float[Tensor, "B T D"]]:
        assert ids.shape[1] <= self.context
        words = self.table(ids)
        known = torch.ones(ids.shape, dtype=torch.bool) if attended is None else attended
        shown = words * known[:, :, None]
        if self.causal:
            around = shown.cumsum(1) / known.cumsum(1).clamp(min=1)[:, :, None]
        else:
            around = (shown.sum(1) / known.sum(1).clamp(min=1)[:, None])[:, None].expand_as(words)
        return {"layer1": words, "layer2": words + around}

    def embed(self, ids: Int[Tensor, "B T"], attended: Bool[Tensor, "B T"] | None = None) -> Float[Tensor, "B D"]:
        last = self.features(ids, attended)["layer2"]
        if attended is None:
            return last.mean(1)
        return (last * attended[:, :, None]).sum(1) / attended.sum(1).clamp(min=1)[:, None]


TOPICS = {
    "harbour": ("ship", "sail", "tide", "anchor", "deck", "crew", "mast", "cargo", "pier", "wave", "rope"),
    "kitchen": ("oven", "flour", "butter", "stir", "pan", "taste", "salt", "recipe", "bake", "dough", "spoon"),
    "orchard": ("apple", "tree", "branch", "prune", "blossom", "ripe", "basket", "pear", "root", "soil", "bee"),
}


def topic_texts(count: int, *, seed: int = 0, words: int = 12, share: float = 0.5) -> list[Text]:
    """`count` documents, topics in turn, their words drawn from the topic (with probability `share`) or from words of no topic."""
    rng = np.random.default_rng(seed)
    filler = [f"word{number}" for number in range(200)]
    texts = []
    for number in range(count):
        topic = list(TOPICS)[number % len(TOPICS)]
        own = [str(rng.choice(TOPICS[topic] if rng.random() < share else filler)) for _ in range(words + int(rng.integers(0, words)))]
        texts.append(Text(f"{topic}/{number:04d}.txt", " ".join(own), None, {"length": str(len(own))}))
    return texts
