"""Captions word by word, of pictures side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

from selfsup.generation.interfaces import CaptionWriter, TextTokenizer, no_text
from selfsup.generation.sampling import Sampling, choose
from selfsup.views import plain


@dataclass(frozen=True, eq=False)
class Writer:
    """How captions are written: by a `task`, in the language of this number, each beginning with `prompt`, of at most `tokens` tokens.

    None allows as many tokens as the network reads; more are never written.
    """

    task: CaptionWriter
    tokenizer: TextTokenizer
    language: int
    sampling: Sampling
    prompt: str = ""
    tokens: int | None = None

    @torch.no_grad()
    def captions(self, pictures: UInt8[Tensor, "B C H W"], rng: torch.Generator) -> list[str]:
        """The caption of each picture, shown whole; drawn with `rng` where `sampling` draws. Raises ValueError for a long prompt."""
        begun = [int(number) for number in self.tokenizer.encode(self.prompt)]
        most = self.task.backbone.text.context - len(begun)
        if most < 1:
            raise ValueError(f"the prompt has {len(begun):,} tokens, and a caption of this run fewer than {len(begun) + 1:,}: shorten it.")
        most = most if self.tokens is None else min(self.tokens, most)
        words = torch.stack(list(self._words(plain(pictures.to(rng.device), self.task.backbone.size), begun, most, rng)), dim=1)
        end = self.tokenizer.eos
        own = [row[: row.index(end)] if end in row else row for row in words.tolist()]
        return [self.tokenizer.decode([*begun, *row]).strip() for row in own]

    def _words(self, images: Tensor, begun: list[int], most: int, rng: torch.Generator) -> Iterator[Int[Tensor, " B"]]:
        """The next word of every caption, until all have ended.

        What was written is read anew for each word: captions are short, and not worth keeping the keys and values of two networks for.
        """
        place = images.device
        regions, spoken = self.task.regions(images), torch.full((len(images),), self.language, device=place)
        before = torch.tensor([[self.task.start, *begun]], device=place).expand(len(images), -1)
        ended = torch.zeros(len(images), dtype=torch.bool, device=place)
        forbidden = self._forbidden().to(place)
        for _ in range(most):
            word = choose(self.task.next_words(regions, before, spoken), self.sampling, rng, forbidden=forbidden)
            yield word
            ended |= word == self.tokenizer.eos
            if bool(ended.all()):
                return
            before = torch.cat([before, word[:, None]], dim=1)

    def _forbidden(self) -> Bool[Tensor, " V"]:
        """What is never drawn: ids that stand for no text, but for the end."""
        forbidden = no_text(self.tokenizer, self.task.backbone.text.embedding.num_embeddings)
        forbidden[self.tokenizer.eos] = False
        return forbidden
