"""Pictures as material: decoded into a store, seen by a compact network or one of `timm`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor

from selfsup.backbones import Backbone, build, choose
from selfsup.data import Corpus, prepare
from selfsup.pretext import Pretext
from selfsup.pretraining.material import Material
from selfsup.run import Run
from selfsup.samples import save_made, save_views

WATCHED = 256  # pictures whose embeddings tell a collapse


class Pictures(Material):
    """Pictures of one size and number of channels."""

    kind: ClassVar[str] = "image"
    noun: ClassVar[str] = "pictures"

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.name, self.root = corpus.name, corpus.root
        self.fingerprint, self.skipped = corpus.store.fingerprint, dict(corpus.store.skipped)
        self.store, self.rows = corpus.store, corpus.rows
        self.held_out = len(corpus.store.ids) - len(corpus.rows)

    @classmethod
    def prepared(cls, data: Any, *, parts: dict[str, Any], leads: bool, wait: Callable[[], None], **settings: Any) -> Pictures:
        """Open, split and decode `data`; `settings` are those of `prepare`."""
        return cls(prepare(data, **parts, leads=leads, wait=wait, **settings))

    def choose_backbone(self, task: type[Pretext], *, seconds: float | None) -> tuple[str, str]:
        """The compact network, or a larger one where the budget allows it."""
        corpus = self.corpus
        picked = choose(size=corpus.size, channels=corpus.channels, seconds=seconds, prefers_patches=task.prefers_patches)
        return picked.name, picked.reason

    def build(self, name: str) -> Backbone:
        """The network for these pictures, which it normalises by their own mean and deviation."""
        mean, std = self.corpus.statistics()
        return build(name, size=self.corpus.size, channels=self.corpus.channels, mean=mean, std=std)

    def settings(self) -> dict[str, Any]:
        """Sizes in pixels."""
        return {"size": self.corpus.size, "channels": self.corpus.channels, "store_side": self.corpus.store.side}

    def watched(self) -> Tensor:
        """Some training pictures as the store holds them."""
        some = self.rows[:: max(1, len(self.rows) // WATCHED)][:WATCHED]
        return self.corpus.store.batch(some)["image"]

    def save(self, run: Run) -> None:
        """Which pictures are held out."""
        self.corpus.split.save(run.split_file)

    def save_views(self, run: Run, task: Pretext) -> None:
        """A few pictures and their views."""
        save_views(run, task, self.corpus)

    def save_made(self, run: Run, task: Pretext) -> None:
        """What the task's `show` makes of a few pictures."""
        save_made(run, task, self.corpus)
