"""Losses that tasks share: the chunked cross-entropy against the plain one, drawing words, bits per byte, means over what counts."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from selfsup.losses import bits_per_byte, counted_mean, sampled_words, vocabulary_nats
from selfsup.losses import vocabulary as module
from small_text import rng


def case(dtype: torch.dtype, rows: int = 23, width: int = 12, words: int = 50) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    hidden = torch.randn(rows, width, generator=rng(1), dtype=dtype).requires_grad_()
    table = torch.randn(words, width, generator=rng(2), dtype=dtype).requires_grad_()
    bias = torch.randn(words, generator=rng(3), dtype=dtype).requires_grad_()
    target = torch.randint(words, (rows,), generator=rng(4))
    upstream = torch.randn(rows, generator=rng(5), dtype=dtype)
    return hidden, table, bias, target, upstream


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("keep", [0, 2**30], ids=["computed again", "kept"])
@pytest.mark.parametrize("chunk", [1, 150, 2**22], ids=["row by row", "three rows", "all at once"])
@pytest.mark.parametrize("with_bias", [True, False], ids=["bias", "no bias"])
def test_nats_and_gradients_are_those_of_the_plain_formula(dtype: torch.dtype, keep: int, chunk: int, with_bias: bool) -> None:
    hidden, table, bias, target, upstream = case(dtype)
    asked = [hidden, table, bias] if with_bias else [hidden, table]
    nats = vocabulary_nats(hidden, table, target, bias if with_bias else None, chunk=chunk, keep=keep)
    plain = F.cross_entropy(hidden @ table.T + (bias if with_bias else 0), target, reduction="none")
    torch.testing.assert_close(nats, plain, rtol=1e-6, atol=2e-6)
    own, expected = torch.autograd.grad(nats, asked, upstream), torch.autograd.grad(plain, asked, upstream)
    for one, other in zip(own, expected, strict=True):
        assert (one - other).abs().max() <= 1e-6 * other.abs().max() + (1e-6 if dtype == torch.float32 else 0)


def test_only_what_is_asked_for_gets_a_gradient() -> None:
    hidden, table, _, target, _ = case(torch.float32)
    vocabulary_nats(hidden.detach(), table, target).sum().backward()  # type: ignore[no-untyped-call]
    assert hidden.grad is None
    assert table.grad is not None
    with torch.no_grad():
        assert not vocabulary_nats(hidden, table, target).requires_grad


def test_logits_never_exist_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    plain = module._log_probabilities

    def watched(states: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        seen.append(len(states) * len(weight))
        return plain(states, weight, bias)

    monkeypatch.setattr(module, "_log_probabilities", watched)
    hidden, table, _, target, _ = case(torch.float32)
    vocabulary_nats(hidden, table, target, chunk=200, keep=0).sum().backward()  # type: ignore[no-untyped-call]
    assert max(seen) <= 200
    assert sum(seen) == 2 * len(hidden) * len(table)  # once forward, once backward
    seen.clear()
    vocabulary_nats(hidden, table, target, chunk=200).sum().backward()  # type: ignore[no-untyped-call]
    assert sum(seen) == len(hidden) * len(table)


def test_under_autocast_the_loss_is_fp32_and_near() -> None:
    hidden, table, bias, target, _ = case(torch.float32, rows=200, width=64, words=300)
    with torch.autocast("cpu", torch.bfloat16):
        nats = vocabulary_nats(hidden * 0.3, table, target, bias)
    plain = F.cross_entropy(hidden * 0.3 @ table.T + bias, target, reduction="none")
    assert nats.dtype == torch.float32
    assert float((nats.mean() - plain.mean()).abs().detach()) < 0.01
    (own,), (expected,) = torch.autograd.grad(nats.mean(), [table]), torch.autograd.grad(plain.mean(), [table])
    assert own.dtype == torch.float32
    assert float((own - expected).norm() / expected.norm()) < 0.02


def test_large_logits_give_finite_numbers() -> None:
    hidden, table = torch.full((2, 1), 300.0), torch.tensor([[1.0], [-1.0], [0.0]])
    nats = vocabulary_nats(hidden, table, torch.tensor([0, 1]))
    torch.testing.assert_close(nats, torch.tensor([0.0, 600.0]))


@pytest.mark.parametrize("words", [3, 64, 200])
def test_words_are_drawn_by_their_probability(words: int) -> None:
    """Evenly spread numbers have to give each word as often as its probability says, up to one."""
    state, table, bias = torch.randn(1, 8, generator=rng(1)), torch.randn(words, 8, generator=rng(2)), torch.randn(words, generator=rng(3))
    count = 4000
    uniform = (torch.arange(count) + 0.5) / count
    drawn = sampled_words(state.expand(count, -1), table, uniform, bias, chunk=words * 100)
    expected = (state @ table.T + bias).softmax(1).squeeze(0)
    often = torch.bincount(drawn, minlength=words) / count
    assert float((often - expected).abs().max()) <= 2 / count


def test_drawing_at_the_ends_stays_inside() -> None:
    table = torch.zeros(70, 2)
    drawn = sampled_words(torch.zeros(2, 2), table, torch.tensor([0.0, 1.0 - 2**-24]))
    assert drawn.tolist() == [0, 69]


def test_a_word_without_probability_is_never_drawn() -> None:
    bias = torch.tensor([-torch.inf, 0.0, -torch.inf, 0.0, -torch.inf])
    drawn = sampled_words(torch.zeros(1000, 2), torch.zeros(5, 2), torch.rand(1000, generator=rng()), bias)
    assert set(drawn.tolist()) == {1, 3}


def test_bits_per_byte_by_hand() -> None:
    """Three words of 2, 3 and 0 bytes: the last is special, and its nats do not count."""
    nats, words = torch.tensor([[math.log(4), math.log(8), 7.0]]), torch.tensor([[0, 1, 2]])
    assert bits_per_byte(nats, words, torch.tensor([2, 3, 0])) == pytest.approx((2 + 3) / 5)


def test_counted_mean_by_hand() -> None:
    values, counts = torch.tensor([[1.0, 2.0], [6.0, 100.0]]), torch.tensor([[True, True], [True, False]])
    assert counted_mean(values, counts) == pytest.approx(3.0)
    assert counted_mean(values, torch.zeros(2, 2)) == 0
