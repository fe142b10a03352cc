"""lightly's PyTorch examples, on any network: what one step of theirs computes, and their views."""

from __future__ import annotations

import copy
from typing import Any

import torch
from lightly.loss import BarlowTwinsLoss, DINOLoss, NegativeCosineSimilarity, NTXentLoss, SwaVLoss, VICRegLoss
from lightly.models.modules import SimCLRProjectionHead
from lightly.models.modules.heads import (
    BarlowTwinsProjectionHead,
    BYOLPredictionHead,
    BYOLProjectionHead,
    DINOProjectionHead,
    MoCoProjectionHead,
    SimSiamPredictionHead,
    SimSiamProjectionHead,
    SwaVProjectionHead,
    SwaVPrototypes,
    VICRegProjectionHead,
)
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.transforms import (
    BYOLTransform,
    DINOTransform,
    MoCoV2Transform,
    SimCLRTransform,
    SimSiamTransform,
    SwaVTransform,
    VICRegTransform,
)
from lightly.transforms.byol_transform import BYOLView1Transform, BYOLView2Transform
from torch import Tensor, nn

LOCAL_VIEWS = 6
"""How many small views the examples with crops of two sizes draw, of about half the side."""


class Example(nn.Module):
    """A network of `width` and a projection head. A subclass says what the loss of two batches of views is, or of more."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.student = nn.Sequential(backbone, head)

    def loss(self, *views: Tensor) -> Tensor:
        raise NotImplementedError

    def before_step(self) -> None:
        """What moves with the weights, and is no weight."""

    @staticmethod
    def transform(size: int, **more: Any) -> Any:
        """The example's views, with `more` options; small pictures are not blurred, as its own settings for 32 px say."""
        raise NotImplementedError


class Compared(Example):
    """An example whose loss compares what the head makes of both views."""

    criterion: nn.Module

    def loss(self, *views: Tensor) -> Tensor:
        a, b = views
        found: Tensor = self.criterion(self.student(a).float(), self.student(b).float())
        return found


class SimCLR(Compared):
    """examples/pytorch/simclr.py"""

    def __init__(self, backbone: nn.Module, width: int) -> None:
        super().__init__(backbone, SimCLRProjectionHead(width, 512, 128))
        self.criterion = NTXentLoss()

    @staticmethod
    def transform(size: int, **more: Any) -> Any:
        return SimCLRTransform(input_size=size, gaussian_blur=_blur(size), **more)


class BYOL(Example):
    """examples/pytorch/byol.py"""

    def __init__(self, backbone: nn.Module, width: int) -> None:
        super().__init__(backbone, BYOLProjectionHead(width, 1024, 256))
        self.predictor, self.criterion = BYOLPredictionHead(256, 1024, 256), NegativeCosineSimilarity()
        self.teacher = copy.deepcopy(self.student)
        deactivate_requires_grad(self.teacher)

    def before_step(self) -> None:
        update_momentum(self.student, self.teacher, m=0.996)

    def loss(self, *views: Tensor) -> Tensor:
        a, b = views
        predicted = [self.predictor(self.student(view)).float() for view in (a, b)]
        target = [self.teacher(view).detach().float() for view in (a, b)]
        found: Tensor = 0.5 * (self.criterion(predicted[0], target[1]) + self.criterion(predicted[1], target[0]))
        return found

    @staticmethod
    def transform(size: int, **more: Any) -> Any:
        return _unlike_views(size, **more)


