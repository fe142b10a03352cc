"""One network for 21 languages: what it says of each one's words, and whether a paragraph finds its translation.

    python benchmarks/languages.py --out DIR                    # a masked and a causal language model, 10 minutes each
    python benchmarks/languages.py --out DIR --budget 1h --tasks masked_lm@bert-small

The text is the Debian Administrator's Handbook: paragraphs, without those that were left in English, code and addresses. A fifth of the
pages is held out, the same in every language, and scored: bits per byte beside a compressor that has seen what was trained on, words
guessed at 15 % hidden, and parallel retrieval beside blind choice, character n-grams and the untrained network.
Stopped, it goes on where it was when called again with the same --out.
"""

from __future__ import annotations

import argparse
import json
import lzma
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from real_data import saved
from selfsup.embedding import TextReading
from selfsup.embedding.texts import Texts
from selfsup.evaluation.across_languages import CHARACTERS, LanguageRow, evaluate_across_languages
from selfsup.evaluation.baselines import UNTRAINED
from selfsup.evaluation.held_out import model_texts
from selfsup.evaluation.intervals import Interval
from selfsup.evaluation.language_modelling import Modelling
from selfsup.run import Run
from selfsup.trained import load_task, load_tokenizer
from tasks import Case, pretrained

HANDBOOK = Case(("--split", "{place}/split.csv"), "10m", 1, modality="text", file="paragraphs", columns={"language": "folder"})


def modelled(run: Run, texts: Texts) -> Modelling:
    """What the trained task says of the words of the documents that it did not learn from."""
    rows = [row for row, part in enumerate(TextReading.of(run, texts).parts_in(run)) if part == "test"]
    return model_texts(load_task(run), texts, load_tokenizer(run.folder), rows=np.array(rows))


def compressed(run: Run, texts: Texts) -> dict[str, float]:
    """Bits per byte of each language's held-out documents for `xz`, which has seen what was trained on in that language."""
    parts = TextReading.of(run, texts).parts_in(run)
    words: dict[tuple[str, str], list[str]] = {}
    for text, part, language in zip(texts.some(np.arange(len(texts))), parts, texts.languages, strict=True):
        words.setdefault((language or "unknown", part or "train"), []).append(text)
    found = {}
    for language in sorted({language for language, part in words if part == "test"}):
        seen, asked = ("\n".join(words.get((language, part), [])).encode() for part in ("train", "test"))
        found[language] = 8 * (_size(seen + b"\n" + asked) - _size(seen)) / len(asked)
    return found


def _size(data: bytes) -> int:
    return len(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))


def words_table(runs: Mapping[str, Run], texts: Texts) -> str:
    """Markdown: one line a language, with its share of the text and of training."""
    found = {name: modelled(run, texts) for name, run in runs.items()}
    first = next(iter(runs.values()))
    shares = {row["language"]: row for row in json.loads((first.folder / "languages.json").read_text(encoding="utf-8"))}
    beside = compressed(first, texts)

    def said(modelling: Modelling, language: str) -> str:
        bits = modelling.languages[language]
        return _with_interval(bits.bits_per_byte) if bits.accuracy is None else _percent(bits.accuracy)

    names = [f"{name}: {'bits per byte' if one.total.accuracy is None else 'words guessed, %'}" for name, one in found.items()]
    header = ["language", "share of rows, %", "of training, %", "bytes a token", "paragraphs tested", *names, "xz: bits per byte"]
    lines = ["| " + " | ".join(header) + " |", "|---" + "|--:" * (len(header) - 1) + "|"]
    for language in sorted(beside, key=lambda language: -shares[language]["share"]):
        share, tested = shares[language], next(iter(found.values())).languages[language].documents
        facts = [f"{100 * share['share']:.1f}", f"{100 * share['sampled']:.1f}", f"{share['bytes_per_token']:.2f}", str(tested)]
        scores = [*(said(modelling, language) for modelling in found.values()), f"{beside[language]:.3f}"]
        lines.append("| " + " | ".join([language, *facts, *scores]) + " |")
    return "\n".join([*lines, "", *(f"{name}: {modelling.how}." for name, modelling in found.items())])


def _with_interval(interval: Interval) -> str:
    return f"{interval.value:.3f} ({interval.low:.3f}–{interval.high:.3f})"


