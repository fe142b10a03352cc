"""Embedding for an index, shared: one process knows what is missing, and all of them embed it by the shards of `embed`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from selfsup.cluster import Place
from selfsup.embedding import Reading
from selfsup.embedding.missing import write_missing
from selfsup.embedding.working import ShardWriter, Work
from selfsup.run import Run
from selfsup.searching.ledger import Ledger
from selfsup.train.distributed import World

PATIENCE = timedelta(days=7)
"""The others wait while the leading process compares contents, which may take hours, and fills the database."""


@dataclass(frozen=True)
class Sharing:
    """Who embeds items of what: all `ranks`, each its share, or the cluster at `place`. One leads, the others `join` it."""

    run: Run
    data: Any
    told: Mapping[str, Any]
    kind: str
    place: Place | None
    ranks: World

    def embed(self, ledger: Ledger, reading: Reading[Any], network: Any, *, layer: str) -> None:
        """Have everybody embed the items that `ledger.wanted` names, and take them in."""
        work = Work(self.run.folder.absolute(), self.data, self.told, self.kind, layer, ledger.coming.absolute(), ledger.wanted.absolute())
        self.ranks.share((work.layer, work.file, work.wanted))
        write_missing(ShardWriter(work, reading=reading, network=network), self.ranks, place=self.place)
        ledger.take_shards()

    def nothing(self) -> None:
        """Tell the others that nothing is missing."""
        self.ranks.share(None)

    def join(self) -> None:
        """Embed a share of what the leading process tells."""
        said: Any = self.ranks.share(None)
        if said is not None:
            layer, file, wanted = said
            work = Work(self.run.folder.absolute(), self.data, self.told, self.kind, layer, file, wanted)
            write_missing(ShardWriter(work), self.ranks, place=self.place)
