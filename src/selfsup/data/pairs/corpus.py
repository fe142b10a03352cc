"""Pairs ready for training: pictures decoded, captions encoded, some held out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from selfsup.data.pairs.documents import CaptionDocuments
from selfsup.data.pairs.listing import Caption, Paired, PairWanted
from selfsup.data.pairs.sources import open_pairs
from selfsup.data.pairs.store import PairStore
from selfsup.data.sizes import suggest_side, suggest_size
from selfsup.data.splits import Split, make_split
from selfsup.data.store import Store, open_store
from selfsup.data.tokens.corpus import open_tokens
from selfsup.data.tokens.mixture import Mixing
from selfsup.data.tokens.tokenizer import Tokenizer


@dataclass(frozen=True)
class PairCorpus:
    """`rows` of the store are for training; the others are held out, and their captions are not learned from either.

    `captions` are those of each row, `languages` the groups of those that are learned from, as batches number them. `size` is the side of
    a view in pixels, `longest` the tokens of a caption that are read at most.
    """

    listing: Paired
    store: PairStore
    captions: list[list[Caption]]
    languages: list[str]
    tokenizer: Tokenizer
    split: Split
    rows: Tensor
    size: int

    @property
    def name(self) -> str:
        return self.listing.source.name

    @property
    def root(self) -> str:
        return self.listing.source.root

    @property
    def fingerprint(self) -> str:
        """Of pixels, names and captions."""
        return fingerprint_of(self.store.pictures, self.listing)


def prepare_pairs(
    data: Any,
    wanted: PairWanted,
    *,
    size: int | None,
    channels: int | None = None,
    context: int,
    tokenizer: Tokenizer | int | None = None,
    mixing: Mixing | None = None,
    parts: dict[str, Any] | None = None,
    store_limit: float = 100.0,
    leads: bool = True,
    wait: Callable[[], None] = lambda: None,
) -> PairCorpus:
    """List, split, decode and encode `data`. One of several processes `leads`, while the others `wait`, then find it done.

    `tokenizer` is one, or the size of one to train on the captions that are learned from; `parts` what `make_split` takes.
    Raises ValueError when nothing is left to train on.
    """
    listing = open_pairs(data, wanted)
    source = listing.source
    suggested = suggest_size(source)
    size, channels = size or suggested.size, channels or suggested.channels
    if not leads:
        wait()
    pictures = open_store(
        source, side=suggest_side(source, size), channels=channels, limit_bytes=int(store_limit * 1e9), progress=leads, least=2
    )
    split = make_split(source.ids, columns=source.columns, **(parts or {}))
    captions, rows = captions_of(pictures, listing), training_rows(pictures, split)
    own, ids = encoded_captions(pictures, captions, rows, tokenizer, mixing=mixing, progress=leads)
    if leads:
        wait()
    languages = list(dict.fromkeys(caption.group for row in rows.tolist() for caption in captions[row]))
    store = PairStore.of(pictures, captions, ids, context=context, languages=languages)
    rows = rows[store.counts[rows] > 0]
    if not len(rows):
        raise ValueError(f"no pair of {source.name} is left to train on: all {len(pictures):,} are held out or empty. Hold out fewer.")
    return PairCorpus(listing, store, captions, languages, own, split, rows, size)


def fingerprint_of(pictures: Store, listing: Paired) -> str:
    """Short and equal for equal pixels, names and captions."""
    return hashlib.sha256(f"{pictures.fingerprint} {listing.fingerprint()}".encode()).hexdigest()[:32]


def captions_of(pictures: Store, listing: Paired) -> list[list[Caption]]:
    """The captions of each picture that could be decoded, by row."""
    said = dict(zip(listing.source.ids, listing.captions, strict=True))
    return [said[name] for name in pictures.ids]


def training_rows(pictures: Store, split: Split) -> Tensor:
    """The rows of pictures that are not held out."""
    part = split.by_id()
    return torch.tensor([row for row, name in enumerate(pictures.ids) if part[name] == "train"], dtype=torch.int64)


def encoded_captions(
    pictures: Store,
    captions: Sequence[Sequence[Caption]],
    rows: Tensor,
    tokenizer: Tokenizer | int | None,
    *,
    mixing: Mixing | None = None,
    progress: bool = True,
) -> tuple[Tokenizer, list[Tensor]]:
    """The tokeniser, trained on the captions of some rows unless there is one, and the ids of every caption, one after the other."""
    if not isinstance(tokenizer, Tokenizer):
        some = [caption for row in rows.tolist() for caption in captions[row]]
        folder = pictures.name if Path(pictures.name).exists() else ""
        documents = CaptionDocuments(pictures.name, folder, some)
        tokenizer = open_tokens(documents, context=1, tokenizer=tokenizer, mixing=mixing, progress=progress).tokenizer
    texts = [caption.text for own in captions for caption in own]
    return tokenizer, [torch.from_numpy(ids.astype("int64")) for ids in tokenizer.encode_batch(texts)]
