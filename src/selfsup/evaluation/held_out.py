"""Language modelling by what a trained task says of words: its logits, on the documents it did not learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from selfsup.data.tokens.tokenizer import Tokenizer
from selfsup.embedding.encoded import Encoded
from selfsup.embedding.texts import Texts
from selfsup.evaluation.language_modelling import Modelling, TokenText, bits_per_byte, hidden_tokens

NUMBERS = 2**26
"""Logits held in memory at once."""


def model_texts(task: Any, texts: Texts, tokenizer: Tokenizer, *, rows: Int[np.ndarray, "n"] | None = None) -> Modelling:
    """Bits per byte where the task's backbone reads forwards, guesses of hidden tokens where it does not.

    `task` has a `backbone` and `logits`: of the next token after each of ids (B, T), or of those at positions (B, K) of ids. `rows` are the
    documents asked for, in order; all by default. Raises ValueError for a task without logits, and where the tokeniser has no mask.
    """
    if getattr(task, "logits", None) is None:
        raise ValueError(f"{type(task).__name__} predicts no words: expected a task such as masked_lm or causal_lm.")
    network, encoded = task.backbone, Encoded(texts, tokenizer)
    asked = np.arange(len(texts)) if rows is None else rows
    documents, facts = _documents(encoded, asked), {"bytes_of": tokenizer.bytes_of, "context": network.context}
    device, words = network.embedding.weight.device, network.vocabulary.size
    task.eval()
    if network.causal:
        return bits_per_byte(NextFromLogits(task.logits, words, device), documents, **facts, start=tokenizer.end)
    return hidden_tokens(HiddenFromLogits(task.logits, words, device), documents, **facts, mask=tokenizer.need("mask", "guessing words"))


@dataclass(frozen=True)
class NextFromLogits:
    """The log-probability of each token but the first, from `logits` of the next one, (B, T) to (B, T, V), some rows at a time."""

    logits: Callable[[Tensor], Tensor]
    words: int
    device: torch.device

    def __call__(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B S"]:
        parts = []
        for some in torch.split(tokens.to(self.device), max(1, NUMBERS // (tokens.shape[1] * self.words))):
            logs = self.logits(some[:, :-1]).float().log_softmax(dim=2)
            parts.append(logs.gather(2, some[:, 1:, None]).squeeze(2).cpu())
        return torch.cat(parts)


@dataclass(frozen=True)
class HiddenFromLogits:
    """Log-probabilities of what is hidden, and the likeliest tokens, from `logits` at positions, (B, T) and (B, K) to (B, K, V)."""

    logits: Callable[[Tensor, Tensor], Tensor]
    words: int
    device: torch.device

    def __call__(
        self, seen: Int[Tensor, "B T"], positions: Int[Tensor, "B K"], targets: Int[Tensor, "B K"]
    ) -> tuple[Float[Tensor, "B K"], Int[Tensor, "B K"]]:
        rows, logs, likeliest = max(1, NUMBERS // (positions.shape[1] * self.words)), list[Tensor](), list[Tensor]()
        for ids, at, truth in zip(*(torch.split(each.to(self.device), rows) for each in (seen, positions, targets)), strict=True):
            found = self.logits(ids, at).float().log_softmax(dim=2)
            logs.append(found.gather(2, truth[:, :, None]).squeeze(2).cpu())
            likeliest.append(found.argmax(dim=2).cpu())
        return torch.cat(logs), torch.cat(likeliest)


def _documents(encoded: Encoded, rows: Int[np.ndarray, "n"]) -> Iterator[TokenText]:
    for row, length in zip(rows.tolist(), encoded.lengths(rows).tolist(), strict=True):
        yield TokenText(encoded.read(row, 0, length), encoded.texts.languages[row])
