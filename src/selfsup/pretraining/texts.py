"""Texts as material: documents as packed rows of tokens, read by an encoder or decoder of `transformers`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import pyarrow.parquet as parquet
import torch
from torch import Tensor

from selfsup.backbones import (
    TextBackbone,
    Vocabulary,
    build_text,
    build_text_from,
    load_text_backbone,
    read_text_settings,
    save_text_backbone,
    save_text_settings,
)  # fmt: skip
from selfsup.data.documents import Documents, deduplicate, open_documents
from selfsup.data.tokens.corpus import TokenCorpus, open_tokens
from selfsup.data.tokens.hold_out import HoldOut
from selfsup.data.tokens.mixture import Mixture
from selfsup.data.tokens.progress import count_in_words
from selfsup.data.tokens.tokenizer import Tokenizer
from selfsup.pretext import Pretext, TextPretext
from selfsup.pretraining.material import Material, refuse_changed
from selfsup.pretraining.text_samples import save_over_time, save_seen
from selfsup.pretraining.text_tables import save_languages, save_parts
from selfsup.pretraining.text_wishes import TextWishes
from selfsup.pretraining.wishes import Wishes
from selfsup.run import Run
from selfsup.train.distributed import World

CONTEXT = 128
"""Tokens of a row where nothing is asked for."""

BATCH_TOKENS = 2048
"""Tokens of a batch where nothing is asked for: docs/results.md."""

WATCHED, WATCHED_TOKENS = 128, 64  # rows whose embeddings tell a collapse, and the tokens of each that are read
SIZES = ((1800.0, "tiny"), (4 * 3600.0, "mini"), (24 * 3600.0, "small"))
"""Networks for budgets below so many seconds: in a minute the tiny one gets further than the next larger, docs/results.md."""


class Texts(Material):
    """Documents as rows of tokens of one tokeniser, their languages mixed."""

    kind: ClassVar[str] = "text"
    noun: ClassVar[str] = "rows of tokens"

    def __init__(self, documents: Documents, corpus: TokenCorpus, asked: TextWishes) -> None:
        self.documents, self.corpus, self.asked = documents, corpus, asked
        self.tokenizer, self.context = corpus.tokenizer, corpus.train.context
        self.vocabulary = Vocabulary.of(corpus.tokenizer)
        self.name, self.root, self.fingerprint = documents.name, documents.root, documents.fingerprint()
        self.skipped, self.notes = dict(corpus.train.skipped), dict(corpus.train.notes)
        self.mixture = Mixture(corpus.train.groups, asked.mixing)
        self.store, self.rows = corpus.train, self.mixture
        self.held_out = 0 if corpus.test is None else corpus.test.documents
        self.usual_batch = max(2, BATCH_TOKENS // self.context)

    @classmethod
    def prepared(cls, data: Any, wishes: Wishes, ranks: World, *, before: Run | None) -> Texts:
        """Read the documents and turn them into tokens, or find that done."""
        _refuse_pictures(wishes)
        wishes.pairs.refuse("text")
        asked = TextWishes(**before.reading) if before else wishes.texts
        documents = open_documents(data, **asked.columns)
        if asked.deduplicate:
            documents = deduplicate(documents)
        if before is not None:  # told before they become tokens again, which takes long and puts those of then away
            refuse_changed(documents.fingerprint(), before, what=f"documents of {documents.name}", differs=_then(before))
        hold_out = HoldOut.asked(**({"split": before.split_file} if before and before.held_out else {} if before else wishes.parts()))
        tokenizer = Tokenizer.load(before.folder) if before else tokenizer_asked(asked, wishes.weights)
        if not ranks.leads:
            ranks.wait()
        corpus = open_tokens(
            documents, context=before.size if before else _context(asked), tokenizer=tokenizer, hold_out=hold_out,
            mixing=asked.mixing, progress=ranks.leads,
        )  # fmt: skip
        if ranks.leads:
            ranks.wait()
        return cls(documents, corpus, asked)

    def choose_backbone(self, task: type[Pretext], *, seconds: float | None) -> tuple[str, str]:
        """An encoder or a decoder, as the task needs, larger where the budget allows it."""
        assert issubclass(task, TextPretext)
        size = "mini" if seconds is None else next((size for most, size in SIZES if seconds < most), "base")
        family = "gpt2" if task.reads_forwards else task.encoder
        return f"{family}-{size}", f"{family} suits the task, and {size} the budget"

    def build(self, name: str, weights: str | Path | None) -> tuple[TextBackbone, list[str]]:
        """A new network of that name, or the one in the folder `weights`."""
        if weights is None:
            return build_text(name, vocabulary=self.vocabulary, context=self.context), []
        return load_text_backbone(weights, self.vocabulary, context=self.context)

    def rebuild(self, run: Run, weights: str | None) -> TextBackbone:
        """As its settings say, or the one in the folder `weights`."""
        if weights is not None:
            return self.build(run.backbone, weights)[0]
        return build_text_from(read_text_settings(run.folder), self.vocabulary)

    def settings(self) -> dict[str, Any]:
        """The context in tokens, and how documents are read."""
        return {"size": self.context, "reading": self.asked.given()}

    def choices(self) -> dict[str, Any]:
        """Where the tokens lie, and how many bytes of text one stands for."""
        counts = self.corpus.train.counts.values()
        bytes_per_token = sum(count.bytes for count in counts) / sum(count.tokens for count in counts)
        return {"tokens": str(self.corpus.folder), "bytes_per_token": round(bytes_per_token, 4), "vocabulary": self.tokenizer.size}

    def amount(self, run: Run) -> str:
        """Tokens and documents."""
        train = self.corpus.train
        tokens = count_in_words(sum(count.tokens for count in train.counts.values()))
        spoken = f" in {len(train.groups)} languages" if len(train.groups) > 1 else ""
        return (
            f"{tokens} tokens of {train.documents:,} documents{spoken} in rows of {run.size} "
            f"({run.held_out:,} documents held out, {len(run.skipped):,} skipped)"
        )

    def rows_for_rate(self, batch_size: int) -> float:
        """As many rows of 128 tokens as a batch has."""
        return batch_size * self.context / CONTEXT

    def watched(self) -> tuple[Tensor]:
        """Some rows of the training part."""
        count = len(self.corpus.train)
        return (self.corpus.train.batch(torch.arange(0, count, max(1, count // WATCHED))[:WATCHED])["tokens"][:, :WATCHED_TOKENS],)

    def save(self, run: Run, network: TextBackbone) -> None:
        """Which documents are held out, the tokeniser, and the settings of the backbone."""
        save_parts(run.split_file, self.corpus)
        self.tokenizer.save(run.folder)
        save_text_settings(network, run.folder)

    def save_backbone(self, run: Run, network: TextBackbone) -> None:
        """Weights and settings, as `transformers` reads them."""
        save_text_backbone(network, run.folder)

    def save_views(self, run: Run, task: Pretext) -> None:
        """A few rows and their views."""
        save_seen(run, task, self.corpus)

    def observe(self, run: Run, task: Pretext, step: int) -> None:
        """What a language model writes or fills in by now."""
        save_over_time(run, task, self.corpus, step)

    def save_made(self, run: Run, task: Pretext) -> None:
        """What each language has, got and costs."""
        judged = save_languages(run, task, self.corpus, self.mixture)
        dataclasses.replace(run, choices=run.choices | {"language_loss": judged}).save()


def _refuse_pictures(wishes: Wishes) -> None:
    """Raise ValueError where a run on text was asked for what only pictures have, or for two things that exclude each other."""
    for name, value in (("size", wishes.size), ("views", wishes.views)):
        if value is not None:
            instead = " Its rows are as long as --context says." if name == "size" else ""
            raise ValueError(f"--{name} {value} is for pictures, and task {wishes.task} learns from text; leave it out.{instead}")
    if wishes.weights is not None and (wishes.backbone != "auto" or wishes.texts.vocabulary is not None):
        name = "vocabulary" if wishes.texts.vocabulary is not None else "backbone"
        raise ValueError(f"--weights brings its own {name}; leave --{name} out.")


def _then(run: Run) -> str:
    """What a run learned from, whose documents have changed since."""
    documents = parquet.read_metadata(run.split_file).num_rows
    held_out = f", with {run.held_out:,} more held out" if run.held_out else ""
    learned = f"{documents - run.held_out:,} documents in {run.pictures:,} rows of {run.size:,} tokens"
    return f"it learns from {learned}{held_out}, and some were added, taken away or changed since"


def tokenizer_asked(asked: TextWishes, weights: str | Path | None) -> Tokenizer | int | None:
    """The tokeniser asked for, that of the weights, or the size of one to train. A user's gets a mask and an end where it has none."""
    if asked.vocabulary is not None and asked.tokenizer is not None:
        raise ValueError("--vocabulary is the size of a tokeniser that is trained, and --tokenizer brings one; give one of them.")
    if asked.tokenizer is None and weights is None:
        return asked.vocabulary
    if asked.tokenizer == "bytes":
        return Tokenizer.bytes()
    found = Tokenizer.load(str(asked.tokenizer if asked.tokenizer is not None else weights))
    lacking = [role for role in ("mask", "eos") if getattr(found.special, role) is None]
    return found.extended(roles=lacking) if lacking and weights is None else found


def _context(asked: TextWishes) -> int:
    if asked.context is not None and asked.context < 2:
        raise ValueError(f"--context {asked.context} was given; expected at least 2 tokens a row.")
    return asked.context or CONTEXT
