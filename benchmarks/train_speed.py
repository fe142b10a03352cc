"""Training speed beside lightly and transformers: same network, batch and picture size, rows in turn, each in a process of its own.

    python benchmarks/train_speed.py                     # every case, about 45 minutes on 2 cores
    python benchmarks/train_speed.py --cases simclr-resnet18-32 --repeats 3 --seconds 10

Prints pictures a second (median over repeats) and our ratio to each row. The peers run as their own examples do (two loader
workers, fp32), and tuned by us (bf16 autocast, channels_last). `--avx2` holds the processor to AVX2, as an older laptop.
Pictures are ELPV solar cells, scaled beforehand and kept in memory, so that nobody decodes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from beside import in_a_process, in_turn, per_second
from lightly_examples import EXAMPLES, HEADS


@dataclass(frozen=True)
class Case:
    """One network, picture size and batch, and the ratio to the peer as it comes that we aim at."""

    task: str
    network: str
    size: int
    batch: int
    target: float


CASES = {
    "simclr-resnet18-32": Case("simclr", "resnet18-standard", 32, 256, 2.0),
    "simclr-resnet18-32-small-stem": Case("simclr", "resnet18-small", 32, 128, 2.0),
    "simclr-resnet18-64": Case("simclr", "resnet18-standard", 64, 256, 2.0),
    "simclr-vit-64": Case("simclr", "vit", 64, 128, 3.0),
    "barlow-resnet18-32": Case("barlow_twins", "resnet18-standard", 32, 256, 2.0),
    "barlow-vit-64": Case("barlow_twins", "vit", 64, 128, 3.0),
    "vicreg-resnet18-32": Case("vicreg", "resnet18-standard", 32, 256, 2.0),
    "vicreg-vit-64": Case("vicreg", "vit", 64, 128, 3.0),
    "byol-resnet18-32": Case("byol", "resnet18-standard", 32, 256, 2.0),
    "byol-vit-64": Case("byol", "vit", 64, 128, 3.0),
    "simsiam-resnet18-32": Case("simsiam", "resnet18-standard", 32, 256, 2.0),
    "simsiam-vit-64": Case("simsiam", "vit", 64, 128, 3.0),
    "moco-resnet18-32": Case("moco", "resnet18-standard", 32, 256, 2.0),
    "moco-vit-64": Case("moco", "vit", 64, 128, 3.0),
    "dino-resnet18-32": Case("dino", "resnet18-standard", 32, 256, 2.0),
    "dino-vit-64": Case("dino", "vit", 64, 128, 3.0),
    "swav-resnet18-32": Case("swav", "resnet18-standard", 32, 256, 2.0),
    "swav-vit-64": Case("swav", "vit", 64, 128, 3.0),
    "mae-vit-tiny-128": Case("mae", "vit", 128, 128, 3.0),
}
ROWS = ("ours", "peer", "peer-tuned")
VIT = {"width": 192, "depth": 12, "heads": 3}
OLD = "ATEN_CPU_CAPABILITY" in os.environ  # held to AVX2, which has no bf16: a tuned peer computes in fp32 there
DECODER = {"width": 128, "depth": 2, "heads": 4}


def pictures(size: int, count: int = 1024) -> np.ndarray[Any, Any]:
    """ELPV cells at `size` px, tinted, so that all three channels count: `(count, size, size, 3)` uint8."""
    from elpv_dataset.utils import load_dataset

    images, _, _ = load_dataset()
    small = [np.asarray(Image.fromarray(image).convert("RGB").resize((size, size), Image.Resampling.BOX)) for image in images[:count]]
    return (np.stack(small) * np.array([1.0, 0.9, 0.8])).astype(np.uint8)


def vit(size: int) -> nn.Module:
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(
        img_size=size, patch_size=size // 8, embed_dim=VIT["width"], depth=VIT["depth"], num_heads=VIT["heads"], num_classes=0,
        class_token=False, global_pool="avg", dynamic_img_size=True,
    )  # fmt: skip


def resnet18(stem: str) -> nn.Module:
    import timm

    network = timm.create_model("resnet18", num_classes=0)
    if stem == "small":
        network.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        network.maxpool = nn.Identity()
    return network


def ours(case: Case) -> Iterator[int]:
    """Our own pieces as `pretrain` puts them together; yields the pictures of each step."""
    from selfsup.backbones import build
    from selfsup.data import Batches, prepare
    from selfsup.options import task_options
    from selfsup.run import Run
    from selfsup.tasks import find_task
    from selfsup.train.calibration import choose_kernels
    from selfsup.train.distributed import World
    from selfsup.train.loop import one_step
    from selfsup.train.memory import keep_memory
    from selfsup.train.optimizer import make_optimizer
    from selfsup.train.precision import Kernels
    from selfsup.train.step import Step

    keep_memory()
    corpus = prepare(pictures(case.size), size=case.size)
    if case.network == "vit":
        backbone = build("vit_tiny_patch16_224", size=case.size)
        own, peer = (sum(p.numel() for p in network.parameters()) for network in (backbone, vit(case.size)))
        assert backbone.patch == case.size // 8
        assert abs(own / peer - 1) < 0.01, f"{own} against {peer} parameters"
    else:
        backbone = build("resnet18", size=case.size, stem=case.network.split("-")[1])
    kind = find_task(case.task)
    given: dict[str, Any] = {f"decoder_{part}": value for part, value in DECODER.items()} if case.task == "mae" else dict(HEADS[case.task])
    given |= {"queue": 4096} if case.task == "moco" else {}  # as lightly's example
    task = kind(backbone, **task_options(kind, given))
    if case.network != "vit":
        task = task.to(memory_format=torch.channels_last)
    batches = Batches(corpus.store, corpus.rows, batch_size=case.batch, seed=0)
    choices = choose_kernels(task, batches, World())
    print(choices, file=sys.stderr)
    run = Run(
        folder=None, data="", task=case.task, options={}, backbone="", size=case.size, channels=3, store_side=case.size,  # type: ignore[arg-type]
        batch_size=case.batch, steps=10**6, learning_rate=1e-3, weight_decay=0.05, choices=choices,
    )  # fmt: skip
    optimizer = make_optimizer(task, "adamw", rate=1e-3, decay=0.05)
    step, number = Step(task, task, Kernels(**choices["kernels"]), World(), torch.device("cpu")), 0
    while True:
        one_step(step, optimizer, batches, run, number)
        number += 1
        yield case.batch


class Listed(torch.utils.data.Dataset[Any]):
    """Pictures in memory, transformed one by one by the loader's workers, as the peers' examples do."""

    def __init__(self, size: int, transform: Any) -> None:
        self.images, self.transform = [Image.fromarray(image) for image in pictures(size)], transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        return self.transform(self.images[index])


def loaded(dataset: Listed, batch: int) -> Iterator[Any]:
    loader = torch.utils.data.DataLoader(dataset, batch, shuffle=True, drop_last=True, num_workers=2, persistent_workers=True)
    while True:
        yield from loader


def lightly_example(case: Case, tuned: bool) -> Iterator[int]:
    """lightly's PyTorch example for the task."""
    backbone = vit(case.size) if case.network == "vit" else resnet18(case.network.split("-")[1])
    example = EXAMPLES[case.task]
    model = example(backbone, VIT["width"] if case.network == "vit" else 512)
    if tuned and case.network != "vit":
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=0.06)
    for views in loaded(Listed(case.size, example.transform(case.size)), case.batch):
        if tuned and case.network != "vit":
            views = [view.to(memory_format=torch.channels_last) for view in views]
        model.before_step()
        with torch.autocast("cpu", torch.bfloat16, enabled=tuned and not OLD):
            loss = model.loss(*views)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        yield len(views[0])


