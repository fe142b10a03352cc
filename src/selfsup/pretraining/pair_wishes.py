"""What `pretrain` was asked for that only pairs have: their columns, where their sides come from, what they share."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfsup.options import check_choice

SHARED_WIDTH = 256
"""Of the space that both sides are projected to, where nothing is asked for: as wide as the compact network's embedding."""


@dataclass(frozen=True, kw_only=True)
class PairWishes:
    """The column of pictures, `image`; the runs that sides come from; the side to `freeze`; the `shared_width`."""

    image: str | None = None
    image_from: str | Path | None = None
    text_from: str | Path | None = None
    freeze: str | None = None
    shared_width: int | None = None

    def given(self) -> dict[str, Any]:
        """What differs from the default, as `Run.reading` holds it."""
        every = ((item.name, getattr(self, item.name), item.default) for item in dataclasses.fields(self))
        return {name: str(value) if isinstance(value, Path) else value for name, value, default in every if value != default}

    def refuse(self, noun: str) -> None:
        """Raise ValueError where a run on pictures or texts alone was given any of it."""
        given = self.given()
        if given:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise ValueError(f"{names} {'is' if len(given) == 1 else 'are'} for pairs, and the task learns from {noun}; leave it out.")

    def check(self, weights: str | Path | None) -> None:
        """Raise ValueError for what does not go together."""
        if self.shared_width is not None and self.shared_width < 1:
            raise ValueError(f"--shared-width {self.shared_width} was given; expected at least 1.")
        if weights is not None and (self.image_from is not None or self.text_from is not None):
            raise ValueError("--weights RUN brings both sides of a run of pairs; leave --image-from and --text-from out, or --weights.")
        if weights is not None and self.shared_width is not None:
            raise ValueError("--weights RUN brings its own shared width; leave --shared-width out.")
        if self.freeze is None:
            return
        check_choice("freeze", self.freeze, ["image", "text"])
        if weights is None and getattr(self, f"{self.freeze}_from") is None:
            raise ValueError(f"--freeze {self.freeze} would keep a network that has learned nothing; give --{self.freeze}-from RUN too.")
