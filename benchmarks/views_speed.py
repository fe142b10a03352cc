"""Speed of two SimCLR views a picture on one core: ours against lightly's `SimCLRTransform`, in turn, in one process.

    OMP_NUM_THREADS=1 python benchmarks/views_speed.py --sizes 32,64,128,224 --seconds 3

Pictures are stored at the size of the view. Ours takes uint8 batches as a store gives them; lightly takes PIL pictures one by one, as
its loader's worker does, with its defaults. Both crop (area 0.08 to 1), flip, jitter (strength 1, p 0.8), turn grey (p 0.2), blur
(p 0.5, sigma 0.1 to 2 pixels), make float tensors and normalise (ours with one more pass, though the backbone does it in use). Both
times are processor time, so that a busy machine disturbs less. Grey: one-channel stores for ours; lightly gets the same pictures as
RGB, which is what its normalisation needs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from lightly.transforms.simclr_transform import SimCLRTransform
from PIL import Image
from torch.nn import functional

from selfsup.views import Augment

TARGETS = {32: 8.0, 64: 5.0, 128: 3.0, 224: 1.5}
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def pictures(count: int, channels: int, size: int) -> torch.Tensor:
    """Smooth random pictures, uint8 (count, channels, size, size)."""
    coarse = torch.rand(count, channels, max(4, size // 8), max(4, size // 8), generator=torch.Generator().manual_seed(0))
    return functional.interpolate(coarse, size=(size, size), mode="bicubic").clamp(0, 1).mul(255).round().to(torch.uint8)


def ours(image: torch.Tensor) -> Callable[[], int]:
    augment = Augment(size=image.shape[3], crop=(0.08, 1.0), jitter=1.0, blur=0.5)
    rng = torch.Generator().manual_seed(0)
    mean, std = MEAN[: image.shape[1]], STD[: image.shape[1]]

    def step() -> int:
        for _ in range(2):
            augment(image, rng).sub_(mean).div_(std)
        return len(image)

    return step


def theirs(image: torch.Tensor) -> Callable[[], int]:
    transform = SimCLRTransform(input_size=image.shape[3])
    pillow = [Image.fromarray(picture.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy()) for picture in image[:32]]

    def step() -> int:
        for picture in pillow:
            transform(picture)
        return len(pillow)

    return step


def rate(step: Callable[[], int], seconds: float) -> float:
    """Pictures (two views each) a second of processor time."""
    done, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        done += step()
    return done / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="32,64,128,224", help="sides of the views in pixels")
    parser.add_argument("--seconds", type=float, default=3.0, help="processor time for each library, size and number of channels")
    parser.add_argument("--repetitions", type=int, default=5, help="turns that the time is divided into")
    parser.add_argument("--batch-size", type=int, default=128)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    print(f"torch {torch.__version__}, one thread, {torch.backends.cpu.get_cpu_capability()}, batch {options.batch_size}")
    print(f"{'size':>5} {'pictures':>9} {'ours/s':>9} {'lightly/s':>10} {'ratio':>6} {'lowest':>7} {'target':>7}")
    for size in (int(size) for size in options.sizes.split(",")):
        for channels in (3, 1):
            image = pictures(options.batch_size, channels, size)
            steps = ours(image), theirs(image)
            for step in steps:
                step()
            turns = [[rate(step, options.seconds / options.repetitions) for step in steps] for _ in range(options.repetitions)]
            mine, peer = (statistics.median(rates) for rates in zip(*turns, strict=True))
            ratios = [first / second for first, second in turns]
            target = TARGETS.get(size, float("nan"))
            kind = "RGB" if channels == 3 else "grey"
            print(f"{size:>5} {kind:>9} {mine:>9.0f} {peer:>10.0f} {statistics.median(ratios):>6.1f} {min(ratios):>7.1f} {target:>7}")


if __name__ == "__main__":
    main()
