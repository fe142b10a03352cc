"""What other libraries published for CIFAR-10 and Imagenette: each figure, where it stands, how it came about, and how ours will differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

OURS = (
    "In all rows optimiser, rate and schedule are selfsup's (AdamW, cosine), and a picture is scored whole, squeezed to a square. "
    "`selfsup evaluate` uses all training labels, in the layer it chooses inside them: logistic regression, or kNN of 20 neighbours at "
    "temperature .07; intervals are of 95 %, over test pictures and seeds."
)
"""How every row here differs from what was published."""


@dataclass(frozen=True)
class Source:
    """One published table: its data, picture size in px, probe, how it was made (`protocol`), and what `differs` here beyond `OURS`.

    `neighbours` and `temperature` are those of its weighted kNN, by which runs are scored here too; None for a linear probe.
    """

    library: str
    data: str
    address: str
    size: int
    probe: str
    protocol: str
    differs: str
    neighbours: int | None = None
    temperature: float | None = None


@dataclass(frozen=True)
class Figure:
    """One published number, in per cent. `task` and `options` are selfsup's for the same; a task that is not in its table is not run."""

    source: Source
    method: str
    percent: float
    task: str
    epochs: int
    backbone: str
    batch_size: int
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Short, and no two alike."""
        return f"{self.source.data} {self.source.library} {self.method} {self.epochs}"


LIGHTLY_CIFAR = Source(
    "lightly", "cifar10", "docs.lightly.ai, Getting started, Benchmarks, CIFAR-10 (cifar10_benchmark.py)", 32, "knn",
    "SGD at .06, batches of 128, one seed; kNN of 200 neighbours at temperature .1 on the mean of the last map, with all training labels; "
    "the best epoch on the test pictures.",
    "the last epoch counts; the teacher's momentum rises from .99.", neighbours=200, temperature=0.1,
)  # fmt: skip
SOLO_CIFAR = Source(
    "solo-learn", "cifar10", "github.com/vturrisi/solo-learn, README, Results (scripts/pretrain/cifar)", 32, "linear",
    "LARS, batches of 256, one seed; a linear layer trained beside the network on its augmented views.",
    "the linear probe learns from the finished network; the jitter of saturation is .4 for their .2, but SimCLR's is theirs.",
)  # fmt: skip
LIGHTLY_IMAGENETTE = Source(
    "lightly", "imagenette", "docs.lightly.ai, Getting started, Benchmarks, ImageNette (imagenette_benchmark.py, table of 4.5.2023)", 128,
    "knn", "SGD at .06 (not MAE), batches of 256, one seed; kNN as on CIFAR-10; the best epoch on the test pictures.",
    "the last epoch counts; MAE is a ViT-S/16 on 128 px (their table says ViT-S, their script builds a ViT-B/32 for 224 px).",
    neighbours=200, temperature=0.1,
)  # fmt: skip
STABLE_IMAGENETTE = Source(
    "stable-pretraining", "imagenette", "github.com/galilai-group/stable-pretraining, benchmarks/imagenet10/RESULTS.md", 224, "linear",
    "ImageNet's settings untuned, batches of 128 or 256, one seed; a linear layer trained beside the network; the best epoch on the test "
    "pictures.",
    "the linear probe learns from the last epoch's network; the views of a picture are blurred alike, and none is solarised.",
)  # fmt: skip

_LIGHTLY = {"crop": 0.08, "jitter": 0.5}
_ASYMMETRIC = {"crop": 0.08, "jitter": 0.5, "blur": 0.0, "solarise": 0.2}
_MULTICROP = {"global_views": 2, "local_views": 6, "crop": 0.3, "local_crop": 0.05, "local_side": 96, "jitter": 0.5}
_PARTS = {"global_views": 2, "local_views": 6, "local_crop": 0.05, "local_side": 64, "blur": 0.5}
_CENTRE = {"centring": "mean", "hidden": 2048, "bottleneck": 256, "teacher_temperature": 0.04}
_SIMCLR = {"temperature": 0.5, "hidden": 512, "dimensions": 128, **_LIGHTLY}
_MAE = {"hidden": 0.75, "decoder_width": 512, "decoder_depth": 1, "decoder_heads": 16, "normalise": False}
_VIT, _RESNET = "vit_small_patch16_224", "resnet18"

FIGURES = [
    Figure(LIGHTLY_CIFAR, "SimCLR", 84.7, "simclr", 200, _RESNET, 128, {**_SIMCLR, "blur": 0.0}),
    Figure(LIGHTLY_CIFAR, "BYOL", 86.9, "byol", 200, _RESNET, 128,
           {**_LIGHTLY, "blur": 0.0, "momentum": 0.99, "hidden": 1024, "dimensions": 256}),
    Figure(LIGHTLY_CIFAR, "FastSiam", 90.6, "fastsiam", 200, _RESNET, 128),
    Figure(SOLO_CIFAR, "MoCo v3", 93.1, "moco", 1000, _RESNET, 256,
           {**_ASYMMETRIC, "temperature": 0.2, "momentum": 0.99, "hidden": 4096, "dimensions": 256}),
    Figure(SOLO_CIFAR, "BYOL", 92.6, "byol", 1000, _RESNET, 256, {**_ASYMMETRIC, "momentum": 0.99, "hidden": 4096, "dimensions": 256}),
    Figure(SOLO_CIFAR, "Barlow Twins", 92.1, "barlow_twins", 1000, _RESNET, 256, {**_ASYMMETRIC, "hidden": 2048, "dimensions": 2048}),
    Figure(SOLO_CIFAR, "VICReg", 92.1, "vicreg", 1000, _RESNET, 256,
           {"crop": 0.2, "jitter": 0.5, "blur": 0.0, "solarise": 0.1, "hidden": 2048, "dimensions": 2048}),
    Figure(SOLO_CIFAR, "SimCLR", 90.7, "simclr", 1000, _RESNET, 256,
           {"temperature": 0.2, "hidden": 2048, "dimensions": 256, "crop": 0.08, "jitter": 1.0, "blur": 0.5}),
    Figure(LIGHTLY_IMAGENETTE, "SimCLR", 83.5, "simclr", 200, _RESNET, 256, _SIMCLR),
    Figure(LIGHTLY_IMAGENETTE, "DINO", 87.3, "dino", 200, _RESNET, 256,
           {**_PARTS, **_CENTRE, "outputs": 2048, "crop": 0.4, "jitter": 0.5, "momentum": 0.99}),
    Figure(LIGHTLY_IMAGENETTE, "MAE", 45.4, "mae", 200, _VIT, 256, _MAE),
    Figure(LIGHTLY_IMAGENETTE, "SimCLR", 88.9, "simclr", 800, _RESNET, 256, _SIMCLR),
    Figure(LIGHTLY_IMAGENETTE, "SwAV", 90.2, "swav", 800, _RESNET, 256,
           {**_PARTS, "prototypes": 3000, "hidden": 2048, "dimensions": 128, "epsilon": 0.05, "crop": 0.14, "jitter": 0.8}),
    Figure(LIGHTLY_IMAGENETTE, "MAE", 61.0, "mae", 800, _VIT, 256, _MAE),
    Figure(STABLE_IMAGENETTE, "VISReg", 90.2, "visreg", 200, _VIT, 128, _MULTICROP),
    Figure(STABLE_IMAGENETTE, "LeJEPA", 87.1, "lejepa", 200, _VIT, 128, {**_MULTICROP, "sigreg": 0.02, "directions": 1024}),
    Figure(STABLE_IMAGENETTE, "DINO", 86.1, "dino", 200, _VIT, 128,
           {**_MULTICROP, **_CENTRE, "outputs": 65536, "normalise": False, "crop": 0.4, "blur": 0.5}),
    Figure(STABLE_IMAGENETTE, "MAE", 84.1, "mae", 200, _VIT, 128, {**_MAE, "decoder_depth": 8, "normalise": True}),
    Figure(STABLE_IMAGENETTE, "SimCLR", 74.9, "simclr", 200, _VIT, 256,
           {"temperature": 0.2, "hidden": 2048, "dimensions": 256, "crop": 0.08, "jitter": 0.5, "blur": 0.5}),
    Figure(STABLE_IMAGENETTE, "I-JEPA", 34.0, "ijepa", 200, _VIT, 128,
           {"layers": 1, "normalise": "token", "momentum": 0.996, "predictor_width": 384, "predictor_depth": 12, "predictor_heads": 12}),
    Figure(STABLE_IMAGENETTE, "SimMIM", 22.5, "simmim", 200, _VIT, 128, {"hidden": 0.6, "unit": 32, "crop": 0.2}),
]  # fmt: skip
"""In the order of the tables. Batches, heads and views are those of the scripts beside the sources; what these do not say is selfsup's."""
