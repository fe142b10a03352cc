"""Runs of no training that fine-tuning tests begin from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits

from selfsup.backbones import Vocabulary, build, build_text, save_backbone, save_text_backbone
from selfsup.data import open_source, open_store
from selfsup.data.documents import open_documents
from selfsup.data.tokens.tokenizer import Tokenizer
from selfsup.run import Run

IMAGES = (load_digits().images * 15).astype(np.uint8)
TARGETS = load_digits().target
CONTEXT = 48


def picture_run(folder: Path, data: Any = IMAGES[:300], *, backbone: str = "compact_convnet") -> Run:
    """Freshly initialised weights for pictures of 8 px, with gentle views."""
    source = open_source(data)
    store = open_store(source, side=8, channels=1, progress=False)
    run = Run(
        folder=folder, data=source.name, root=source.root, task="simclr", options={"crop": 0.7, "flip": 0.0}, backbone=backbone, size=8,
        channels=1, store_side=8, batch_size=32, steps=1, learning_rate=1e-3, weight_decay=0.0, fingerprint=store.fingerprint,
    )  # fmt: skip
    run.save()
    torch.manual_seed(0)
    save_backbone(build(backbone, size=8, channels=1), folder)
    return run


def text_run(folder: Path, data: Path, *, name: str = "bert-tiny") -> Run:
    """Freshly initialised weights for texts, read byte by byte."""
    documents, tokenizer = open_documents(data), Tokenizer.bytes()
    run = Run(
        folder=folder, data=str(data), root=documents.root, kind="text", task="masked_lm", options={}, backbone=name, size=CONTEXT,
        batch_size=8, steps=1, learning_rate=1e-3, weight_decay=0.0, fingerprint=documents.fingerprint(),
    )  # fmt: skip
    run.save()
    tokenizer.save(folder)
    torch.manual_seed(0)
    save_text_backbone(build_text(name, vocabulary=Vocabulary.of(tokenizer), context=CONTEXT), folder)
    return run
