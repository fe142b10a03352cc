"""How vectors are searched: exactly while they are few, by a graph when they are many; and what a server takes at most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

METRIC = "COSINE"
FEW = 50_000
"""Fewer rows are compared one by one: exact, and as quick."""

LITE_ROWS = 200_000
"""Above it Milvus Lite answers slower than a person likes to wait: 30 ms a query at 100,000 rows, 111 ms at 300,000."""

# Limits of Milvus 2.6 (https://milvus.io/docs/limitations.md). Lite takes more, and what it took would not move to a server.
MOST_NUMBERS = 32_768
MOST_HITS = 16_384
MOST_BYTES = 64 * 2**20
MOST_CHARACTERS = 65_535
MOST_DYNAMIC = 65_536


@dataclass(frozen=True)
class Settings:
    """The kind of index, `FLAT` or `HNSW`, and what it is built and searched with."""

    kind: str
    build: dict[str, int] = field(default_factory=dict)
    breadth: int = 0
    """Candidates that a search in a graph keeps, at least as many as hits are asked for."""

    def searched(self, hits: int) -> dict[str, Any]:
        """What is sent along with a search."""
        return {"metric_type": METRIC, "params": {"ef": max(self.breadth, hits)} if self.kind == "HNSW" else {}}


EXACT = Settings("FLAT")
GRAPH = Settings("HNSW", {"M": 16, "efConstruction": 200}, breadth=64)
"""Malkov and Yashunin, IEEE TPAMI 2020, arXiv 1603.09320, section 4.1: M from 5 to 48; recall@10 was 0.9985 on 10,000 rows of 256."""


def settings_for(rows: int) -> Settings:
    """How so many rows are searched."""
    return EXACT if rows < FEW else GRAPH


def rows_at_once(width: int) -> int:
    """How many embeddings are held together while they are sent."""
    return max(1, min(2_000, MOST_BYTES // 2 // (4 * width)))


def in_messages(sizes: Sequence[int]) -> Iterator[slice]:
    """Rows of these sizes, in bytes, that are sent together: at most half of what a server takes, for their encoding adds to it."""
    start = held = 0
    for place, size in enumerate(sizes):
        if place > start and held + size > MOST_BYTES // 2:
            yield slice(start, place)
            start, held = place, 0
        held += size
    if start < len(sizes):
        yield slice(start, len(sizes))
