"""Tables that a run on text keeps: the part of each document, and what each language has, got and costs."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from selfsup.data.tokens.corpus import TokenCorpus
from selfsup.data.tokens.language_table import language_table
from selfsup.data.tokens.mixture import Mixture
from selfsup.data.tokens.store import TokenStore
from selfsup.pretext import Pretext
from selfsup.run import Run, write_whole
from selfsup.train.seeding import seed_of
from selfsup.train.step import total

JUDGED = 64
"""Rows of each language that the loss at the end is told from, at most."""

AT_ONCE = 16
"""Rows computed together."""

IDS_AT_ONCE = 100_000


def save_parts(file: Path, corpus: TokenCorpus) -> None:
    """The part of each document, as `Split.save` writes it, without ever holding all ids in memory."""
    draft = file.with_name(f".{file.name}")
    schema = pa.schema([("id", pa.string()), ("part", pa.string())])
    with pq.ParquetWriter(draft, schema) as writer:
        for store in filter(None, (corpus.train, corpus.test)):
            for start in range(0, store.documents, IDS_AT_ONCE):
                ids = [store.document_id(number) for number in range(start, min(start + IDS_AT_ONCE, store.documents))]
                writer.write_table(pa.table({"id": ids, "part": [store.part] * len(ids)}, schema=schema))
    draft.replace(file)


def save_languages(run: Run, task: Pretext, corpus: TokenCorpus, mixture: Mixture) -> str:
    """Write `languages.json`, a row for each language with the task's loss on it; says in words on which rows that was told."""
    table = []
    told = set()
    for row in language_table(corpus.train, mixture):
        held_out = corpus.test is not None and row.language in corpus.test.groups
        store = corpus.test if held_out and corpus.test is not None else corpus.train
        loss, predicts = _loss(task, store, row.language, run.seed) if row.language in store.groups else (None, False)
        bits = loss / math.log(2) / (row.bytes / row.tokens) if loss is not None and predicts else None
        told.add("held-out rows" if held_out else "training rows")
        table.append({**dataclasses.asdict(row), "loss": loss, "bits_per_byte": bits})
    write_whole(run.folder / "languages.json", json.dumps(table, indent=1, ensure_ascii=False))
    return " and ".join(sorted(told))


@torch.no_grad()
def _loss(task: Pretext, store: TokenStore, language: str, seed: int) -> tuple[float, bool]:
    """The mean loss over some rows of a language, weighed as in training, and whether it is that of words, in nats a token."""
    group = store.groups[language]
    rows = torch.arange(group.start, group.stop, max(1, len(group) // JUDGED))[:JUDGED]
    device = next(task.parameters()).device
    rng = torch.Generator(device).manual_seed(seed_of(seed, "languages", language))
    task.eval()
    losses, weights, names = list[float](), list[float](), set[str]()
    for some in torch.split(rows, AT_ONCE):
        views = task.views(_on(store.batch(some), device), rng)
        terms = task.loss(task(views))
        count = task.count_of(views)
        losses.append(float(total(terms)))
        weights.append(float(len(some) if count is None else count))
        names |= set(terms)
    task.train()
    mean = sum(loss * weight for loss, weight in zip(losses, weights, strict=True)) / max(1.0, sum(weights))
    return mean, names == {"words"}


def _on(batch: dict[str, Tensor], device: torch.device) -> dict[str, Any]:
    return {name: part.to(device) for name, part in batch.items()}
