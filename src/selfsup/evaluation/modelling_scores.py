"""Language modelling of runs: bits per byte, or hidden words guessed, on documents that none of them learned from. Without labels."""

from __future__ import annotations

import dataclasses
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from selfsup.data.tokens.tokenizer import Tokenizer
from selfsup.embedding import opened_for
from selfsup.embedding.text_networks import tokenizer_digest
from selfsup.embedding.texts import Texts
from selfsup.evaluation.across_languages import check_texts, counts_of
from selfsup.evaluation.held_out import model_texts
from selfsup.evaluation.language_modelling import Bits, joined
from selfsup.evaluation.language_questions import fresh_rows
from selfsup.evaluation.runs import Runs, copy_into_runs, opened_runs, results_folder, rows_by_seed
from selfsup.evaluation.score_file import write_scores
from selfsup.progress import progress
from selfsup.run import Run
from selfsup.trained import load_task, makes, task_of

MOST = 5_000_000
"""Characters that are judged, at most, shared equally by the languages: some minutes for a small network."""

FILE = "language_modelling.json"

FORMAT = 1


@dataclass(frozen=True)
class ModellingRow:
    """A task's score, over `seeds` runs. `reads` is "forwards" (bits per byte count) or "both ways" (the accuracy of guesses counts).

    `commonest` is the accuracy of always guessing the most frequent token.
    """

    row: str
    runs: list[str]
    reads: str
    tokenizer: str
    how: str
    total: Bits
    languages: dict[str, Bits]
    commonest: float | None = None

    @property
    def seeds(self) -> int:
        """How many runs there are."""
        return len(self.runs)


@dataclass(frozen=True)
class ModellingScores:
    """Every row on the same documents, of which `documents` counts those of each language; `notes` are what must be known to read them.

    `gzip` are the bits per byte that this compressor needs for each language, and under "" for all together: a scale to read others on.
    """

    data: str
    documents: dict[str, int]
    gzip: dict[str, float]
    runs: list[str]
    rows: list[ModellingRow]
    notes: list[str]
    format: int = FORMAT

    def find(self, row: str) -> ModellingRow:
        """The row of that name. Raises ValueError naming those there are."""
        for one in self.rows:
            if one.row == row:
                return one
        raise ValueError(f"there is no row {row!r}; there are {', '.join(one.row for one in self.rows)}")

    def save(self, folder: str | Path) -> Path:
        """Write language_modelling.json into `folder`."""
        file = Path(folder) / FILE
        write_scores(file, dataclasses.asdict(self))
        return file


def evaluate_language_modelling(
    runs: Runs,
    data: Any = None,
    *,
    task: str | None = None,
    out: str | Path | None = None,
    text: str | None = None,
    id: str | None = None,
    language: str | None = None,
    encoding: str | None = None,
) -> ModellingScores:
    """How well runs know the language of texts that none of them learned from, in all and for each language, with 95 % intervals.

    Runs that read forwards (causal_lm): bits per byte, which compare networks with different tokenisers. Runs that guess hidden words
    (masked_lm): the share guessed right when 15 % are hidden, whatever they were trained with. `data` are by default what the first run
    was pretrained on; of data that runs learned from, only what all of them held out is judged. A task of your own is named again as
    `task`. How texts are read is told as to `pretrain`. Writes language_modelling.json into `out` and into each run.
    Raises ValueError for tasks that say nothing of words, and where nothing was held out.
    """
    opened = opened_runs(runs)
    folder = results_folder(opened, out)
    check_texts(opened, "language to model")
    _check_tasks(opened, task)
    texts: Texts = opened_for(opened[0], data, {"text": text, "id": id, "language": language, "encoding": encoding})
    notes: list[str] = []
    rows = _drawn(texts, _judged(opened, texts), notes)
    with progress("scoring") as told:
        found = []
        for name, seeds in rows_by_seed(opened).items():
            told(f"{name} on words")
            found.append(_row(name, seeds, texts, rows, task))
    if len({row.tokenizer for row in found if row.reads == "both ways"}) > 1:
        notes.append("Runs with different tokenisers guess different pieces of words: their shares are not to be compared.")
    counts = counts_of([texts.languages[row] for row in rows])
    scores = ModellingScores(texts.name, counts, compressed(texts, rows), [run.name for run in opened], found, notes)
    scores.save(folder)
    copy_into_runs((FILE,), opened, folder)
    return scores


def compressed(texts: Texts, rows: Int[np.ndarray, "n"]) -> dict[str, float]:
    """Bits per byte of some texts, one after the other, with gzip at its best (Deflate, RFC 1951): each language, and "" for all."""
    streams: dict[str, Any] = {}
    sizes, packed = Counter[str](), Counter[str]()
    for row, text in zip(rows.tolist(), texts.some(rows), strict=True):
        content = text.encode(errors="replace")
        for name in ("", texts.languages[row] or "unknown"):
            stream = streams.setdefault(name, zlib.compressobj(9))
            sizes[name] += len(content)
            packed[name] += len(stream.compress(content))
    return {name: 8 * (packed[name] + len(stream.flush())) / sizes[name] for name, stream in sorted(streams.items())}


def _check_tasks(runs: Sequence[Run], task: str | None) -> None:
    """Raise ValueError for a run whose task says nothing of words, before anything is read."""
    for run in runs:
        if "logits" not in makes(task_of(run, task)):
            raise ValueError(
                f"{run.folder} learned {run.row}, which predicts no words, so there is no language modelling to score: expected runs of a "
                "task such as masked_lm or causal_lm. With labels or parallel texts it can be scored."
            )


def _judged(runs: Sequence[Run], texts: Texts) -> Int[np.ndarray, "n"]:
    """Rows of the documents that no run learned from. Raises ValueError where there are none."""
    fresh: Bool[np.ndarray, "n"] = fresh_rows(runs, texts, texts.ids, texts.fingerprint)
    if not fresh.any():
        one = "the run" if len(runs) == 1 else "one run or the other"
        raise ValueError(
            f"all {len(fresh):,} documents of {texts.name} were learned from by {one}, and would be told by heart: pretrain with "
            "--holdout 0.1, which keeps a tenth back, or score other texts."
        )
    return np.flatnonzero(fresh)


def _drawn(texts: Texts, rows: Int[np.ndarray, "n"], notes: list[str]) -> Int[np.ndarray, "m"]:
    """A sample where there is more than MOST characters, the same for the same texts; each language has its share."""
    if texts.lengths[rows].sum() <= MOST:
        return rows
    languages = np.array([texts.languages[row] or "" for row in rows])
    each, kept = MOST / len(set(languages)), list[Int[np.ndarray, "k"]]()
    for language in sorted(set(languages)):
        own = rows[languages == language]
        own = np.random.default_rng([0, len(own)]).permutation(own)
        before = texts.lengths[own].cumsum() - texts.lengths[own]
        kept.append(own[before < each])
    drawn = np.sort(np.concatenate(kept))
    notes.append(f"Of {len(rows):,} documents that were not learned from, {len(drawn):,} drawn at random are judged.")
    return drawn


def _row(name: str, seeds: Sequence[Run], texts: Texts, rows: Int[np.ndarray, "n"], task: str | None) -> ModellingRow:
    found = [model_texts(load_task(run, task=task), texts, Tokenizer.load(run.folder), rows=rows) for run in seeds]
    whole = joined(found)
    reads = "both ways" if whole.total.accuracy is not None else "forwards"
    names, tokenizer = [run.name for run in seeds], tokenizer_digest(seeds[0].folder)
    return ModellingRow(name, names, reads, tokenizer, whole.how, whole.total, whole.languages, whole.commonest)
