"""What tasks share that predict, from what is visible of a picture, what a slow teacher makes of the rest."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from selfsup.backbones import Backbone
from selfsup.pretext import Output, Pretext
from selfsup.ranges import at_least, share
from selfsup.teachers import Teacher, momentum_at
from selfsup.views import nearest_patches, patches, unpatched, whole_units

Normalise = Literal["place", "token"]
"""How targets are brought to one scale: see `LatentPrediction`."""

HORIZON = 1.0
"""The share of a run that the teacher remembers at first. With a quicker one, network and teacher come to agree on very little."""


class LatentPrediction(Pretext):
    """A backbone, and a slow copy of it, the `teacher`, whose features of whole pictures are to be told where something is hidden.

    What is told is the mean of the teacher's last `layers`, each on one scale: of those that the backbone shows (of twelve blocks of a ViT
    the third, sixth, ninth and last) and whose maps are as large as the last one's, or all of them where there are fewer. Nothing but the
    teacher's slowness keeps it from becoming easy to tell, and the easiest thing to tell is what all pictures have at a place. With
    `normalise` "place" it is taken off: every position loses its mean over the batch, and each dimension gets unit variance over batch and
    positions, so the loss has to see the whole batch. With "token", as in the papers, every token is standardised by itself;
    docs/decisions/latent_prediction.md says what becomes of that in short runs.

    `momentum` is the teacher's at the start; by default it averages as many steps as the run has. A subclass puts `told` into its output as
    "teacher", and its last layer's mean over each picture as "pooled", where a collapse is told.
    """

    kind: ClassVar[str] = "latent prediction"
    couples_rows: ClassVar[bool] = True
    loss_falls: ClassVar[bool] = False
    compared: ClassVar[bool] = False
    attracted: ClassVar[str | None] = "pooled"

    def __init__(self, backbone: Backbone, *, layers: int, normalise: Normalise, momentum: float | None) -> None:
        super().__init__(backbone)
        at_least(1, layers=layers)
        share(momentum=momentum)
        if normalise not in get_args(Normalise):
            raise ValueError(f"normalise is {normalise!r}; expected one of {', '.join(get_args(Normalise))}.")
        self.layers, self.normalise, self.momentum = layers, normalise, momentum
        self.teacher = Teacher(self, "backbone")

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

    def after_step(self, output: Output) -> None:
        self.teacher.follow(self, momentum_at(self.progress, self.steps, start=self.momentum, horizon=HORIZON, most=0.9999))

    def answered(
        self, image: Float[Tensor, "B C s s"], predicted: Float[Tensor, "B M D"], target: Float[Tensor, "B T D"], asked: Int[Tensor, "B M"]
    ) -> Float[Tensor, "B C s s"]:
        """Pictures with each asked position filled by that patch of other pictures whose features are most like the prediction."""
        unit, size = self.backbone.stride, self.backbone.size
        cut = patches(whole_units(image, unit), unit)
        found = nearest_patches(predicted.float(), target, cut)
        return unpatched(cut.scatter(1, asked[:, :, None].expand_as(found), found), unit, self.backbone.channels)[:, :, :size, :size]
