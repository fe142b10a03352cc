"""Samples of a run on text, for the report: rows before and after the task's views, and what a language model makes as it learns."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import chain, zip_longest
from typing import Any

import torch
from torch import Tensor

from selfsup.data.tokens.corpus import TokenCorpus
from selfsup.data.tokens.tokenizer import Tokenizer
from selfsup.generation.fill_in import chances_at, word_of
from selfsup.generation.language_model import LanguageModel
from selfsup.generation.sampling import Sampling
from selfsup.generation.text import continued_together
from selfsup.pretext import Pretext
from selfsup.run import Run, write_whole
from selfsup.train.seeding import seed_of

ROWS = 6
SHOWN, LOOKED_AT = 3, 100
"""Documents that are shown over time, and how many are looked at to find them."""

PROMPT, WRITTEN = 16, 40
"""Tokens of a document that a language model goes on from, and how many it writes."""

SENTENCE, BLANKS, GUESSES = 48, 3, 5
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
    """Append to `samples/over_time.jsonl` what a language model writes after the beginnings of documents, or fills in, by now.

    One line for each document. What is written is written side by side, so that three cost hardly more than one.
    """
    if getattr(task, "logits", None) is None:
        return
    file, tokenizer, rows = run.samples / "over_time.jsonl", corpus.tokenizer, _shown(corpus)
    entries = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []
    training = task.training
    task.eval()
    with torch.random.fork_rng(devices=[]):
        made = _written(task, tokenizer, rows) if task.backbone.causal else [_filled(task, tokenizer, ids) for ids in rows]
    task.train(training)
    kept = [entry for entry in entries if entry["step"] < step]  # a run that was killed comes here a second time
    kept += [{"step": step, **entry} for entry in made]
    write_whole(file, "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in kept))


def _shown(corpus: TokenCorpus) -> list[list[int]]:
    """The beginnings of a few documents, held out if any are: of several languages, with enough tokens, no two alike, if there are such."""
    store = corpus.test if corpus.test is not None and corpus.test.documents else corpus.train
    found: dict[str, list[list[int]]] = defaultdict(list)
    for number in range(0, store.documents, max(1, store.documents // LOOKED_AT))[:LOOKED_AT]:
        found[store.document_language(number)].append(store.document_tokens(number)[:-1][:SENTENCE].tolist())
    long_first = [sorted(own, key=len, reverse=True) for own in sorted(found.values(), key=len, reverse=True)]
    different: dict[tuple[int, ...], list[int]] = {}
    for ids in filter(None, chain.from_iterable(zip_longest(*long_first))):
        different.setdefault(tuple(ids[:PROMPT]), ids)
    return list(different.values())[:SHOWN]


def _written(task: Any, tokenizer: Tokenizer, rows: list[list[int]]) -> list[dict[str, Any]]:
    """What follows the first tokens of each row, as many as the shortest has."""
    length = min(PROMPT, task.backbone.context - 1, *map(len, rows))
    prompts = [ids[:length] for ids in rows]
    made = continued_together(LanguageModel.of(task), tokenizer, prompts, tokens=WRITTEN, sampling=Sampling(0.8, None, 0.95), seed=0)
    return [{"prompt": tokenizer.decode(prompt), "text": text} for prompt, text in zip(prompts, made, strict=True)]


def _filled(task: Any, tokenizer: Tokenizer, ids: list[int]) -> dict[str, Any]:
    """Guesses at evenly spaced words, hidden together."""
    ids = ids[: min(SENTENCE, task.backbone.context)]
    found = _words(tokenizer, ids)
    places = list(dict.fromkeys(found[len(found) * number // (BLANKS + 1)] for number in range(1, BLANKS + 1)))
    seen = torch.tensor([ids])
    seen[0, places] = tokenizer.need("mask", "masked language modelling")
    with torch.no_grad():
        best = chances_at(task, tokenizer, seen, places).topk(GUESSES, dim=1)
    blanks = []
    for place, words, chances in zip(places, best.indices.tolist(), best.values.tolist(), strict=True):
        guesses = [[word_of(tokenizer, word), round(chance, 4)] for word, chance in zip(words, chances, strict=True)]
        blanks.append({"truth": word_of(tokenizer, ids[place]), "guesses": guesses})
    return {"prompt": tokenizer.decode(seen[0].tolist(), special=True), "blanks": blanks}


def _words(tokenizer: Tokenizer, ids: list[int]) -> list[int]:
    """Where words of one token and with a letter stand, which are the easiest to read; where there are few, where any piece begins."""
    starts = tokenizer.subwords.word_starts(torch.tensor([ids]))[0].tolist()
    any_piece = [place for place, starting in enumerate(starts) if starting] or [0]
    whole = [place for place in any_piece if all(starts[place + 1 : place + 2]) and any(map(str.isalnum, word_of(tokenizer, ids[place])))]
    return whole if len(whole) > BLANKS else any_piece


def _decoded(tokenizer: Tokenizer, rows: Tensor) -> list[str]:
    return [tokenizer.decode(row, special=True) for row in rows.cpu()]
