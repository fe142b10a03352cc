"""`search`: the rows of an index that are most like a picture, a text, or another row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from selfsup.run import Run
from selfsup.searching.address import COLLECTION, Address
from selfsup.searching.collection import Collection
from selfsup.searching.connection import connected
from selfsup.searching.maker import Maker
from selfsup.searching.mirroring import faults_of
from selfsup.searching.questions import Questions
from selfsup.searching.settings import Settings, settings_for


@dataclass(frozen=True)
class Hit:
    """A row that was found: its `score` is the cosine to the question, 1 for what is the same; `fields` are what filters see."""

    id: str
    score: float
    path: str | None
    fields: dict[str, Any]


@dataclass(frozen=True)
class Found:
    """What was asked of an index and what it has, nearest first. `side` is the kind of its rows, "image" or "text".

    `asked` is the row that was asked with, None where it was a file or words.
    """

    index: str
    query: str
    side: str
    data: str
    hits: list[Hit]
    filter: str | None = None
    notes: list[str] = field(default_factory=list)
    asked: Hit | None = None


def search(
    index: str | Path,
    query: str | Path | None = None,
    *,
    row: str | None = None,
    like: str | Path | None = None,
    k: int = 10,
    filter: str | None = None,
    run: Run | str | Path | None = None,
    collection: str = COLLECTION,
) -> Found:
    """Find the `k` rows of an index most alike by cosine to a picture's file or some words (`query`), to a `row`, or to a file (`like`).

    One of the three is given. `index` and `collection` are as `selfsup.index` had them; `filter` is an expression of Milvus over fields,
    such as `label in ["cat"]`. The index knows its run; `run` says where that is, if it was moved. A `row` asks without any network, and
    is not found itself. Raises ValueError, also for another run than the index's, and ModuleNotFoundError where the extra `search` is
    missing.
    """
    given = {name: value for name, value in (("query", query), ("row", row), ("like", like)) if value is not None}
    if len(given) != 1:
        raise ValueError(f"{' and '.join(given) or 'nothing'} came to search with; expected one of a query, a row and a file.")
    with opened(index, collection=collection, run=run) as searcher:
        return searcher.search(query, row=row, like=like, k=k, filter=filter)


class Searcher:
    """An open index, that answers any number of questions. The network is read when the first needs it."""

    def __init__(self, collection: Collection, maker: Maker, run: Run | str | Path | None) -> None:
        self.collection, self.maker = collection, maker
        self._questions = None if run is None else _questions(maker, run, collection.address)
        # What it was built with follows from its kind; a few candidates more than a short graph needs do no harm.
        self.settings: Settings = settings_for(0 if collection.kind == "FLAT" else 10**9)

    def search(
        self,
        query: str | Path | None = None,
        *,
        row: str | None = None,
        like: str | Path | None = None,
        k: int = 10,
        filter: str | None = None,
    ) -> Found:
        """As `selfsup.search`."""
        own = None
        if row is not None:
            vector, entity = self.collection.row(row)
            own = _hit(1.0, entity)
            hits = [hit for key, hit in self.nearest(vector, k + 1, filter=filter) if key != entity["key"]][:k]
        else:
            hits = [hit for _, hit in self.nearest(self.vector_of(query, like), k, filter=filter)]
        asked = next(str(value) for value in (query, row, like) if value is not None)
        notes = []
        if not hits and filter:
            notes.append(f"No row passes the filter. Fields are {', '.join(self.collection.field_names())}.")
        return Found(str(self.collection.address), asked, self.maker.side, self.maker.data, hits, filter, notes, own)

    def nearest(self, vector: Float32[np.ndarray, "D"], k: int, *, filter: str | None = None) -> list[tuple[str, Hit]]:
        """Key and hit of the rows most like a vector."""
        [fault] = faults_of(vector[None])
        if fault:
            raise ValueError(f"What was asked with cannot be compared: {fault}.")
        return [
            (entity["key"], _hit(score, entity))
            for score, entity in self.collection.nearest(vector, k, settings=self.settings, filter=filter)
        ]

    def vector_of(self, query: str | Path | None, like: str | Path | None) -> Float32[np.ndarray, "D"]:
        """What the run's network makes of a question. Raises ValueError."""
        if self._questions is None:
            self._questions = _questions(self.maker, self.maker.run, self.collection.address)
        if like is not None:
            return self._questions.vector_like(Path(like).expanduser())
        return self._questions.vector(str(query))


@contextmanager
def opened(index: str | Path, *, collection: str = COLLECTION, run: Run | str | Path | None = None) -> Iterator[Searcher]:
    """An index, open for questions as long as the block lasts; see `search`. Raises ValueError."""
    address = Address.parse(index, collection)
    if not address.is_server and not address.database.is_dir():
        raise ValueError(f"There is no index {address}. Make it: selfsup index RUN DATA --to {address.to}")
    with connected(address) as client:
        there = Collection(client, address)
        if not there.exists:
            raise ValueError(f"{address} has no index yet, or not a whole one. Run `selfsup index RUN DATA --to {address.to}` (again).")
        told = Path(address.to) / "index.json"  # newer than what the collection was made with: the run may have moved since
        maker = Maker.read(told.read_text(encoding="utf-8"), told) if not address.is_server and told.is_file() else there.maker
        searcher = Searcher(there, maker, run)
        there.load()
        yield searcher


def _questions(maker: Maker, run: Run | str | Path, address: Address) -> Questions:
    """How questions become vectors. Raises ValueError unless it is the run that the index was made with."""
    if not isinstance(run, Run):
        if not Path(run, "run.json").is_file():
            raise ValueError(f"{address} was made with the run {maker.run}, and there is none in {run}. Say where it is: --run DIR.")
        run = Run.open(run)
    maker.check(Maker.of(run, side=maker.side, layer=maker.layer), address)
    return Questions(run, maker.layer)


def _hit(score: float, entity: Mapping[str, Any]) -> Hit:
    told = {name: value for name, value in entity.items() if name not in ("key", "stamp", "id", "path")}
    return Hit(entity["id"], score, entity.get("path"), told)