class DINO(Example):
    """examples/pytorch/dino.py"""

    def __init__(self, backbone: nn.Module, width: int) -> None:
        super().__init__(backbone, DINOProjectionHead(width, 512, 64, 2048, freeze_last_layer=1))
        self.teacher = nn.Sequential(copy.deepcopy(backbone), DINOProjectionHead(width, 512, 64, 2048))
        deactivate_requires_grad(self.teacher)
        self.criterion = DINOLoss(output_dim=2048, warmup_teacher_temp_epochs=5)

    def before_step(self) -> None:
        update_momentum(self.student[0], self.teacher[0], m=0.996)
        update_momentum(self.student[1], self.teacher[1], m=0.996)

    def loss(self, *views: Tensor) -> Tensor:
        with torch.no_grad():
            answers = [self.teacher(view).float() for view in views[:2]]
        found: Tensor = self.criterion(answers, [self.student(view).float() for view in views], epoch=10)
        return found

    @staticmethod
    def transform(size: int, **more: Any) -> Any:
        return DINOTransform(global_crop_size=size, local_crop_size=size // 2, n_local_views=LOCAL_VIEWS, **more)


class SwAV(Example):
    """examples/pytorch/swav.py"""

    def __init__(self, backbone: nn.Module, width: int) -> None:
        super().__init__(backbone, SwaVProjectionHead(width, 512, 128))
        self.prototypes, self.criterion = SwaVPrototypes(128, 512), SwaVLoss()

    def before_step(self) -> None:
        self.prototypes.normalize()

    def loss(self, *views: Tensor) -> Tensor:
        scores = [self.prototypes(nn.functional.normalize(self.student(view), dim=1)).float() for view in views]
        found: Tensor = self.criterion(scores[:2], scores[2:])
        return found

    @staticmethod
    def transform(size: int, **more: Any) -> Any:
        return SwaVTransform(crop_sizes=(size, size // 2), crop_counts=(2, LOCAL_VIEWS), **more)


class SimSiam(Example):
    """examples/pytorch/simsiam.py"""

    def __init__(self, backbone: nn.Module, width: int) -> None:
        super().__init__(backbone, SimSiamProjectionHead(width, 512, 128))
        self.predictor, self.criterion = SimSiamPredictionHead(128, 64, 128), NegativeCosineSimilarity()

    def loss(self, *views: Tensor) -> Tensor:
        a, b = views
        projected = [self.student(view) for view in (a, b)]
        predicted = [self.predictor(rows).float() for rows in projected]
        target = [rows.detach().float() for rows in projected]
        found: Tensor = 0.5 * (self.criterion(predicted[0], target[1]) + self.criterion(predicted[1], target[0]))
        return found

    @staticmethod
    def transform(size: int, **more: Any) -> Any:
        return SimSiamTransform(input_size=size, gaussian_blur=_blur(size), **more)


class MoCo(Example):
    """examples/pytorch/moco.py, version 2: one view asks and the other answers, half of what a symmetric loss computes."""

    def __init__(self, backbone: nn.Module, width: int) -> None:
        super().__init__(backbone, MoCoProjectionHead(width, 512, 128))
        self.criterion = NTXentLoss(memory_bank_size=(4096, 128))
        self.teacher = copy.deepcopy(self.student)
        deactivate_requires_grad(self.teacher)

    def before_step(self) -> None:
        update_momentum(self.student, self.teacher, m=0.996)

    def loss(self, *views: Tensor) -> Tensor:
        a, b = views
        with torch.no_grad():
            key = self.teacher(b).float()
        found: Tensor = self.criterion(self.student(a).float(), key)
        return found

    @staticmethod
    def transform(size: int, **more: Any) -> Any:
        return MoCoV2Transform(input_size=size, gaussian_blur=_blur(size), **more)


class BarlowTwins(Compared):
    """examples/pytorch/barlowtwins.py"""

    def __init__(self, backbone: nn.Module, width: int) -> None:
        super().__init__(backbone, BarlowTwinsProjectionHead(width, 2048, 2048))
        self.criterion = BarlowTwinsLoss()

    @staticmethod
    def transform(size: int, **more: Any) -> Any:
        return _unlike_views(size, **more)


class VICReg(Compared):
    """examples/pytorch/vicreg.py"""

    def __init__(self, backbone: nn.Module, width: int) -> None:
        super().__init__(backbone, VICRegProjectionHead(width, 2048, 2048))
        self.criterion = VICRegLoss()

    @staticmethod
    def transform(size: int, **more: Any) -> Any:
        return VICRegTransform(input_size=size, gaussian_blur=_blur(size), **more)


EXAMPLES: dict[str, type[Any]] = {
    "simclr": SimCLR, "byol": BYOL, "simsiam": SimSiam, "moco": MoCo, "barlow_twins": BarlowTwins, "vicreg": VICReg, "dino": DINO,
    "swav": SwAV,
}  # fmt: skip
"""By the names of our tasks."""

HEADS: dict[str, dict[str, Any]] = {
    "simclr": {"hidden": 512, "dimensions": 128},
    "byol": {"hidden": 1024, "dimensions": 256},
    "simsiam": {"hidden": 512, "dimensions": 128, "bottleneck": 64},
    "moco": {"hidden": 512, "dimensions": 128},
    "barlow_twins": {"hidden": 2048, "dimensions": 2048},
    "vicreg": {"hidden": 2048, "dimensions": 2048},
    "dino": {"hidden": 512, "bottleneck": 64, "outputs": 2048, "normalise": False, "centring": "mean", "local_views": LOCAL_VIEWS},
    "swav": {"hidden": 512, "dimensions": 128, "prototypes": 512, "local_views": LOCAL_VIEWS},
}
"""What our heads are told to be as wide as theirs, so that both compute the same."""


def _blur(size: int) -> float:
    return 0.0 if size <= 64 else 0.5


def _unlike_views(size: int, **more: Any) -> Any:
    first, second = (view(input_size=size, gaussian_blur=_blur(size), **more) for view in (BYOLView1Transform, BYOLView2Transform))
    return BYOLTransform(view_1_transform=first, view_2_transform=second)
