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
from selfsup.losses import counted_mean
from selfsup.pretext import Batch, Output, Pretext, Views
from selfsup.teachers import Teacher, momentum_at
from selfsup.views import Augment, context_and_targets, nearest_patches, patch_mask, patches, unpatched, whole_units

ASPECT = (0.75, 1.5)
"""Height by width of target blocks, from and to: the paper's section 3."""


class IJEPA(Pretext):
    """Predict a teacher's features of hidden blocks from what is visible. Assran et al., CVPR 2023, arXiv 2301.08243.

    The teacher sees the whole picture; its tokens, with zero mean and unit variance each, are what a narrow transformer has to predict for
    every patch of a target block, from the tokens of the context alone and one target block at a time. Nothing is asked in pixels, and
    views are no more than crops. A ViT computes the context and nothing else; a ConvNet sees the rest in the data's mean colour, and its
    last map's positions are the tokens.

    Blocks are drawn for each picture by itself, as large as they come; the paper's code has one size a batch, cuts contexts to the
    shortest in the batch, its bottom rows first, and asks for ten patches, which small grids do not have.

    Options: `blocks` is how many targets there are, each of `smallest` to `largest` of the picture's area; `context` is the smallest
    share of area of the block that the context is cut from, `visible` the share of all patches it keeps (a quarter on average in the
    paper, table 6); `predictor_width`, `predictor_depth` and `predictor_heads` size the predictor (384, 6 or 12 and 12 in the paper);
    `momentum` is the teacher's at the start (.996 in the paper, from where it rises evenly, and here as a cosine; by default as quick as
    the run is short); `crop` is the smallest share of area of a view, `flip` the probability of mirroring, which the paper leaves out.
    """

    kind = "latent prediction"
    prefers_patches = True

    def __init__(
        self,
        backbone: Backbone,
        *,
        blocks: int = 4,
        smallest: float = 0.15,
        largest: float = 0.2,
        context: float = 0.85,
        visible: float = 0.25,
        predictor_width: int = 96,
        predictor_depth: int = 3,
        predictor_heads: int = 3,
        momentum: float | None = None,
        crop: float = 0.3,
        flip: float = 0.0,
    ) -> None:
        super().__init__(backbone)
        if blocks < 1 or not 0 < smallest <= largest < 1 or not 0 < context <= 1:
            raise ValueError(
                f"blocks is {blocks}, smallest {smallest}, largest {largest} and context {context}; expected at least one block, and "
                "shares of the picture between 0 and 1, the smallest first."
            )
        self.blocks, self.area, self.context = blocks, (smallest, largest), (context, 1.0)
        self.visible, self.momentum = visible, momentum
        self.side: int = -(-backbone.size // backbone.stride)
        self.hiding(1, torch.Generator())  # raises where the grid is too small
        self.predictor = Predictor(backbone.width, self.side, width=predictor_width, depth=predictor_depth, heads=predictor_heads)
        self.teacher = Teacher(self, "backbone")
        self.default_views = Augment(size=backbone.size, crop=(crop, 1.0), flip=flip, jitter=0.0, grey=0.0)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        image = self.augment(batch, rng)
        return {"image": image, **self.hiding(len(image), rng)}

    def hiding(self, rows: int, rng: torch.Generator) -> Views:
        """Context and targets of so many pictures."""
        return context_and_targets(
            rows, self.side, targets=self.blocks, area=self.area, aspect=ASPECT, context=self.context, share=self.visible, rng=rng
        )

    def forward(self, views: Views) -> Output:
        image, context, targets = views["image"], views["context"], views["targets"]
        with torch.no_grad():
            whole = self.teacher.backbone.tokens(image)
            target = taken(F.layer_norm(whole, whole.shape[-1:]), targets.flatten(1)).view(*targets.shape, -1)
        prediction = self.predictor(self.seen(image, context), context, targets, views["real"])
        return {"prediction": prediction, "target": target, "real": views["real"]}

    def seen(self, image: Float[Tensor, "B C S S"], context: Int[Tensor, "B K"]) -> Float[Tensor, "B K D"]:
        """The tokens of the context, which know nothing of the rest of the picture."""
        if self.backbone.patch is not None:
            return self.backbone.tokens(image, context)
        visible = patch_mask(context, shape=(image.shape[2], image.shape[3]), patch=self.backbone.stride)
        return taken(self.backbone.tokens(torch.where(visible, image, self.backbone.mean)), context)

    def loss(self, output: Output) -> dict[str, Tensor]:
        error = F.smooth_l1_loss(output["prediction"], output["target"], reduction="none").mean(dim=-1)
        return {"prediction": counted_mean(error.flatten(1), output["real"].flatten(1))}

    def count_of(self, views: Views) -> Tensor:
        return views["real"].sum()

    def after_step(self, output: Output) -> None:
        self.teacher.follow(self, momentum_at(self.progress, self.steps, start=self.momentum))

    def show(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """What the network saw, what was asked of it, and its answer: the patches of other pictures whose features come nearest to it."""
        views = self.views(batch, rng)
        image, unit, size = views["image"], self.backbone.stride, self.backbone.size
        whole = self.teacher.backbone.tokens(image)
        cut = patches(whole_units(image, unit), unit)
        found = nearest_patches(self(views)["prediction"].flatten(1, 2), F.layer_norm(whole, whole.shape[-1:]), cut)
        found = found.view(*views["real"].shape, -1)
        found = torch.where(views["real"][..., None], found, found[:, :, :1]).flatten(1, 2)  # what is not real repeats the first patch
        asked = views["targets"].flatten(1)[:, :, None].expand_as(found)
        answered = unpatched(cut.scatter(1, asked, found), unit, self.backbone.channels)[:, :, :size, :size]
        seen, targets = (patch_mask(views[name].flatten(1), shape=(size, size), patch=unit) for name in ("context", "targets"))
        grey = torch.full_like(image, 0.5)
        return {
            "context": torch.where(seen, image, grey),
            "targets": torch.where(targets, image, grey),
            "answered": torch.where(seen | targets, answered, grey),
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
