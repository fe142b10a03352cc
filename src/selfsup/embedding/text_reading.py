"""Documents as networks read them: cut into windows of the context, and each layer's tokens pooled into one vector a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from selfsup.backbones.text import attended_mean
from selfsup.data.documents import deduplicate, open_documents
from selfsup.data.names import Names
from selfsup.data.tokens.streams import TextDocuments
from selfsup.data.tokens.tokenizer import Tokenizer
from selfsup.embedding.encoded import Encoded
from selfsup.embedding.reading import NOTHING, SHARED, Inputs, Reading, checked_layer, in_shared_space
from selfsup.embedding.text_networks import network_in, tokenizer_digest
from selfsup.embedding.texts import Texts
from selfsup.embedding.windows import BOTH, pool_documents
from selfsup.run import Run
from selfsup.views import Augment

DOCUMENTS = 2048
"""Documents pooled at a time: among so many, windows of equal length find company; their vectors are all that is held."""

VIEW = 128
"""Tokens of a document that one step of training a classifier sees, at most."""


def pools_of(network: Any) -> tuple[str, ...]:
    """How a layer's tokens become one vector: mean, maximum, and for a network that reads forwards its last token, which saw all."""
    return ("mean", "max", "last") if network.causal else ("mean", "max")


def documents_of(data: Any, told: Mapping[str, Any] = NOTHING) -> TextDocuments:
    """The documents of whatever a user calls their texts, read as told: what `open_documents` takes, and `deduplicate`.

    Raises ValueError, also where something is told of documents that are open already.
    """
    how = dict(told)
    thinned = how.pop("deduplicate", False)
    if isinstance(data, TextDocuments):
        if how:
            raise ValueError(f"{' and '.join(how)} came with documents that are open already; tell `open_documents` instead.")
        return data
    documents = open_documents(data, **how)
    return deduplicate(documents) if thinned else documents


class TextReading(Reading[Any]):
    """Documents as ids of one tokeniser. Networks are text backbones (`TextNetwork`)."""

    noun: ClassVar[str] = "documents"

    def __init__(self, texts: Texts, encoded: Encoded, *, key: str) -> None:
        self.texts, self.encoded = texts, encoded
        self.name, self.root, self.fingerprint = texts.name, texts.root, texts.fingerprint
        self.ids, self.columns = texts.ids, texts.columns
        self.paths: Sequence[str | None] = Names(str(Path(texts.root, name)) if texts.root else None for name in texts.ids)
        self.listed, self.listed_columns, self.skipped = texts.ids, texts.columns, texts.skipped
        self.key = [texts.fingerprint, key]

    @staticmethod
    def opened(data: Any, *, kind: str = "auto", told: Mapping[str, Any] = NOTHING) -> Texts:
        """The documents, listed."""
        return Texts(documents_of(data, told))

    @classmethod
    def of(cls, run: Run, opened: Texts) -> TextReading:
        """The documents as ids of the run's tokeniser."""
        return cls.reading_as(run.folder, opened)

    @classmethod
    def reading_as(cls, folder: str | Path, texts: Texts) -> TextReading:
        """Documents as ids of the tokeniser in a folder."""
        return cls(texts, Encoded(texts, Tokenizer.load(folder)), key=tokenizer_digest(folder))

    @staticmethod
    def network(run: Run) -> Any:
        """The backbone of `run`."""
        return network_in(run.folder)[0]

    @staticmethod
    def layers(network: Any) -> list[str]:
        """First and last layer together, then every layer with every pool."""
        return [f"{BOTH}/mean", *(f"{name}/{pool}" for name in network.layers for pool in pools_of(network))]

    @staticmethod
    def checked(network: Any, layer: str) -> str:
        """`layer` as `NAME/POOL`, or ValueError."""
        if layer in (SHARED, "shared") and getattr(network, "projection", None) is not None:
            return SHARED
        if layer in (BOTH, f"{BOTH}/mean"):
            return f"{BOTH}/mean"
        return checked_layer(network.layers, pools_of(network), layer)

    def pooled(self, network: Any, rows: Tensor, layers: Sequence[str]) -> Iterator[tuple[Tensor, dict[str, Float[Tensor, "b D"]]]]:
        """Some documents at a time, with pooled tokens."""
        training, device = network.training, next(network.parameters()).device
        network.eval()
        for some in torch.split(rows, DOCUMENTS):
            last = f"{network.layers[-1]}/mean"
            asked = list(dict.fromkeys(last if layer == SHARED else layer for layer in layers))
            found = pool_documents(network, self.encoded, some.numpy(), layers=asked, device=device)
            yield some, {layer: in_shared_space(network, found[last]) if layer == SHARED else found[layer] for layer in layers}
        network.train(training)

    def embedded(self, network: Any, rows: Tensor) -> Iterator[Float[Tensor, "b D"]]:
        """The last layer's mean over all tokens of each document."""
        last, device = f"{network.layers[-1]}/mean", next(network.parameters()).device
        for _, features in self.pooled(network, rows, [last]):
            yield features[last].to(device)

    def view(self, network: Any, rows: Tensor, *, augment: Augment | None, rng: torch.Generator) -> Inputs:
        """A stretch of each document from a random token on, ids (B, T), and which of them are of the document (B, T)."""
        assert augment is None, "pictures are augmented, texts are not"
        picked, longest = rows.numpy(), min(VIEW, network.context)
        lengths = self.encoded.lengths(picked)
        shown = np.minimum(lengths, longest)
        chance = torch.rand(len(picked), generator=rng, device=rng.device).cpu().double().numpy()
        starts = np.floor(chance * (lengths - shown + 1)).astype(np.int64)
        ids = torch.zeros(len(picked), max(1, int(shown.max())), dtype=torch.int64)
        for place, (row, start, length) in enumerate(zip(picked.tolist(), starts.tolist(), shown.tolist(), strict=True)):
            ids[place, :length] = torch.from_numpy(self.encoded.read(row, start, length).astype(np.int64))
        attended = torch.arange(ids.shape[1]) < torch.from_numpy(shown)[:, None]
        return ids.to(rng.device), attended.to(rng.device)

    @staticmethod
    def vectors(network: Any, inputs: Inputs, layer: str) -> Float[Tensor, "B D"]:
        """Pooled tokens."""
        ids, attended = inputs
        states = network.features(ids, attended)
        if layer == SHARED:
            return in_shared_space(network, attended_mean(states[network.layers[-1]], attended))
        if layer == f"{BOTH}/mean":
            return (attended_mean(states[network.layers[0]], attended) + attended_mean(states[network.layers[-1]], attended)) / 2
        name, _, pool = layer.partition("/")
        if pool == "mean":
            return attended_mean(states[name], attended)
        there = attended.any(1)[:, None]
        if pool == "max":
            return torch.where(there, states[name].masked_fill(~attended[:, :, None], -torch.inf).amax(1), 0.0)
        last = (attended.sum(1) - 1).clamp(min=0)[:, None, None].expand(-1, 1, states[name].shape[2])
        return torch.where(there, states[name].gather(1, last).squeeze(1), 0.0)
