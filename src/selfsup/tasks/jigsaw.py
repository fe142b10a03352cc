"""Jigsaw: tell which permutation shuffled the tiles of a picture."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import chain, permutations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor

from selfsup.backbones import Backbone
from selfsup.heads import ArrangementHead, embed_patches, fitting_side
from selfsup.pretext import Batch, Output, Pretext, Views
from selfsup.views import Augment, board, cut_patches, grid_of, taken_patches

TILES = 9


class Jigsaw(Pretext):
    """Tell by which of a fixed set of permutations nine tiles were shuffled. Noroozi, Favaro, ECCV 2016, arXiv 1603.09246.

    Every tile is embedded on its own, at its own size, standardised, shifted at random inside its cell and with a gap to the next, so
    that neither edges nor brightness tell which belong together. Since tiles do not see each other before the classifier, one
    embedding of a picture serves several shufflings of it. Options: `permutations` is the size of the set (the paper has up to 1,000,
    for a million pictures) and `set_seed` what it starts from; `shufflings` is how many of them a picture is asked about at a time;
    `gap` and `shift` are shares of a cell; `grey` is the probability of no colour (Kolesnikov, Zhai, Beyer, CVPR 2019,
    arXiv 1901.09005); `hidden` sizes the classifier; `crop` is the smallest share of area, `flip` the probability of mirroring.
    Made for pictures whose ninth still shows something: at 28 px it was worth little (docs/results.md).
    """

    kind = "puzzle"
    permutations: Tensor

    def __init__(
        self, backbone: Backbone, *, permutations: int = 64, set_seed: int = 0, shufflings: int = 4, gap: float = 0.1, shift: float = 0.2,
        grey: float = 0.66, hidden: int = 512, crop: float = 0.7, flip: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__(backbone)
        if shufflings < 1:
            raise ValueError(f"shufflings is {shufflings}; expected at least 1, the number of permutations a picture is asked about.")
        self.shufflings = shufflings
        self.grid = grid_of(backbone.size, side=3, gap=gap, shift=shift)
        self.side = fitting_side(backbone, self.grid.patch)
        self.register_buffer("permutations", distant_permutations(TILES, permutations, seed=set_seed).clone())
        self.head = ArrangementHead(backbone.width, TILES, reduced=64, hidden=hidden, out=permutations)
        self.default_views = Augment(size=backbone.size, crop=(crop, 1.0), flip=flip, jitter=0.0, grey=grey)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        tiles = cut_patches(self.augment(batch, rng), self.grid, rng)
        drawn = torch.randint(len(self.permutations), (len(tiles), self.shufflings), generator=rng, device=tiles.device)
        return {"tiles": tiles, "permutation": drawn}

    def forward(self, views: Views) -> Output:
        embedded = embed_patches(self.backbone, views["tiles"], self.side)
        return {"logits": self.head(embedded, self.permutations[views["permutation"]]), "permutation": views["permutation"]}

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"permutation": F.cross_entropy(output["logits"].flatten(0, 1), output["permutation"].flatten())}

    def show(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Tiles as shuffled, put back by the permutation the network believes in, and as they were."""
        views = self.views(batch, rng)
        shuffled = taken_patches(views["tiles"], self.permutations[views["permutation"][:, 0]])
        believed = self.permutations[self(views)["logits"][:, 0].argmax(dim=1)]
        return {
            "shuffled": board(shuffled),
            "put back by its guess": board(taken_patches(shuffled, believed.argsort(dim=1))),
            "original": board(views["tiles"]),
        }


@lru_cache(maxsize=8)
def distant_permutations(tiles: int, count: int, *, seed: int = 0) -> Int[Tensor, "count tiles"]:
    """A set of permutations that differ in many places, chosen greedily: row p puts tile p[k] at place k.

    The first is drawn; each next one is the farthest, in Hamming distance, from the nearest of those before it, and among equals the one
    with the largest sum of distances. The paper's algorithm 1 looks at the sum alone, which lets two through that differ in two places.
    Raises ValueError for fewer than two or more than there are.
    """
    total = math.factorial(tiles)
    if not 2 <= count <= total:
        raise ValueError(f"permutations is {count}; expected 2 to {total:,}, the number of ways to order {tiles} tiles.")
    flat = chain.from_iterable(permutations(range(tiles)))
    every = torch.from_numpy(np.fromiter(flat, dtype=np.uint8, count=total * tiles).reshape(total, tiles))
    chosen = [int(torch.randint(total, (1,), generator=torch.Generator().manual_seed(seed), device="cpu"))]
    nearest = torch.full((total,), tiles)
    distances = torch.zeros(total, dtype=torch.long)
    while len(chosen) < count:
        distance = (every != every[chosen[-1]]).sum(dim=1)
        nearest, distances = torch.minimum(nearest, distance), distances + distance
        chosen.append(int((nearest * (tiles * count) + distances).argmax()))
    return every[chosen].long()
