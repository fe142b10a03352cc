"""Training speed of CLIP beside open_clip: towers as near as can be, the same batch, rows in turn, each in a process of its own.

    pip install open_clip_torch                      # or, into a folder of its own: --target DIR, and --open-clip DIR
    python benchmarks/clip_speed.py                  # about 5 minutes
    python benchmarks/clip_speed.py --batch 64 --repeats 1 --seconds 5

Prints pairs a second (median over repeats) and our ratio to each row. Both see pictures of 64 px as 8 x 8 patches with a ViT of 12 layers
and width 192, and captions of 16 tokens with a causal transformer of 2 layers and width 128, projected to 256. The peer is its model and
loss in a plain loop, fp32 and AdamW, handed float pictures that are ready; "peer-tuned" is that under bf16 autocast. Ours is what
`pretrain` runs: kernels chosen by measuring, random crops made and captions drawn in each step.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from beside import in_a_process, in_turn, per_second

ROWS = ("ours", "ours-fp32", "peer", "peer-tuned")
SIZE, PATCH, CONTEXT, WORDS, WIDTH = 64, 8, 16, 4000, 256
VISION = {"layers": 12, "width": 192, "head_width": 64, "patch_size": PATCH, "image_size": SIZE}
TEXT = {"context_length": CONTEXT, "vocab_size": WORDS, "width": 128, "heads": 2, "layers": 2}
RATE = 1e-3


def ours(batch: int, precision: str) -> Callable[[], float]:
    """Our own pieces as `pretrain` puts them together; each call is a step, and says how many pairs it took."""
    from selfsup.backbones import PairBackbone, Vocabulary, build, build_text
    from selfsup.data import Batches
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
    facts = {"is_start_of_word": torch.ones(WORDS, dtype=torch.bool), "bytes_of": torch.ones(WORDS, dtype=torch.int64)}
    words = Vocabulary(size=WORDS, special=(), **facts)
    image = build("vit_tiny_patch16_224", size=SIZE)
    assert image.patch == PATCH
    net = PairBackbone(image, build_text("gpt2-tiny", vocabulary=words, context=CONTEXT), width=WIDTH)
    kind: Any = find_task("clip")
    task = kind(net)
    batches = Batches(Made(4 * batch), torch.arange(4 * batch), batch_size=batch, seed=0)
    kernels = Kernels(**choose_kernels(task, batches, World(), precision=precision)["kernels"])
    kernels.apply(task)
    task.train()
    optimizer = make_optimizer(task, "adamw", rate=RATE, decay=0.05)
    step = Step(task, task, kernels, World(), torch.device("cpu"))
    settings: dict[str, Any] = {"data": "", "options": {}, "learning_rate": RATE, "weight_decay": 0.05}
    run = Run(folder=None, task="clip", backbone="", size=SIZE, batch_size=batch, steps=10**6, **settings)  # type: ignore[arg-type]
    numbers = iter(range(10**6))

    def train() -> float:
        one_step(step, optimizer, batches, run, next(numbers))
        return float(batch)

    return train


class Made:
    """Pairs made up beforehand, as `PairStore` gives them: one caption of 16 tokens a picture, all different."""

    def __init__(self, count: int) -> None:
        self.image = torch.randint(256, (count, 3, SIZE, SIZE), dtype=torch.uint8)
        self.tokens = torch.randint(WORDS, (count, 1, CONTEXT))

    def batch(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """Some of them."""
        one = torch.ones(len(rows), dtype=torch.int64)
        return {
            "image": self.image[rows], "aspect": torch.ones(len(rows)), "index": rows, "tokens": self.tokens[rows],
            "length": (one * CONTEXT)[:, None], "captions": one, "caption": rows[:, None], "picture": rows,
        }  # fmt: skip


def peer(batch: int, *, tuned: bool) -> Callable[[], float]:
    """open_clip's model and loss in a plain loop; each call is a step."""
    from open_clip.loss import ClipLoss
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    model = CLIP(WIDTH, CLIPVisionCfg(**VISION), CLIPTextCfg(**TEXT))  # type: ignore[arg-type]
    loss, optimizer = ClipLoss(), torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.05)
    images, tokens = torch.rand(4, batch, 3, SIZE, SIZE), torch.randint(WORDS, (4, batch, CONTEXT))
    numbers = iter(range(10**6))

    def train() -> float:
        number = next(numbers) % 4
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=tuned):
            pictures, texts, scale = model(images[number], tokens[number])
        loss(pictures.float(), texts.float(), scale).backward()
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, 4.6052)
        return float(batch)

    return train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--open-clip", default=None, metavar="DIR", help="where open_clip is, if not installed")
    parser.add_argument("--row", choices=ROWS, default=None, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.open_clip:
        sys.path.append(asked.open_clip)
    if asked.row is not None:
        make = {"ours": partial(ours, precision="auto"), "ours-fp32": partial(ours, precision="fp32"),
                "peer": partial(peer, tuned=False), "peer-tuned": partial(peer, tuned=True)}[asked.row]  # fmt: skip
        torch.manual_seed(0)
        print(json.dumps(per_second(make(asked.batch), asked.seconds)))
        return
    given = ["--batch", str(asked.batch), "--seconds", str(asked.seconds), *(["--open-clip", asked.open_clip] if asked.open_clip else [])]
    found = in_turn(ROWS, lambda row: in_a_process(__file__, "--row", row, *given), repeats=asked.repeats)
    for row, speed in zip(ROWS, found, strict=True):
        print(f"{row:12} {speed:8.1f} pairs/s   ours is {found[0] / speed:.2f} times as fast")


if __name__ == "__main__":
    main()
