"""Heads that two tasks or more share. Heads are thrown away after pretraining."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from selfsup.backbones import BACKBONES, Backbone, TextBackbone
from selfsup.backbones.text_attention import NAMES
from selfsup.backbones.text_names import HEAD
from selfsup.losses import vocabulary_nats
from selfsup.views import patch_mask, standardise


def projector(width: int, hidden: int, out: int, *, layers: int = 2, normalise_last: bool = False) -> nn.Sequential:
    """A multi-layer perceptron `(B, width) -> (B, out)` with BatchNorm and ReLU between layers, as joint-embedding methods use it.

    Linear layers before a BatchNorm have no bias: the norm takes it away again. Ends in a BatchNorm without scale or shift if
    `normalise_last` (SimCLR's code, Barlow Twins, MoCo v3). Raises ValueError for layers without any width.
    """
    widths = [width, *[hidden] * (layers - 1), out]
    if min(widths) < 1:
        raise ValueError(f"a head's layers would have {', '.join(map(str, widths))} numbers; expected at least 1 in each.")
    blocks: list[nn.Module] = []
    for start, end in pairwise(widths[:-1]):
        blocks += [nn.Linear(start, end, bias=False), nn.BatchNorm1d(end), nn.ReLU(inplace=True)]
    blocks.append(nn.Linear(widths[-2], out, bias=not normalise_last))
    if normalise_last:
        blocks.append(nn.BatchNorm1d(out, affine=False))
    return nn.Sequential(*blocks)


class LearnedScale(nn.Module):
    """A factor that is learned by its logarithm and never above `most`: the inverse temperature of a contrastive loss. CLIP, section 2.5.

    Beyond the limit it is cut off, and only gradients that bring it back reach it: cut off plainly, it would stay there for ever.
    """

    def __init__(self, start: float, *, most: float) -> None:
        super().__init__()
        self.logarithm = nn.Parameter(torch.tensor(math.log(start)))
        self.most = most

    def forward(self, rows: int) -> Float[Tensor, " B"]:
        """The factor, once for each of so many rows: each row brings its own, and the loss takes their mean."""
        capped: Tensor = _Capped.apply(self.logarithm, math.log(self.most))
        return capped.exp().expand(rows)


class _Capped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, most: float) -> Tensor:
        ctx.beyond = value > most
        return value.clamp(max=most)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return torch.where(ctx.beyond & (gradient < 0), 0.0, gradient), None


class MaskedPixels(nn.Module):
    """A learned square of the backbone's stride, in normalised units, that stands where pixels are hidden. SimMIM, arXiv 2111.09886.

    Learned in pixels, and not behind the patch embedding as in the paper, so that it works on any backbone. A ViT's patch embedding is
    linear, so there it is a learned token too, but one out of those that some patch would give (with grey patches of 4 px, 16
    dimensions of them).
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(backbone.channels, backbone.stride, backbone.stride) * 0.02)

    def forward(self, image: Float[Tensor, "B C h w"], mask: Bool[Tensor, "B 1 h w"], backbone: Backbone) -> Float[Tensor, "B C h w"]:
        """The pictures in [0, 1] with the learned square in place of what the mask hides. 0 is the mean of the data."""
        stride = self.token.shape[-1]
        down, across = (-(-side // stride) for side in image.shape[2:])
        tiled = (backbone.mean + backbone.std * self.token).repeat(1, 1, down, across)[:, :, : image.shape[2], : image.shape[3]]
        return torch.where(mask, tiled, image)

    def at(self, image: Float[Tensor, "B C h w"], hidden: Int[Tensor, "B M"], backbone: Backbone) -> Float[Tensor, "B C h w"]:
        """The same where the listed positions of the backbone's last map are hidden."""
        covered: Tensor = self(image, patch_mask(hidden, shape=(image.shape[2], image.shape[3]), patch=backbone.stride), backbone)
        return covered


class PixelDecoder(nn.Module):
    """Rebuilds a picture from the backbone's last map: `(B, D, h, w) -> (B, channels, size, size)`.

    Doubles the side with nearest-neighbour upsampling and a 3x3 convolution until the picture's size is reached, so that no
    checkerboard appears (Odena, Dumoulin, Olah, Distill 2016). Channels halve with each doubling, down to `width`.
    """

    def __init__(self, depth: int, stride: int, *, size: int, channels: int, width: int) -> None:
        super().__init__()
        doublings = max(1, round(math.log2(stride)))
        self.sides = [math.ceil(size / 2**step) for step in reversed(range(doublings))]
        widths = [depth, *[max(width, min(depth, width * 2**step)) for step in reversed(range(doublings))]]
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(start, end, 3, padding=1, bias=False), nn.BatchNorm2d(end), nn.ReLU(inplace=True))
            for start, end in pairwise(widths)
        )
        self.paint = nn.Conv2d(widths[-1], channels, 3, padding=1)

    def forward(self, grid: Float[Tensor, "B D h w"]) -> Float[Tensor, "B C s s"]:
        for side, block in zip(self.sides, self.blocks, strict=True):
            grid = F.interpolate(block(grid), size=(side, side))
        image: Tensor = self.paint(grid)
        return image


