"""What `compare` was asked for, checked before anything is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfsup.comparison.units import Unit, units_of
from selfsup.data.documents.kind import looks_like_text
from selfsup.evaluation.problem import LabelsPerClass, Protocol
from selfsup.options import check_choice
from selfsup.probing.draws import check_labels_per_class
from selfsup.tasks import find_task
from selfsup.train.budget import seconds_of

READING = ("text", "id", "language", "encoding")
"""How texts are read, for pretraining and for scores."""


@dataclass(frozen=True)
class Comparing:
    """What is compared and how: the units, the seconds they have together, seeds of the finalists, and how they are scored.

    `shared` is what `pretrain` is called with for every unit; `weights` are the user's own, for one more row; with `audit`, views
    that break the labels are off.
    """

    units: list[Unit]
    seconds: float
    budget: str
    seeds: int
    seed: int
    protocol: Protocol
    shared: Mapping[str, Any]
    weights: str | None
    audit: bool = True

    @property
    def modality(self) -> str:
        """What all units learn from."""
        return find_task(self.units[0].task).modality

    @property
    def reading(self) -> dict[str, Any]:
        """How texts are read, as `evaluate` takes it."""
        return {name: self.shared.get(name) for name in READING}

    def asked(self) -> dict[str, Any]:
        """Everything that decides the outcome, to be compared with what is asked for when it goes on."""
        protocol = dataclasses.asdict(self.protocol)
        protocol["labels"] = str(self.protocol.labels) if isinstance(self.protocol.labels, str | Path) else "given in memory"
        return {
            "tasks": [unit.name for unit in self.units], "options": {unit.name: dict(unit.options) for unit in self.units},
            "budget": self.budget, "seeds": self.seeds, "seed": self.seed, "weights": self.weights, "audit": self.audit,
            **{name: protocol[name] for name in ("labels", "probes", "labels_per_class", "draws")}, **self.shared,
        }  # fmt: skip


def modality_of(data: Any, tasks: Sequence[str] | None, kind: str) -> str:
    """What is learned from: as the tasks say, or `kind`, or the data itself."""
    check_choice("kind", kind, ["auto", "image", "text"])
    if tasks:
        return find_task(tasks[0].partition("+")[0].partition("@")[0]).modality
    if kind != "auto":
        return kind
    return "text" if looks_like_text(data) else "image"


def comparing(
    data: Any,
    *,
    labels: Any,
    tasks: Sequence[str] | None,
    settings: Mapping[str, Any],
    budget: str,
    seeds: int,
    seed: int,
    probes: Sequence[str],
    labels_per_class: Sequence[LabelsPerClass],
    draws: int,
    weights: str | Path | None,
    shared: Mapping[str, Any],
    audit: bool = True,
) -> Comparing:
    """What is asked for, or ValueError for what cannot be done."""
    if seeds < 1:
        raise ValueError(f"seeds came as {seeds}: expected at least 1, and 3 to tell how much the training itself varies.")
    modality = modality_of(data, tasks, shared.get("kind", "auto"))
    if modality == "pair":
        raise ValueError("compare takes tasks on pictures or on texts; pairs have their own scores: `selfsup pretrain`, then `evaluate`.")
    units = units_of(tasks, modality=modality, settings=settings)
    protocol = Protocol(labels, tuple(probes), check_labels_per_class(tuple(labels_per_class)), draws, seed, None)
    if not {"linear", "knn"} & set(probes):
        raise ValueError(f"probes came as {list(probes)}: expected linear or knn among them, which decide at every rung who goes on.")
    own = None if weights is None else str(weights)
    if own is not None and not Path(own).expanduser().exists():
        raise ValueError(f"there is nothing at {own}: --weights takes a file of weights, a folder of a run, of timm or of transformers.")
    given = {name: value for name, value in shared.items() if value is not None}
    return Comparing(units, seconds_of(budget), budget, seeds, seed, protocol, given, own, audit and modality == "image")
