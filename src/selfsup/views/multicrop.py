"""Multi-crop: a few views of most of a picture, and more and smaller ones of its parts, which cost little."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Num
from torch import Tensor

from selfsup.views.augment import Augment
from selfsup.views.crop import crop, crop_boxes


@dataclass(frozen=True)
class MultiCrop:
    """Random views of two sizes: `global` ones as `wide` draws them, `local` ones as `near` does.

    Caron et al., SwAV, NeurIPS 2020, arXiv 2006.09882, section 3.2: views of about half the side cost a quarter, so that many of them
    can be compared. Raises ValueError where there would be fewer than two views, or none that is global.
    """

    wide: Augment
    near: Augment
    global_views: int = 2
    local_views: int = 4

    def __post_init__(self) -> None:
        if self.global_views < 1 or self.local_views < 0 or self.global_views + self.local_views < 2:
            raise ValueError(
                f"global_views is {self.global_views} and local_views {self.local_views}; expected at least one global view and two in all."
            )

    @classmethod
    def around(cls, wide: Augment, *, side: int, crop: tuple[float, float], global_views: int = 2, local_views: int = 4) -> MultiCrop:
        """Local views of `side` px and `crop` of the area, and as `wide` in everything else."""
        return cls(wide, replace(wide, size=side, crop=crop), global_views, local_views)

    def __call__(
        self, image: Num[Tensor, "B C H W"], rng: torch.Generator, aspect: Float[Tensor, " B"] | None = None
    ) -> dict[str, Float[Tensor, "B _ C _ _"]]:
        """The views of each picture, `global` (B, G, C, size, size) and `local` (B, L, C, s, s), in [0, 1]; without `local` for L = 0."""
        return self._stacked(lambda: self.wide(image, rng, aspect), lambda: self.near(image, rng, aspect))

    def parts_of(self, view: Callable[[], Float[Tensor, "B C s s"]], rng: torch.Generator) -> dict[str, Float[Tensor, "B _ C _ _"]]:
        """The same from views that somebody else draws: each global one is one of them, each local one a random part of a further one."""

        def part() -> Tensor:
            whole = view()
            shape = (whole.shape[2], whole.shape[3])
            boxes = crop_boxes(len(whole), shape=shape, area=self.near.crop, ratio=self.near.ratio, rng=rng)
            return crop(whole, boxes, size=self.near.size)

        return self._stacked(view, part)

    def _stacked(self, wide: Callable[[], Tensor], near: Callable[[], Tensor]) -> dict[str, Tensor]:
        views = {"global": torch.stack([wide() for _ in range(self.global_views)], dim=1)}
        if self.local_views:
            views["local"] = torch.stack([near() for _ in range(self.local_views)], dim=1)
        return views
