"""Bits per byte and guesses of hidden words, of models whose every probability is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from jaxtyping import Float, Int
from torch import Tensor

from selfsup.evaluation.language_modelling import HiddenTokens, NextTokens, TokenText, bits_per_byte, hidden_tokens

SIZE, START, MASK = 10, 8, 9
BYTES = torch.tensor([1, 2, 3, 4, 1, 1, 1, 1, 0, 0])


class Uniform:
    """Knows nothing: every word is as likely as any other."""

    def __call__(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B S"]:
        return torch.full((len(tokens), tokens.shape[1] - 1), -math.log(SIZE))


class Counting:
    """The probability of a token is one over two plus the number of tokens it is given, so that the context it had can be told."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, int]] = []

    def __call__(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B S"]:
        self.shapes.append((len(tokens), tokens.shape[1]))
        return -torch.log(torch.arange(1, tokens.shape[1]) + 2.0).expand(len(tokens), -1)


class Knowing:
    """Guesses what stands left of the hidden token plus one, modulo 8, with probability a half."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def __call__(
        self, seen: Int[Tensor, "B T"], positions: Int[Tensor, "B K"], targets: Int[Tensor, "B K"]
    ) -> tuple[Float[Tensor, "B K"], Int[Tensor, "B K"]]:
        self.seen += list(seen)
        left = seen.gather(1, (positions - 1).clamp(min=0))
        guess = torch.where((positions == 0) | (left == MASK), 0, (left + 1) % 8)
        return torch.where(guess == targets, math.log(0.5), math.log(0.01)), guess


def text(*tokens: int, language: str | None = None) -> TokenText:
    return TokenText(np.array(tokens, dtype=np.int64), language)


def test_the_stand_ins_are_what_is_asked_of_a_network() -> None:
    assert isinstance(Uniform(), NextTokens)
    assert isinstance(Knowing(), HiddenTokens)


def test_a_uniform_model_by_hand() -> None:
    """Five tokens of 2 + 3 + 4 + 1 + 1 = 11 bytes after a start token: 5 log2(10) / 11 bits a byte."""
    found = bits_per_byte(Uniform(), [text(1, 2, 3, 4, 5)], bytes_of=BYTES, context=4, start=START)
    assert found.total.bits_per_byte.value == pytest.approx(5 * math.log2(10) / 11)
    assert (found.total.bytes, found.total.tokens, found.total.documents) == (11, 5, 1)


def test_without_a_start_token_the_first_token_is_not_judged() -> None:
    found = bits_per_byte(Uniform(), [text(3, 1, 2)], bytes_of=BYTES, context=8)
    assert found.total.bits_per_byte.value == pytest.approx(2 * math.log2(10) / 5)
    assert "its first token not judged" in found.how
    with pytest.raises(ValueError, match="no token was judged"):
        bits_per_byte(Uniform(), [text(3)], bytes_of=BYTES, context=8)


def test_special_tokens_do_not_count() -> None:
    found = bits_per_byte(Uniform(), [text(1, MASK, 2, START)], bytes_of=BYTES, context=8, start=START)
    assert found.total.bits_per_byte.value == pytest.approx(2 * math.log2(10) / 5)
    assert found.total.tokens == 2


def test_languages_add_up_to_the_total() -> None:
    texts = [text(0, 0, language="de"), text(3, 3, 3, language="fr"), text(3, language="fr"), text(0, 1)]
    found = bits_per_byte(Uniform(), texts, bytes_of=BYTES, context=8, start=START)
    assert set(found.languages) == {"de", "fr", "unknown"}
    assert found.languages["de"].bits_per_byte.value == pytest.approx(math.log2(10))
    assert found.languages["fr"].bits_per_byte.value == pytest.approx(math.log2(10) / 4)
    assert sum(part.bytes for part in found.languages.values()) == found.total.bytes == 2 + 12 + 4 + 3
    assert found.total.bits_per_byte.value == pytest.approx(8 * math.log2(10) / 21)
    assert found.total.bits_per_byte.low < found.total.bits_per_byte.value < found.total.bits_per_byte.high


@pytest.mark.parametrize(("context", "stride"), [(6, 1), (6, 2), (6, 3), (6, 5), (16, 8), (64, 32)])
def test_every_token_is_judged_once_with_context_enough(context: int, stride: int) -> None:
    """The model tells how much context it had: in full windows at least context - stride, and all there is before."""
    length = 23
    model = Counting()
    found = bits_per_byte(model, [text(*([0] * length))], bytes_of=BYTES, context=context, stride=stride, start=START)
    nats, position = 0.0, 1
    given = []
    while position <= length:  # the token at this position, the start token being at 0
        if position < context:
            given.append(position)
            position += 1
            continue
        step = min(stride, length + 1 - position)
        given += [context - step + place for place in range(step)]
        position += step
    nats = sum(math.log(count + 2) for count in given)
    assert found.total.tokens == length
    assert found.total.bits_per_byte.value == pytest.approx(nats / math.log(2) / length)
    assert min(given[context:], default=context) >= context - stride
    assert max(width for _, width in model.shapes) <= context


def test_windows_of_equal_length_are_computed_together_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    texts = [text(*rng.integers(0, 8, int(size)).tolist()) for size in rng.integers(2, 40, 30)]
    together, alone = Counting(), Counting()
    first = bits_per_byte(together, texts, bytes_of=BYTES, context=10)
    monkeypatch.setattr("selfsup.evaluation.language_modelling.TOKENS", 10)
    monkeypatch.setattr("selfsup.evaluation.language_modelling.DOCUMENTS", 1)
    second = bits_per_byte(alone, texts, bytes_of=BYTES, context=10)
    assert first.total == second.total
    assert len(together.shapes) < len(alone.shapes) / 3


def test_a_stride_that_leaves_tokens_out_is_refused() -> None:
    for stride in (0, 8):
        with pytest.raises(ValueError, match="expected 1 to 7"):
            bits_per_byte(Uniform(), [text(1, 2)], bytes_of=BYTES, context=8, stride=stride)


def test_the_interval_is_that_of_a_ratio() -> None:
    """Against leaving out one document at a time, which for a ratio differs from its linearisation by little."""
    rng = np.random.default_rng(1)
    texts = [text(*rng.integers(0, 8, int(size)).tolist()) for size in rng.integers(5, 40, 60)]
    found = bits_per_byte(Uniform(), texts, bytes_of=BYTES, context=64, start=START).total.bits_per_byte
    left = []
    for out in range(len(texts)):
        kept = texts[:out] + texts[out + 1 :]
        left.append(bits_per_byte(Uniform(), kept, bytes_of=BYTES, context=64, start=START).total.bits_per_byte.value)
    deviation = math.sqrt(59 / 60 * np.square(np.array(left) - np.mean(left)).sum())
    assert (found.high - found.low) / 2 == pytest.approx(2.0 * deviation, rel=0.05)


def counting_up(length: int, start: int = 0) -> TokenText:
    return text(*((start + place) % 8 for place in range(length)))


def test_hidden_tokens_by_hand() -> None:
    """The model knows the next number wherever the one before it is to be seen: right with p = .5, else with p = .01."""
    model = Knowing()
    found = hidden_tokens(model, [counting_up(40)], mask=MASK, bytes_of=BYTES, context=64)
    (seen,) = model.seen
    hidden = (seen == MASK).nonzero().flatten().tolist()
    assert len(hidden) == 6  # 15 % of 40
    original = counting_up(40).tokens
    assert [int(seen[place]) for place in range(40) if place not in hidden] == [int(original[p]) for p in range(40) if p not in hidden]
    guessed = [(original[place - 1] + 1) % 8 if place and place - 1 not in hidden else 0 for place in hidden]
    right = [guess == original[place] for guess, place in zip(guessed, hidden, strict=True)]
    assert found.total.accuracy is not None
    assert found.total.accuracy.value == pytest.approx(np.mean(right))
    nats = sum(-math.log(0.5 if hit else 0.01) for hit in right)
    assert found.total.bits_per_byte.value == pytest.approx(nats / math.log(2) / int(BYTES[original[hidden]].sum()))


def test_what_is_hidden_depends_on_seed_and_document_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [counting_up(size) for size in (20, 33, 50, 20, 7)]

    def hidden(seed: int = 0) -> set[tuple[int, ...]]:
        model = Knowing()
        hidden_tokens(model, texts, mask=MASK, bytes_of=BYTES, context=16, seed=seed)
        return {tuple(row.tolist()) for row in model.seen}

    before = hidden()
    assert hidden(1) != before
    monkeypatch.setattr("selfsup.evaluation.language_modelling.TOKENS", 16)
    monkeypatch.setattr("selfsup.evaluation.language_modelling.DOCUMENTS", 2)
    assert hidden() == before


def test_special_tokens_are_never_hidden_and_short_documents_not_judged() -> None:
    model = Knowing()
    special = text(*([START] * 19), 5, language="de")
    found = hidden_tokens(model, [special, text(3, language="fr")], mask=MASK, bytes_of=BYTES, context=64)
    assert set(found.languages) == {"de"}
    assert found.total.tokens == 1
    assert model.seen[0].tolist() == [START] * 19 + [MASK]
