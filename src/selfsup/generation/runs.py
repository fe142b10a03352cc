"""From a run to what it makes: the functions behind `selfsup generate` and `selfsup reconstruct`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from selfsup.data.tokens.store import TokenStore
from selfsup.data.tokens.tokenizer import Tokenizer
from selfsup.generation.caption_writer import Writer
from selfsup.generation.captions import Captions, language_number, write_captions
from selfsup.generation.continuation import Continuation, LearnedFrom
from selfsup.generation.fill_in import DEFAULT_CANDIDATES, FilledIn, fill_in
from selfsup.generation.language_model import LanguageModel
from selfsup.generation.pictures import DEFAULT_COUNT, Reconstruction, Sampled, reconstruct_pictures, sample_pictures
from selfsup.generation.sampling import Sampling
from selfsup.generation.text import DEFAULT_TEMPERATURE, DEFAULT_TOKENS, DEFAULT_TOP_P, continued
from selfsup.pretext import Pretext
from selfsup.run import Run
from selfsup.trained import load_task, makers, makes, task_of

SEARCHED_UNASKED = 2 * 10**9
"""Bytes of tokens that are searched for repeats without being asked: a few seconds."""


def generate(
    run: Run | str | Path,
    pictures: Any = None,
    *,
    prompt: str | None = None,
    language: str | None = None,
    tokens: int = DEFAULT_TOKENS,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = DEFAULT_TOP_P,
    count: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    task: str | None = None,
    repeats: bool | None = None,
) -> Continuation | FilledIn | Sampled | Captions:
    """Let a trained task make something new.

    A run that learned to go on with text: what follows `prompt`, at most `tokens` tokens, made while one iterates over the result, and
    drawn with `temperature` (default 1), `top_k` and `top_p` (`Sampling`). One that learned to fill in hidden words: the `top_k` likeliest
    (default 5) for each `[MASK]` of `prompt`. One that learned what pictures there are: `count` of them (default 16) on a sheet in the PNG
    file `out` (default: in the run). One that learned to write captions: one for each of `pictures` (a file, several, a folder, an array),
    begun with `prompt`, in `language` if it knows several, of the likeliest words unless there is a `temperature`; also written to `out`, a
    file of JSON lines, where one is named. The same `seed` gives the same. `repeats` says whether the text is looked up in the corpus
    (None: if it has at most 2 GB of tokens). A task of your own is named again as `task`. Raises ValueError for a task that makes nothing
    new.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    kind, file = task_of(run, task), None if out is None else Path(out)
    if run.kind == "pair":
        _check_captions(run, kind, pictures, count=count)
        sampling, number = Sampling(temperature or 0.0, top_k, top_p), language_number(run, language)
        module: Any = load_task(run, task=kind)
        writer = Writer(module, Tokenizer.load(run.folder / "text"), number, sampling, prompt=prompt or "", tokens=tokens)
        return write_captions(run, writer, pictures, seed=seed, out=file)
    _refuse_captions(run, pictures, language)
    if run.kind == "image":
        _check_pictures(run, kind, prompt=prompt)
        return sample_pictures(run, load_task(run, task=kind), count=DEFAULT_COUNT if count is None else count, seed=seed, out=file)
    _check_text(run, kind, {"count": count, "out": out})
    module = load_task(run, task=kind)  # its backbone is one for text
    if not module.backbone.causal:
        return _filled(run, module, prompt, DEFAULT_CANDIDATES if top_k is None else top_k)
    sampling = Sampling(DEFAULT_TEMPERATURE if temperature is None else temperature, top_k, top_p)
    return _continued(run, module, prompt or "", tokens=tokens, sampling=sampling, seed=seed, repeats=repeats)


