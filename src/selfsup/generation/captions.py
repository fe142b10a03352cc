"""Captions that a trained task writes of pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from selfsup.data import Source, Undecodable, open_source
from selfsup.data.ingest import in_words, ingest
from selfsup.data.pairs.listing import UNSAID
from selfsup.generation.caption_writer import Writer
from selfsup.run import Run, write_whole
from selfsup.train.distributed import device

AT_ONCE = 64
"""Pictures whose captions are written side by side."""


@dataclass(frozen=True)
class Captions:
    """What was written: `texts` by picture, in `language` (None where a run knows no languages), and the `file` they stand in, if any.

    `skipped` names what could not be read, with the reason.
    """

    texts: dict[str, str]
    language: str | None = None
    file: Path | None = None
    skipped: dict[str, str] = field(default_factory=dict)


def write_captions(run: Run, writer: Writer, data: Any, *, seed: int = 0, out: Path | None = None) -> Captions:
    """A caption for each picture of `data`: a file, several, a folder, a glob, or an array.

    In the file `out`, each line names a picture, its caption and language, as `pretrain` reads them. Raises ValueError where no picture
    can be read.
    """
    if out is not None and out.suffix.lower() != ".jsonl":
        raise ValueError(f"{out} does not end in .jsonl; expected something like --out captions.jsonl.")
    source, rng = open_source(data), torch.Generator(device()).manual_seed(seed)
    skipped, texts = dict(source.skipped), dict[str, str]()
    for names, pictures in _decoded(source, run, skipped):
        texts |= dict(zip(names, writer.captions(pictures, rng), strict=True))
    if not texts:
        name, reason = next(iter(skipped.items()))
        raise ValueError(
            f"no picture of {source.name} can be read, for example {name}: {reason}. Expected pictures as the run learned from."
        )
    language = languages_of(run)[writer.language]
    made = Captions(texts, None if language == UNSAID else language, out, skipped)
    if out is not None:
        _write(made, out)
    return made


def language_number(run: Run, wanted: str | None) -> int:
    """The number of a language, or column of captions, that a run knows; by default of the one it has most captions in.

    Raises ValueError, naming those that it knows.
    """
    known, counts = languages_of(run), run.choices["captions"]
    if wanted is None:
        return known.index(max(known, key=lambda one: int(counts[one])))
    if known == [UNSAID]:
        raise ValueError(f"--language {wanted} was given, and {run.folder} learned captions of no language that was named; leave it out.")
    if wanted not in known:
        raise ValueError(f"{run.folder} learned no captions in {wanted!r}; expected --language {' or '.join(known)}.")
    return known.index(wanted)


def languages_of(run: Run) -> list[str]:
    """The languages, or columns of captions, that a run learned from, as batches number them."""
    return list(run.choices["captions"])


def _decoded(source: Source, run: Run, skipped: dict[str, str]) -> Iterator[tuple[list[str], Tensor]]:
    """Names and pixels of the pictures that can be read, some at a time; the others are put into `skipped`."""
    names, pictures = list[str](), list[Tensor]()
    outcomes = ingest(
        source, range(len(source)), side=run.store_side, channels=run.channels, progress=True,
        announce=lambda seconds: f"Reading {len(source):,} pictures: about {in_words(seconds)}",
    )  # fmt: skip
    for row, outcome in outcomes:
        if isinstance(outcome, Undecodable):
            skipped[source.ids[row]] = str(outcome)
        else:
            names.append(source.ids[row])
            pictures.append(torch.from_numpy(outcome.pixels.transpose(2, 0, 1).copy()))
        if len(names) == AT_ONCE:
            yield names, torch.stack(pictures)
            names, pictures = [], []
    if names:
        yield names, torch.stack(pictures)


def _write(made: Captions, file: Path) -> None:
    """A line for each picture."""
    spoken = {} if made.language is None else {"lang": made.language}
    lines = (json.dumps({"image": picture, "text": text, **spoken}, ensure_ascii=False) for picture, text in made.texts.items())
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, "".join(f"{line}\n" for line in lines))
