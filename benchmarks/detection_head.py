"""How deep may a head be before it learns to see by itself? AP of heads with 0, 1 and 2 convolutions a tower, on maps that nobody trained.

python benchmarks/detection_head.py --out DIR          # on digits on a canvas, 50 and 640 pictures; minutes on a core

A head that does as well on raw pixels as on a network says nothing of the network. One initialisation and one draw: differences of a few
points mean nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from digits_on_canvas import save_canvases
from selfsup.backbones import build
from selfsup.data import open_source, open_store
from selfsup.data.coco import read_coco
from selfsup.downstream.average_precision import match, mean_average_precision
from selfsup.downstream.detector import Detector, Schedule, train_head
from selfsup.downstream.maps import Kept, Maps, Seen, backbone_maps, pixel_maps

SIZE, CPU = 96, torch.device("cpu")

SCHEDULE = Schedule(fewest=200, most=600)


def precision(
    kept: Kept, objects: list[Any], *, draw: np.ndarray[Any, Any], test: np.ndarray[Any, Any], convolutions: int
) -> dict[str, float]:
    """AP and AP50 of one head that learned from the pictures of a draw."""
    torch.manual_seed(1)
    levels = [(level.shape[1], level.shape[-1]) for level in kept.levels]
    head = Detector(levels, size=SIZE, classes=10, convolutions=convolutions)
    train_head(head, lambda rows: head.loss(kept.take(rows, CPU), [objects[row] for row in rows]), draw, schedule=SCHEDULE, seed=0)
    found = [one for some in np.array_split(test, 5) for one in head.find(kept.take(some, CPU))]
    return mean_average_precision(match(found, [objects[row] for row in test], 10))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--convolutions", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--labelled", nargs="*", type=int, default=[50, 640])
    asked = parser.parse_args()
    place = asked.out / "canvases"
    if not (place / "single.npz").is_file():
        print(save_canvases(place))
    store = open_store(open_source(str(place / "pictures")), side=SIZE, channels=1)
    truth = read_coco(place / "boxes.json", store.ids)
    objects = [one for one in truth.objects if one is not None]
    rows = np.arange(len(store))
    test, train = rows[rows % 5 == 0], rows[rows % 5 != 0]
    torch.manual_seed(0)
    network = build("compact_convnet", size=SIZE, channels=1).eval()
    looks: dict[str, Callable[[Any], Maps]] = {"untrained network": partial(backbone_maps, network), "raw pixels": pixel_maps}
    print("| maps | convolutions a tower | pictures | AP | AP50 |\n|---|--:|--:|--:|--:|")
    for name, look in looks.items():
        kept = Kept.of(Seen.by(look, store, size=SIZE, reference=train[:200], device=CPU), rows, CPU)
        for convolutions in asked.convolutions:
            for count in asked.labelled:
                found = precision(kept, objects, draw=train[:count], test=test, convolutions=convolutions)
                print(f"| {name} | {convolutions} | {count} | {100 * found['AP']:.1f} | {100 * found['AP50']:.1f} |", flush=True)


if __name__ == "__main__":
    main()