def reconstruct(
    run: Run | str | Path,
    data: Any = None,
    *,
    count: int = DEFAULT_COUNT,
    seed: int = 0,
    out: str | Path | None = None,
    task: str | None = None,
    kind: str = "auto",
) -> Reconstruction:
    """What a trained task makes of `count` pictures from all over `data`, by default of what the run learned from, on a sheet.

    The PNG file is `out`, by default in the run. What the task hides or spoils is drawn with `seed`. A task of your own is named again as
    `task`. Raises ValueError for a task that makes nothing of pictures, naming those that do.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    if run.kind == "pair":
        raise ValueError(
            f"{run.folder} learned from pairs, and rebuilds no pictures; what it makes of one: selfsup generate {run.folder} FILE."
        )
    if run.kind != "image":
        raise ValueError(f"{run.folder} learned from text; what it makes of one is shown by: selfsup generate {run.folder} --prompt …")
    made_with = task_of(run, task)
    if "show" not in makes(made_with):
        raise ValueError(f"{run.row} makes nothing of pictures that could be looked at; tasks that do: {', '.join(makers('show'))}.")
    module, file = load_task(run, task=made_with), None if out is None else Path(out)
    return reconstruct_pictures(run, module, data, count=count, seed=seed, out=file, kind=kind)


def _check_captions(run: Run, kind: type[Pretext], pictures: Any, *, count: int | None) -> None:
    """Raise ValueError unless a task for pairs writes captions, and is asked for those of some pictures."""
    if "next_words" not in makes(kind):
        raise ValueError(f"{run.row} writes no captions; tasks that do: {', '.join(makers('next_words'))}.")
    if pictures is None:
        raise ValueError(f"{run.folder} writes captions of pictures; expected some, as in: selfsup generate {run.folder} picture.png.")
    if count is not None:
        raise ValueError("--count is for new pictures, and a caption is written for each that is given; leave it out.")


def _refuse_captions(run: Run, pictures: Any, language: str | None) -> None:
    """Raise ValueError where a run that writes no captions is given pictures or a language, or is a side of one that does."""
    if run.side is not None:
        raise ValueError(f"{run.folder} is one side of a run of pairs, whose task needs both; give {run.folder.parent}.")
    if pictures is not None:
        other = f" What it makes of given ones: selfsup reconstruct {run.folder} DATA." if run.kind == "image" else ""
        raise ValueError(f"{run.row} takes no pictures to write of; tasks that do: {', '.join(makers('next_words'))}.{other}")
    if language is not None:
        raise ValueError(f"--language is for captions, and {run.row} writes none; leave it out.")


def _check_pictures(run: Run, kind: type[Pretext], *, prompt: str | None) -> None:
    """Raise ValueError unless a task for pictures makes new ones, and is asked for these."""
    if prompt is not None:
        raise ValueError(f"{run.folder} learned from pictures, and --prompt is for text; leave it out.")
    if "sample" not in makes(kind):
        other = f" What it makes of given ones: selfsup reconstruct {run.folder} DATA." if "show" in makes(kind) else ""
        raise ValueError(f"{run.row} makes no new pictures; tasks that do: {', '.join(makers('sample'))}.{other}")


def _check_text(run: Run, kind: type[Pretext], for_pictures: dict[str, object]) -> None:
    """Raise ValueError unless a task for text makes some, and is asked for that."""
    given = [f"--{name}" for name, value in for_pictures.items() if value is not None]
    if given:
        raise ValueError(f"{run.folder} learned from text, and {' and '.join(given)} is for pictures; leave it out.")
    if "logits" not in makes(kind):
        raise ValueError(f"{run.row} makes no text; tasks that do: {', '.join(makers('logits')) or 'none'}.")


def _continued(run: Run, module: Any, prompt: str, *, tokens: int, sampling: Sampling, seed: int, repeats: bool | None) -> Continuation:
    pieces, ids = continued(LanguageModel.of(module), Tokenizer.load(run.folder), prompt, tokens=tokens, sampling=sampling, seed=seed)
    return Continuation(prompt, pieces, ids, _learned_from(run, repeats))


def _filled(run: Run, module: Any, prompt: str | None, candidates: int) -> FilledIn:
    if prompt is None:
        raise ValueError(f'{run.row} fills in hidden words; expected a prompt with some, as in --prompt "The [MASK] sat".')
    return fill_in(module, Tokenizer.load(run.folder), prompt, context=module.backbone.context, candidates=candidates)


def _learned_from(run: Run, wanted: bool | None) -> LearnedFrom | None:
    """The tokens the run learned from, if they are still there and to be searched. What keeps from that is said on stderr."""
    folder = Path(run.choices.get("tokens") or "")
    if wanted is False:
        return None
    if not run.choices.get("tokens") or not folder.is_dir():
        if wanted:
            print(f"The tokens that {run.folder} learned from are gone: nothing is looked up in them.", file=sys.stderr, flush=True)
        return None
    store = TokenStore.open(folder, context=1)
    ids, ends = store.columns["tokens"], store.columns["ends"]
    if wanted is None and ids.nbytes > SEARCHED_UNASKED:
        words = f"The {ids.nbytes / 1e9:.0f} GB of tokens it learned from are not searched for repeats; --repeats does so."
        print(words, file=sys.stderr, flush=True)
        return None
    return LearnedFrom(ids, lambda place: store.document_id(int(np.searchsorted(ends, place, side="right"))))
