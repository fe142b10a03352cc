"""The probe: ridge regression on features of a network that was never trained, each picture judged by what learned from others.

Untrained, since a trained network has been made blind to the views of its task and would find them harmless. Ridge, since one table of
products serves every fold, strength and inner fold: a closed form (Hoerl and Kennard, Technometrics 12, 1970), and nothing random in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from selfsup.backbones import Backbone, Settings, build_from

POOLED = {"stage1": 2, "stage2": 3}
"""Maps that are features, and into how many parts a side their means are taken: early layers of an untrained ConvNet tell most."""

COARSE = 8
"""Side of the small picture that stands beside the features: where it is bright, and in which colour."""

WIDTHS = (32, 64, 64, 32, 32, 32, 32)
"""Channels of the convolutions, those after the second map as few as can be: nothing reads them."""

ROWS = 256

STRENGTHS = (1e-3, 1e-2, 1e-1)
"""Ridge penalties tried, as shares of the mean variance along an axis of the features."""

USUAL = 1
"""Which of them is taken where folds are too few to choose inside."""


@dataclass(frozen=True)
class Question:
    """What is to be told of n pictures: `targets` (n,) out of `classes`, in folds (n,); `weights` (n,) sum to 1, each class alike."""

    targets: Int[Tensor, " n"]
    classes: int
    folds: Int[Tensor, " n"]
    weights: Float[Tensor, " n"]


def untrained(size: int, channels: int, statistics: tuple[Sequence[float], Sequence[float]], *, seed: int) -> Backbone:
    """The compact ConvNet's first stages with fresh weights; the caller's random numbers stay as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mean, deviation = (tuple(float(value) for value in each) for each in statistics)
        return build_from(Settings("compact_convnet", size, channels, mean, deviation, arguments={"widths": list(WIDTHS)})).eval()


def features(network: Backbone, views: Float[Tensor, "n C S S"]) -> Float[Tensor, "n d"]:
    """The means over parts of the first maps, and a coarse picture."""
    parts = []
    with torch.no_grad():
        for some in torch.split(views, ROWS):
            maps = network.features(some.contiguous(memory_format=torch.channels_last))
            pooled = [F.adaptive_avg_pool2d(maps[layer], parts_a_side).flatten(1) for layer, parts_a_side in POOLED.items()]
            parts.append(torch.cat([*pooled, F.adaptive_avg_pool2d(some, COARSE).flatten(1)], dim=1))
    return torch.cat(parts)


def told(rows: Float[Tensor, "n V d"], question: Question, *, blind: bool) -> Float[np.ndarray, "n K"]:
    """The share of each picture's views that were called each class, by probes that learned from views of the other folds' pictures.

    With `blind`, the views of a picture are judged together, by their mean scores, as one that cannot tell them apart would have to.
    """
    scores = _scores(rows, question)
    chosen = scores.mean(1, keepdim=True) if blind else scores
    votes = F.one_hot(chosen.argmax(2), question.classes).double().mean(1)
    return np.asarray(votes.numpy())


def _scores(rows: Float[Tensor, "n V d"], question: Question) -> Float[Tensor, "n V K"]:
    """What a probe says of each view of the pictures in the fold that it did not learn from, its strength chosen inside its folds."""
    table = _Table.of(_standardised(rows), question)
    judge, inner = _judge(question), dict[tuple[int, int], list[float]]()
    if table.folds > 2:  # a ring of neighbours in place of all pairs: two inner folds for each outer one, at a third of the time
        for first, second in zip(range(table.folds), [*range(1, table.folds), 0], strict=True):
            probes = table.fit({first, second})
            inner[first, second] = [judge(table.scores(probe, second), second) for probe in probes]
            inner[second, first] = [judge(table.scores(probe, first), first) for probe in probes]
    result = rows.new_zeros(*rows.shape[:2], question.classes)
    for fold in range(table.folds):
        heard = [each for (left_out, _), each in inner.items() if left_out == fold]
        strength = STRENGTHS[int(np.mean(heard, axis=0).argmax())] if heard else STRENGTHS[USUAL]
        result[table.members[fold]] = table.scores(table.fit({fold}, [strength])[0], fold)
    return result