class WordHead(nn.Module):
    """What BERT puts between a token's state and the table of words: a linear layer, GELU and LayerNorm, and a bias for each word.

    Devlin et al. 2019, in the authors' code; the table itself is that of the backbone's input, and is no part of this.
    """

    def __init__(self, width: int, embedding: nn.Embedding) -> None:
        super().__init__()
        self.dense = nn.Linear(width, embedding.embedding_dim)
        self.norm = nn.LayerNorm(embedding.embedding_dim)
        self.bias = nn.Parameter(torch.zeros(embedding.num_embeddings))
        nn.init.normal_(self.dense.weight, std=0.02)
        nn.init.zeros_(self.dense.bias)

    def forward(self, hidden: Float[Tensor, "B K D"]) -> Float[Tensor, "B K E"]:
        states: Tensor = self.norm(F.gelu(self.dense(hidden)))
        return states

    def nats(self, states: Float[Tensor, "B K E"], table: Float[Tensor, "V E"], target: Int[Tensor, "B K"]) -> Float[Tensor, "B K"]:
        """The surprise at each target in nats, from what `forward` gives."""
        return vocabulary_nats(states.flatten(0, 1), table, target.flatten(), self.bias).view(target.shape)


def t5_decoder(backbone: TextBackbone, depth: int) -> Any:
    """T5's decoder of the backbone's width, without a table of words."""
    from transformers import T5Config
    from transformers.models.t5.modeling_t5 import T5Stack

    configuration = T5Config(
        d_model=backbone.width, d_kv=HEAD, d_ff=4 * backbone.width, num_layers=depth, num_heads=max(1, backbone.width // HEAD),
        vocab_size=1, dropout_rate=0.0, is_decoder=True, is_encoder_decoder=False, use_cache=False,
        eos_token_id=None,  # its words are those of the backbone
    )  # fmt: skip
    kind: Any = T5Stack
    decoder = kind._from_config(configuration, attn_implementation=NAMES[backbone.settings.attention], dtype=torch.float32)
    decoder.set_input_embeddings(nn.Identity())
    return decoder


class ArrangementHead(nn.Module):
    """Tells something about arrangements of patches from the embedding of each: `(B, P, D)` to `(B, K, out)`.

    Embeddings are reduced one by one, by the same layer for every patch; those of an arrangement are put in a row and classified. The
    costly part, the embedding, is computed once for the K arrangements a picture is asked about.
    """

    def __init__(self, width: int, patches: int, *, reduced: int, hidden: int, out: int) -> None:
        super().__init__()
        self.reduce = nn.Sequential(nn.Linear(width, reduced, bias=False), nn.BatchNorm1d(reduced), nn.ReLU(inplace=True))
        self.classify = projector(patches * reduced, hidden, out)

    def forward(self, embedded: Float[Tensor, "B P D"], arrangements: Int[Tensor, "B K n"]) -> Float[Tensor, "B K out"]:
        """`arrangements` lists for each question which of a picture's patches stand in the row, in which order."""
        small = self.reduce(embedded.flatten(0, 1)).reshape(*embedded.shape[:2], -1)
        rows, questions = arrangements.shape[:2]
        # `gather`, since the backward pass of advanced indexing is slow on processors.
        picked = small.gather(1, arrangements.flatten(1)[:, :, None].expand(-1, -1, small.shape[-1]))
        answers: Tensor = self.classify(picked.reshape(rows * questions, -1))
        return answers.reshape(rows, questions, -1)


def fitting_side(backbone: Backbone, side: int) -> int:
    """The side in pixels at which patches of `side` enter the backbone: their own, or a little more for a ViT, whose own patches must fit.

    At their own size nine patches cost about half of what the picture does, and show things as large as it does. Backbones that take
    no other size than the one they were made for get that.
    """
    step = backbone.patch or 1
    fitting = -(-side // step) * step
    return fitting if backbone.takes(fitting) else backbone.size


def local_side(backbone: Backbone, side: int | None = None) -> int:
    """The side in pixels of the small views of multi-crop: `side`, or about half of the picture's, as the patches of a ViT divide it.

    Raises ValueError for sides above the picture's, for those that the backbone does not take, and for backbones that take no other size
    than their own.
    """
    if side is not None and not 1 <= side <= backbone.size:
        raise ValueError(f"local_side is {side}; expected 1 to {backbone.size} pixels, the side of the picture.")
    if side is not None and backbone.takes(side):
        return side
    steps = dict.fromkeys((backbone.patch or 1, backbone.stride))  # some transformers hide their patches, not their stride
    fitting = next((half for step in steps if backbone.takes(half := max(1, round(backbone.size / 2 / step)) * step)), None)
    if fitting is None:
        raise ValueError(
            f"the backbone {backbone.name!r} takes pictures of {backbone.size} px only, but local views are smaller. Do without them "
            f"(--set local_views=0), or take one that does: {', '.join(BACKBONES)}, or any ConvNet or plain ViT of timm."
        )
    if side is not None:
        raise ValueError(f"the backbone {backbone.name!r} does not take local views of {side} px: take {fitting}, for one.")
    return fitting


def embed_patches(backbone: Backbone, patches: Float[Tensor, "B P C s s"], side: int) -> Float[Tensor, "B P D"]:
    """Embed patches of pictures in [0, 1] one by one, at `side` pixels, each with zero mean and unit variance inside the backbone."""
    each = patches.flatten(0, 1)
    if side != each.shape[-1]:
        each = F.interpolate(each, size=(side, side), mode="bilinear")
    # The backbone normalises pictures by its own constants: these undo that.
    return backbone.embed(standardise(each) * backbone.std + backbone.mean).reshape(*patches.shape[:2], -1)
