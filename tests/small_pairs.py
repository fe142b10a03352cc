"""Captioned pictures, batches and networks of pairs as small as tests want them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from selfsup.backbones import PairBackbone, build
from selfsup.contract.pair_trials import PairTrial
from selfsup.options import task_options
from selfsup.tasks import TASKS, find_task
from small_text import backbone

PAIR_TASKS = sorted(name for name in TASKS if find_task(name).modality == "pair")
COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (30, 40, 200), "black": (10, 10, 10)}
GERMAN = {"red": "rot", "green": "grün", "blue": "blau", "black": "schwarz"}
SHAPES = ("square", "bar", "column")


def painted(colour: str, shape: str, place: int, side: int = 20) -> np.ndarray[Any, Any]:
    """A shape of a colour on light grey, somewhere."""
    pixels = np.full((side, side, 3), 220, np.uint8)
    height, width = {"square": (8, 8), "bar": (4, 14), "column": (14, 4)}[shape]
    top, left = place * 3 % (side - height), place * 5 % (side - width)
    pixels[top : top + height, left : left + width] = COLOURS[colour]
    return pixels


def rows(count: int = 48) -> list[dict[str, Any]]:
    """Captions in two languages, the colour and shape of each picture; each combination comes several times."""
    made = []
    for number in range(count):
        colour, shape = list(COLOURS)[number % 4], SHAPES[number // 4 % 3]
        made.append({"colour": colour, "shape": shape, "en": f"a {colour} {shape}", "de": f"{GERMAN[colour]}: {shape}", "number": number})
    return made


def arrays(count: int = 48) -> dict[str, Any]:
    """The same in memory."""
    every = rows(count)
    pictures = np.stack([painted(row["colour"], row["shape"], row["number"]) for row in every])
    return {"image": pictures, **{name: [row[name] for row in every] for name in ("en", "de", "colour")}}


def table(folder: Path, count: int = 48) -> Path:
    """The same as files: captions.jsonl, with a row for each language, and the pictures beside it."""
    (folder / "images").mkdir(parents=True)
    with (folder / "captions.jsonl").open("w", encoding="utf-8") as file:
        for row in rows(count):
            name = f"images/{row['number']:03d}.png"
            Image.fromarray(painted(row["colour"], row["shape"], row["number"])).save(folder / name)
            for language in ("en", "de"):
                line = {"image": name, "text": row[language], "lang": language, "colour": row["colour"]}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return folder / "captions.jsonl"


def network(size: int = 16, width: int = 24, text: str = "bert-tiny", **arguments: Any) -> PairBackbone:
    """Two small networks without BatchNorm's coupling of rows in the text side."""
    torch.manual_seed(0)
    return PairBackbone(build("compact_convnet", size=size), backbone(text, context=12), width=width, languages=("en", "de"), **arguments)


def make(name: str, **options: Any) -> Any:
    """A task of the table on such networks."""
    kind: Any = find_task(name)
    return kind(network(text=text_of(name)), **task_options(kind, options))


def text_of(name: str) -> str:
    """The small network for texts that a task takes."""
    kind: Any = find_task(name)
    return "gpt2-tiny" if kind.reads_forwards else "bert-tiny"


def trial() -> PairTrial:
    """What the contract tries."""
    return PairTrial("compact_convnet+bert-tiny", 16, side=20)
