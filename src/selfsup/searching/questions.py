"""Questions on their way into the space of an index: by its own side, and, in the space that pairs share, by the other side too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float32

from selfsup.data.decode import looks_like_picture
from selfsup.embedding.reading import SHARED
from selfsup.run import Run
from selfsup.searching.sides import Side, side_of

OTHER = {"image": "text", "text": "image"}


class Questions:
    """What turns questions into vectors of `layer` of a run. Networks are read when the first question needs them."""

    def __init__(self, run: Run, layer: str) -> None:
        self.layer, self.own = layer, side_of(run)
        other = other_side(run) if layer == SHARED else None
        self.sides: dict[str, Side] = {self.own.kind: self.own} | ({} if other is None else {OTHER[self.own.kind]: side_of(other)})

    def vector(self, query: str) -> Float32[np.ndarray, "D"]:
        """Of a picture's file, or of words. Raises ValueError."""
        return self._side(Path(query).expanduser(), words=True).asked(query, self.layer)

    def vector_like(self, file: Path) -> Float32[np.ndarray, "D"]:
        """Of what a file holds. Raises ValueError."""
        return self._side(file, words=False).asked_like(file, self.layer)

    def _side(self, file: Path, *, words: bool) -> Side:
        """The side that a question comes by: where there are two, pictures are told by their files, and all else is text."""
        if len(self.sides) == 1:
            return self.own
        picture = looks_like_picture(str(file)) and (file.is_file() or not words)
        return self.sides["image" if picture else "text"]


def other_side(run: Run) -> Run | None:
    """The other side of a run of pairs, None for any other run. Raises ValueError where it is missing, or of another training."""
    if not run.side:
        return None
    folder = run.folder.parent / OTHER[run.side]
    if not (folder / "run.json").is_file():
        raise ValueError(f"{run.folder} is one side of a run of pairs, and {folder} is missing: keep both in one folder.")
    other = Run.open(folder)
    if other.created != run.created:
        raise ValueError(f"{run.folder} and {folder} are not sides of one run: what they make cannot be compared.")
    return other
