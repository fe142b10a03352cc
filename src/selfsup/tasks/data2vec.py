"""data2vec: from a picture with blocks hidden, tell what a slow teacher, which sees all of it, makes of them."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from selfsup.backbones import Backbone
from selfsup.backbones.transformer import taken
from selfsup.heads import MaskedPixels
from selfsup.pretext import Batch, Output, Pretext, Views
from selfsup.teachers import Teacher, momentum_at
from selfsup.views import Augment, block_patches, nearest_patches, paint, patches, unpatched, whole_units

Normalise = Literal["place", "token"]
"""How targets are brought to one scale: see `Data2Vec`."""

HORIZON = 1.0
"""The share of a run that the teacher remembers at first. With a quicker one, network and teacher come to agree on very little."""


class Data2Vec(Pretext):
    """Tell a slow teacher's features of hidden blocks. Baevski et al., ICML 2022, arXiv 2202.03555, section 3.

    As SimMIM, but what is told are features, not pixels: the mean of the last `layers` of the teacher, which sees the whole picture. What
    is hidden is a learned square of pixels, so that any backbone will do. The loss is the squared distance, as in data2vec 2.0 (arXiv
    2212.07525), where the paper's is smooth L1.

    The easiest thing to tell is what all pictures have at a place. With `normalise` "place" it is taken off: every position loses its mean
    over the batch, and each dimension gets unit variance over batch and positions, so the loss has to see the whole batch. With "token",
    as in the paper, every token is standardised by itself; docs/decisions/latent_prediction.md says what becomes of that in short runs.

    Options: `hidden` the share of positions that is hidden, in blocks; `layers` how many of the last layers are told (of those whose maps
    are as large as the last one's; 6 of 12 blocks in the paper); `normalise`, see above; `width` of the layer between features and answer,
    0 for none, as in the paper; `momentum` of the teacher at the start (.9998 in the paper, for 10⁵ steps; by default what averages as many
    steps as the run has); `crop` the smallest share of area of a view, `flip` the probability of mirroring.
    """

    kind = "latent prediction"
    couples_rows = True
    loss_falls = False
    compared = False
    attracted = "pooled"

    def __init__(
        self, backbone: Backbone, *, hidden: float = 0.6, layers: int = 1, normalise: Normalise = "place", width: int = 512,
        momentum: float | None = None, crop: float = 0.6, flip: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__(backbone)
        self.side: int = -(-backbone.size // backbone.stride)
        if layers < 1 or not 0 < hidden < 1 or self.side < 2:
            raise ValueError(
                f"layers is {layers}, and hidden={hidden} of the {self.side} x {self.side} positions of {backbone.name!r} at "
                f"{backbone.size} px: expected at least one layer, and a share between 0 and 1 of more than one position."
            )
        if normalise not in get_args(Normalise):
            raise ValueError(f"normalise is {normalise!r}; expected one of {', '.join(get_args(Normalise))}.")
        self.hidden, self.layers, self.normalise, self.momentum = hidden, layers, normalise, momentum
        self.masked = MaskedPixels(backbone)
        features = backbone.width
        self.predictor = (
            nn.Sequential(nn.Linear(features, width), nn.GELU(), nn.Linear(width, features)) if width else nn.Linear(features, features)
        )
        self.teacher = Teacher(self, "backbone")
        self.default_views = Augment(size=backbone.size, crop=(crop, 1.0), flip=flip, jitter=0.0, grey=0.0)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        image = self.augment(batch, rng)
        return {"image": image, "hidden": block_patches(len(image), self.side, hidden=self.hidden, rng=rng)[1]}

    def forward(self, views: Views) -> Output:
        image, hidden = views["image"], views["hidden"]
        tokens = self.backbone.tokens(self.masked.at(image, hidden, self.backbone))
        told = self.told(image)
        return {"predicted": self.predictor(taken(tokens, hidden)), "teacher": told, "hidden": hidden, "pooled": told[:, -1].mean(dim=1)}

    @torch.no_grad()
    def told(self, image: Float[Tensor, "B C s s"]) -> Float[Tensor, "B K T D"]:
        """The teacher's last layers, as tokens."""
        maps = list(self.teacher.backbone.features(image).values())
        return torch.stack([found.flatten(2).mT for found in maps if found.shape == maps[-1].shape][-self.layers :], dim=1)

    def target(self, output: Output) -> Float[Tensor, "B T D"]:
        """What is to be told of every position: each layer on one scale, and their mean."""
        return torch.stack([self.standardised(layer) for layer in output["teacher"].unbind(1)]).mean(dim=0)

    def standardised(self, tokens: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Tokens of a whole batch on one scale, as `normalise` says. In fp32."""
        features = tokens.float()
        if self.normalise == "token":
            return F.layer_norm(features, features.shape[-1:])
        features = features - features.mean(dim=0)
        return features / (features.square().mean(dim=(0, 1)) + 1e-5).sqrt()

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"prediction": F.mse_loss(output["predicted"].float(), taken(self.target(output), output["hidden"]))}

    def after_step(self, output: Output) -> None:
        self.teacher.follow(self, momentum_at(self.progress, self.steps, start=self.momentum, horizon=HORIZON, most=0.9999))

    def show(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """What the network saw, and its answer: the patches of other pictures whose features come nearest to it."""
        views = self.views(batch, rng)
        output, image, hidden = self(views), views["image"], views["hidden"]
        unit, size = self.backbone.stride, self.backbone.size
        cut = patches(whole_units(image, unit), unit)
        found = nearest_patches(output["predicted"].float(), self.target(output), cut)
        answered = unpatched(cut.scatter(1, hidden[:, :, None].expand_as(found), found), unit, self.backbone.channels)
        return {"hidden": paint(image, hidden, patch=unit, value=0.5), "answered": answered[:, :, :size, :size], "original": image}
