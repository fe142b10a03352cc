"""Text that goes on from a prompt, written as it is made."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from selfsup.generation.characters import whole_pieces
from selfsup.generation.interfaces import TextTokenizer, no_text
from selfsup.generation.language_model import LanguageModel, Reader
from selfsup.generation.sampling import Sampling, choose

DEFAULT_TOKENS = 200
DEFAULT_TEMPERATURE, DEFAULT_TOP_P = 1.0, 0.95
"""The nucleus of Holtzman et al. (ICLR 2020), whose text was nearest to people's, drawn as was learned."""


def stream_text(
    model: LanguageModel,
    tokenizer: TextTokenizer,
    prompt: str,
    *,
    tokens: int = DEFAULT_TOKENS,
    temperature: float = DEFAULT_TEMPERATURE,
    top_k: int | None = None,
    top_p: float | None = DEFAULT_TOP_P,
    seed: int = 0,
) -> Iterator[str]:
    """What follows the prompt, in pieces of whole characters: at most `tokens` tokens, or until the text ends.

    Without a prompt, a new document begins. Of a prompt longer than the network's window, only the end is read, which is said on stderr;
    beyond the window, text goes on as `Reader` says. The same seed gives the same text. Raises ValueError for options that do not fit.
    """
    return continued(model, tokenizer, prompt, tokens=tokens, sampling=Sampling(temperature, top_k, top_p), seed=seed)[0]


def continued(
    model: LanguageModel, tokenizer: TextTokenizer, prompt: str, *, tokens: int, sampling: Sampling, seed: int
) -> tuple[Iterator[str], list[int]]:
    """The pieces of text that follow the prompt, and a list that fills with their ids while they are made."""
    start, ids = prompt_ids(tokenizer, prompt), list[int]()
    made = stream_ids(Reader(model), fitting(start, model), tokens=tokens, sampling=sampling, seed=seed, tokenizer=tokenizer)
    return whole_pieces(_recorded(made, ids), tokenizer, after=start), ids


def continued_together(
    model: LanguageModel, tokenizer: TextTokenizer, prompts: Sequence[Sequence[int]], *, tokens: int, sampling: Sampling, seed: int
) -> list[str]:
    """What follows each of some prompts (equally many ids, a window at most), read side by side: as dear as one, while they are few."""
    drawn, end = _drawing(Reader(model), sampling, seed, tokenizer), -1 if tokenizer.eos is None else tokenizer.eos
    read, made = torch.tensor(prompts), list[Tensor]()
    while len(made) < tokens and not (made and bool((torch.stack(made) == end).any(dim=0).all())):
        made.append(drawn(read).cpu())
        read = made[-1][:, None]
    rows = torch.stack(made, dim=1).tolist()
    own = [row[: row.index(end)] if end in row else row for row in rows]
    return ["".join(whole_pieces(ids, tokenizer, after=prompt)) for ids, prompt in zip(own, prompts, strict=True)]


def prompt_ids(tokenizer: TextTokenizer, prompt: str) -> list[int]:
    """The prompt as ids. Where there is none, the end of a document, behind which the next began in training. Raises ValueError."""
    ids = [int(number) for number in tokenizer.encode(prompt)]
    begin = tokenizer.bos if tokenizer.eos is None else tokenizer.eos
    if not ids and begin is None:
        raise ValueError("there is no prompt, and the tokeniser has no token that begins a document; expected --prompt with a few words.")
    return ids or [int(begin or 0)]


def fitting(ids: list[int], model: LanguageModel) -> list[int]:
    """The end of a prompt that fits in the network's window; what is left out is said on stderr."""
    window = Reader(model).window
    if len(ids) > window:
        words = f"The prompt has {len(ids):,} tokens, and the network reads {window:,} at once: only the last {window:,} are read."
        print(words, file=sys.stderr, flush=True)
    return ids[-window:]


def stream_ids(reader: Reader, start: list[int], *, tokens: int, sampling: Sampling, seed: int, tokenizer: TextTokenizer) -> Iterator[int]:
    """At most `tokens` ids that follow `start`, without the one that ends the text. No other special id is ever drawn."""
    if tokens < 1:
        raise ValueError(f"tokens is {tokens}; expected at least 1.")
    drawn = _drawing(reader, sampling, seed, tokenizer)
    return _drawn(lambda ids: int(drawn(torch.tensor([ids]))), start, tokens=tokens, end=tokenizer.eos)


def _drawing(reader: Reader, sampling: Sampling, seed: int, tokenizer: TextTokenizer) -> Callable[[Int[Tensor, "B n"]], Int[Tensor, " B"]]:
    """What reads rows on and draws what follows each: text, or the end of it; always the same for the same seed."""
    table = reader.model.table.weight
    forbidden = no_text(tokenizer, len(table))
    if tokenizer.eos is not None:
        forbidden[tokenizer.eos] = False
    rng = torch.Generator(table.device).manual_seed(seed)
    mask = forbidden.to(table.device)
    return lambda ids: choose(reader.read(ids), sampling, rng, forbidden=mask)


def _recorded(ids: Iterable[int], into: list[int]) -> Iterator[int]:
    for number in ids:
        into.append(number)
        yield number


def _drawn(next_of: Callable[[list[int]], int], start: list[int], *, tokens: int, end: int | None) -> Iterator[int]:
    read = start
    for _ in range(tokens):
        number = next_of(read)
        if number == end:
            return
        yield number
        read = [number]
