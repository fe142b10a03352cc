"""The formats, by name: what each is for, and what writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from selfsup.exporting.exported import Written

Writer = Callable[[Any, Path], Written]
"""Fills an empty folder with a subject. Raises ValueError where the format cannot hold it, or holds something else."""


@dataclass(frozen=True)
class Format:
    """One row of the table. `pictures` and `texts` are writers as `module:function`, imported when they are needed, or None."""

    purpose: str
    pictures: str | None
    texts: str | None


_HERE = "selfsup.exporting"
FORMATS = {
    "timm": Format("weights that timm loads, to train on", f"{_HERE}.timm_folder:write_timm", None),
    "torchvision": Format("weights of a ResNet that torchvision loads", f"{_HERE}.torchvision_folder:write_torchvision", None),
    "transformers": Format(
        "AutoModel, with AutoImageProcessor or AutoTokenizer, and the head that predicts words",
        f"{_HERE}.timm_folder:write_transformers",
        f"{_HERE}.transformers_folder:write_transformers",
    ),
    "sentence-transformers": Format("SentenceTransformer(folder)", None, f"{_HERE}.sentence_folder:write_sentence_transformers"),
    "onnx": Format("one file for onnxruntime, from pixels or ids to the embedding", *[f"{_HERE}.whole_folders:write_onnx"] * 2),
    "torch": Format("one file for torch alone, from pixels or ids to the embedding", *[f"{_HERE}.whole_folders:write_torch"] * 2),
}


MODEL_FORMATS = ("onnx", "torch")
"""The formats that hold a model: all in one file, with its classes."""


SHARED_FORMATS = (*MODEL_FORMATS, "sentence-transformers")
"""The formats that hold what a side of a run of pairs puts on its embedding."""


def check_shared(name: str, kind: str) -> None:
    """Raise ValueError where a format holds the backbone alone, and the shared layer lies behind it."""
    able = [known for known in SHARED_FORMATS if (FORMATS[known].pictures if kind == "image" else FORMATS[known].texts)]
    if name not in able:
        raise ValueError(f"format {name!r} holds the backbone, and the shared layer is a projection behind it: expected {', '.join(able)}.")


def writer_of(name: str, kind: str, *, model: bool = False) -> Writer:
    """What writes a format. Raises ValueError where there is none, or none for this kind of data, or none for a model."""
    if model and name not in MODEL_FORMATS:
        raise ValueError(f"format is {name!r}; expected one of {', '.join(MODEL_FORMATS)}, which hold models. Runs have more.")
    able = [known for known, row in FORMATS.items() if (row.pictures if kind == "image" else row.texts)]
    place = FORMATS[name].pictures if name in FORMATS and kind == "image" else FORMATS[name].texts if name in FORMATS else None
    if place is None:
        what = "pictures" if kind == "image" else "texts"
        raise ValueError(f"format is {name!r}; expected one of {', '.join(able)}, which hold networks for {what}.")
    module, _, function = place.partition(":")
    writer: Writer = getattr(import_module(module), function)
    return writer
