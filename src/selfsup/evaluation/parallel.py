"""Parallel retrieval: a text finds its translation among all texts of another language, by cosine, without any training.

As on Tatoeba (Artetxe, Schwenk, TACL 2019, arXiv 1812.10464), but both ways between every two languages, beside the chance level, and
with the margin criterion too. A hit counts when the text that is found equals the translation, so that duplicates are not punished.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int, Shaped

from selfsup.data.documents.languages import name_without
from selfsup.evaluation.retrieval import KS, chances, densities, ranks
from selfsup.probing.intervals import Interval, influence_part, interval_around, spread_part
from selfsup.probing.sparse import Rows

FEWEST = 2
"""Translations that two languages must share."""

MARGIN = 0
"""Where hits with the margin criterion stand, beside those at each k."""


@dataclass(frozen=True)
class Pairing:
    """Two languages with `count` translated texts, which are the queries and the candidates: recall at 1 each way, and both together.

    `recall` is the mean of both ways by k, `margin` that at 1 with the margin criterion, `chance` what blind choice has by k: at 1 it is
    1 / count, or more where texts are equal.
    """

    first: str
    second: str
    count: int
    there: float
    back: float
    both: Interval
    recall: dict[int, float]
    margin: float
    chance: dict[int, float]


@dataclass(frozen=True)
class Parallel:
    """Every two languages, and the means over them. Intervals hold what other texts and other languages would change.

    `untranslated` counts pairs of equal texts, which say nothing and are left out.
    """

    pairings: list[Pairing]
    recall: dict[int, Interval]
    margin: Interval
    chance: dict[int, float]
    untranslated: int


@dataclass(frozen=True)
class Pairs:
    """Who is sought: for two languages, the rows (n, 2) of the texts that are translations of one another, and what they are called."""

    languages: tuple[str, str]
    rows: Int[np.ndarray, "n 2"]
    names: Shaped[np.ndarray, "n"]
    keys: Shaped[np.ndarray, "n 2"]


@dataclass(frozen=True)
class Found:
    """How far an embedding is from finding what is sought, both ways between two languages: `ranks` by cosine and with the margin."""

    cosine: Int[np.ndarray, "2 n"]
    margin: Int[np.ndarray, "2 n"]


def translated_pairs(names: Sequence[str], languages: Sequence[str | None], hashes: Shaped[np.ndarray, "N"]) -> tuple[list[Pairs], int]:
    """Every two languages that share translated texts, and how many pairs are equal texts, which are left out.

    Texts of equal name are translations of one another; `hashes` are equal for equal texts; texts of unknown language take no part.
    Raises ValueError when no two languages share two translated texts.
    """
    places: dict[str, dict[str, int]] = {}
    for row, (name, language) in enumerate(zip(names, languages, strict=True)):
        if language is not None:
            places.setdefault(language, {}).setdefault(name, row)
    pairs, untranslated = list[Pairs](), 0
    for first, second in combinations(sorted(places), 2):
        shared = sorted(places[first].keys() & places[second].keys())
        rows = np.array([(places[first][name], places[second][name]) for name in shared], dtype=np.int64).reshape(-1, 2)
        translated = hashes[rows[:, 0]] != hashes[rows[:, 1]]
        untranslated += int((~translated).sum())
        if translated.sum() >= FEWEST:
            kept = rows[translated]
            pairs.append(Pairs((first, second), kept, np.array(shared)[translated], hashes[kept]))
    if not pairs:
        raise ValueError(
            f"{len(places)} languages ({', '.join(sorted(places)[:5]) or 'none'}) share no two texts of equal name: expected one file name "
            "for a text in every language, such as de/page1.txt and fr/page1.txt, and the language of each (language='folder')."
        )
    return pairs, untranslated


def find_translations(features: Rows, pairs: Sequence[Pairs]) -> list[Found]:
    """What one embedding finds between every two languages."""
    result = []
    for pair in pairs:
        cosine, margin = [], []
        for source, target in ((0, 1), (1, 0)):
            queries, gallery, keys = features[pair.rows[:, source]], features[pair.rows[:, target]], pair.keys[:, target]
            cosine.append(ranks(queries, gallery, sought=keys, keys=keys))
            margin.append(ranks(queries, gallery, sought=keys, keys=keys, density=densities(gallery, queries)))
        result.append(Found(np.stack(cosine), np.stack(margin)))
    return result


def parallel_of(seeds: Sequence[Sequence[Found]], pairs: Sequence[Pairs], *, untranslated: int = 0, ks: Sequence[int] = KS) -> Parallel:
    """Recall of one embedding, which several seeds gave, between every two languages, and the means over them."""
    pairings, hits = [], []
    for place, pair in enumerate(pairs):
        cosine, margin = (np.stack([getattr(seed[place], name) for seed in seeds]) for name in ("cosine", "margin"))  # S 2 n
        hit = {k: (cosine < k).mean(1) for k in ks} | {MARGIN: (margin < 1).mean(1)}
        pairings.append(_pairing(pair, cosine, hit, ks))
        hits.append(hit)
    means = {k: _mean_interval(pairs, [hit[k] for hit in hits]) for k in (*ks, MARGIN)}
    chance = {k: float(np.mean([pairing.chance[k] for pairing in pairings])) for k in ks}
    return Parallel(pairings, {k: means[k] for k in ks}, means[MARGIN], chance, untranslated)


def _pairing(pair: Pairs, cosine: Int[np.ndarray, "S 2 n"], hits: dict[int, Float[np.ndarray, "S n"]], ks: Sequence[int]) -> Pairing:
    """Both ways between two languages; `hits` are means of both ways."""
    count, chance = len(pair.rows), []
    for side in (1, 0):
        sought = np.unique_counts(pair.keys[:, side])
        equal = sought.counts[np.searchsorted(sought.values, pair.keys[:, side])]
        chance.append({k: float(chances(equal, count, k=k).mean()) for k in ks})
    first = (cosine < 1).mean((0, 1))
    there, back = (cosine < 1).mean((0, 2)).tolist()
    return Pairing(
        *pair.languages,
        count=count,
        there=there,
        back=back,
        both=interval_around(float(first.mean()), [influence_part((first - first.mean()) / count), spread_part((cosine < 1).mean((1, 2)))]),
        recall={k: float(hits[k].mean()) for k in ks},
        margin=float(hits[MARGIN].mean()),
        chance={k: (chance[0][k] + chance[1][k]) / 2 for k in ks},
    )


def _mean_interval(pairs: Sequence[Pairs], hits: Sequence[Float[np.ndarray, "S _"]]) -> Interval:
    """The mean over pairs of languages. The same text stands in many pairs, and the same language: each counts once, whole.

    Other seeds: their spread. Other texts: the linearised jackknife over names. Other languages: the jackknife that leaves one language
    out at a time (Arvesen, Annals of Mathematical Statistics 40, 1969, for means over pairs); two languages say nothing about others.
    """
    means = np.array([hit.mean() for hit in hits])
    moved: dict[str, float] = {}
    for pair, hit, mean in zip(pairs, hits, means.tolist(), strict=True):
        for name, value in zip(pair.names.tolist(), hit.mean(0).tolist(), strict=True):
            moved[name] = moved.get(name, 0.0) + (value - mean) / (len(pair.names) * len(pairs))
    parts = [influence_part(np.array(list(moved.values()))), spread_part(np.mean([hit.mean(1) for hit in hits], axis=0))]
    languages = sorted({language for pair in pairs for language in pair.languages})
    inside = np.array([[language in pair.languages for pair in pairs] for language in languages])
    left = [float(means[~with_it].mean()) for with_it in inside if not with_it.all()]
    if len(left) == len(languages) > 2:
        deviation = np.array(left) - np.mean(left)
        parts.append((float((len(left) - 1) / len(left) * deviation @ deviation), len(left) - 1.0))
    return interval_around(float(means.mean()), parts)


def names_across(ids: Sequence[str], languages: Sequence[str | None]) -> list[str]:
    """What an id is called in every language: without the folder, the part of a file's name, or the ending that says the language.

    de-DE/page.txt and fr-FR/page.txt are page.txt; page.de.txt and page.fr.txt too; so are `7` and `7~2`, one id in two rows.
    """
    return [name_without(name, language) for name, language in zip(ids, languages, strict=True)]
