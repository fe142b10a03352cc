"""A few tested pictures with what is in them and what was found, kept for the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from selfsup.data.coco import Objects
from selfsup.downstream.average_precision import Boxes

SHOWN = 6

SURE = 0.3
"""How sure a box has to be to be drawn; if none is, the surest is."""

MOST_DRAWN = 12


def box_sample(name: str, truth: Objects, found: dict[str, Boxes]) -> dict[str, Any]:
    """One picture's true boxes without crowds, and what each row found: boxes in shares of the picture, class numbers, and how sure."""
    return {
        "id": name,
        "true": [[*map(float, box), int(kind)] for box, kind in zip(truth.boxes[~truth.crowd], truth.classes[~truth.crowd], strict=True)],
        "found": {row: _drawn(boxes) for row, boxes in found.items()},
    }


def _drawn(found: Boxes) -> list[list[float]]:
    order = np.argsort(-found.scores, kind="stable")[:MOST_DRAWN]
    sure = [place for place in order.tolist() if found.scores[place] >= SURE] or order[:1].tolist()
    return [[*map(float, found.boxes[place]), int(found.classes[place]), float(found.scores[place])] for place in sure]


def save_pictures(file: Path, pictures: UInt8[Tensor, "n C S S"], masks: dict[str, np.ndarray] | None = None) -> None:
    """Write pictures, and masks by name, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.draft")
    with draft.open("wb") as stream:
        arrays: dict[str, Any] = {"pictures": pictures.numpy(), **(masks or {})}
        np.savez_compressed(stream, **arrays)
    draft.replace(file)
