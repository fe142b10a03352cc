"""L2 logistic regression, many at once: every fold, candidate layer and strength of one choice is solved in the same loop.

scikit-learn solves one problem a call, and choosing a layer by cross-validation needs some hundreds of small ones for every draw of
labels. The problem is exactly scikit-learn's (`LogisticRegression(C=c)`, lbfgs, unpenalised intercept; the tests compare), namely

    minimise over W, b:   c * sum_i weight_i * cross_entropy(softmax(x_i W + b), y_i) + ||W||^2 / 2.

Two things make it fast. Rows are rotated onto their principal axes first, which changes nothing as the penalty does not turn, and leaves
at most n columns. There Böhning's bound of the Hessian (Annals of the Institute of Statistical Mathematics 44, 1992:
diag(p) - p p' <= (I - 1 1'/K) / 2) is diagonal, so each coordinate can be scaled by it and L-BFGS starts well conditioned.
With two classes the softmax has two opposite rows of weights where scikit-learn keeps their difference: its C is then twice this c.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

MEMORY = 8
"""Pairs that L-BFGS remembers (Nocedal and Wright, Numerical Optimization, 2006, section 7.2: between 3 and 20)."""

ARMIJO = 1e-4
"""Share of the promised decrease that a step must bring (Nocedal and Wright, section 3.1)."""

HALVINGS = 20
"""Times a step is halved at most."""

RANK_TOLERANCE = 1e-10
"""Axes with less than this share of the largest eigenvalue are rounding errors of a Gram matrix in float64."""


@dataclass(frozen=True)
class Rotated:
    """P problems on their principal axes: `rows` (P, n, r), and `axes` with `centre` to bring other rows there."""

    rows: Float[Tensor, "P n r"]
    axes: Float[Tensor, "P d r"]
    centre: Float[Tensor, "P 1 d"]

    def bring(self, other: Float[Tensor, "P m d"]) -> Float[Tensor, "P m r"]:
        """Rows that took no part in finding the axes, on these axes."""
        return (other - self.centre) @ self.axes


def rotate(features: Float[Tensor, "P n d"], weights: Float[Tensor, "P n"]) -> Rotated:
    """Turn each problem's rows onto the principal axes of the rows whose weight is above 0, at most min(n, d) of them.

    The mean is taken off, which an unpenalised intercept takes back exactly.
    """
    inside = (weights > 0).to(features.dtype).unsqueeze(2)
    centre = (features * inside).sum(1, keepdim=True) / inside.sum(1, keepdim=True)
    centred = features - centre
    taken = centred * inside
    rows, width = features.shape[1:]
    if rows < width:
        values, vectors = torch.linalg.eigh(taken @ taken.mT)
        axes = taken.mT @ (vectors * _inverse_root(values))
    else:
        values, vectors = torch.linalg.eigh(taken.mT @ taken)
        axes = vectors * (_inverse_root(values) > 0)
    return Rotated(centred @ axes, axes, centre)


def _inverse_root(values: Float[Tensor, "P r"]) -> Float[Tensor, "P 1 r"]:
    """One over the square root of the eigenvalues that are not rounding errors, 0 for those that are."""
    real = values > RANK_TOLERANCE * values.amax(1, keepdim=True).clamp(min=1e-300)
    return torch.where(real, values.clamp(min=1e-300).rsqrt(), 0.0).unsqueeze(1)


def fit(
    rows: Float[Tensor, "P n r"],
    targets: Float[Tensor, "n K"],
    *,
    weights: Float[Tensor, "P n"],
    strengths: Sequence[float],
    tolerance: float = 1e-5,
    limit: int = 500,
) -> Float[Tensor, "P S q K"]:
    """Weights of P problems at S strengths c, with the intercepts as the last row (q = r + 1).

    `targets` is one-hot. Stops when no entry of a gradient, divided by c times the sum of weights as in scikit-learn, exceeds
    `tolerance`, or after `limit` iterations. Strengths should grow: each starts from the answer of the one before.
    """
    rows = torch.cat([rows, rows.new_ones(*rows.shape[:2], 1)], dim=2)
    coefficients = rows.new_zeros(len(rows), rows.shape[2], targets.shape[1])
    answers = []
    for strength in strengths:
        problem = _Problem.of(rows, targets.to(rows.dtype), weights.to(rows.dtype) * strength)
        coefficients = problem.scale * _minimise(problem, coefficients / problem.scale, tolerance=tolerance, limit=limit)
        answers.append(coefficients)
    return torch.stack(answers, dim=1)


def logits(rows: Float[Tensor, "P n r"], coefficients: Float[Tensor, "P S q K"]) -> Float[Tensor, "P S n K"]:
    """What the fitted problems say of `rows`."""
    return rows[:, None] @ coefficients[:, :, :-1] + coefficients[:, :, -1:]


@dataclass(frozen=True)
class _Problem:
    """The functions to minimise, in coordinates divided by `scale`, which comes from Böhning's bound."""

    rows: Float[Tensor, "P n q"]
    targets: Float[Tensor, "n K"]
    weights: Float[Tensor, "P n 1"]
    scale: Float[Tensor, "P q 1"]
    penalty: Float[Tensor, "q 1"]

    @classmethod
    def of(cls, rows: Float[Tensor, "P n q"], targets: Float[Tensor, "n K"], weights: Float[Tensor, "P n"]) -> _Problem:
        """The problems for rows that end in a column of ones, and weights that are multiplied by c."""
        penalty = rows.new_ones(rows.shape[2])
        penalty[-1] = 0
        bound = 0.5 * torch.einsum("pnq,pn->pq", rows.square(), weights) + penalty
        return cls(rows, targets, weights.unsqueeze(2), bound.rsqrt().unsqueeze(2), penalty.unsqueeze(1))

    def value_and_gradient(self, point: Float[Tensor, "P q K"]) -> tuple[Float[Tensor, "P"], Float[Tensor, "P q K"]]:
        """What is minimised, and its gradient, at `point`."""
        coefficients = point * self.scale
        logs = torch.log_softmax(torch.bmm(self.rows, coefficients), dim=2)
        value = (self.penalty * coefficients.square()).sum((1, 2)) / 2 - (logs * self.targets * self.weights).sum((1, 2))
        error = (logs.exp_() - self.targets) * self.weights
        gradient = torch.bmm(self.rows.mT, error) + self.penalty * coefficients
        return value, gradient * self.scale

    def steepness(self, gradient: Float[Tensor, "P q K"]) -> Float[Tensor, "P"]:
        """The largest entry of the gradient of the mean loss, as scikit-learn measures it."""
        return (gradient / self.scale).abs().amax((1, 2)) / self.weights.sum((1, 2))


