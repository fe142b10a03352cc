"""Windows: documents of any length through networks of a fixed context, without computing any padding.

A document that is longer than the context is cut into windows of nearly equal length (one that is hardly longer than the context would
otherwise leave a last window of a few words that see nothing around them). Sums over the tokens of its windows are added, so that a mean
is over all its tokens, and a maximum is the largest of all. Windows of equal length, of whatever documents, are computed together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from selfsup.embedding.encoded import Encoded

TOKENS = 8192
"""Tokens that are computed together, at most: fewer fill a processor too, more take memory (at 13 layers of width 768, 330 MB)."""

BOTH = "first+last"
"""The mean of the first and the last layer's means, best for BERT without further training in Gao et al., EMNLP 2021, arXiv 2104.08821."""


@runtime_checkable
class TextNetwork(Protocol):
    """What is asked of a text backbone. See `selfsup.backbones.text`."""

    layers: tuple[str, ...]
    width: int
    context: int
    causal: bool
    training: bool

    def features(self, ids: Int[Tensor, "B T"], attended: Bool[Tensor, "B T"] | None = None) -> dict[str, Float[Tensor, "B T D"]]:
        """What each of `layers` gives for each token."""
        ...


class Window(NamedTuple):
    """`length` tokens from `start` on of the document at `place` among those pooled together; `last` if none follow."""

    length: int
    place: int
    start: int
    last: bool


def cut(length: int, context: int) -> list[tuple[int, int]]:
    """Start and length of the fewest windows of nearly equal length that cover so many tokens, none longer than `context`."""
    count = -(-length // context)
    edges = [number * length // count for number in range(count + 1)] if count else []
    return [(start, end - start) for start, end in pairwise(edges)]


def pool_documents(
    network: TextNetwork, encoded: Encoded, rows: Int[np.ndarray, "n"], *, layers: Sequence[str], device: torch.device
) -> dict[str, Float[Tensor, "n D"]]:
    """Features of some documents, `NAME/POOL` to vectors on the processor, zeros for documents without tokens."""
    lengths = encoded.lengths(rows)
    first, last = (f"{network.layers[place]}/mean" for place in (0, -1))
    needed = {name for layer in layers for name in ((first, last) if layer == f"{BOTH}/mean" else (layer,))}
    pools = {name: Pool(name, len(rows)) for name in sorted(needed)}
    for windows in batches(lengths, network.context):
        ids = np.stack([encoded.read(int(rows[window.place]), window.start, window.length) for window in windows])
        with torch.no_grad():
            states = network.features(torch.from_numpy(ids).long().to(device))
        for pool in pools.values():
            pool.add(states, windows)
    counts = torch.from_numpy(lengths)
    found = {name: pool.result(counts, network.width) for name, pool in pools.items()}
    if f"{BOTH}/mean" in layers:
        found[f"{BOTH}/mean"] = (found[first] + found[last]) / 2
    return {layer: found[layer] for layer in layers}


def batches(lengths: Int[np.ndarray, "n"], context: int) -> Iterator[list[Window]]:
    """The windows of documents of these lengths, those of equal length together, at most `TOKENS` tokens at a time."""
    pieces = [
        Window(length, place, start, start + length == whole)
        for place, whole in enumerate(lengths.tolist())
        for start, length in cut(whole, context)
    ]
    pieces.sort()
    held: list[Window] = []
    for piece in pieces:
        if held and (piece.length != held[0].length or (len(held) + 1) * piece.length > TOKENS):
            yield held
            held = []
        held.append(piece)
    if held:
        yield held


class Pool:
    """One way to make one vector of each document, fed with windows in any order."""

    def __init__(self, name: str, documents: int) -> None:
        self.layer, _, self.pool = name.partition("/")
        self.documents = documents
        self.total: Tensor | None = None

    def add(self, states: dict[str, Float[Tensor, "B T D"]], windows: Sequence[Window]) -> None:
        """Take the tokens of some windows in."""
        grid = states[self.layer].float()
        if self.total is None:
            self.total = grid.new_full((self.documents, grid.shape[2]), -torch.inf if self.pool == "max" else 0.0)
        places = torch.tensor([window.place for window in windows], device=grid.device)
        if self.pool == "mean":
            self.total.index_add_(0, places, grid.sum(dim=1))
        elif self.pool == "max":
            largest = grid.amax(dim=1)
            self.total.scatter_reduce_(0, places[:, None].expand_as(largest), largest, "amax")
        else:
            ends = torch.tensor([window.last for window in windows], device=grid.device)
            self.total[places[ends]] = grid[ends, -1]

    def result(self, counts: Int[Tensor, "n"], width: int) -> Float[Tensor, "n D"]:
        """The vector of each document, of which `counts` says how many tokens were taken in."""
        if self.total is None:
            return torch.zeros(self.documents, width)
        total = self.total.cpu()
        if self.pool == "mean":
            total = total / counts.clamp(min=1)[:, None]
        return torch.where(counts[:, None] > 0, total, 0.0)
