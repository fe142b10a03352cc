"""Relative location: tell on which side of the middle patch of a picture another one was."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from selfsup.backbones import Backbone
from selfsup.heads import ArrangementHead, embed_patches, fitting_side
from selfsup.pretext import Batch, Output, Pretext, Views
from selfsup.views import Augment, board, cut_patches, grid_of, taken_patches

MIDDLE = 4
"""The cell of the middle patch of nine, counted row by row."""


class RelativeLocation(Pretext):
    """Tell in which of eight directions from the middle patch another lies. Doersch, Gupta, Efros, ICCV 2015, arXiv 1505.05192.

    Nine patches of a 3 x 3 grid, cut with a gap and shifted at random, so that no line simply goes on from one to the next. Patches
    are standardised and most pictures shown in grey, against lenses that bend each colour differently towards the edges. Options:
    `pairs` asks for `all` eight neighbours of the middle (Kolesnikov, Zhai, Beyer, CVPR 2019, arXiv 1901.09005) or for `one` drawn
    at random, as the authors do; `gap` and `shift` are shares of a cell (on average gap + shift lie between two patches: half a
    patch, as in the paper); `grey` is the probability of no colour; `hidden` sizes the classifier; `crop` is the smallest share of
    area, `flip` the probability of mirroring the picture before it is cut. Made for pictures whose ninth still shows something: at
    28 px it was worth little (docs/results.md).
    """

    kind = "puzzle"
    cells: Tensor

    def __init__(
        self, backbone: Backbone, *, pairs: Literal["all", "one"] = "all", gap: float = 0.1, shift: float = 0.2, grey: float = 0.66,
        hidden: int = 512, crop: float = 0.7, flip: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(backbone)
        self.pairs = pairs
        self.grid = grid_of(backbone.size, side=3, gap=gap, shift=shift)
        self.side = fitting_side(backbone, self.grid.patch)
        self.head = ArrangementHead(backbone.width, 2, reduced=128, hidden=hidden, out=8)
        self.register_buffer("cells", torch.tensor([cell for cell in range(9) if cell != MIDDLE]), persistent=False)
        self.default_views = Augment(size=backbone.size, crop=(crop, 1.0), flip=flip, jitter=0.0, grey=grey)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        patches = cut_patches(self.augment(batch, rng), self.grid, rng)
        if self.pairs == "all":
            places = torch.arange(8, device=patches.device).expand(len(patches), 8)
        else:
            places = torch.randint(8, (len(patches), 1), generator=rng, device=patches.device)
        return {"patches": self.around_middle(patches, places), "place": places}

    def around_middle(self, patches: Float[Tensor, "B 9 C s s"], places: Int[Tensor, "B K"]) -> Float[Tensor, "B K1 C s s"]:
        """The middle patch, then the neighbours at `places`: 0 to 7, counted row by row without the middle."""
        return torch.cat([patches[:, MIDDLE : MIDDLE + 1], taken_patches(patches, self.cells[places])], dim=1)

    def forward(self, views: Views) -> Output:
        return {"logits": self.answer(views["patches"]), "place": views["place"]}

    def answer(self, patches: Float[Tensor, "B K1 C s s"]) -> Float[Tensor, "B K 8"]:
        """The place of each patch after the first, of which the first is the middle."""
        asked = torch.arange(1, patches.shape[1], device=patches.device)
        pairs = torch.stack([torch.zeros_like(asked), asked], dim=1).expand(len(patches), -1, 2)
        answers: Tensor = self.head(embed_patches(self.backbone, patches, self.side), pairs)
        return answers

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"place": F.cross_entropy(output["logits"].flatten(0, 1), output["place"].flatten())}

    def show(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Neighbours in any order around their middle, each where the network puts it, and as they were.

        A place that several patches are put at shows the one the network is surest of; a place that none is put at stays grey.
        """
        patches = cut_patches(self.augment(batch, rng), self.grid, rng)
        order = torch.rand(len(patches), 8, generator=rng, device=patches.device).argsort(dim=1)
        shuffled = self.around_middle(patches, order)
        sure, place = self.answer(shuffled).softmax(dim=2).max(dim=2)
        claims = torch.zeros(len(patches), 8, 8, device=patches.device).scatter_(2, place[:, :, None], sure[:, :, None])
        surest, patch = claims.max(dim=1)  # for each place
        put = taken_patches(shuffled, patch + 1).masked_fill((surest == 0)[:, :, None, None, None], 0.5)
        middle = shuffled[:, :1]
        return {
            "in any order": board(torch.cat([shuffled[:, 1:5], middle, shuffled[:, 5:]], dim=1)),
            "where it puts them": board(torch.cat([put[:, :MIDDLE], middle, put[:, MIDDLE:]], dim=1)),
            "original": board(patches),
        }