def _minimise(problem: _Problem, point: Float[Tensor, "P q K"], *, tolerance: float, limit: int) -> Float[Tensor, "P q K"]:
    """L-BFGS with backtracking, each problem with its own steps; those that are done stand still."""
    value, gradient = problem.value_and_gradient(point)
    history = _History()
    for _ in range(limit):
        active = (problem.steepness(gradient) > tolerance)[:, None, None]
        if not bool(active.any()):
            break
        direction = torch.where(active, -history.apply(gradient), 0.0)
        slope = (direction * gradient).sum((1, 2))
        uphill = (slope >= 0)[:, None, None] & active
        if bool(uphill.any()):  # the curvature remembered is of no use there any more: steepest descent
            direction = torch.where(uphill, -gradient, direction)
            slope = (direction * gradient).sum((1, 2))
        trial, new_value, new_gradient = _descend(problem, point, direction, value + 1e-7 * value.abs(), slope)
        history.add(trial - point, new_gradient - gradient)
        point, value, gradient = trial, new_value, new_gradient
    return point


def _descend(
    problem: _Problem,
    point: Float[Tensor, "P q K"],
    direction: Float[Tensor, "P q K"],
    value: Float[Tensor, "P"],
    slope: Float[Tensor, "P"],
) -> tuple[Float[Tensor, "P q K"], Float[Tensor, "P"], Float[Tensor, "P q K"]]:
    """Go along `direction`, half as far where it brought too little, and say where, how high and how steep it is there."""
    step = torch.ones_like(value)
    for _ in range(HALVINGS):
        trial = point + step[:, None, None] * direction
        reached, gradient = problem.value_and_gradient(trial)
        poor = reached > value + ARMIJO * step * slope
        if not bool(poor.any()):
            break
        step = torch.where(poor, step / 2, step)
    return trial, reached, gradient


class _History:
    """The pairs L-BFGS remembers, and the product of its inverse Hessian with a gradient (two loops; Nocedal and Wright, algorithm 7.4)."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, moved: Float[Tensor, "P q K"], change: Float[Tensor, "P q K"]) -> None:
        """Remember a step and the change of the gradient over it; problems where it says nothing get a pair that does nothing."""
        product = (moved * change).sum((1, 2), keepdim=True)
        inverse = torch.where(product > 1e-14, 1 / product.clamp(min=1e-14), 0.0)
        self.pairs = [*self.pairs, (moved, change, inverse)][-MEMORY:]

    def apply(self, gradient: Float[Tensor, "P q K"]) -> Float[Tensor, "P q K"]:
        """The inverse Hessian, as far as it is known, times `gradient`."""
        product, steps = gradient, []
        for moved, change, inverse in reversed(self.pairs):
            amount = inverse * (moved * product).sum((1, 2), keepdim=True)
            product = product - amount * change
            steps.append(amount)
        for (moved, change, inverse), amount in zip(self.pairs, reversed(steps), strict=True):
            product = product + (amount - inverse * (change * product).sum((1, 2), keepdim=True)) * moved
        return product
