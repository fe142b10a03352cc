"""Shards that are not there yet, written by this process, by several, or on a cluster."""

from __future__ import annotations

from contextlib import nullcontext

from selfsup.cluster import Place
from selfsup.embedding.on_ray import write_on_ray
from selfsup.embedding.working import ShardWriter
from selfsup.progress import progress
from selfsup.train.distributed import World


def write_missing(writer: ShardWriter, ranks: World, *, place: Place | None) -> None:
    """Write what is missing, each process of `ranks` its share, or all on the cluster at `place`; until every process is done."""
    with progress("embedding:") if ranks.leads else nullcontext(lambda words: None) as say:
        missing = writer.shards.missing(ranks)
        if place is None:
            for number in missing:
                say(f"{writer.shards.rows(number).start:,} of {writer.shards.items:,} {writer.reading.noun}")
                writer.write(number)
        else:
            write_on_ray(place, writer, list(missing), say)
        ranks.wait()
