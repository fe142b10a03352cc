"""I-JEPA: from a part of a picture, predict what a slow teacher makes of other parts of it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from timm.layers.pos_embed_sincos import build_sincos2d_pos_embed
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from selfsup.backbones import Backbone
from selfsup.backbones.transformer import taken
from selfsup.latent_prediction import LatentPrediction, Normalise
from selfsup.losses import counted_mean
from selfsup.pretext import Batch, Output, Views
from selfsup.ranges import above, at_least
from selfsup.views import Augment, context_and_targets, patch_mask

ASPECT = (0.75, 1.5)
"""Height by width of target blocks, from and to: the paper's section 3."""


class IJEPA(LatentPrediction):
    """Predict a teacher's features of hidden blocks from what is visible. Assran et al., CVPR 2023, arXiv 2301.08243.

    The teacher sees the whole picture; what it makes of a target block is what a narrow transformer has to predict for every patch of it,
    from the tokens of the context alone and one block at a time. Nothing is asked in pixels, and views are no more than crops. The
    network computes the context and nothing else, so it has to be a ViT.

    The paper tells the last layer, which of a network that has only begun to learn is hard to tell anything of; here it is the mean of all
    its layers, whose first ones are near to the picture. Blocks are drawn for each picture by itself, as large as they come; the paper's
    code has one size a batch, cuts contexts to the shortest in the batch, its bottom rows first, and asks for ten patches, which small
    grids do not have.

    Options: `blocks` is how many targets there are, each of `smallest` to `largest` of the picture's area; `context` is the smallest share
    of area of the block that the context is cut from, `visible` the share of all patches it keeps (a quarter on average in the paper, table
    6); `layers` how many of the teacher's last layers are told (1 in the paper, by default all that are shown, four on most ViTs);
    `normalise` how they are brought to one scale (`place` over the batch, or `token` by token, as in the paper); `predictor_width`,
    `predictor_depth` and `predictor_heads` size the predictor (384, 6 or 12 and 12 in the paper); `momentum` is the teacher's at the start
    (.996 in the paper, from where it rises evenly, and here as a cosine; by default what averages as many steps as the run has); `crop` is
    the smallest share of area of a view, `flip` the probability of mirroring, which the paper leaves out.
    """

    prefers_patches = True
    learning_rate = 7e-4  # nothing can be told at first, and at 2e-3 the network has lost its features by then

    def __init__(
        self, backbone: Backbone, *, blocks: int = 4, smallest: float = 0.15, largest: float = 0.2, context: float = 0.85,
        visible: float = 0.25, layers: int | None = None, normalise: Normalise = "place", predictor_width: int = 96,
        predictor_depth: int = 3, predictor_heads: int = 3, momentum: float | None = None, crop: float = 0.3, flip: float = 0.0,
    ) -> None:  # fmt: skip
        if backbone.patch is None:
            raise ValueError(
                f"I-JEPA computes the visible patches and nothing else, which a ConvNet such as {backbone.name!r} cannot: "
                "take compact_vit, or any plain ViT of timm (vit_small_patch16_224, say). data2vec asks the same of ConvNets."
            )
        super().__init__(backbone, layers=len(backbone.layers) if layers is None else layers, normalise=normalise, momentum=momentum)
        above(0, visible=visible)
        at_least(1, predictor_depth=predictor_depth, predictor_heads=predictor_heads)
        if predictor_width < 1 or predictor_width % 4 or predictor_width % predictor_heads:
            raise ValueError(f"predictor_width is {predictor_width}; expected a multiple of 4 and of its {predictor_heads} heads.")
        if blocks < 1 or not 0 < smallest <= largest < 1 or not 0 < context <= 1:
            raise ValueError(
                f"blocks is {blocks}, smallest {smallest}, largest {largest} and context {context}; expected at least one block, and "
                "shares of the picture between 0 and 1, the smallest first."
            )
        self.blocks, self.area, self.context, self.visible = blocks, (smallest, largest), (context, 1.0), visible
        self.hiding(1, torch.Generator())  # raises where the grid is too small
        self.predictor = Predictor(backbone.width, backbone.map_side, width=predictor_width, depth=predictor_depth, heads=predictor_heads)
        self.default_views = Augment(size=backbone.size, crop=(crop, 1.0), flip=flip, jitter=0.0, grey=0.0)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        image = self.augment(batch, rng)
        return {"image": image, **self.hiding(len(image), rng)}

    def hiding(self, rows: int, rng: torch.Generator) -> Views:
        """Context and targets of so many pictures."""
        return context_and_targets(
            rows, self.backbone.map_side, targets=self.blocks, area=self.area, aspect=ASPECT, context=self.context, share=self.visible,
            rng=rng,
        )  # fmt: skip

    def forward(self, views: Views) -> Output:
        image, context, targets, real = (views[name] for name in ("image", "context", "targets", "real"))
        told = self.told(image)
        predicted = self.predictor(self.backbone.tokens(image, context), context, targets, real)
        return {"predicted": predicted, "teacher": told, "targets": targets, "real": real, "pooled": told[:, -1].mean(dim=1)}

    def loss(self, output: Output) -> dict[str, Tensor]:
        targets = output["targets"]
        target = taken(self.target(output), targets.flatten(1)).view(*targets.shape, -1)
        error = (output["predicted"].float() - target).square().mean(dim=-1)
        return {"prediction": counted_mean(error.flatten(1), output["real"].flatten(1))}

    def show(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """What the network saw, what was asked of it, and its answer: the patches of other pictures whose features come nearest to it."""
        views = self.views(batch, rng)
        output, image = self(views), views["image"]
        predicted, real, asked = output["predicted"], views["real"], views["targets"]
        predicted = torch.where(real[..., None], predicted, predicted[:, :, :1])  # what is not real repeats the first patch
        answered = self.answered(image, predicted.flatten(1, 2), self.target(output), asked.flatten(1))
        seen, hidden = (
            patch_mask(views[name].flatten(1), shape=(image.shape[2], image.shape[3]), patch=self.backbone.stride)
            for name in ("context", "targets")
        )
        grey = torch.full_like(image, 0.5)
        return {
            "context": torch.where(seen, image, grey),
            "targets": torch.where(hidden, image, grey),
            "answered": torch.where(seen | hidden, answered, grey),
            "original": image,
        }


class Predictor(nn.Module):
    """A narrow transformer that says what features the patches of a block have, from the tokens of a context and where all of them are."""

    position: Tensor

    def __init__(self, features: int, side: int, *, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.narrow, self.widen = nn.Linear(features, width), nn.Linear(width, features)
        self.asked = nn.Parameter(torch.randn(width) * 0.02)
        self.register_buffer("position", build_sincos2d_pos_embed([side, side], width), persistent=False)
        self.transformer = nn.Sequential(*(Block(width, heads, qkv_bias=True) for _ in range(depth)), nn.LayerNorm(width, eps=1e-6))

    def forward(
        self, tokens: Float[Tensor, "B K D"], context: Int[Tensor, "B K"], targets: Int[Tensor, "B N T"], real: Bool[Tensor, "B N T"]
    ) -> Float[Tensor, "B N T D"]:
        """The features of each block's patches. Blocks do not see one another, and no patch sees those that are not `real`."""
        rows, blocks, longest = targets.shape
        seen = self.narrow(tokens)
        position = self.position.to(seen.dtype)
        seen = (seen + position[context]).repeat_interleave(blocks, dim=0)
        asked = (self.asked.to(seen.dtype) + position[targets]).flatten(0, 1)
        unseen = F.pad(~real.flatten(0, 1), (context.shape[1], 0))[:, None, None]
        mask = torch.zeros(unseen.shape, dtype=seen.dtype, device=seen.device).masked_fill(unseen, -torch.inf)
        every = torch.cat([seen, asked], dim=1)
        for block in self.transformer[:-1]:
            every = block(every, attn_mask=mask)
        predicted: Tensor = self.widen(self.transformer[-1](every[:, -longest:]))
        return predicted.view(rows, blocks, longest, -1)
