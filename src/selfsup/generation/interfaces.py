"""What generation asks of tokenisers, and of tasks that predict words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor


@runtime_checkable
class TextTokenizer(Protocol):
    """Text to ids and back. `bytes_of` (V,) counts the bytes of text that each id stands for, 0 for special ones."""

    @property
    def eos(self) -> int | None:
        """What ends a document."""

    @property
    def bos(self) -> int | None:
        """What begins one."""

    @property
    def mask(self) -> int | None:
        """What stands for a hidden word."""

    @property
    def bytes_of(self) -> Tensor:
        """Bytes of text by id."""

    def encode(self, text: str, *, special: bool = False) -> NDArray[Any]:
        """The ids of a text; with `special`, names of special tokens in it mean these tokens."""

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        """The text of some ids, without special tokens unless `special`."""


@runtime_checkable
class HiddenWords(Protocol):
    """A task that guesses hidden words."""

    def logits(self, ids: Int[Tensor, "B T"], positions: Int[Tensor, "B K"]) -> Float[Tensor, "B K V"]:
        """Scores of every word at some positions of rows in which some tokens are the mask."""


@runtime_checkable
class CaptionWriter(Protocol):
    """A task that writes captions: what it sees of pictures, and scores (B, V) of the word that follows what is written of each.

    `start` stands before the first word, and `language` numbers what the captions of the run come in.
    """

    start: int
    backbone: Any  # a pair of networks

    def regions(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B S D"]:
        """What is seen of each picture."""

    def next_words(self, regions: Float[Tensor, "B S D"], before: Int[Tensor, "B U"], language: Int[Tensor, " B"]) -> Float[Tensor, "B V"]:
        """Scores of every word."""


def no_text(tokenizer: TextTokenizer, size: int) -> Bool[Tensor, " V"]:
    """Which of `size` ids stand for no text: special ones, and those that the network has and the tokeniser has not."""
    known = torch.as_tensor(tokenizer.bytes_of)[:size] > 0
    silent = torch.ones(size, dtype=torch.bool)
    silent[: len(known)] = ~known
    return silent
