"""`audit`: from pictures and labels to findings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from selfsup.auditing.judging import balanced, find
from selfsup.auditing.probing import Question, features, told, untrained
from selfsup.auditing.results import Audit
from selfsup.auditing.sample import Sample, take_sample
from selfsup.auditing.transforms import Transform, quarters, transforms
from selfsup.auditing.upright import judged_upright, turn_told
from selfsup.backbones import Backbone
from selfsup.progress import progress

SAMPLE = 1500
"""Pictures looked at: enough for intervals of a point or two."""

SEEDS = 3
"""Networks, folds and draws of views, each anew: what is left to chance besides the pictures."""


def audit(
    data: Any,
    *,
    labels: Any,
    groups: Any = None,
    size: int | None = None,
    pictures: int = SAMPLE,
    seeds: int = SEEDS,
    seed: int = 0,
    kind: str = "auto",
    out: str | Path | None = None,
    without_samples: bool = False,
) -> Audit:
    """Ask of your labels whether they can still be told after flips, turns, crops and changes of colour.

    `data` are pictures as for `pretrain`, `labels` and `groups` as for `evaluate`; at most `pictures` labelled ones are looked at, for
    tasks whose views have `size` pixels a side. Labels are told by probes on `seeds` untrained networks, from random views of other
    pictures. `out` is a folder for `audit.html` and `audit.json`; `without_samples` leaves pictures and file names out of both.
    Raises ValueError, also for texts.
    """
    if pictures < 1 or seeds < 2:
        raise ValueError(
            f"pictures={pictures} and seeds={seeds} were given: expected at least 1 picture and 2 seeds, 3 or more to rely on."
        )
    sample = take_sample(data, labels, limit=pictures, groups=groups, size=size, kind=kind, seed=seed)
    plain, views, upright = _votes(sample, [seed * 1000 + number for number in range(seeds)])
    channels = sample.pictures.image.shape[1]
    found = Audit(
        data=sample.name,
        classes=sample.classes,
        counts=sample.counts,
        pictures=len(sample.targets),
        labelled=sample.labelled,
        size=sample.pictures.size,
        channels=channels,
        seeds=seeds,
        told=balanced(plain[:, np.arange(len(sample.targets)), sample.targets], sample),
        findings=[find(each, plain, views[each.name], sample) for each in transforms(channels)],
        upright=judged_upright(upright, sample),
        notes=sample.notes,
    )
    if out is not None:
        from selfsup.auditing.page import write_page

        found.save(Path(out) / "audit.json", without_samples=without_samples)
        write_page(found, sample, Path(out) / "audit.html", without_samples=without_samples)
    return found


def _votes(sample: Sample, seeds: list[int]) -> tuple[np.ndarray, dict[str, np.ndarray], list[tuple[np.ndarray, np.ndarray]]]:
    """Of each seed: what probes said of whole pictures, of the views of each transform, and of which way is up."""
    plain, upright = list[np.ndarray](), list[tuple[np.ndarray, np.ndarray]]()
    views: dict[str, list[np.ndarray]] = {}
    with progress("scoring") as tell:
        for number, seed in enumerate(seeds):
            tell(f"whole pictures (network {number + 1} of {len(seeds)})")
            question = sample.question(seed)
            look = _Look(sample, question, seed)
            plain.append(look.plain())
            upright.append(turn_told(look.quarters, question))
            for transform in transforms(sample.pictures.image.shape[1]):
                tell(f"{transform.name} (network {number + 1} of {len(seeds)})")
                views.setdefault(transform.name, []).append(look.at(transform))
    return np.stack(plain), {name: np.stack(each) for name, each in views.items()}, upright


class _Look:
    """One network's look at the sample. What several transforms show, upright pictures and quarter turns, is computed once."""

    def __init__(self, sample: Sample, question: Question, seed: int) -> None:
        self.pictures, self.question, self.seed = sample.pictures, question, seed
        image = self.pictures.image.double().div(255).transpose(0, 1).flatten(1)
        statistics = image.mean(1).tolist(), image.std(1).clamp_min(0.01).tolist()
        self.network: Backbone = untrained(self.pictures.size, len(image), statistics, seed=seed)
        self.quarters = self._features(quarters(self.pictures, torch.Generator()))

    def plain(self) -> np.ndarray:
        return told(self.quarters[:, :1], self.question, blind=False)

    def at(self, transform: Transform) -> np.ndarray:
        """Votes (n, K) on the views of a transform."""
        turns = {"half turn": [0, 2], "quarter turns": [0, 1, 2, 3]}.get(transform.name)
        if turns is not None:
            return told(self.quarters[:, turns], self.question, blind=True)
        views = transform.views(self.pictures, torch.Generator().manual_seed(self.seed))
        upright = [self.quarters[:, 0]] if transform.name in ("flip", "vertical flip") else []
        rows = torch.cat([*(each[:, None] for each in upright), self._features(views[len(upright) :])], dim=1)
        return told(rows, self.question, blind=transform.blind)

    def _features(self, views: list[Tensor]) -> Tensor:
        return torch.stack([features(self.network, view) for view in views], dim=1)
