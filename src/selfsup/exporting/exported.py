"""What an export is, and when it counts as the same network."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

TOLERANCE = 1e-4
"""The most that a number of an exported embedding may differ, in parts of the largest number, or of 1 where that is smaller."""


@dataclass(frozen=True)
class Exported:
    """A folder that another library loads.

    `layer` is the layer and pool of its embeddings, `width` their length. `difference` is the largest difference between its embeddings and
    those of the run, measured on what was written, in parts of the largest number (of 1 where that is smaller). `notes` say in what it is
    not the run.
    """

    folder: Path
    format: str
    layer: str
    width: int
    difference: float
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Written:
    """What a writer of one format tells of the folder it filled.

    `difference` and `width` are those of `Exported`; `code` embeds with the folder, which it calls @FOLDER@; `packages` are what it needs.
    """

    width: int
    difference: float
    code: str
    packages: tuple[str, ...]
    notes: list[str] = field(default_factory=list)


def difference_of(found: Tensor, expected: Tensor) -> float:
    """The largest difference between two tensors of equal shape, in parts of the largest expected number, at least of 1."""
    assert found.shape == expected.shape, f"{tuple(found.shape)} is compared with {tuple(expected.shape)}"
    scale = max(1.0, float(expected.abs().max()))
    return float((found.double() - expected.double()).abs().max()) / scale


def checked(found: Tensor, expected: Tensor, what: str, *, tolerance: float = TOLERANCE) -> float:
    """`difference_of`. Raises ValueError where it is more than `tolerance`, or no number: such an export is not written."""
    difference = difference_of(found, expected)
    if not difference <= tolerance:
        raise ValueError(
            f"{what} gives other embeddings than the run: they differ by {difference:.2g}, and {tolerance:g} is allowed. Nothing was "
            "written. Try another --format; if none works, please report it with the versions in run.json."
        )
    return difference


def need(extra: str, *modules: str) -> None:
    """Raise ModuleNotFoundError naming the extra, where one of its modules is missing."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise ModuleNotFoundError(f"this format needs the package {missing[0]}: pip install 'selfsup[{extra}]'")


def drawn(*shape: int, below: int, seed: int = 0) -> Tensor:
    """Whole numbers from 0 to `below` - 1 that are the same every time: what an export is tried on."""
    return torch.randint(below, shape, generator=torch.Generator().manual_seed(seed))
