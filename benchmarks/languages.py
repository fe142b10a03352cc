"""One network for 21 languages: what it says of each one's words, and whether a paragraph finds its translation.

    python benchmarks/languages.py --out DIR                    # a masked and a causal language model and SimCSE, 10 minutes each
    python benchmarks/languages.py --out DIR --budget 1h --tasks masked_lm@bert-small

The text is the Debian Administrator's Handbook: paragraphs, without those that were left in English, code and addresses. A fifth of the
pages is held out, the same in every language, and scored: bits per byte beside a compressor that has seen what was trained on, words
guessed at 15 % hidden, and parallel retrieval beside blind choice, character n-grams and the untrained network.
Stopped, it goes on where it was when called again with the same --out.
"""

from __future__ import annotations

import argparse
import csv
import lzma
import shlex
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from real_data import saved
from selfsup.evaluation import LanguageScores, ModellingScores, evaluate_across_languages, evaluate_language_modelling
from selfsup.evaluation.across_languages import LanguageRow
from selfsup.evaluation.parallel import Pairing
from selfsup.probing.intervals import Interval
from selfsup.reporting.languages import read_languages
from selfsup.run import Run
from selfsup.tasks import find_task
from tasks import Case, pretrained

HANDBOOK = Case(("--split", "{place}/split.csv"), "10m", 1, modality="text", file="paragraphs", columns={"language": "folder"})


def compressed(place: Path) -> dict[str, float]:
    """Bits per byte of each language's held-out paragraphs for `xz`, which has seen what was trained on in that language."""
    texts: dict[tuple[str, str], list[bytes]] = {}
    with (place / "split.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            language = row["path"].partition("/")[0]
            texts.setdefault((language, row["split"]), []).append((place / "paragraphs" / row["path"]).read_bytes())
    found = {}
    for language in sorted({language for language, part in texts if part == "test"}):
        seen, asked = (b"".join(texts.get((language, part), [])) for part in ("train", "test"))
        found[language] = 8 * (_size(seen + asked) - _size(seen)) / len(asked)
    return found


def _size(data: bytes) -> int:
    return len(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))


def words_table(runs: Sequence[Run], scores: ModellingScores, beside: dict[str, float]) -> str:
    """Markdown: one line a language, with its share of the text and of training; networks, then compressors."""
    forwards = {row.row: row.reads == "forwards" for row in scores.rows}
    names = [f"{name}: {'bits per byte' if reads else 'words guessed, %'}" for name, reads in forwards.items()]
    packers = ["xz, after training text", "gzip"]
    header = ["language", "share of rows, %", "of training, %", "bytes a token", "paragraphs tested", *names, *packers]
    lines = [_line(header), "|---" + "|--:" * (len(header) - 1) + "|"]
    for share in read_languages(runs[0]):
        language = share.language
        if language not in scores.documents:
            continue
        facts = [f"{100 * share.share:.1f}", f"{100 * share.sampled:.1f}", f"{share.bytes_per_token:.2f}"]
        told = [row.languages[language] for row in scores.rows]
        said = [_percent(one.accuracy) if one.accuracy else _interval(one.bits_per_byte) for one in told]
        packed = [f"{beside[language]:.3f}", f"{scores.gzip[language]:.3f}"]
        lines.append(_line([language, *facts, str(scores.documents[language]), *said, *packed]))
    lines.append("")
    for row in scores.rows:
        lines.append(f"{row.row}: {row.how}.")
        if row.commonest is not None:
            lines.append(f"Always guessing the commonest token would be right {100 * row.commonest:.1f} % of the time.")
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _interval(interval: Interval) -> str:
    return f"{interval.value:.3f} ({interval.low:.3f}–{interval.high:.3f})"


def _percent(interval: Interval) -> str:
    return f"{100 * interval.value:.1f} ({100 * interval.low:.1f}–{100 * interval.high:.1f})"


def retrieval_table(scores: LanguageScores) -> str:
    """Markdown: recall at 1, with the margin and at 10, the mean of both ways over every two languages, a line a layer."""
    header = ["row", "layer", "recall at 1, %", "with the margin, %", "recall at 10, %", "chance at 1, %"]
    lines = [_line(header), "|---|---" + "|--:" * (len(header) - 2) + "|"]
    for row in scores.rows:
        if (found := row.parallel) is not None:
            layer = f"**{row.layer}**" if row.primary else row.layer
            recall = [_percent(found.recall[1]), _percent(found.margin), _percent(found.recall[10])]
            lines.append(_line([row.row, layer, *recall, f"{100 * found.chance[1]:.2f}"]))
    return "\n".join(lines)


def pairs_table(scores: LanguageScores) -> str:
    """Markdown: how often a paragraph of each language finds, and is found by, its translation at 1: the mean over the other languages."""
    primary = [row for row in scores.rows if row.primary]
    header = ["language", "paragraphs in a pair", *(row.row for row in primary), "chance"]
    lines = [_line(header), "|---" + "|--:" * (len(header) - 1) + "|"]
    for language in scores.sought:
        own = [_of(row, language) for row in primary]
        recall = [mean(pairing.both.value for pairing in pairings) for pairings in own]
        count, chance = mean(pairing.count for pairing in own[0]), mean(pairing.chance[1] for pairing in own[0])
        lines.append(_line([language, f"{count:.0f}", *(f"{100 * value:.1f}" for value in (*recall, chance))]))
    return "\n".join(lines)


def _of(row: LanguageRow, language: str) -> list[Pairing]:
    assert row.parallel is not None
    return [pairing for pairing in row.parallel.pairings if language in (pairing.first, pairing.second)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", nargs="*", default=["masked_lm", "causal_lm", "simcse"], help="TASK or TASK@BACKBONE")
    parser.add_argument("--budget", default=HANDBOOK.budget, help="of each run")
    parser.add_argument("--seeds", type=int, default=HANDBOOK.seeds)
    parser.add_argument("--pretrain", default="", metavar="OPTIONS", help="more of them, in one word: --pretrain='--alpha 1'")
    asked = parser.parse_args()
    place, more = saved("handbook", HANDBOOK.place("handbook", asked.out)), shlex.split(asked.pretrain)
    runs = [
        pretrained(HANDBOOK, place, unit=unit, seed=seed, budget=asked.budget, out=asked.out / f"{unit}-{seed}", more=more)
        for seed in range(asked.seeds)
        for unit in asked.tasks
    ]
    texts, speaking = place / HANDBOOK.file, [run for run in runs if hasattr(find_task(run.task), "logits")]
    if speaking:
        scores = evaluate_language_modelling(speaking, texts, out=asked.out, **HANDBOOK.columns)
        print(words_table(speaking, scores, compressed(place)), flush=True)
    found = evaluate_across_languages(runs, texts, parallel="documents", out=asked.out, **HANDBOOK.columns)
    print("", *found.notes, "", retrieval_table(found), "", pairs_table(found), sep="\n")


if __name__ == "__main__":
    main()