def transformers_mae(case: Case, tuned: bool) -> Iterator[int]:
    """`ViTMAEForPreTraining` in a plain loop, with the crop and flip of transformers' run_mae.py."""
    from torchvision import transforms as T
    from transformers import ViTMAEConfig, ViTMAEForPreTraining

    model = ViTMAEForPreTraining(ViTMAEConfig(
        image_size=case.size, patch_size=case.size // 8, hidden_size=VIT["width"], num_hidden_layers=VIT["depth"],
        num_attention_heads=VIT["heads"], intermediate_size=4 * VIT["width"], decoder_hidden_size=DECODER["width"],
        decoder_num_hidden_layers=DECODER["depth"], decoder_num_attention_heads=DECODER["heads"],
        decoder_intermediate_size=4 * DECODER["width"], norm_pix_loss=True,
    ))  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.05)
    crop = T.RandomResizedCrop(case.size, scale=(0.2, 1.0), interpolation=T.InterpolationMode.BICUBIC)
    transform = T.Compose([crop, T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])
    for images in loaded(Listed(case.size, transform), case.batch):
        with torch.autocast("cpu", torch.bfloat16, enabled=tuned and not OLD):
            loss = model(images).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        yield len(images)


def work(case: Case, row: str, seconds: float) -> float:
    """Pictures a second, after three steps of warm-up."""
    peer = transformers_mae if case.task == "mae" else lightly_example
    steps = ours(case) if row == "ours" else peer(case, row == "peer-tuned")
    return per_second(steps.__next__, seconds)


def measured(name: str, row: str, *, seconds: float, avx2: bool) -> float:
    """One row, in a process of its own."""
    held = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"} if avx2 else {}
    return in_a_process(__file__, "--worker", row, "--cases", name, "--seconds", str(seconds), environment=held)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--avx2", action="store_true")
    parser.add_argument("--worker", choices=ROWS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        print(json.dumps(work(CASES[asked.cases[0]], asked.worker, asked.seconds)))
        return
    print(f"| case{' (AVX2)' if asked.avx2 else ''} | ours | peer as it comes | peer tuned | ratio as it comes (target) | ratio tuned |")
    print("|---|--:|--:|--:|--:|--:|")
    for name in asked.cases:
        own, peer, tuned = in_turn(ROWS, partial(measured, name, seconds=asked.seconds, avx2=asked.avx2), repeats=asked.repeats)
        ratio = f"{own / peer:.2f} ({CASES[name].target:g})"
        print(f"| {name} | {own:,.0f} | {peer:,.0f} | {tuned:,.0f} | {ratio} | {own / tuned:.2f} |", flush=True)


if __name__ == "__main__":
    main()
