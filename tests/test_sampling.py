"""The choice of the next token: worked by hand, as transformers' logits processors do it, and as often as probabilities say."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from selfsup.generation.sampling import Sampling, choose, keep_likeliest, keep_nucleus


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scores(*rows: list[float]) -> Tensor:
    """Scores whose softmax are these probabilities, each row moved by a number of its own."""
    return torch.tensor(rows).log() + torch.arange(len(rows))[:, None]


def kept(filtered: Tensor) -> list[list[int]]:
    return [row.isfinite().nonzero().squeeze(1).tolist() for row in filtered]


def test_the_likeliest_by_hand() -> None:
    logits = scores([0.1, 0.5, 0.15, 0.25], [0.4, 0.3, 0.2, 0.1])
    assert kept(keep_likeliest(logits, 1)) == [[1], [0]]
    assert kept(keep_likeliest(logits, 3)) == [[1, 2, 3], [0, 1, 2]]
    assert torch.equal(keep_likeliest(logits, 9), logits)
    assert kept(keep_likeliest(torch.tensor([[1.0, 3.0, 1.0, 0.0]]), 2)) == [[0, 1, 2]], "what equals the last stays too"


def test_the_nucleus_by_hand() -> None:
    """.5, .25, .15, .1: the first alone reaches .4; .6 takes two, .85 three, .95 all; the first always stays."""
    logits = scores([0.1, 0.5, 0.15, 0.25])
    for share, tokens in ((0.01, [1]), (0.4, [1]), (0.6, [1, 3]), (0.85, [1, 2, 3]), (0.95, [0, 1, 2, 3]), (1.0, [0, 1, 2, 3])):
        assert kept(keep_nucleus(logits, share)) == [tokens], share


@pytest.mark.parametrize("sampling", [Sampling(0.7, 20, 0.9), Sampling(1.3, None, 0.5), Sampling(1.0, 5, None), Sampling(0.3, 200, 0.99)])
def test_what_is_left_and_its_probabilities_are_those_of_transformers(sampling: Sampling, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.generation.logits_process import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    logits = 3 * torch.randn(40, 300, generator=rng(1))
    warpers: list[Any] = [TemperatureLogitsWarper(sampling.temperature)]
    warpers += [TopKLogitsWarper(sampling.top_k)] if sampling.top_k else []
    warpers += [TopPLogitsWarper(sampling.top_p)] if sampling.top_p else []
    expected = logits
    for warper in warpers:
        expected = warper(torch.zeros(40, 1, dtype=torch.long), expected)
    drawn_from: list[Tensor] = []

    def multinomial(chances: Tensor, count: int, *, generator: torch.Generator) -> Tensor:
        drawn_from.append(chances)
        return torch.zeros(len(chances), count, dtype=torch.long)

    monkeypatch.setattr(torch, "multinomial", multinomial)
    choose(logits, sampling, rng())
    torch.testing.assert_close(drawn_from[0], expected.softmax(dim=1))
    assert 1 < int((drawn_from[0] > 0).sum(dim=1).max()) < 300


def test_at_temperature_zero_the_likeliest_is_taken_and_nothing_drawn() -> None:
    logits, generator = torch.randn(50, 30, generator=rng(2)), rng(3)
    before = generator.get_state()
    assert torch.equal(choose(logits, Sampling(0.0), generator), logits.argmax(dim=1))
    assert torch.equal(generator.get_state(), before)


def test_a_low_temperature_comes_near_to_it() -> None:
    logits = torch.randn(50, 30, generator=rng(2))
    assert torch.equal(choose(logits, Sampling(1e-4), rng()), logits.argmax(dim=1))


def test_forbidden_tokens_never_come_not_even_as_the_likeliest() -> None:
    logits = torch.zeros(500, 6)
    logits[:, 2] = 50.0
    forbidden = torch.tensor([False, False, True, False, True, False])
    for sampling in (Sampling(0.0), Sampling(1.0), Sampling(1.0, 2, None), Sampling(1.0, None, 0.3), Sampling(5.0, 6, 1.0)):
        drawn = set(choose(logits, sampling, rng(), forbidden=forbidden).tolist())
        assert drawn <= {0, 1, 3, 5}
    assert drawn == {0, 1, 3, 5}


def test_it_draws_as_often_as_the_probabilities_say() -> None:
    """20,000 draws from .5, .3, .15, .05 at temperature 1; at temperature 1/2 their squares; with a nucleus of .7 the first two alone."""
    logits = scores([0.5, 0.3, 0.15, 0.05]).expand(20_000, 4)
    squares = [0.25, 0.09, 0.0225, 0.0025]
    for sampling, shares in (
        (Sampling(1.0), [0.5, 0.3, 0.15, 0.05]),
        (Sampling(0.5), [square / sum(squares) for square in squares]),
        (Sampling(1.0, None, 0.7), [0.625, 0.375, 0.0, 0.0]),
        (Sampling(1.0, 3, None), [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0.0]),
    ):
        counts = choose(logits, sampling, rng(4)).bincount(minlength=4) / 20_000
        for count, share in zip(counts.tolist(), shares, strict=True):
            assert count == pytest.approx(share, abs=4 * math.sqrt(max(share * (1 - share), 0.0) / 20_000) + 1e-9)


def test_the_seed_decides_and_nothing_else() -> None:
    logits = torch.randn(8, 100, generator=rng(5))
    torch.manual_seed(1)
    first = choose(logits, Sampling(), rng(6))
    torch.manual_seed(2)
    assert torch.equal(first, choose(logits, Sampling(), rng(6)))
    assert not torch.equal(first, choose(logits, Sampling(), rng(7)))
    kept_as_it_was = logits.clone()
    choose(logits, Sampling(0.5, 3, 0.5), rng(), forbidden=torch.arange(100) < 5)
    assert torch.equal(logits, kept_as_it_was)


@pytest.mark.parametrize("broken", [float("nan"), float("-inf"), float("inf")])
def test_weights_that_give_no_numbers_are_told(broken: float) -> None:
    with pytest.raises(ValueError, match="weights of this run are broken"):
        choose(torch.full((1, 5), broken), Sampling(), rng())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": -0.1}, "temperature is -0.1"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"temperature": float("inf")}, "temperature is inf"),
        ({"top_k": 0}, "top-k is 0"),
        ({"top_p": 0.0}, "top-p is 0"),
        ({"top_p": 1.1}, "top-p is 1.1"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Sampling(**options)