def _percent(interval: Interval) -> str:
    return f"{100 * interval.value:.1f} ({100 * interval.low:.1f}–{100 * interval.high:.1f})"


def retrieval_rows(runs: Mapping[str, Run], documents: Any, out: Path) -> dict[str, list[LanguageRow]]:
    """Every row of parallel retrieval by its name; each run's untrained network under a name of its own, n-grams once."""
    found: dict[str, list[LanguageRow]] = {}
    for name, run in runs.items():
        scores = evaluate_across_languages(run, documents, parallel="documents", out=out / f"retrieval-{name}")
        for row in scores.rows:
            own = {UNTRAINED: f"untrained {run.backbone}", CHARACTERS: CHARACTERS}.get(row.row, name)
            if own != CHARACTERS or name == next(iter(runs)):
                found.setdefault(own, []).append(row)
    return found


def retrieval_table(rows: Mapping[str, Sequence[LanguageRow]]) -> str:
    """Markdown: recall at 1 and 10 and with the margin, the mean of both ways over every two languages, a line a layer.

    Of the untrained network, whose initialisations differ, the mean and the mean interval are shown.
    """
    header = ["row", "layer", "recall at 1, %", "with the margin, %", "recall at 10, %", "chance at 1, %"]
    lines = ["| " + " | ".join(header) + " |", "|---|---" + "|--:" * (len(header) - 2) + "|"]
    for name, several in rows.items():
        for layer in dict.fromkeys(row.layer for row in several):
            same = [row.parallel for row in several if row.layer == layer]
            primary = any(row.primary for row in several if row.layer == layer)
            scores = [_percent(_mean([one.recall[1] for one in same])), _percent(_mean([one.margin for one in same]))]
            scores += [f"{100 * mean(one.recall[10].value for one in same):.1f}", f"{100 * same[0].chance[1]:.2f}"]
            lines.append("| " + " | ".join([name, f"**{layer}**" if primary else layer, *scores]) + " |")
    return "\n".join(lines)


def _mean(intervals: Sequence[Interval]) -> Interval:
    return Interval(*(mean(getattr(interval, name) for interval in intervals) for name in ("value", "low", "high")))


def pairs_table(rows: Mapping[str, Sequence[LanguageRow]]) -> str:
    """Markdown: how often a paragraph of each language finds, and is found by, its translation at 1: the mean over the other languages."""
    primary = {name: [row.parallel for row in several if row.primary] for name, several in rows.items()}
    pairings = next(iter(primary.values()))[0].pairings
    languages = sorted({language for pairing in pairings for language in (pairing.first, pairing.second)})
    header = ["language", "paragraphs in a pair", *primary, "chance"]
    lines = ["| " + " | ".join(header) + " |", "|---" + "|--:" * (len(header) - 1) + "|"]
    for language in languages:
        with_it = [place for place, pairing in enumerate(pairings) if language in (pairing.first, pairing.second)]
        recall = [mean(one.pairings[place].both.value for one in several for place in with_it) for several in primary.values()]
        count, chance = (mean(pairings[place].count for place in with_it), mean(pairings[place].chance[1] for place in with_it))
        lines.append("| " + " | ".join([language, f"{count:.0f}", *(f"{100 * value:.1f}" for value in (*recall, chance))]) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", nargs="*", default=["masked_lm", "causal_lm"], help="TASK or TASK@BACKBONE")
    parser.add_argument("--budget", default=HANDBOOK.budget, help="of each run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pretrain", default="", metavar="OPTIONS", help="more of them, in one word: --pretrain='--alpha 1'")
    asked = parser.parse_args()
    place, more = saved("handbook", HANDBOOK.place("handbook", asked.out)), shlex.split(asked.pretrain)
    given = {"budget": asked.budget, "seed": asked.seed, "more": more}
    runs = {unit: pretrained(HANDBOOK, place, unit=unit, out=asked.out / f"{unit}-{asked.seed}", **given) for unit in asked.tasks}
    documents = HANDBOOK.read(place)
    print(words_table(runs, TextReading.opened(documents)), flush=True)
    rows = retrieval_rows(runs, documents, asked.out)
    print("", retrieval_table(rows), "", pairs_table(rows), sep="\n")


if __name__ == "__main__":
    main()
