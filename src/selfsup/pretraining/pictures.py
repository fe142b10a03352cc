"""Pictures as material: decoded into a store, seen by a compact network or one of `timm`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from selfsup.backbones import Backbone, build, build_from, choose, load_weights, read_settings, save_backbone, save_settings
from selfsup.data import Corpus, prepare
from selfsup.pretext import Pretext
from selfsup.pretraining.material import Material, refuse_changed
from selfsup.pretraining.wishes import DEFAULT_BATCH, Wishes
from selfsup.run import Run
from selfsup.samples import save_made, save_views
from selfsup.train.distributed import World
from selfsup.views import plain

WATCHED = 256  # pictures whose embeddings tell a collapse


class Pictures(Material):
    """Pictures of one size and number of channels."""

    kind: ClassVar[str] = "image"
    noun: ClassVar[str] = "pictures"
    usual_batch = DEFAULT_BATCH

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.name, self.root = corpus.name, corpus.root
        self.fingerprint, self.skipped, self.notes = corpus.store.fingerprint, dict(corpus.store.skipped), {}
        self.store, self.rows = corpus.store, corpus.rows
        self.held_out = len(corpus.store.ids) - len(corpus.rows)

    @classmethod
    def prepared(cls, data: Any, wishes: Wishes, ranks: World, *, before: Run | None) -> Pictures:
        """Open, split and decode the pictures."""
        wishes.texts.refuse()
        wishes.pairs.refuse("pictures")
        corpus = prepare(
            data, **({"split": before.split_file} if before else wishes.parts()), size=before.size if before else wishes.size,
            kind=wishes.kind, store_limit=wishes.store_limit, leads=ranks.leads, wait=ranks.wait,
        )  # fmt: skip
        if before is not None:
            refuse_changed(
                corpus.store.fingerprint, before, what=f"pictures of {corpus.name}",
                differs=f"{len(corpus.store.ids):,} now, {before.pictures + before.held_out:,} then",
            )  # fmt: skip
        return cls(corpus)

    def choose_backbone(self, task: type[Pretext], *, seconds: float | None) -> tuple[str, str]:
        """The compact network, or a larger one where the budget allows it."""
        corpus = self.corpus
        picked = choose(size=corpus.size, channels=corpus.channels, seconds=seconds, prefers_patches=task.prefers_patches)
        return picked.name, picked.reason

    def build(self, name: str, weights: str | Path | None) -> tuple[Backbone, list[str]]:
        """The network for these pictures, which it normalises by their own mean and deviation."""
        mean, std = self.corpus.statistics()
        network = build(name, size=self.corpus.size, channels=self.corpus.channels, mean=mean, std=std)
        return network, [] if weights is None else load_weights(network, weights)

    def rebuild(self, run: Run, weights: str | None) -> Backbone:
        """As its settings say, filled with what fits."""
        network = build_from(read_settings(run.folder))
        if weights is not None:
            load_weights(network, weights)
        return network

    def settings(self) -> dict[str, Any]:
        """Sizes in pixels."""
        return {"size": self.corpus.size, "channels": self.corpus.channels, "store_side": self.corpus.store.side}

    def amount(self, run: Run) -> str:
        """Pictures and their size."""
        return f"{run.pictures:,} pictures at {run.size} px ({run.held_out:,} held out, {len(run.skipped):,} skipped)"

    def watched(self) -> tuple[Tensor]:
        """Some training pictures."""
        rows = self.corpus.rows
        some = rows[:: max(1, len(rows) // WATCHED)][:WATCHED]
        return (plain(self.corpus.store.batch(some)["image"], self.corpus.size),)

    def save(self, run: Run, network: Backbone) -> None:
        """Which pictures are held out, and the settings of the backbone."""
        self.corpus.split.save(run.split_file)
        save_settings(network, run.folder)

    def save_backbone(self, run: Run, network: Backbone) -> None:
        """Weights and settings."""
        save_backbone(network, run.folder)

    def save_views(self, run: Run, task: Pretext) -> None:
        """A few pictures and their views."""
        save_views(run, task, self.corpus)

    def save_made(self, run: Run, task: Pretext) -> None:
        """What the task's `show` makes of a few pictures."""
        save_made(run, task, self.corpus)
