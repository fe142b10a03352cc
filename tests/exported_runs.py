"""Finished runs as an export finds them, with networks nobody trained, and the code of an export's README."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from picture_files import encoded, save, scene
from selfsup.backbones import (
    Vocabulary,
    build,
    build_text,
    save_backbone,
    save_projection,
    save_text_backbone,
)
from selfsup.data.tokens.tokenizer import Tokenizer
from selfsup.embedding import PictureReading, TextReading
from selfsup.finetuning import Classifier, Model
from selfsup.finetuning.calibration import Calibration
from selfsup.finetuning.classifier import Start
from selfsup.finetuning.kinds import kind_of
from selfsup.finetuning.model import save_model
from selfsup.options import task_options
from selfsup.run import Run
from selfsup.tasks import find_task
from selfsup.trained import save_heads

CLASSES = ["lamps", "bills", "ä|other"]
TEXTS = ["The lamp of room 7 flickers.", "ä short one", "A long one, of many words. " * 9, "[MASK]</s>[SEP][BOS]"]
"""The last looks like special tokens (the first of them and the last are such in a tokeniser of ours), which text never is."""


def run_in(folder: Path, **facts: Any) -> Run:
    """A run, as far as its run.json goes."""
    given: dict[str, Any] = {
        "options": {},
        "batch_size": 8,
        "steps": 1,
        "learning_rate": 1e-3,
        "weight_decay": 0.05,
        "data": "nothing",
        "size": 32,
    } | facts
    run = Run(folder=folder, **given)
    run.save()
    return run


def picture_run(folder: Path, backbone: str, *, size: int, side: int, channels: int = 3, task: str = "simclr") -> Run:
    """A run on pictures. Its norms have met pictures, so that they do something."""
    run = run_in(folder, task=task, backbone=backbone, size=size, store_side=side, channels=channels)
    torch.manual_seed(0)
    network = build(backbone, size=size, channels=channels, mean=(0.4,) * channels, std=(0.3,) * channels)
    with torch.no_grad():
        network.train().features(torch.rand(8, channels, size, size))
    save_backbone(network, folder)
    return run


def text_run(folder: Path, backbone: str, task: str, *, context: int = 24) -> tuple[Run, Any]:
    """A run on texts with a tokeniser of bytes, heads and all, and its task."""
    run = run_in(folder, kind="text", task=task, backbone=backbone, size=context)
    Tokenizer.bytes().save(folder)
    torch.manual_seed(0)
    network = build_text(backbone, vocabulary=Vocabulary.of(Tokenizer.load(folder)), context=context)
    kind = find_task(task)
    module = kind(network, **task_options(kind, {}))
    with torch.no_grad():
        for parameter in module.parameters():  # biases and norms that do something
            parameter.add_(0.02 * torch.randn(parameter.shape))
    save_text_backbone(network, folder)
    save_heads(module, folder)
    return run, module.eval()


def side_of(run: Run, width: int) -> Run:
    """The same run as the side of a run of pairs, with a projection to a shared width."""
    network = (PictureReading if run.kind == "image" else TextReading).network(run)
    save_projection(torch.randn(width, network.width, generator=torch.Generator().manual_seed(5)), run.folder)
    return run


def picture_files(folder: Path) -> list[Path]:
    """Pictures of several shapes and formats: a large JPEG, one on its side, a grey one, PNGs, and what is not eight plain bits a channel.

    The colour below what is transparent is dark, and no value of 12 bits in 16 lies below 255, nor one of the floats above 1.
    """
    turned = Image.Exif()
    turned[0x0112] = 6
    save(folder / "large.jpg", scene(620, 900, 1))
    save(folder / "side.jpg", scene(90, 140, 2), exif=turned)
    save(folder / "grey.jpg", np.ascontiguousarray(scene(60, 50, 3)[:, :, 0]))
    save(folder / "small.png", scene(40, 30, 4))
    (folder / "wide.jpeg").write_bytes(encoded(scene(50, 300, 5), "JPEG", quality=70))
    glass = np.dstack([scene(40, 60, 6) // 4, np.linspace(0, 255, 2400).reshape(40, 60).astype(np.uint8)])
    save(folder / "glass.png", glass)
    save(folder / "cut.png", np.ascontiguousarray(glass[:, :, 2:]))
    deep = 300 + scene(30, 50, 7)[:, :, 0].astype(np.uint16) * 14
    Image.fromarray(deep).save(folder / "deep.png", exif=turned)
    Image.fromarray((deep / 8192).astype(np.float32)).save(folder / "heights.tif")
    Image.fromarray(np.full((20, 30), 1000, np.uint16)).save(folder / "even.png")
    colours = Image.fromarray(scene(40, 60, 8)).quantize(16)
    colours.save(folder / "colours.png", transparency=3)
    Image.fromarray(scene(40, 60, 9)).convert("CMYK").save(folder / "print.jpg")
    return sorted(folder.iterdir())


def code_in(folder: Path) -> dict[str, Any]:
    """What the code in a folder's README defines. It needs nothing of this library."""
    [code] = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert "selfsup" not in re.sub(r'"[^"]*"', "", code)
    defined: dict[str, Any] = {}
    with contextlib.chdir(folder.parent):
        exec(code, defined)
    return defined


def model_of(run: Run, folder: Path, layer: str, *, told: dict[str, str] | None = None) -> Model:
    """A model with a classifier that nobody trained, on the backbone of a run; `told` is how its texts were read."""
    how = kind_of(run.kind, run.folder)
    network = how.reads.network(run)
    described, reading, files = how.kept(run, network, told or {})
    width, generator = network.width, torch.Generator().manual_seed(3)
    weights, offsets = torch.randn(3, width, generator=generator) / width**0.5, torch.tensor([0.3, -0.2, 0.0])
    start = Start(layer, np.full(width, 0.1, np.float32), np.full(width, 0.7, np.float32), weights, offsets)
    facts: dict[str, Any] = {"labels": dict.fromkeys(CLASSES, 4), "recipe": {}, "run": {"task": run.task}, "compared": None}
    model = Model(
        folder=folder, kind=run.kind, noun=how.reads.noun, classes=CLASSES, method="fine-tuned", share=1.0, layer=layer, width=width,
        network=described, reading=reading, calibration=Calibration(1.7, 60, 0.04, 0.09, 0.1), **facts,
    )  # fmt: skip
    return save_model(model, Classifier(network, how.reads, 3, start=start), files)
