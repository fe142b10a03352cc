"""What tasks share that bring views of one picture together: two views of one size, or several of two sizes."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from selfsup import heads
from selfsup.backbones import Backbone
from selfsup.heads import projector
from selfsup.pretext import Batch, Output, Pretext, Views
from selfsup.ranges import at_least
from selfsup.views import Augment, MultiCrop


class TwoViews(Pretext):
    """Two views `a` and `b` of every picture, embedded and projected in one pass. A subclass writes the loss, from `a` and `b` (B, D).

    A subclass takes the options of views as `**views` and hands them on.

    Options of views: `crop` the smallest share of the picture's area a view shows; `flip` the probability of mirroring (0 for letters and
    digits); `turn` the most degrees a view is turned either way; `jitter` the colour strength, the s of SimCLR's appendix A; `grey`, `blur`
    and `solarise` are probabilities, the last of the second view only, whose blur `second_blur` may differ.
    """

    couples_rows: ClassVar[bool] = True

    def __init__(
        self, backbone: Backbone, head: nn.Module, *, crop: float = 0.25, flip: float = 0.5, jitter: float = 0.8, grey: float = 0.2,
        turn: float = 0.0, blur: float = 0.5, second_blur: float | None = None, solarise: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(backbone)
        self.projector = head
        self.default_views = Augment(size=backbone.size, crop=(crop, 1.0), flip=flip, jitter=jitter, grey=grey, blur=blur, turn=turn)
        self.second_views = self.default_views.changed(blur=second_blur, solarise=solarise)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        return {"a": self.augment(batch, rng), "b": self.augment(batch, rng, self.second_views)}

    def forward(self, views: Views) -> Output:
        both = torch.cat([views["a"], views["b"]])  # one pass: BatchNorm sees both views, as in SimCLR's code
        a, b = self.projector(self.backbone.embed(both)).chunk(2)
        return {"a": a, "b": b}


class PredictedViews(TwoViews):
    """From each view of a picture the target that the other gives is predicted, and nothing is compared with other pictures.

    The targets are learned too, so the loss need not fall.
    """

    couples_rows: ClassVar[bool] = False
    loss_falls: ClassVar[bool] = False
    compared: ClassVar[bool] = False
    kind: ClassVar[str] = "distillation"


class ManyViews(Pretext):
    """Views of two sizes, embedded a size at a time and projected in one pass: `global` (B, G, D) and `local` (B, L, D).

    A subclass takes the options of views as `**views` and hands them on. Raises ValueError for local views of a side that the backbone
    does not take, or that would not show less than global ones.

    Options of views: `global_views` and `local_views` of a picture, the former of at least `crop` of its area, the latter of `local_crop`
    to `crop`, `local_side` pixels a side (half of the picture's where not given); `flip` the probability of mirroring (0 for letters and
    digits), `turn` the most degrees a view is turned, `jitter` the colour strength, `grey` and `blur` probabilities.
    """

    couples_rows: ClassVar[bool] = True
    attracted: ClassVar[str | None] = "global"
    compared: ClassVar[bool] = False

    def __init__(
        self, backbone: Backbone, head: nn.Module, *, global_views: int = 2, local_views: int = 4, local_side: int | None = None,
        crop: float = 0.4, local_crop: float = 0.15, flip: float = 0.5, jitter: float = 0.5, grey: float = 0.2, blur: float = 0.5,
        turn: float = 0.0,
    ) -> None:  # fmt: skip
        if local_views and not 0 < local_crop <= crop:
            raise ValueError(
                f"local_crop is {local_crop} and crop {crop}; expected local views to show less than global ones, but something."
            )
        super().__init__(backbone)
        self.projector = head
        small = heads.local_side(backbone, local_side) if local_views else backbone.size
        self.default_views = Augment(size=backbone.size, crop=(crop, 1.0), flip=flip, jitter=jitter, grey=grey, blur=blur, turn=turn)
        self.multicrop = MultiCrop.around(
            self.default_views, side=small, crop=(local_crop, crop), global_views=global_views, local_views=local_views
        )

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        return self.crops(batch, rng, self.multicrop)

    def forward(self, views: Views) -> Output:
        return self.projected({name: self.backbone.embed(view.flatten(0, 1)) for name, view in views.items()}, len(views["global"]))

    def projected(self, embedded: dict[str, Float[Tensor, "N D"]], rows: int) -> Output:
        """What the head makes of all views' embeddings in one pass, (B, V, D) again by the same names. `rows` is B."""
        parts = self.projector(torch.cat(list(embedded.values()))).split([len(part) for part in embedded.values()])
        return {name: part.unflatten(0, (rows, -1)) for name, part in zip(embedded, parts, strict=True)}


class SlicedViews(ManyViews):
    """Views of two sizes, and random `directions` in the space they are projected to.

    Losses that look at a batch along random directions need the same ones in every process, and may not draw them. So every row brings
    some, drawn in `views` with the rest, and they are gathered with the rows: the batch has the same ones however it was split.

    Options of what is projected: `directions` how many the loss gets (batches of fewer than `ENOUGH` rows, 64, bring fewer; at least 1);
    `hidden`, `dimensions` of the projection head, which has three layers.
    """

    kind: ClassVar[str] = "redundancy"
    ENOUGH: ClassVar[int] = 64

    def __init__(self, backbone: Backbone, *, directions: int = 256, hidden: int = 512, dimensions: int = 64, **views: Any) -> None:
        at_least(1, directions=directions)
        super().__init__(backbone, projector(backbone.width, hidden, dimensions, layers=3), **views)
        self.dimensions, self.directions = dimensions, directions

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        shape = (len(batch["image"]), math.ceil(self.directions / self.ENOUGH), self.dimensions)
        return {**super().views(batch, rng), "directions": torch.randn(shape, generator=rng, device=rng.device)}

    def forward(self, views: Views) -> Output:
        crops = {name: view for name, view in views.items() if name != "directions"}
        return {**super().forward(crops), "directions": views["directions"]}

    def along(self, output: Output) -> Float[Tensor, "M D"]:
        """The directions of this step, of length 1."""
        return nn.functional.normalize(output["directions"].flatten(0, 1)[: self.directions], dim=1)


def by_view(output: Output) -> Float[Tensor, "V B D"]:
    """All views' projections, view by view, global ones first."""
    return torch.cat([output[name] for name in ("global", "local") if name in output], dim=1).transpose(0, 1)


def prediction(output: Output) -> Float[Tensor, ""]:
    """How far views lie from the mean of their picture's global ones: squared, mean over views, pictures and dimensions.

    Balestriero, LeCun, LeJEPA, arXiv 2511.08544. Nothing is held back: gradients flow through the mean as well.
    """
    return (by_view(output) - output["global"].mean(dim=1)).square().mean()
