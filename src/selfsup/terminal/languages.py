"""What `selfsup evaluate` prints of languages: how well they are modelled, and what is found and known across them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from selfsup.terminal.tables import percent_and_interval, print_notes, show, table_of

if TYPE_CHECKING:
    from selfsup.evaluation import LanguageScores, ModellingScores
    from selfsup.evaluation.across_languages import LanguageRow
    from selfsup.evaluation.modelling_scores import ModellingRow
    from selfsup.evaluation.parallel import Pairing


def print_language_modelling(scores: ModellingScores) -> None:
    """Each run's bits per byte or share of words guessed, in all and by language; what the numbers are on; a scale to read them on."""
    forwards, guessing = ([row for row in scores.rows if row.reads == reads] for reads in ("forwards", "both ways"))
    gzip = ("gzip: bits per byte",) if forwards else ()
    table = table_of(
        "language", "documents", *(f"{row.row}: bits per byte" for row in forwards), *gzip, *(f"{row.row}: % guessed" for row in guessing)
    )
    languages = list(scores.documents) if set(scores.documents) != {"unknown"} else []
    for name in ("", *languages):
        count = scores.documents[name] if name else sum(scores.documents.values())
        compressed = (f"{scores.gzip[name]:.2f}",) if forwards else ()
        found = [_modelled(row, name) for row in forwards], [_modelled(row, name) for row in guessing]
        table.add_row(name or "all", f"{count:,}", *found[0], *compressed, *found[1])
    show(table)
    print(f"Documents of {scores.data} that no run learned from, with 95 % intervals")
    for how in dict.fromkeys(row.how for row in forwards):
        print(f"Bits per byte, less is better: {how}")
    for row in guessing:
        print(f"% guessed by {row.row}, more is better: {row.how}; always the most frequent token: {100 * (row.commonest or 0):.1f}")
    print_notes(scores.notes)


def print_across_languages(scores: LanguageScores) -> None:
    """How often translations are found and what labels are worth in other languages: runs and baselines, the layer that is used."""
    rows = [row for row in scores.rows if row.primary]
    if scores.sought:
        _print_sought(scores, rows)
    if scores.tested:
        _print_labels_across(scores, rows)
    print_notes(scores.notes)


def _print_sought(scores: LanguageScores, rows: list[LanguageRow]) -> None:
    found = {row.row: row.parallel for row in rows if row.parallel is not None}
    first = next(iter(found.values()))
    table = table_of("row", "layer", *(f"among the nearest {k}" if k > 1 else "nearest" for k in first.recall), "nearest, with margin")
    for row in rows:
        if row.parallel is not None:
            scored = [*row.parallel.recall.values(), row.parallel.margin]
            table.add_row(row.row, row.layer, *(percent_and_interval(one) for one in scored))
    table.add_row("chance", "", *(f"{100 * share:.1f}" for share in first.chance.values()), f"{100 * first.chance[1]:.1f}")
    show(table)
    counts = sorted(pair.count for pair in first.pairings)
    sizes = f"{counts[0]:,}" if counts[0] == counts[-1] else f"{counts[0]:,} to {counts[-1]:,}"
    pairs = f"{len(counts)} pairs of languages" if len(counts) > 1 else f"{first.pairings[0].first} and {first.pairings[0].second}"
    print(f"Translations found in %, both ways between {pairs}, among {sizes} {scores.noun}, with 95 % intervals")
    table = table_of("language", scores.noun, *(f"{name}: from it / to it" for name in found))
    for language, count in scores.sought.items():
        ways = [both_ways(parallel.pairings, language) for parallel in found.values()]
        table.add_row(language, f"{count:,}", *(f"{100 * there:.1f} / {100 * back:.1f}" for there, back in ways))
    print()
    show(table)
    print("Nearest, in %: its texts find their translations / translations find them")


def _print_labels_across(scores: LanguageScores, rows: list[LanguageRow]) -> None:
    labels = "all labels" if scores.labels_per_class == "all" else f"{scores.labels_per_class} labels a class"
    if scores.sought:
        print()
    table = table_of("row", "layer", "labels in the same language", "labels in another language")
    for row in rows:
        if row.labels is not None:
            cells = [percent_and_interval(one) if one else "–" for one in (row.labels.same, row.labels.other)]
            table.add_row(row.row, row.layer, *cells)
    show(table)
    metric = next(row.labels.metric for row in rows if row.labels is not None)
    languages, total = len(scores.tested), sum(scores.tested.values())
    print(f"{metric} in % with 95 % intervals: linear, {labels} in one language; tested on {total:,} documents in {languages} languages")


def both_ways(pairings: Sequence[Pairing], language: str) -> tuple[float, float]:
    """How often texts of a language find their translations, and are found by them: means over the other languages."""
    mine = [(pair.there, pair.back) for pair in pairings if pair.first == language]
    mine += [(pair.back, pair.there) for pair in pairings if pair.second == language]
    if not mine:
        return float("nan"), float("nan")
    return sum(there for there, _ in mine) / len(mine), sum(back for _, back in mine) / len(mine)


def _modelled(row: ModellingRow, language: str) -> str:
    bits = row.total if not language else row.languages.get(language)
    if bits is None:
        return "–"
    if row.reads == "both ways":
        return percent_and_interval(bits.accuracy) if bits.accuracy is not None else "–"
    return f"{bits.bits_per_byte.value:.3f} ({bits.bits_per_byte.low:.3f}–{bits.bits_per_byte.high:.3f})"
