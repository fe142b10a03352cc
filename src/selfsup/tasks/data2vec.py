"""data2vec: from a picture with blocks hidden, tell what a slow teacher, which sees all of it, makes of them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selfsup.backbones import Backbone
from selfsup.backbones.transformer import taken
from selfsup.heads import MaskedPixels
from selfsup.latent_prediction import LatentPrediction, Normalise
from selfsup.pretext import Batch, Output, Views
from selfsup.ranges import at_least
from selfsup.views import Augment, block_patches, paint


class Data2Vec(LatentPrediction):
    """Tell a slow teacher's features of hidden blocks. Baevski et al., ICML 2022, arXiv 2202.03555, section 3.

    As SimMIM, but what is told are features, not pixels: the mean of the last `layers` of the teacher, which sees the whole picture. What
    is hidden is a learned square of pixels, so that any backbone will do. The loss is the squared distance, as in data2vec 2.0 (arXiv
    2212.07525), where the paper's is smooth L1.

    Options: `hidden` the share of positions that is hidden, in blocks; `layers` how many of the last layers are told (of those shown, whose
    maps are as large as the last one's: 2 are blocks 9 and 12 of a ViT, where the paper has the last 6); `normalise` how they are brought
    to one scale (`place` over the batch, or `token` by token, as in the paper); `width` of the layer between features and answer, 0 for
    none, as in the paper; `momentum` of the teacher at the start (.9998 in the paper, for 10⁵ steps; by default what averages as many steps
    as the run has); `crop` the smallest share of area of a view, `flip` the probability of mirroring.
    """

    def __init__(
        self, backbone: Backbone, *, hidden: float = 0.6, layers: int = 1, normalise: Normalise = "place", width: int = 512,
        momentum: float | None = None, crop: float = 0.6, flip: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__(backbone, layers=layers, normalise=normalise, momentum=momentum)
        if not 0 < hidden < 1 or backbone.map_side < 2:
            raise ValueError(
                f"hidden={hidden} of the {backbone.map_side} x {backbone.map_side} positions of {backbone.name!r} at {backbone.size} px: "
                "expected a share between 0 and 1 of more than one position."
            )
        at_least(0, width=width)
        self.hidden = hidden
        self.masked = MaskedPixels(backbone)
        features = backbone.width
        self.predictor = (
            nn.Sequential(nn.Linear(features, width), nn.GELU(), nn.Linear(width, features)) if width else nn.Linear(features, features)
        )
        self.default_views = Augment(size=backbone.size, crop=(crop, 1.0), flip=flip, jitter=0.0, grey=0.0)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        image = self.augment(batch, rng)
        return {"image": image, "hidden": block_patches(len(image), self.backbone.map_side, hidden=self.hidden, rng=rng)[1]}

    def forward(self, views: Views) -> Output:
        image, hidden = views["image"], views["hidden"]
        tokens = self.backbone.tokens(self.masked.at(image, hidden, self.backbone))
        told = self.told(image)
        return {"predicted": self.predictor(taken(tokens, hidden)), "teacher": told, "hidden": hidden, "pooled": told[:, -1].mean(dim=1)}

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"prediction": F.mse_loss(output["predicted"].float(), taken(self.target(output), output["hidden"]))}

    def show(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """What the network saw, and its answer: the patches of other pictures whose features come nearest to it."""
        views = self.views(batch, rng)
        output, image = self(views), views["image"]
        answered = self.answered(image, output["predicted"], self.target(output), views["hidden"])
        return {"hidden": paint(image, views["hidden"], patch=self.backbone.stride, value=0.5), "answered": answered, "original": image}
