"""Sides of an embedding: the kinds of item, and of question, that become vectors of one space. What differs between kinds stands here.

A run on pictures or on texts has one side, one on pairs two. An index holds the items of one; questions may come by any.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from selfsup.data import Undecodable, open_source
from selfsup.embedding import PictureReading, Reading, TextReading, chosen_layer, opened_for
from selfsup.embedding.reading import SHARED
from selfsup.embedding.texts import Texts
from selfsup.reporting.excerpts import excerpt
from selfsup.run import Run
from selfsup.train.distributed import device
from selfsup.views import plain

EXCERPT = 600
"""Characters of a text that are kept to be shown."""

_AT_ONCE = 512


class Side(ABC):
    """Items of one kind, `kind`, on their way into the space of a run. The network is read when it is first needed."""

    kind: ClassVar[str]
    how: ClassVar[type[Reading[Any]]]

    def __init__(self, run: Run) -> None:
        self.run = run

    @cached_property
    def network(self) -> Any:
        """The run's backbone for these items."""
        return self.how.network(self.run).to(device()).eval()

    def layer(self, wanted: str | None) -> str:
        """`wanted` as `NAME/POOL`, or the layer that `embed` takes. Raises ValueError."""
        return self.how.checked(self.network, wanted or chosen_layer(self.run, self.network.layers))

    def reading(self, data: Any, told: Mapping[str, Any], *, kind: str) -> Reading[Any]:
        """`data`, or what the run learned from, as its network reads it. Raises ValueError."""
        return self.how.of(self.run, opened_for(self.run, data, told, kind=kind))

    @abstractmethod
    def contents(self, reading: Any) -> Iterator[tuple[str, str | None]]:
        """Of each item a digest of what the network sees of it, and the beginning of a text to show; never all of them in memory."""

    @abstractmethod
    def asked(self, query: str, layer: str) -> Float32[np.ndarray, "D"]:
        """The vector of what a user asks with: a picture's file, or words. Raises ValueError."""

    @abstractmethod
    def asked_like(self, file: Path, layer: str) -> Float32[np.ndarray, "D"]:
        """The vector of what a file holds. Raises ValueError."""


class PictureSide(Side):
    """Pictures, known by their decoded pixels: a file that was copied, touched or saved anew without loss is still the same."""

    kind: ClassVar[str] = "image"
    how: ClassVar[type[Reading[Any]]] = PictureReading

    def contents(self, reading: PictureReading) -> Iterator[tuple[str, str | None]]:
        """Digests of pixels."""
        for rows in torch.split(torch.arange(len(reading.ids)), _AT_ONCE):
            for picture in reading.store.take(rows):
                yield hashlib.blake2b(picture.numpy().tobytes(), digest_size=16).hexdigest(), None

    def asked(self, query: str, layer: str) -> Float32[np.ndarray, "D"]:
        """The vector of a picture's file."""
        file = Path(query).expanduser()
        if not file.is_file():
            raise ValueError(f"There is no picture {query}; the index holds pictures, and is asked with the file of one, or with --row ID.")
        return self.asked_like(file, layer)

    def asked_like(self, file: Path, layer: str) -> Float32[np.ndarray, "D"]:
        """The vector of a picture's file, decoded as the store decodes."""
        try:
            decoded = open_source(file).read(0, side=self.run.store_side, channels=self.run.channels)
        except Undecodable as error:
            raise ValueError(f"{file} could not be read: {error}.") from None
        image = torch.from_numpy(np.ascontiguousarray(decoded.pixels.transpose(2, 0, 1)))[None].to(device())
        with torch.no_grad():
            return _row(PictureReading.vectors(self.network, (plain(image, self.network.size),), layer))


class TextSide(Side):
    """Texts, known by their characters."""

    kind: ClassVar[str] = "text"
    how: ClassVar[type[Reading[Any]]] = TextReading

    def contents(self, reading: TextReading) -> Iterator[tuple[str, str | None]]:
        """Digests of texts, and how they begin."""
        for text in reading.texts.some(np.arange(len(reading.ids))):
            yield hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest(), excerpt(text, EXCERPT)

    def asked(self, query: str, layer: str) -> Float32[np.ndarray, "D"]:
        """The vector of some words."""
        if not query.strip():
            raise ValueError("An empty text was asked with. Expected some words.")
        return self._first([query], layer)

    def asked_like(self, file: Path, layer: str) -> Float32[np.ndarray, "D"]:
        """The vector of a file's text."""
        if not file.is_file():
            raise ValueError(f"There is no file {file}. Expected one with a text.")
        return self._first(str(file), layer)

    def _first(self, data: Any, layer: str) -> Float32[np.ndarray, "D"]:
        reading = TextReading.of(self.run, TextReading.opened(data))
        texts: Texts = reading.texts
        if len(texts) != 1:
            raise ValueError(f"{texts.name} holds {len(texts):,} texts, and one is asked with. Give a file of running text.")
        [(_, features)] = reading.pooled(self.network, torch.arange(1), [layer])
        return _row(features[layer])


SIDES: dict[str, type[Side]] = {side.kind: side for side in (PictureSide, TextSide)}


def side_run(run: Run, side: str | None, layer: str | None) -> tuple[Run, str | None]:
    """The run whose items are indexed, and the layer: of a run of pairs one side of it, by default in the space that both share, if any.

    Raises ValueError for a side that a run has not.
    """
    if run.kind == "pair":
        folder = run.folder / (side or PictureSide.kind)
        if not (folder / "run.json").is_file():
            raise ValueError(f"{run.folder} has no finished side {folder.name!r}: expected image or text, and a run that is finished.")
        return Run.open(folder), layer or (SHARED if "shared_width" in run.choices else None)
    if side not in (None, run.kind):
        raise ValueError(f"{run.folder} learned from {run.kind!r} and has no side {side!r}: only runs of pairs have two. Leave --side out.")
    return run, layer


def side_of(run: Run) -> Side:
    """The side of a run. Raises ValueError for a kind of run that this release does not search."""
    if run.kind not in SIDES:
        raise ValueError(f"{run.folder} learned from {run.kind!r}; this release indexes {', '.join(SIDES)}.")
    return SIDES[run.kind](run)


def _row(vectors: Tensor) -> Float32[np.ndarray, "D"]:
    return vectors[0].float().cpu().numpy()
