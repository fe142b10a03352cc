"""The kinds of data that can be scored."""

from __future__ import annotations

from selfsup.evaluation.ground import Ground
from selfsup.evaluation.pictures import PictureGround
from selfsup.evaluation.texts import TextGround
from selfsup.run import Run

GROUNDS: dict[str, type[Ground]] = {"image": PictureGround, "text": TextGround}
"""By the kind that `run.json` says."""


def ground_of(run: Run) -> type[Ground]:
    """How runs of this kind are scored. Raises ValueError for a kind that this release does not know."""
    if run.kind == "pair":
        raise ValueError(f"{run.folder} has two sides; give one of them: {run.folder / 'image'} or {run.folder / 'text'}.")
    if run.kind not in GROUNDS:
        raise ValueError(f"{run.folder} learned from {run.kind!r}; this release scores {', '.join(GROUNDS)}.")
    return GROUNDS[run.kind]
