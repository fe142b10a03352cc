"""Colorization: see a picture in grey, tell its colours."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from selfsup.backbones import Backbone
from selfsup.heads import PixelDecoder
from selfsup.pretext import Batch, Output, Pretext, Views
from selfsup.views import Augment, color_bins, lab, lightness, rgb

NEAREST, SIGMA = 5, 5.0
"""A colour is shared between its five nearest bins by a Gaussian of this width in a and b (Zhang et al. 2016, section 2.1)."""

TEMPERATURE = 0.38
"""Of the annealed mean that makes one colour of a distribution: between its mean, which is pale, and its mode (their section 2.3)."""

SMALLER = 4
"""Colours are told for squares of 4 x 4 pixels: 56 of 224 in the paper. People hardly see finer colour."""

SLOWEST = 0.001
"""The least share of a batch in the running frequencies of colours: they forget the start after a thousand steps or so."""


class Colorization(Pretext):
    """Tell the colours of a picture seen in grey. Zhang, Isola, Efros, ECCV 2016, arXiv 1603.08511. Needs colour pictures.

    The network sees the lightness L*, three times over; what it is asked is a distribution over bins of a* and b*, since a shirt may be
    any colour and the mean of all is grey. Rare colours weigh more. How frequent each is comes from the batches seen so far. Options:
    `rebalance` is how evenly the weights are drawn from the frequencies: 0 weighs by one over the frequency, 1 all colours alike (.5 in
    the paper, whose data are a million pictures); `width` is the number of channels of the decoder; `crop` is the smallest share of
    area, `flip` the probability of mirroring.
    """

    # Not the loss but the frequencies of colours couple rows: they come from the whole batch, on every rank the same.
    couples_rows = True
    needs_color = True
    kind = "generative"
    learning_rate = 1e-3
    bins: Tensor
    smoothing: Tensor
    frequency: Tensor
    batches: Tensor

    def __init__(self, backbone: Backbone, *, rebalance: float = 0.75, width: int = 64, crop: float = 0.8, flip: float = 0.5) -> None:
        super().__init__(backbone)
        if backbone.channels != 3:
            raise ValueError(
                f"colorization learns from colours, and the backbone {backbone.name!r} was built for {backbone.channels} channel(s), "
                "as it is for grey pictures: take pictures in colour, or another task."
            )
        if not 0 <= rebalance <= 1:
            raise ValueError(f"rebalance is {rebalance}; expected a share from 0 (rare colours weigh most) to 1 (all weigh the same).")
        self.rebalance = rebalance
        self.side = math.ceil(backbone.size / SMALLER)
        bins = color_bins().clone()
        near = torch.exp(-torch.cdist(bins, bins).square() / (2 * SIGMA**2))
        self.register_buffer("bins", bins, persistent=False)
        self.register_buffer("smoothing", near / near.sum(dim=0), persistent=False)
        self.register_buffer("frequency", torch.full((len(bins),), 1 / len(bins)))
        self.register_buffer("batches", torch.zeros(()))
        stride = max(1, backbone.stride // SMALLER)
        self.decoder = PixelDecoder(backbone.width, stride, size=self.side, channels=len(bins), width=width)
        self.default_views = Augment(size=backbone.size, crop=(crop, 1.0), flip=flip, jitter=0.0, grey=0.0)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        image = batch["image"]
        if torch.equal(image[:, 0], image[:, 1]) and torch.equal(image[:, 0], image[:, 2]):
            raise ValueError(
                f"colorization learns from colours, and a batch of {len(image)} pictures has none: they are grey, stored as colour. "
                "Take pictures in colour, or another task."
            )
        return self.hidden_colors(self.augment(batch, rng))

    def hidden_colors(self, color: Float[Tensor, "B 3 S S"]) -> Views:
        """What the network sees of pictures, and what it is to tell: for every square its nearest bins and its share in each."""
        ab = lab(F.adaptive_avg_pool2d(color, self.side))[:, 1:]
        nearest, share = soft_bins(ab.flatten(2).transpose(1, 2).flatten(0, 1), self.bins)
        shape = (len(color), self.side, self.side, NEAREST)
        return {
            "grey": self.grey(color),
            "nearest": nearest.reshape(shape).permute(0, 3, 1, 2),
            "share": share.reshape(shape).permute(0, 3, 1, 2),
        }

    def grey(self, color: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B 3 S S"]:
        """The lightness of pictures, as three equal channels in [0, 1]."""
        return (lightness(color) / 100).clamp(0, 1).expand_as(color)

    def forward(self, views: Views) -> Output:
        return {"logits": self.predict(views["grey"]), "nearest": views["nearest"], "share": views["share"]}

    def predict(self, grey: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B Q s s"]:
        """Logits of every bin, for every square."""
        logits: Tensor = self.decoder(self.backbone.features(grey)[self.backbone.layers[-1]])
        return logits

    def loss(self, output: Output) -> dict[str, Tensor]:
        chances = F.log_softmax(output["logits"], dim=1).gather(1, output["nearest"])
        surprise = -(output["share"] * chances).sum(dim=1)
        weight = rarity(self.smoothing @ self.frequency, self.rebalance)[output["nearest"][:, 0]]
        return {"color": (weight * surprise).mean()}

    def after_step(self, output: Output) -> None:
        """Follow how frequent colours are: the mean over the batches so far, and of the last thousand or so in long runs."""
        counts = output["nearest"][:, 0].flatten().bincount(minlength=len(self.bins))
        self.batches.add_(1)
        self.frequency.lerp_((counts / counts.sum()).to(self.frequency), (1 / self.batches).clamp(min=SLOWEST))

    def show(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        color = self.augment(batch, rng)
        grey = self.grey(color)
        ab = F.interpolate(annealed_mean(self.predict(grey), self.bins), size=color.shape[2:], mode="bilinear")
        return {"grey": grey, "coloured by its guess": rgb(torch.cat([100 * grey[:, :1], ab], dim=1)), "original": color}


def soft_bins(ab: Float[Tensor, "N 2"], bins: Float[Tensor, "Q 2"]) -> tuple[Int[Tensor, "N 5"], Float[Tensor, "N 5"]]:
    """The nearest bins of each colour, the nearest first, and its shares in them, which add up to one."""
    distance, nearest = torch.cdist(ab, bins.to(ab.dtype)).topk(NEAREST, dim=1, largest=False)
    return nearest, F.softmax(-distance.square() / (2 * SIGMA**2), dim=1)


def rarity(frequency: Float[Tensor, " Q"], rebalance: float) -> Float[Tensor, " Q"]:
    """How much a pixel of each bin weighs: one over the frequency mixed with an even one, 1 on average (their equations 3 and 4)."""
    weight = 1 / ((1 - rebalance) * frequency + rebalance / len(frequency)).clamp(min=1e-8)
    return weight / (frequency * weight).sum()


def annealed_mean(logits: Float[Tensor, "B Q h w"], bins: Float[Tensor, "Q 2"]) -> Float[Tensor, "B 2 h w"]:
    """One colour (a, b) for each distribution: the mean after sharpening by the temperature (their equation 5)."""
    return torch.einsum("bqhw,qd->bdhw", F.softmax(logits / TEMPERATURE, dim=1), bins)
