"""Words for the places that a prompt leaves open."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from selfsup.generation.interfaces import HiddenWords, TextTokenizer, no_text

OPEN = "[MASK]"
"""How an open place is written in a prompt, whatever the tokeniser calls its mask."""

DEFAULT_CANDIDATES = 5


@dataclass(frozen=True)
class Candidate:
    """A word for an open place and its probability among all words."""

    word: str
    probability: float


@dataclass(frozen=True)
class Blank:
    """An open place: its likeliest words, likeliest first, and when it was filled, 1 for the first."""

    candidates: list[Candidate]
    order: int


@dataclass(frozen=True)
class FilledIn:
    """A prompt with its open places filled; `blanks` are in the order of the text."""

    prompt: str
    text: str
    blanks: list[Blank]


@torch.no_grad()
def fill_in(task: HiddenWords, tokenizer: TextTokenizer, prompt: str, *, context: int, candidates: int = DEFAULT_CANDIDATES) -> FilledIn:
    """The likeliest words for each `[MASK]` in the prompt (or the tokeniser's own mask token).

    Several are filled one after the other, the surest first: at each step, the place whose likeliest word has the highest probability gets
    that word, and all others are guessed anew with it in place (the leftmost of equals). So a later place's candidates fit what was
    filled before. Of a prompt longer than `context` tokens, what is nearest to the open places is read, which is said on stderr. Raises
    ValueError where no place is open, or where open places are too far apart.
    """
    if candidates < 1:
        raise ValueError(f"top-k is {candidates}; expected at least 1: how many words to show for each open place.")
    ids, mask = open_ids(tokenizer, prompt)
    left, right = window_around([place for place, number in enumerate(ids) if number == mask], len(ids), context)
    seen = torch.tensor([ids[left:right]])
    unfilled = (seen[0] == mask).nonzero().squeeze(1).tolist()
    blanks: dict[int, Blank] = {}
    while unfilled:
        chances = chances_at(task, tokenizer, seen, unfilled)
        surest = int(chances.max(dim=1).values.argmax())
        place = unfilled.pop(surest)
        best = chances[surest].topk(min(candidates, chances.shape[1]))
        words = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        blanks[place] = Blank([Candidate(word_of(tokenizer, number), chance) for number, chance in words if chance > 0], len(blanks) + 1)
        seen[0, place] = best.indices[0].cpu()
    filled = [*ids[:left], *seen[0].tolist(), *ids[right:]]
    return FilledIn(prompt, tokenizer.decode(filled), [blanks[place] for place in sorted(blanks)])


def open_ids(tokenizer: TextTokenizer, prompt: str) -> tuple[list[int], int]:
    """The prompt as ids, and the id that marks what is open. Raises ValueError where nothing is.

    A space before an open place is left out: tokenisers that keep spaces have it in the word that is hidden, and in training nothing else
    stood there.
    """
    mask = tokenizer.mask
    if mask is None:
        raise ValueError("the tokeniser of this run has no mask token, so no place can be left open.")
    name = tokenizer.decode([mask], special=True).strip()
    text = prompt.replace(OPEN, name).replace(f" {name}", name)
    ids = [int(number) for number in tokenizer.encode(text, special=True)]
    if mask not in ids:
        raise ValueError(f'the prompt {prompt!r} leaves no place open; expected {OPEN} in it, as in --prompt "The {OPEN} sat".')
    return ids, mask


def window_around(places: list[int], length: int, context: int) -> tuple[int, int]:
    """Where to cut a prompt of `length` tokens so that it fits and holds the open places, about in its middle. Raises ValueError."""
    if length <= context:
        return 0, length
    first, last = places[0], places[-1]
    if last - first >= context:
        raise ValueError(
            f"the open places are {last - first:,} tokens apart, and the network reads {context:,} at once: fill in some of them, or "
            "give a shorter prompt."
        )
    left = min(max(0, (first + last + 1 - context) // 2), length - context)
    words = f"The prompt has {length:,} tokens, and the network reads {context:,} at once: only those around the open places are read."
    print(words, file=sys.stderr, flush=True)
    return left, left + context


def chances_at(task: HiddenWords, tokenizer: TextTokenizer, seen: Tensor, places: list[int]) -> Float[Tensor, "K V"]:
    """The probability of every word of text at some places of a row."""
    assert isinstance(task, torch.nn.Module)
    device = next(task.parameters()).device
    logits = task.logits(seen.to(device), torch.tensor([places], device=device))[0].float()
    best = logits.max(dim=1).values
    if not bool(best.isfinite().all()):
        raise ValueError(f"the best score of a hidden word is {best.min():.3g}: the weights of this run are broken.")
    return logits.masked_fill(no_text(tokenizer, logits.shape[1]).to(device), float("-inf")).softmax(dim=1)


def word_of(tokenizer: TextTokenizer, number: int) -> str:
    """A word as it is shown: without the space before it, unless it is nothing else."""
    text = tokenizer.decode([number])
    return text.strip() or text
