"""What an index was made with, so that vectors of two networks never meet in one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from selfsup.embedding.weights import weights_digest
from selfsup.run import Run

FORMAT = 1


@dataclass(frozen=True)
class Maker:
    """The run (its folder, and `weights`, a digest of what decides its embeddings), the layer, the data, and the side of the embedding.

    `side` is the kind of item that the rows are.
    """

    run: str
    weights: str
    side: str
    layer: str
    data: str = ""
    format: int = FORMAT

    @classmethod
    def of(cls, run: Run, *, side: str, layer: str) -> Maker:
        """What an index made now would be made with."""
        return cls(str(run.folder.resolve()), weights_digest(run.folder), side, layer)

    @classmethod
    def read(cls, text: str, source: object) -> Maker:
        """From the JSON that `written` gave. Raises ValueError."""
        try:
            content: dict[str, Any] = json.loads(text)
            if content["format"] != FORMAT:
                raise ValueError(f"its format is {content['format']!r}, and this release reads {FORMAT}")
            return cls(**content)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{source} is no index of selfsup ({error}). Give another place, or make it anew.") from None

    @property
    def written(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)

    def check(self, other: Maker, address: object) -> None:
        """Raise ValueError unless vectors that `other` makes may stand in this index."""
        if other.weights != self.weights:
            raise ValueError(
                f"{address} was made with the run {self.run}, and {other.run} has other weights: their embeddings cannot be compared. "
                "Use that run, or another index."
            )
        if other.layer != self.layer:
            raise ValueError(
                f"{address} holds embeddings of layer {self.layer}, and {other.layer} was asked for. Use another index for it."
            )
