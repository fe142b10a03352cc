"""Samples of a run that writes captions, for the report: pictures, held out if any are, with what was written and what is true."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch

from selfsup.data.pairs import PairCorpus
from selfsup.data.pairs.listing import UNSAID
from selfsup.generation import Sampling, Writer
from selfsup.run import Run, write_whole
from selfsup.train.distributed import device
from selfsup.trained import makes

SHOWN, LANGUAGES = 12, 3
"""Pictures that are shown, and in how many languages at most."""


def save_captions(run: Run, task: Any, corpus: PairCorpus) -> None:
    """Write `samples/captions.json`, and the pictures beside it, uint8 (n, C, h, w) in `captions.npz`, if the task writes captions."""
    if "next_words" not in makes(type(task)):
        return
    rows = _shown(corpus)
    pictures, made = corpus.store.batch(rows)["image"], list[dict[str, Any]]()
    task.eval()
    for number, language in enumerate(corpus.languages[:LANGUAGES]):
        writer = Writer(task, corpus.tokenizer, number, Sampling(temperature=0.0))
        texts = writer.captions(pictures, torch.Generator(device()).manual_seed(0))
        for place, (row, text) in enumerate(zip(rows.tolist(), texts, strict=True)):
            true = [caption.text for caption in corpus.captions[row] if caption.group == language]
            named = None if language == UNSAID else language
            made.append({"picture": place, "language": named, "written": text, "true": true})
    run.samples.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(run.samples / "captions.npz", allow_pickle=False, pictures=pictures.numpy())
    write_whole(run.samples / "captions.json", json.dumps(made, ensure_ascii=False))


def _shown(corpus: PairCorpus) -> torch.Tensor:
    """Rows from all over what is held out; from what is learned from where nothing is."""
    parts = corpus.split.parts_of(corpus.store.pictures.ids)
    there = corpus.store.counts > 0
    held_out = torch.tensor([row for row, part in enumerate(parts) if part == "test" and bool(there[row])], dtype=torch.int64)
    rows = held_out if len(held_out) else corpus.rows
    return rows[:: max(1, len(rows) // SHOWN)][:SHOWN]
