"""The two networks of a run of pairs: new by their names, or from earlier runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from selfsup.backbones import (
    SIDES,
    Backbone,
    PairBackbone,
    Side,
    TextBackbone,
    Vocabulary,
    build,
    build_from,
    build_text,
    build_text_from,
    load_backbone,
    load_text_backbone,
    read_projection,
    read_settings,
    read_text_settings,
)
from selfsup.pretraining.pair_wishes import SHARED_WIDTH, PairWishes
from selfsup.run import Run

MEANT = "expected two names joined by a plus, IMAGE+TEXT, such as compact_convnet+bert-mini"


@dataclass(frozen=True)
class Made:
    """What the networks are made from: their `name`, what they see and read, and where they come from.

    `statistics` are mean and deviation of each channel; `weights` the folder of an earlier run of pairs; `languages` those of captions.
    """

    name: str
    size: int
    channels: int
    statistics: tuple[tuple[float, ...], tuple[float, ...]]
    vocabulary: Vocabulary
    context: int
    wishes: PairWishes
    weights: str | Path | None
    languages: tuple[str, ...] = ()

    def origin(self, side: Side) -> Path | None:
        """The folder that a side comes from, None for a new one."""
        return side_in(getattr(self.wishes, f"{side}_from") or self.weights, side)

    def named(self, side: Side) -> str:
        """The name of a new side. Raises ValueError."""
        image, plus, text = self.name.partition("+")
        if plus:
            return image if side == "image" else text
        if self.origin("text" if side == "image" else "image") is None:
            raise ValueError(f"--backbone {self.name} was given; {MEANT}.")
        return self.name  # the other side comes from a run


def make_pair(made: Made, *, again: Run | None = None) -> tuple[PairBackbone, list[str]]:
    """Both networks with their projections, drawn from torch's global generator where nothing else is said; in words, what did not fit.

    `again` is a run that goes on: its networks are built as its folder says, and filled from its checkpoint later. Raises ValueError.
    """
    if again is not None:
        image: Backbone = build_from(read_settings(again.folder / "image"))
        text: TextBackbone = build_text_from(read_text_settings(again.folder / "text"), made.vocabulary)
        remarks: list[str] = []
    else:
        image = _image(made)
        text, remarks = _text(made)
    frozen: Any = made.wishes.freeze
    old = {side: read_projection(folder) for side in SIDES if made.weights and (folder := side_in(made.weights, side))}
    widths = {weight.shape[0] for weight in old.values() if weight is not None}
    asked = made.wishes.shared_width or SHARED_WIDTH
    width = int(again.choices.get("shared_width", 0)) if again else widths.pop() if widths else asked
    network = PairBackbone(image, text, width=width, frozen=frozen, languages=made.languages)
    with torch.no_grad():
        for side, weight in old.items():
            projection = network.projection(side)
            if weight is not None and projection is not None:
                projection.weight.copy_(weight)
    return network, remarks


def side_in(folder: str | Path | None, side: Side) -> Path | None:
    """The folder of one side: of a run of pairs the one in it, else the folder itself. Raises ValueError where there is none."""
    if folder is None:
        return None
    place = Path(folder).expanduser()
    inner = place / side
    if (inner / "backbone.json").is_file():
        return inner
    if not place.is_dir() or not ((place / "backbone.json").is_file() or (side == "text" and (place / "config.json").is_file())):
        raise ValueError(f"{place} holds no backbone for {side}: expected the folder of a run on {side} or on pairs.")
    if (place / "run.json").is_file() and (kind := Run.open(place).kind) != side:
        raise ValueError(f"{place} learned from {kind!r}; expected a run on {side!r} or on pairs for this side.")
    return place


def _image(made: Made) -> Backbone:
    origin = made.origin("image")
    if origin is not None:
        return load_backbone(origin)
    mean, std = made.statistics
    return build(made.named("image"), size=made.size, channels=made.channels, mean=mean, std=std)


def _text(made: Made) -> tuple[TextBackbone, list[str]]:
    origin = made.origin("text")
    if origin is not None:
        return load_text_backbone(origin, made.vocabulary)
    return build_text(made.named("text"), vocabulary=made.vocabulary, context=made.context), []
