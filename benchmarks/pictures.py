"""A page of pictures: what each task showed its network, and what the network answered.

    python benchmarks/pictures.py RUN [RUN …] --out docs/pictures      # one PNG a run, named after its task, and README.md

Runs of `benchmarks/tasks.py mnist` will do. The pictures are those of the runs' reports; where a task shows what another has, the page
says so instead.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from selfsup.run import Run
from selfsup.tasks import find_task

SIDE, GAP, MARGIN, COLUMNS = 84, 6, 210, 8  # pixels; the margin holds the name of a line
ORIGIN = """Made by `python benchmarks/pictures.py RUNS --out DIR` from runs of `benchmarks/tasks.py`, one to five minutes each: on
MNIST digits, and for colorization on Noto Color Emoji (Open Font License). Columns are pictures. What each task is
for: [tasks.md](../tasks.md)."""
Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def lines(run: Run) -> dict[str, Pixels]:
    """Name to pictures (n, C, h, w): what the task asked and what the network answered; of tasks that show nothing, their views."""
    with np.load(run.samples / "pictures.npz", allow_pickle=False) as kept:
        shown = [name for name in kept.files if name.startswith("shown/")]
        names = shown or ["source", *(name for name in kept.files if name.startswith("views/"))]
        return {title: rows for name in names for title, rows in each_crop(name.partition("/")[2] or "picture", kept[name])}


def each_crop(name: str, array: Pixels) -> Iterator[tuple[str, Pixels]]:
    """Pictures as they are; of several crops of each picture, a line for every crop."""
    if array.ndim == 4:
        yield name, array
    elif array.ndim == 5:
        yield from ((f"{name} {crop + 1}", array[:, crop]) for crop in range(array.shape[1]))


def sheet(rows: dict[str, Pixels]) -> Image.Image:
    """All lines below one another, a column a picture; small pictures are magnified without smoothing."""
    page = Image.new("RGB", (MARGIN + COLUMNS * (SIDE + GAP), len(rows) * (SIDE + GAP)), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(16)
    for number, (name, pictures) in enumerate(rows.items()):
        top = number * (SIDE + GAP)
        pen.text((4, top + SIDE / 2 - 10), name, fill="black", font=font)
        for column, picture in enumerate(pictures[:COLUMNS]):
            image = Image.fromarray(picture.transpose(1, 2, 0).squeeze())
            large = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.NEAREST if max(image.size) < SIDE else Image.Resampling.BOX)
            page.paste(large, (MARGIN + column * (SIDE + GAP), top))
    return page


def first_words(task: str) -> str:
    """The first sentence of a task's docstring."""
    return (find_task(task).__doc__ or "").strip().partition(". ")[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    page = ["# What each task shows its network, and what the network answers", "", ORIGIN, ""]
    shown: dict[bytes, str] = {}
    for folder in asked.runs:
        run = Run.open(folder)
        made = sheet(lines(run))
        first = shown.setdefault(made.tobytes(), run.task)
        words = f"{first_words(run.task)}."
        if first == run.task:
            made.save(asked.out / f"{run.task}.png", optimize=True)
            length = f"{run.steps:,} steps of {run.batch_size} on {run.pictures:,} pictures with `{run.backbone}`"
            page += [f"## {run.task}", "", f"{words} {length}.", "", f"![{run.task}]({run.task}.png)", ""]
        else:
            page += [f"## {run.task}", "", f"{words} Its network sees what that of [{first}](#{first}) sees.", ""]
    (asked.out / "README.md").write_text("\n".join(page), encoding="utf-8")


if __name__ == "__main__":
    main()
