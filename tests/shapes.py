"""Pictures of bright squares and rings of known place, with boxes, masks and numbers, and runs of no training on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from selfsup.backbones import build, save_backbone
from selfsup.data import make_split, open_source, open_store
from selfsup.run import Run

SIZE, WIDE = 32, 64


def save_shapes(folder: Path, *, count: int = 40, seed: int = 0) -> dict[str, Any]:
    """Pictures of 64 x 32 px, twice as wide as high, with one or two shapes that do not touch; their COCO file and masks.

    The left half may hold a square (class "square", value 1), the right half a ring (class "ring", value 2).
    """
    rng = np.random.default_rng(seed)
    for name in ("pictures", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {"images": [], "annotations": [], "categories": [{"id": 7, "name": "square"}, {"id": 3, "name": "ring"}]}
    for number in range(count):
        picture, mask = rng.normal(40, 5, (SIZE, WIDE)).clip(0, 255), np.zeros((SIZE, WIDE), dtype=np.uint8)
        for half in (0, 1) if number % 3 == 0 else (number % 3 - 1,):
            side = int(rng.integers(10, 20))
            left, top = 32 * half + int(rng.integers(0, 32 - side)), int(rng.integers(0, SIZE - side))
            picture[top : top + side, left : left + side] = 220
            if half:
                picture[top + 4 : top + side - 4, left + 4 : left + side - 4] = 40
            mask[top : top + side, left : left + side] = 1 + half
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": number,
                    "category_id": 3 if half else 7,
                    "bbox": [left, top, side, side],
                }
            )
        name = f"{number:02d}.png"
        Image.fromarray(picture.astype(np.uint8)).save(folder / "pictures" / name)
        Image.fromarray(mask).save(folder / "masks" / name)
        content["images"].append({"id": number, "file_name": name, "width": WIDE, "height": SIZE})
    (folder / "boxes.json").write_text(json.dumps(content), encoding="utf-8")
    return content


def untrained_run(folder: Path, pictures: Path, *, seed: int = 0, task: str = "simclr", holdout: float = 0.4, size: int = SIZE) -> Run:
    """A run whose backbone is as initialised, on the pictures of a folder."""
    source = open_source(str(pictures))
    store = open_store(source, side=size, channels=1, progress=False)
    run = Run(
        folder=folder, data=str(pictures), root=source.root, seed=seed, fingerprint=store.fingerprint, task=task, options={},
        backbone="compact_convnet", size=size, channels=1, store_side=size, batch_size=8, steps=1, learning_rate=1e-3, weight_decay=0.0,
    )  # fmt: skip
    run.save()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        save_backbone(build("compact_convnet", size=size, channels=1), folder)
    make_split(source.ids, holdout=holdout).save(run.split_file)
    return run
