"""Local copies of CIFAR-10 and Imagenette as `pretrain` and `evaluate` take them, with their official splits. Nothing is fetched.

CIFAR-10    `cifar-10-batches-bin`, from cifar-10-binary.tar.gz (www.cs.toronto.edu/~kriz/cifar.html). The version for Python is a pickle,
            which can run code, and is never read
Imagenette  version 2: `imagenette2`, `imagenette2-320` or `imagenette2-160`, each with train/ and val/ (github.com/fastai/imagenette)
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Bytes = np.ndarray[Any, np.dtype[np.uint8]]

TRAINING = [f"data_batch_{number}.bin" for number in range(1, 6)]
TEST = "test_batch.bin"
RECORDS, RECORD = 10_000, 1 + 3 * 32 * 32
"""Pictures in a file of CIFAR-10, and bytes of each: its label, then 1,024 each of red, green and blue, row by row."""
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

IMAGENETTE = {"train": 9_469, "val": 3_925}
"""Pictures in each part of version 2."""
SMALL = ("imagenette2-160", "imagenette2-320", "imagenette2")
"""From the smallest pictures to the largest, by their shorter side (the last: as in ImageNet)."""
LARGEST_FROM_160 = 160  # px: views up to this size lose nothing by the smallest version


class NotHere(Exception):
    """There is no copy that can be read; the words say where it was looked for, `get` what is wanted."""

    def __init__(self, words: str, *, get: str) -> None:
        super().__init__(words)
        self.get = get


@dataclass(frozen=True)
class Copy:
    """What `pretrain` and `evaluate` are called with, and how many pictures there are to train on."""

    data: Path
    labels: str
    split: str
    train: int


def cifar10(place: Path, out: Path) -> Copy:
    """The binary version in `place` or in `place/cifar-10-batches-bin`, as a file in `out`.

    Raises NotHere, and ValueError where a file is missing, has another size or holds no labels of CIFAR-10.
    """
    folder = _holding(place, ["cifar-10-batches-bin"], lambda folder: any((folder / name).is_file() for name in (*TRAINING, TEST)))
    if folder is None:
        raise NotHere(
            _no_cifar10(place), get="CIFAR-10 in its binary version: cifar-10-binary.tar.gz, of www.cs.toronto.edu/~kriz/cifar.html"
        )
    made = out / "cifar10.npz"
    parts = [(_batch(folder / name), "test" if name == TEST else "train") for name in (*TRAINING, TEST)]
    copy = Copy(made, "label", "part", sum(len(labels) for (_, labels), part in parts if part == "train"))
    if not made.is_file():
        out.mkdir(parents=True, exist_ok=True)
        images = np.concatenate([images for (images, _), _ in parts])
        names = np.array(CLASSES)[np.concatenate([labels for (_, labels), _ in parts])]
        draft = made.with_name("cifar10.draft.npz")
        np.savez(draft, images=images, label=names, part=np.repeat([part for _, part in parts], [len(batch[1]) for batch, _ in parts]))
        draft.replace(made)  # whole or not at all
    return copy


def imagenette(place: Path, out: Path, *, size: int) -> Copy:
    """`place`, or the folder of a version in it that suits views of `size` px; its split is written into `out`.

    Raises NotHere, and ValueError where pictures are missing.
    """
    names = SMALL if size <= LARGEST_FROM_160 else SMALL[::-1]
    folder = _holding(place, names, lambda folder: all((folder / part).is_dir() for part in IMAGENETTE))
    if folder is None:
        raise NotHere(
            f"no Imagenette in {place}", get=f"Imagenette for {size} px: {', else '.join(names)}, of github.com/fastai/imagenette"
        )
    files = {part: sorted((folder / part).glob("*/*.JPEG")) for part in IMAGENETTE}
    for part, expected in IMAGENETTE.items():
        if len(files[part]) != expected:
            raise ValueError(
                f"{folder / part} has {len(files[part]):,} pictures (*/*.JPEG); expected the {expected:,} of version 2. Unpack it again."
            )
    split = out / f"{folder.name}-split.csv"
    split.parent.mkdir(parents=True, exist_ok=True)
    with split.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["path", "split"])
        table.writerows([file.relative_to(folder).as_posix(), part] for part, some in files.items() for file in some)
    return Copy(folder, "folder", str(split), len(files["train"]))


def _holding(place: Path, names: Sequence[str], fits: Callable[[Path], bool]) -> Path | None:
    """The first folder that fits: `place` itself, or one of these in it."""
    return next((folder for folder in (place, *(place / name for name in names)) if fits(folder)), None)


def _no_cifar10(place: Path) -> str:
    for folder in (place, place / "cifar-10-batches-py"):
        if (folder / "data_batch_1").is_file():
            return f"{folder} is CIFAR-10 for Python, a pickle, which is never read"
    if (place / "cifar-10-binary.tar.gz").is_file():
        return f"{place / 'cifar-10-binary.tar.gz'} is not unpacked"
    return f"no CIFAR-10 in {place}"


def _batch(file: Path) -> tuple[Bytes, Bytes]:
    """Pictures `(N, 32, 32, 3)` and labels `(N,)` of one file. Raises ValueError."""
    if not file.is_file():
        raise ValueError(f"{file} is missing; expected {', '.join((*TRAINING, TEST))} side by side. Unpack cifar-10-binary.tar.gz again.")
    size, expected = file.stat().st_size, RECORDS * RECORD
    if size != expected:
        raise ValueError(
            f"{file} has {size:,} bytes; expected {expected:,} ({RECORDS:,} pictures of {RECORD:,}). Unpack cifar-10-binary.tar.gz again."
        )
    records = np.fromfile(file, dtype=np.uint8).reshape(RECORDS, RECORD)
    if (highest := int(records[:, 0].max())) >= len(CLASSES):
        raise ValueError(f"{file} has the label {highest}; expected 0 to {len(CLASSES) - 1}. Is it CIFAR-10 in its binary version?")
    return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 0]
