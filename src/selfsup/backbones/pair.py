"""A backbone for pairs: one for pictures and one for texts, each with a linear projection to a width that both share."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from safetensors.torch import save_file
from torch import Tensor, nn

from selfsup.backbones.backbone import Backbone
from selfsup.backbones.text import TextBackbone
from selfsup.backbones.weights import read_tensors

Side = Literal["image", "text"]

SIDES: tuple[Side, ...] = get_args(Side)

PROJECTION = "projection.safetensors"
"""What the folder of a side has beside its backbone: the matrix (E, D) from an embedding to the shared width."""


class PairBackbone(nn.Module):
    """Two backbones whose embeddings are projected to one `width` and brought to length 1, so that a picture and its text are neighbours.

    A task that compares no embeddings does without the projections (`part_sides`): `width` is then 0, and there is no shared space.

    Attributes: `image` and `text`, the sides; `image_projection` and `text_projection`, linear and without bias (CLIP, section 2.4), so
    that they are the same before and after the mean over positions; `frozen`, the side that is not trained (locked-image tuning: Zhai et
    al., CVPR 2022, arXiv 2111.07991), whose projection is; `name`, "IMAGE+TEXT"; `size`, `channels` and `vocabulary` as the sides have
    them; `languages`, those that captions come in, or the columns they stand in, as batches number them.
    """

    image_projection: nn.Linear | None
    text_projection: nn.Linear | None

    def __init__(
        self, image: Backbone, text: TextBackbone, *, width: int, frozen: Side | None = None, languages: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.image, self.text, self.width, self.frozen, self.languages = image, text, width, frozen, tuple(languages)
        self.image_projection = self.text_projection = None
        if width:
            self.image_projection, self.text_projection = (nn.Linear(side.width, width, bias=False) for side in (image, text))
            for projection in (self.image_projection, self.text_projection):
                nn.init.normal_(projection.weight, std=projection.in_features**-0.5)  # as in the authors' code
        self.name = f"{image.name}+{text.name}"
        self.size, self.channels, self.vocabulary = image.size, image.channels, text.vocabulary
        if frozen is not None:
            self.get_submodule(frozen).requires_grad_(False)
            self.train(self.training)

    def train(self, mode: bool = True) -> PairBackbone:
        """A frozen side stays in evaluation mode: its BatchNorm keeps the statistics that it has."""
        super().train(mode)
        if self.frozen is not None:
            self.get_submodule(self.frozen).eval()
        return self

    def part_sides(self) -> None:
        """Leave the projections out: each side keeps the space it has."""
        self.width, self.image_projection, self.text_projection = 0, None, None

    def learning(self, side: Side) -> AbstractContextManager[Any]:
        """A context in which a side that is frozen gets no gradient."""
        return torch.set_grad_enabled(torch.is_grad_enabled() and self.frozen != side)

    def pictures(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B E"]:
        """The direction of each picture in the shared space, or in its own where nothing is shared."""
        with self.learning("image"):
            embedded = self.image.embed(images)
        return directions(embedded if self.image_projection is None else self.image_projection(embedded))

    def texts(self, ids: Int[Tensor, "B T"], attended: Bool[Tensor, "B T"]) -> Float[Tensor, "B E"]:
        """The direction of each text likewise; `attended` are the ids that are of it."""
        with self.learning("text"):
            embedded = self.text.embed(ids, attended)
        return directions(embedded if self.text_projection is None else self.text_projection(embedded))

    def embed(self, images: Float[Tensor, "B C H W"], ids: Int[Tensor, "B T"], attended: Bool[Tensor, "B T"]) -> Float[Tensor, "B F"]:
        """Both directions of each pair side by side: what tells a collapse of either."""
        return torch.cat([self.pictures(images), self.texts(ids, attended)], dim=1)

    def forward(self, images: Float[Tensor, "B C H W"], ids: Int[Tensor, "B T"], attended: Bool[Tensor, "B T"]) -> Float[Tensor, "B F"]:
        """The same as `embed`, so that a backbone is an ordinary module."""
        return self.embed(images, ids, attended)

    def projection(self, side: Side) -> nn.Linear | None:
        """The projection of one side, None where no space is shared."""
        return self.image_projection if side == "image" else self.text_projection


def directions(vectors: Float[Tensor, "B E"]) -> Float[Tensor, "B E"]:
    """Rows of length 1, as fp32 at least: what is compared is close together."""
    return F.normalize(vectors.float() if vectors.itemsize < 4 else vectors, dim=1)


def save_projection(weight: Float[Tensor, "E D"], folder: str | Path) -> None:
    """Write the projection of a side beside its backbone, whole or not at all."""
    file = Path(folder) / PROJECTION
    save_file({"weight": weight.detach().cpu().contiguous()}, file.with_name(f"{PROJECTION}.new"))
    file.with_name(f"{PROJECTION}.new").replace(file)


def read_projection(folder: str | Path) -> Float[Tensor, "E D"] | None:
    """The projection of a side, None in the folder of any other run. Raises ValueError for a damaged file."""
    file = Path(folder) / PROJECTION
    if not file.is_file():
        return None
    weight = read_tensors(file).get("weight")
    if weight is None or weight.ndim != 2:
        raise ValueError(f"{file} holds no projection: expected a matrix called weight. Restore it, or pretrain again.")
    return weight