def _judge(question: Question) -> Callable[[Tensor, int], float]:
    """Balanced accuracy of the scores of a fold's views, each view by itself."""

    def judge(scores: Tensor, fold: int) -> float:
        mine = question.folds == fold
        hit = (scores.argmax(2) == question.targets[mine, None]).double().mean(1)
        return float((hit * question.weights[mine]).sum())

    return judge


def _standardised(rows: Float[Tensor, "n V d"]) -> Float[Tensor, "n V q"]:
    """Features of mean 0 and equal spread, a row of squared length about 1, and a column of ones.

    Over all pictures, those judged among them: no label is read, and both sides of a comparison do the same.
    """
    flat = rows.flatten(0, 1)
    spread = flat.std(0)
    scale = torch.where(spread > 1e-6 * spread.max().clamp(min=1e-12), spread, torch.inf) * rows.shape[2] ** 0.5
    return F.pad(_turned((rows - flat.mean(0)) / scale), (0, 1), value=1.0)


def _turned(rows: Float[Tensor, "n V d"]) -> Float[Tensor, "n V r"]:
    """Rows on their principal axes where they are fewer than their columns: ridge is blind to turns, and its equations become few."""
    flat = rows.flatten(0, 1)
    if flat.shape[0] >= flat.shape[1]:
        return rows
    values, vectors = torch.linalg.eigh((flat @ flat.T).double())
    real = values > 1e-6 * values.max().clamp(min=1e-12)
    axes: Tensor = vectors[:, real] * values[real].sqrt()
    return axes.to(rows.dtype).reshape(*rows.shape[:2], -1)


@dataclass(frozen=True)
class _Table:
    """Products of the features with themselves and with the targets, fold by fold: a probe without some folds is a sum of the others."""

    rows: Float[Tensor, "n V q"]
    members: list[Tensor]
    squares: Float[Tensor, "f q q"]
    answers: Float[Tensor, "f q K"]
    weight: Float[Tensor, " f"]

    @property
    def folds(self) -> int:
        return len(self.members)

    @classmethod
    def of(cls, rows: Float[Tensor, "n V q"], question: Question) -> _Table:
        """The products of each fold."""
        members = [(question.folds == fold).nonzero().squeeze(1) for fold in range(int(question.folds.max()) + 1)]
        wanted, views = F.one_hot(question.targets, question.classes).to(rows.dtype), rows.shape[1]
        squares, answers, weight = [], [], []
        for mine in members:
            flat, each = rows[mine].flatten(0, 1), question.weights[mine].to(rows.dtype).repeat_interleave(views) / views
            weighted = flat * each[:, None]
            squares.append((weighted.T @ flat).double())
            answers.append((weighted.T @ wanted[mine].repeat_interleave(views, 0)).double())
            weight.append(each.double().sum())
        return cls(rows, members, torch.stack(squares), torch.stack(answers), torch.stack(weight))

    def fit(self, without: set[int], strengths: Sequence[float] = STRENGTHS) -> list[Float[Tensor, "q K"]]:
        """The probes that learned from all but some folds, at each strength; the constant is not penalised."""
        kept = [fold for fold in range(self.folds) if fold not in without]
        square, answer, weight = self.squares[kept].sum(0), self.answers[kept].sum(0), self.weight[kept].sum()
        penalty = torch.full((len(square),), 1.0 / len(square), dtype=square.dtype)
        penalty[-1] = 1e-9
        factors = [torch.linalg.cholesky(square + torch.diag(penalty * weight * each)) for each in strengths]
        return [torch.cholesky_solve(answer, factor).to(self.rows.dtype) for factor in factors]

    def scores(self, probe: Float[Tensor, "q K"], fold: int) -> Float[Tensor, "m V K"]:
        """What a probe says of the views of one fold."""
        return self.rows[self.members[fold]] @ probe
