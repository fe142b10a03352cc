"""A collection of Milvus as this package fills and asks it: the same calls for Milvus Lite and for a server."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float32

from selfsup.searching.address import Address
from selfsup.searching.connection import SECONDS, words_of
from selfsup.searching.maker import Maker
from selfsup.searching.settings import METRIC, MOST_CHARACTERS, MOST_HITS, Settings

_PROPERTY = "selfsup.index"
_PAGE = 10_000


class Collection:
    """One collection, and what is known of it. `client` is a `MilvusClient`."""

    def __init__(self, client: Any, address: Address) -> None:
        self.client, self.address, self.name = client, address, address.collection

    @property
    def exists(self) -> bool:
        """Whether it is there."""
        return bool(self.client.has_collection(self.name, timeout=SECONDS))

    @property
    def maker(self) -> Maker:
        """What it was made with. Raises ValueError where it is none of ours."""
        described = self._described()
        # A server keeps both; Milvus Lite has no descriptions.
        told = described.get("properties", {}).get(_PROPERTY) or described.get("description") or "{}"
        return Maker.read(told, f"The collection {self.name} at {self.address.to}")

    @cached_property
    def width(self) -> int:
        """Numbers of a vector."""
        return next(int(one["params"]["dim"]) for one in self._described()["fields"] if one["name"] == "vector")

    @property
    def kind(self) -> str:
        """The index that it has, `FLAT` or `HNSW`, or "" while it has none."""
        if not self.client.list_indexes(self.name, timeout=SECONDS):
            return ""
        return str(self.client.describe_index(self.name, "vector", timeout=SECONDS)["index_type"])

    def create(self, maker: Maker, width: int, settings: Settings) -> None:
        """Make it, empty."""
        from pymilvus import DataType, MilvusClient

        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=True, description=maker.written)
        schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=32)
        schema.add_field("stamp", DataType.VARCHAR, max_length=16)
        schema.add_field("id", DataType.VARCHAR, max_length=MOST_CHARACTERS)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=width)
        told: dict[str, Any] = {"properties": {_PROPERTY: maker.written}, "consistency_level": "Strong", "timeout": SECONDS}
        self.client.create_collection(self.name, schema=schema, **told)
        self.build(settings)

    def build(self, settings: Settings) -> None:
        """Give it this index in place of the one that it has."""
        if self.kind:
            self.client.release_collection(self.name, timeout=SECONDS)
            self.client.drop_index(self.name, "vector", timeout=SECONDS)
        wanted = self.client.prepare_index_params()
        # Nested on purpose: pymilvus makes keys of their own of what stands in `params`, and Milvus Lite reads the key `params` alone, so
        # that it would build with its defaults. A server takes both.
        wanted.add_index("vector", index_type=settings.kind, metric_type=METRIC, params={"params": dict(settings.build)})
        self.client.create_index(self.name, wanted, timeout=SECONDS)
        self.load()

    def load(self) -> None:
        """Make it ready for questions, which it is not after it was opened."""
        self.client.load_collection(self.name, timeout=SECONDS)

    def drop(self) -> None:
        """Take it away."""
        self.client.drop_collection(self.name, timeout=SECONDS)

    def stamps(self) -> dict[str, str]:
        """The stamp of each row that it has, by key."""
        found: dict[str, str] = {}
        pages = self.client.query_iterator(self.name, batch_size=_PAGE, filter="", output_fields=["key", "stamp"], timeout=SECONDS)
        try:
            while page := pages.next():
                found.update((row["key"], row["stamp"]) for row in page)
        finally:
            pages.close()
        return found

    def insert(self, entities: Sequence[Mapping[str, Any]]) -> None:
        """Add rows whose keys it has not."""
        self.client.insert(self.name, list(entities), timeout=SECONDS)

    def delete(self, keys: Sequence[str]) -> None:
        """Take rows away."""
        for start in range(0, len(keys), _PAGE):
            self.client.delete(self.name, ids=list(keys[start : start + _PAGE]), timeout=SECONDS)

    def flush(self) -> None:
        """Have everything on the disk, and in the index."""
        self.client.flush(self.name, timeout=10 * SECONDS)

    def count(self) -> int:
        """How many rows it has."""
        return int(self.client.query(self.name, filter="", output_fields=["count(*)"], timeout=SECONDS)[0]["count(*)"])

    def query(self, filter: str, *, fields: Sequence[str] = ("*",), most: int = 1) -> list[dict[str, Any]]:
        """Some rows that pass a filter."""
        return [dict(row) for row in self.client.query(self.name, filter=filter, output_fields=list(fields), limit=most, timeout=SECONDS)]

    def nearest(
        self, vector: Float32[np.ndarray, "D"], k: int, *, settings: Settings, filter: str | None = None
    ) -> list[tuple[float, dict[str, Any]]]:
        """The rows most alike by cosine and their cosines, nearest first. Raises ValueError for a filter that Milvus refuses."""
        from pymilvus.exceptions import MilvusException

        if not 1 <= k <= MOST_HITS:
            raise ValueError(f"{k:,} rows were asked for; expected 1 to {MOST_HITS:,}, which is the most that Milvus gives.")
        if len(vector) != self.width:
            raise ValueError(f"A vector of {len(vector)} numbers was given, and {self.address} has vectors of {self.width}.")
        asked: dict[str, Any] = {"search_params": settings.searched(k), "filter": filter or "", "timeout": SECONDS}
        try:
            [hits] = self.client.search(self.name, data=[vector], limit=k, output_fields=["key", "id", "$meta"], **asked)
        except MilvusException as error:
            if not filter:
                raise
            raise ValueError(f"The filter {filter} was refused: {words_of(error)}. {FILTERS}") from None
        return [(float(hit["distance"]), _told(hit["entity"])) for hit in hits]

    def row(self, name: str) -> tuple[Float32[np.ndarray, "D"], dict[str, Any]]:
        """Vector of a row by its id, and what stands beside it. Raises ValueError where there is none."""
        found = self.query(f"id == {json.dumps(name, ensure_ascii=False)}")
        if not found:
            known = ", ".join(repr(row["id"]) for row in self.query("", fields=("id",), most=3))
            raise ValueError(f"{self.address} has no row {name!r} among its {self.count():,}. Expected an id, such as {known}.")
        return np.asarray(found[0]["vector"], dtype=np.float32), _told(found[0])

    def field_names(self) -> list[str]:
        """What filters can name, as the first row has it."""
        return sorted({name for row in self.query("", most=1) for name in _told(row)} - {"key", "stamp"})

    def _described(self) -> dict[str, Any]:
        return dict(self.client.describe_collection(self.name, timeout=SECONDS))


FILTERS = """Filters are expressions of Milvus, such as label in ["cat"] or width > 100 and path like "2024/%"."""


def _told(entity: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entity.items() if name != "vector"}
