"""What a text task needs to know of the tokeniser."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Int
from torch import Tensor


@runtime_checkable
class TokenizerFacts(Protocol):
    """What a tokeniser tells of itself: the size of its vocabulary, its special ids, and two facts of each id."""

    @property
    def size(self) -> int: ...

    @property
    def pad(self) -> int | None: ...

    @property
    def mask(self) -> int | None: ...

    @property
    def cls(self) -> int | None: ...

    @property
    def sep(self) -> int | None: ...

    @property
    def bos(self) -> int | None: ...

    @property
    def eos(self) -> int | None: ...

    @property
    def unk(self) -> int | None: ...

    @property
    def is_start_of_word(self) -> Tensor: ...

    @property
    def bytes_of(self) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Ids 0 to `size` - 1. `special` ones stand for no text: they are never hidden, and never drawn as a random word.

    `is_start_of_word` tells ids that begin a word, `bytes_of` how many bytes of text an id stands for, 0 for special ones. `bos`
    and `eos` are what stands at the start and the end of a document (BERT's [CLS] and [SEP], where there is nothing else).
    """

    size: int
    special: tuple[int, ...]
    is_start_of_word: Bool[Tensor, " V"]
    bytes_of: Int[Tensor, " V"]
    mask: int | None = None
    pad: int | None = None
    bos: int | None = None
    eos: int | None = None
    is_special: Bool[Tensor, " V"] = field(init=False)
    ordinary: Int[Tensor, " W"] = field(init=False)

    def __post_init__(self) -> None:
        lengths = {len(self.is_start_of_word), len(self.bytes_of), self.size}
        if len(lengths) > 1 or not all(0 <= word < self.size for word in self.special):
            raise ValueError(
                f"a vocabulary of {self.size} has facts on {len(self.is_start_of_word)} and {len(self.bytes_of)} ids and special ones "
                f"{self.special}: expected facts on each id, and special ids among them."
            )
        is_special = torch.zeros(self.size, dtype=torch.bool, device=self.bytes_of.device)
        is_special[list(self.special)] = True
        object.__setattr__(self, "is_special", is_special)
        object.__setattr__(self, "ordinary", (~is_special).nonzero().squeeze(1))

    @classmethod
    def of(cls, tokenizer: TokenizerFacts) -> Vocabulary:
        """What a tokeniser says of itself."""
        every = (tokenizer.pad, tokenizer.mask, tokenizer.cls, tokenizer.sep, tokenizer.bos, tokenizer.eos, tokenizer.unk)
        return cls(
            size=tokenizer.size,
            special=tuple(sorted({word for word in every if word is not None})),
            is_start_of_word=torch.as_tensor(tokenizer.is_start_of_word, dtype=torch.bool),
            bytes_of=torch.as_tensor(tokenizer.bytes_of, dtype=torch.int64),
            mask=tokenizer.mask,
            pad=tokenizer.pad,
            bos=tokenizer.cls if tokenizer.bos is None else tokenizer.bos,
            eos=tokenizer.sep if tokenizer.eos is None else tokenizer.eos,
        )

    def on(self, device: torch.device) -> Vocabulary:
        """The same with its tensors on `device`."""
        if self.bytes_of.device == device:
            return self
        return replace(self, is_start_of_word=self.is_start_of_word.to(device), bytes_of=self.bytes_of.to(device))

    @property
    def start(self) -> int:
        """A special id that can stand before the first word of a text. Raises ValueError where there is none."""
        found = next((word for word in (self.bos, self.eos, self.mask, self.pad) if word is not None), None)
        if found is None:
            raise ValueError("the tokeniser has no special token that could stand before the first word of a text; add one.")
        return found

    @property
    def ids(self) -> dict[str, int | None]:
        """The special ids under the names they have in a configuration of `transformers`."""
        return {
            "pad_token_id": self.pad, "mask_token_id": self.mask, "bos_token_id": self.bos, "eos_token_id": self.eos,
            "cls_token_id": self.bos, "sep_token_id": self.eos,
        }  # fmt: skip
