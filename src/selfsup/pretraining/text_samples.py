"""Samples of a run on text, for the report: rows before and after the task's views, and what a language model makes as it learns."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor

from selfsup.data.token_corpus import TokenCorpus
from selfsup.data.tokenizer import Tokenizer
from selfsup.generation.fill_in import chances_at, word_of
from selfsup.generation.language_model import LanguageModel
from selfsup.generation.sampling import Sampling
from selfsup.generation.text import continued
from selfsup.pretext import Pretext
from selfsup.run import Run, write_whole
from selfsup.train.seeding import seed_of

ROWS = 6
PROMPT, WRITTEN = 16, 40
"""Tokens of a document that a language model goes on from, and how many it writes."""

SENTENCE, BLANKS, GUESSES = 48, 5, 5
"""Tokens of a document in which words are hidden, how many, and how many guesses of each are kept."""


def save_seen(run: Run, task: Pretext, corpus: TokenCorpus) -> None:
    """Write `samples/seen.json`: a few rows as text, and as the network sees them where its views hold such ids."""
    count = len(corpus.train)
    batch = corpus.train.batch(torch.arange(0, count, max(1, count // ROWS))[:ROWS])
    place = next(task.parameters()).device
    rng = torch.Generator(place).manual_seed(seed_of(run.seed, "samples"))
    views = task.views({name: part.to(place) for name, part in batch.items()}, rng)
    content = {"text": _decoded(corpus.tokenizer, batch["tokens"])}
    if "seen" in views and int(views["seen"].max()) < corpus.tokenizer.size:
        content["seen"] = _decoded(corpus.tokenizer, views["seen"])
    run.samples.mkdir(parents=True, exist_ok=True)
    write_whole(run.samples / "seen.json", json.dumps(content, ensure_ascii=False))


def save_over_time(run: Run, task: Any, corpus: TokenCorpus, step: int) -> None:
    """Append to `samples/over_time.jsonl` what a language model writes after the beginning of a document, or fills in, by now."""
    if getattr(task, "logits", None) is None:
        return
    file, tokenizer, ids = run.samples / "over_time.jsonl", corpus.tokenizer, _shown(corpus)
    entries = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []
    training = task.training
    task.eval()
    with torch.random.fork_rng(devices=[]):
        made = _written(task, tokenizer, ids) if task.backbone.causal else _filled(task, tokenizer, ids)
    task.train(training)
    kept = [entry for entry in entries if entry["step"] < step]  # a run that was killed comes here a second time
    write_whole(file, "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in [*kept, {"step": step, **made}]))


def _shown(corpus: TokenCorpus) -> list[int]:
    """The ids of one document that is long enough, held out if any is."""
    store = corpus.test if corpus.test is not None and corpus.test.documents else corpus.train
    every = (store.document_tokens(number)[:-1] for number in range(min(store.documents, 100)))
    found = list(every)
    return [int(word) for word in next((ids for ids in found if len(ids) >= SENTENCE), max(found, key=len))]


def _written(task: Any, tokenizer: Tokenizer, ids: list[int]) -> dict[str, Any]:
    prompt = tokenizer.decode(ids[: min(PROMPT, task.backbone.context - 1)])
    pieces, _ = continued(LanguageModel.of(task), tokenizer, prompt, tokens=WRITTEN, sampling=Sampling(0.8, None, 0.95), seed=0)
    return {"prompt": prompt, "text": "".join(pieces)}


def _filled(task: Any, tokenizer: Tokenizer, ids: list[int]) -> dict[str, Any]:
    """Guesses at evenly spaced words, hidden together."""
    ids = ids[: min(SENTENCE, task.backbone.context)]
    starts = tokenizer.subwords.word_starts(torch.tensor([ids]))[0].nonzero().squeeze(1).tolist() or [0]
    places = starts[:: max(1, len(starts) // BLANKS)][1 : BLANKS + 1] or starts[:1]
    seen = torch.tensor([ids])
    seen[0, places] = tokenizer.need("mask", "masked language modelling")
    with torch.no_grad():
        best = chances_at(task, tokenizer, seen, places).topk(GUESSES, dim=1)
    blanks = []
    for place, words, chances in zip(places, best.indices.tolist(), best.values.tolist(), strict=True):
        guesses = [[word_of(tokenizer, word), round(chance, 4)] for word, chance in zip(words, chances, strict=True)]
        blanks.append({"truth": word_of(tokenizer, ids[place]), "guesses": guesses})
    return {"prompt": tokenizer.decode(seen[0].tolist(), special=True), "blanks": blanks}


def _decoded(tokenizer: Tokenizer, rows: Tensor) -> list[str]:
    return [tokenizer.decode(row, special=True) for row in rows.cpu()]
