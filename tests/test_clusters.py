"""Learned directions: the loss across views and the assignment by hand and against lightly, heads."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from selfsup.clusters import Prototypes, assigned, cluster_head, crossed_entropy
from small_tasks import rng


def shares(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=rng(seed)).mul(3).softmax(-1)


def test_crossed_by_hand() -> None:
    """One picture, two views, two answers: each view is told from the other's scores."""
    targets = torch.tensor([[[1.0, 0.0], [0.25, 0.75]]])
    scores = torch.tensor([[[0.0, math.log(3)], [math.log(4), 0.0]]])  # shares (1/4, 3/4) and (4/5, 1/5)
    first = -math.log(4 / 5)  # the first target from the second view
    second = -(0.25 * math.log(1 / 4) + 0.75 * math.log(3 / 4))
    assert float(crossed_entropy(targets, scores, 1.0)) == pytest.approx((first + second) / 2, abs=1e-6)


def test_crossed_is_the_mean_over_pairs_of_different_views() -> None:
    targets, scores = shares(3, 2, 7), torch.randn(3, 5, 7, generator=rng(2))
    terms = []
    for row in range(3):
        for given in range(2):
            for view in range(5):
                if view != given:
                    exponents = [math.exp(float(value) / 0.3) for value in scores[row, view]]
                    told = [math.log(value / sum(exponents)) for value in exponents]
                    terms.append(-sum(float(share) * nats for share, nats in zip(targets[row, given], told, strict=True)))
    assert float(crossed_entropy(targets, scores, 0.3)) == pytest.approx(sum(terms) / len(terms), abs=1e-5)


def test_no_view_is_matched_with_itself() -> None:
    targets = shares(4, 2, 6)
    targets[:, 1] = 0  # what is left is the target of the first view
    scores = torch.randn(4, 3, 6, generator=rng(2)).requires_grad_()
    (slope,) = torch.autograd.grad(crossed_entropy(targets, scores, 0.1), scores)
    torch.testing.assert_close(slope[:, 0], torch.zeros(4, 6))
    assert (slope[:, 1:].abs().amax(dim=(1, 2)) > 0).all()


def test_assigned_as_the_paper_writes_it() -> None:
    """Diag(u) exp(C/eps) Diag(v), by products of a matrix and a vector; as many rows as the scales of both sides."""
    given = (torch.rand(24, 10, generator=rng(1)) * 2 - 1).double()
    shared = torch.exp(given / 0.05)
    row = torch.ones(24).double()
    for _ in range(3):
        column = 1 / (row @ shared)
        row = 1 / (shared @ column)
    torch.testing.assert_close(assigned(given, epsilon=0.05, iterations=3), row[:, None] * shared * column)


def test_in_the_end_each_direction_gets_as_much_and_rows_always_sum_to_1() -> None:
    given = torch.rand(40, 8, generator=rng(1))
    torch.testing.assert_close(assigned(given, epsilon=0.1, iterations=200).sum(0), torch.full((8,), 5.0), atol=1e-3, rtol=0)
    for iterations in (0, 1, 3):
        torch.testing.assert_close(assigned(given, epsilon=0.1, iterations=iterations).sum(1), torch.ones(40))


def test_assigned_lasts_where_exponents_would_not() -> None:
    codes = assigned(torch.rand(24, 10, generator=rng(1)) * 2 - 1, epsilon=0.001, iterations=3)  # e^1000 is no number, e^-1000 is 0
    assert codes.isfinite().all()
    torch.testing.assert_close(codes.sum(1), torch.ones(24))


@pytest.mark.parametrize("iterations", [1, 3])
def test_assigned_equals_lightly(iterations: int) -> None:
    peer = pytest.importorskip("lightly.loss.swav_loss")
    scores = torch.rand(24, 10, generator=rng(1)) * 2 - 1
    expected = peer.sinkhorn(scores, iterations=iterations, epsilon=0.05)
    torch.testing.assert_close(assigned(scores, epsilon=0.05, iterations=iterations), expected, atol=1e-5, rtol=1e-5)


def test_prototypes_have_length_1_whatever_training_makes_of_them() -> None:
    torch.manual_seed(0)
    prototypes, rows = Prototypes(6, 9), torch.randn(5, 6, generator=rng())
    before = prototypes(rows)
    torch.testing.assert_close(before, F.cosine_similarity(rows[:, None], prototypes.directions[None], dim=2))
    with torch.no_grad():
        prototypes.directions.mul_(torch.linspace(0.1, 50, 9)[:, None])
    torch.testing.assert_close(prototypes(rows), before)
    torch.testing.assert_close(prototypes(3 * rows), before)


def test_prototypes_are_compared_in_fp32_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert Prototypes(6, 9)(torch.randn(5, 6, generator=rng()).bfloat16()).dtype == torch.float32


def test_the_papers_head_equals_lightly() -> None:
    """Three linear layers with GELU, length 1, and weight normalisation with a gain of 1."""
    peer = pytest.importorskip("lightly.models.modules")
    own = cluster_head(8, 16, 6, 10, normalise=False)
    with pytest.warns(FutureWarning, match="weight_norm"):
        other = peer.DINOProjectionHead(8, 16, 6, 10)
    linear = [layer for layer in other.layers if isinstance(layer, torch.nn.Linear)]
    with torch.no_grad():
        for layer, given in zip([layer for layer in own.modules() if isinstance(layer, torch.nn.Linear)], linear, strict=True):
            layer.weight.copy_(given.weight)
            layer.bias.copy_(given.bias)
        prototypes = own[1]
        assert isinstance(prototypes, Prototypes)
        prototypes.directions.copy_(other.last_layer.weight_v)
    rows = torch.randn(5, 8, generator=rng())
    torch.testing.assert_close(own(rows), other(rows), atol=1e-6, rtol=1e-5)
