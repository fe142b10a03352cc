"""A decoder of `transformers`, read token by token."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """What tells the next word: `network`, a decoder of `transformers` without head; `table`, its words (V, D), which score a state.

    `context` is the most tokens a row had in training.
    """

    network: Any  # transformers' attributes are not typed
    table: nn.Embedding
    context: int

    @classmethod
    def of(cls, task: Any) -> LanguageModel:
        """What a task on a text backbone learned, if it predicts words with the table of its input."""
        return cls(task.backbone.model, task.backbone.embedding, task.backbone.context)

    @property
    def keeps_states(self) -> bool:
        """Whether the network can be given keys and values of what it has read."""
        return "past_key_values" in inspect.signature(self.network.forward).parameters


class Reader:
    """Reads on, in rows side by side, and tells what may come next. Keys and values of what was read are kept: a token costs one position.

    A row in training had a target for all but its last token, so only `context` - 1 positions were ever trained, and `window` is that. When
    it is full, the older half is forgotten and the newer half read again from the first position on: once in half a window, so that a token
    costs two positions on average. Moving on by one token each time would cost a whole window each, since every position changes; keeping
    keys and values and dropping the oldest would show the network states that it never saw in training.
    """

    def __init__(self, model: LanguageModel, *, cached: bool = True) -> None:
        self.model = model
        self.cached = cached and model.keeps_states
        self.window = max(1, model.context - 1)
        self.seen = torch.empty(0, 0, dtype=torch.long)
        self._kept: Any = None

    def read(self, ids: Int[Tensor, "B n"]) -> Float[Tensor, "B V"]:
        """Scores of what follows each row, after reading on by `ids`: at least one, and at most a window."""
        assert 0 < ids.shape[1] <= self.window, "the caller cuts a text that is longer than a window"
        fresh, whole = ids, torch.cat([self.seen, ids], dim=1) if self.seen.numel() else ids
        if whole.shape[1] > self.window:
            whole = whole[:, -max(self.window // 2, ids.shape[1]) :]
            self._kept, fresh = None, whole
        self.seen = whole
        return self._scores(fresh if self.cached else whole)

    @torch.no_grad()
    def _scores(self, ids: Tensor) -> Tensor:
        table = self.model.table.weight
        given: dict[str, Any] = {"past_key_values": self._kept, "use_cache": True} if self.cached else {}
        output = self.model.network(input_ids=ids.to(table.device), **given)
        if self.cached:
            self._kept = output.past_key_values
        return F.linear(output.last_hidden_state[:, -1], table).float()
