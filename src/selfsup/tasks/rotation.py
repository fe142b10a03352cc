"""Rotation: tell by how many quarters a picture was turned."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selfsup.backbones import Backbone
from selfsup.pretext import Batch, Output, Pretext, Views
from selfsup.views import Augment, quarter_turns


class Rotation(Pretext):
    """Tell whether a picture was turned by 0, 90, 180 or 270 degrees. Gidaris, Singh, Komodakis, ICLR 2018, arXiv 1803.07728.

    Turns are exact transpositions: interpolation would leave traces that give the answer away. The flip comes before the turn:
    after it, a mirrored 90 would look like 270 and the two could not be told apart. Options: `every_turn` shows each picture
    four times in a batch, as the authors do; otherwise each picture is drawn one turn. `crop` is the smallest share of area, `flip` the
    probability of mirroring, `jitter` the strength of changes of colour and brightness, which paid in our search (docs/results.md).
    """

    kind = "puzzle"
    learning_rate = 4e-3

    def __init__(self, backbone: Backbone, *, every_turn: bool = False, crop: float = 0.5, flip: float = 0.5, jitter: float = 0.5) -> None:
        super().__init__(backbone)
        self.every_turn = every_turn
        self.classifier = nn.Linear(backbone.width, 4)
        self.default_views = Augment(size=backbone.size, crop=(crop, 1.0), flip=flip, jitter=jitter, grey=0.0)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        upright = self.augment(batch, rng)
        rows, device = len(upright), upright.device
        if self.every_turn:
            turns = torch.arange(4, device=device).expand(rows, 4)
        else:
            turns = torch.randint(4, (rows, 1), generator=rng, device=device)
        copies = upright.repeat_interleave(turns.shape[1], dim=0)
        turned = quarter_turns(copies, turns.flatten())
        return {"image": turned.reshape(*turns.shape, *turned.shape[1:]), "turn": turns}

    def forward(self, views: Views) -> Output:
        logits = self.classifier(self.backbone.embed(views["image"].flatten(0, 1)))
        return {"logits": logits.reshape(*views["turn"].shape, 4), "turn": views["turn"]}

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"turn": F.cross_entropy(output["logits"].flatten(0, 1), output["turn"].flatten())}

    def show(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Pictures as turned, turned back by the network's guess (upright where it is right), and as they were."""
        original = self.augment(batch, rng)
        turns = torch.randint(4, (len(original),), generator=rng, device=original.device)
        turned = quarter_turns(original, turns)
        guess = self.classifier(self.backbone.embed(turned)).argmax(dim=1)
        return {"turned": turned, "turned back by its guess": quarter_turns(turned, 4 - guess), "original": original}
