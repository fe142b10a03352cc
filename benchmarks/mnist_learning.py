"""What a task on two views learns of 5,000 MNIST digits in two minutes, beside baselines and beside lightly with the same network and time.

    python benchmarks/mnist_learning.py --out /tmp/mnist                # 3 seeds x 2 minutes, ours and lightly's: about 20 minutes
    python benchmarks/mnist_learning.py --out /tmp/mnist --without-peer
    python benchmarks/mnist_learning.py --out /tmp/vicreg --task vicreg     # or barlow_twins, likewise beside lightly's

4,000 digits for pretraining, 1,000 held out. Every row is scored by the same `selfsup.evaluate`: linear probe at 10 labels a class.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from lightly_examples import EXAMPLES, HEADS
from real_data import mnist
from selfsup import evaluate, pretrain
from selfsup.backbones import build_from, read_settings, save_backbone
from selfsup.run import Run
from selfsup.terminal.scores import print_results


class Listed(torch.utils.data.Dataset[Any]):
    """Pictures transformed one by one by the loader's workers, as in lightly's examples."""

    def __init__(self, images: np.ndarray[Any, Any], transform: Any) -> None:
        self.images, self.transform = [Image.fromarray(image).convert("RGB") for image in images], transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        return [view[:1] for view in self.transform(self.images[index])]  # grey: three equal channels would cost the peer time


def lightly_run(ours: Run, images: np.ndarray[Any, Any], folder: Path, *, seconds: float) -> Run:
    """lightly's example of our run's task (its loss, head, transform, optimiser and loader) on our run's network, pictures and time."""
    from selfsup.data import Split

    torch.manual_seed(ours.seed)
    backbone = build_from(read_settings(ours.folder))
    example = EXAMPLES[ours.task]
    model = example(backbone, backbone.width)
    transform = example.transform(ours.size, normalize=None)  # the network normalises
    data = Listed(images[Split.load(ours.split_file).rows("train")], transform)
    loader = torch.utils.data.DataLoader(data, 256, shuffle=True, drop_last=True, num_workers=2, persistent_workers=True)
    optimizer = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=0.06)
    began, steps = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        for first, second in loader:
            model.before_step()
            loss = model.loss(first, second)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            steps += 1
            if time.monotonic() - began > seconds:
                break
    run = dataclasses.replace(
        ours, folder=folder, task=f"lightly-{ours.task}", steps=steps, options={}, optimizer="sgd", learning_rate=0.06
    )
    run.save()
    Split.load(ours.split_file).save(run.split_file)
    save_backbone(backbone, folder)
    print(f"lightly: {steps} steps of 256 in {seconds:.0f} s, loss {loss.item():.3f}", file=sys.stderr)
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--budget", default="2m")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--task", default="simclr", choices=list(HEADS))
    parser.add_argument("--set", nargs="*", default=["flip=0", "turn=20"], metavar="option=value", help="digits are not mirrored")
    parser.add_argument("--without-peer", action="store_true")
    asked = parser.parse_args()
    images, columns = mnist()
    options = dict(pair.split("=", 1) for pair in asked.set)
    runs = []
    for seed in range(asked.seeds):
        out = asked.out / f"{asked.task}-{seed}"
        ours = pretrain(images, task=asked.task, budget=asked.budget, seed=seed, options=options, out=out, holdout=0.2)
        runs.append(ours)
        if not asked.without_peer:
            seconds = ours.steps * ours.choices["seconds_per_step"]
            runs.append(lightly_run(ours, images, asked.out / f"lightly-{seed}", seconds=seconds))
    print_results(evaluate(runs, images, labels=columns["label"], probes=("linear", "knn"), labels_per_class=(1, 10), out=asked.out))


if __name__ == "__main__":
    main()
