"""A tokeniser of bytes, and decoders of transformers so small that tests can afford them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selfsup.generation import LanguageModel

PAD, END, MASK = 256, 257, 258
SIZE = 259
NAMES = {PAD: "[PAD]", END: "[EOS]", MASK: "[MASK]"}


class Bytes:
    """Each byte is its own id; behind them padding, the end of a document, and the mask."""

    eos: int | None = END
    bos: int | None = None
    mask: int | None = MASK

    @property
    def bytes_of(self) -> Tensor:
        return (torch.arange(SIZE) < 256).long()

    def encode(self, text: str, *, special: bool = False) -> NDArray[Any]:
        ids: list[int] = []
        for place, part in enumerate(text.split("[MASK]") if special else [text]):
            ids += ([MASK] if place else []) + list(part.encode())
        return np.array(ids, dtype=np.uint16)

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        text, waiting = "", b""
        for number in ids:
            if number < 256:
                waiting += bytes([number])
            elif special:
                text, waiting = text + waiting.decode(errors="replace") + NAMES[number], b""
        return text + waiting.decode(errors="replace")


def gpt2(context: int = 64, *, seed: int = 0, size: int = SIZE) -> Any:
    """GPT-2 with two layers, its weights so large that it does not say the same token for ever."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=size, n_positions=context, n_embd=32, n_layer=2, n_head=2, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        bos_token_id=None, eos_token_id=END, pad_token_id=PAD, initializer_range=0.4,
    )  # fmt: skip
    return GPT2LMHeadModel(config).train(False)


def llama(context: int = 64, *, seed: int = 0, size: int = SIZE) -> Any:
    """The same in the style of Llama: rotary positions, gates, fewer keys than queries, the table of words shared."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=size, max_position_embeddings=context, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True, bos_token_id=None, eos_token_id=END, pad_token_id=PAD,
        initializer_range=0.4,
    )  # fmt: skip
    return LlamaForCausalLM(config).train(False)


def language_model(decoder: Any, context: int = 64) -> LanguageModel:
    """A decoder of transformers as generation reads it."""
    return LanguageModel(decoder.base_model, decoder.get_input_embeddings(), context)
