"""Parallel retrieval: a text finds its translation among all texts of another language, by cosine, without any training.

As on Tatoeba (Artetxe, Schwenk, TACL 2019, arXiv 1812.10464), but both ways between every two languages, beside the chance level, and
with the margin criterion too. A hit counts when the text that is found equals the translation, so that duplicates are not punished.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int, Shaped

from selfsup.evaluation.intervals import Interval, influence_part, interval_around
from selfsup.evaluation.retrieval import KS, chances, densities, ranks
from selfsup.evaluation.sparse import Rows

FEWEST = 2
"""Translations that two languages must share."""


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
class _Hits:
    """Two languages' hits: what of each of `names` (n,) was hit, a mean of both ways, by k and 0 for the margin."""

    languages: tuple[str, str]
    names: Shaped[np.ndarray, "n"]
    hits: dict[int, Float[np.ndarray, "n"]]


def parallel_retrieval(
    features: Rows,
    *,
    names: Sequence[str],
    languages: Sequence[str | None],
    hashes: Shaped[np.ndarray, "N"],
    ks: Sequence[int] = KS,
) -> Parallel:
    """Texts of equal name are translations of one another; `hashes` are equal for equal texts; texts of unknown language take no part.

    Raises ValueError when no two languages share two translated texts.
    """
    places: dict[str, dict[str, int]] = {}
    for row, (name, language) in enumerate(zip(names, languages, strict=True)):
        if language is not None:
            places.setdefault(language, {}).setdefault(name, row)
    pairings, every, untranslated = list[Pairing](), list[_Hits](), 0
    for first, second in combinations(sorted(places), 2):
        shared = sorted(places[first].keys() & places[second].keys())
        rows = np.array([(places[first][name], places[second][name]) for name in shared], dtype=np.int64).reshape(-1, 2)
        translated = hashes[rows[:, 0]] != hashes[rows[:, 1]]
        untranslated += int((~translated).sum())
        if translated.sum() >= FEWEST:
            pairing, hits = _pairing(features, (first, second), rows[translated], np.array(shared)[translated], hashes, ks)
            pairings.append(pairing)
            every.append(hits)
    if not pairings:
        raise ValueError(
            f"{len(places)} languages ({', '.join(sorted(places)[:5])}) share no two texts of equal name: expected one file name for a "
            "text in every language, such as de/page1.txt and fr/page1.txt, and the language of each (language='folder')."
        )
    means = {k: _mean_interval(every, k) for k in (*ks, 0)}
    chance = {k: float(np.mean([pairing.chance[k] for pairing in pairings])) for k in ks}
    return Parallel(pairings, {k: means[k] for k in ks}, means[0], chance, untranslated)


def _pairing(
    features: Rows,
    languages: tuple[str, str],
    rows: Int[np.ndarray, "n 2"],
    names: Shaped[np.ndarray, "n"],
    hashes: Shaped[np.ndarray, "N"],
    ks: Sequence[int],
) -> tuple[Pairing, _Hits]:
    """Both ways between two languages, whose texts `rows` are translations of one another."""
    count = len(rows)
    cosine, margin, chance = [], [], []
    for source, target in ((0, 1), (1, 0)):
        queries, gallery, keys = features[rows[:, source]], features[rows[:, target]], hashes[rows[:, target]]
        cosine.append(ranks(queries, gallery, sought=keys, keys=keys))
        margin.append(ranks(queries, gallery, sought=keys, keys=keys, density=densities(gallery, queries)))
        sought = np.unique_counts(keys)
        equal = sought.counts[np.searchsorted(sought.values, keys)]
        chance.append({k: float(chances(equal, count, k=k).mean()) for k in ks})
    hits = {k: np.mean([way < k for way in cosine], axis=0) for k in ks} | {0: np.mean([way < 1 for way in margin], axis=0)}
    first = np.mean([way < 1 for way in cosine], axis=0)
    pairing = Pairing(
        *languages,
        count=count,
        there=float((cosine[0] < 1).mean()),
        back=float((cosine[1] < 1).mean()),
        both=interval_around(float(first.mean()), [influence_part((first - first.mean()) / count)]),
        recall={k: float(hits[k].mean()) for k in ks},
        margin=float(hits[0].mean()),
        chance={k: (chance[0][k] + chance[1][k]) / 2 for k in ks},
    )
    return pairing, _Hits(languages, names, hits)


def _mean_interval(every: Sequence[_Hits], k: int) -> Interval:
    """The mean over pairs of languages. The same text stands in many pairs, and the same language: each counts once, whole.

    Other texts: the linearised jackknife over names. Other languages: the jackknife that leaves one language out at a time (Arvesen,
    Annals of Mathematical Statistics 40, 1969, for means over pairs); two languages say nothing about others.
    """
    means = np.array([part.hits[k].mean() for part in every])
    value = float(means.mean())
    moved: dict[str, float] = {}
    for part, mean in zip(every, means.tolist(), strict=True):
        for name, hit in zip(part.names.tolist(), part.hits[k].tolist(), strict=True):
            moved[name] = moved.get(name, 0.0) + (hit - mean) / (len(part.names) * len(every))
    parts = [influence_part(np.array(list(moved.values())))]
    languages = sorted({language for part in every for language in part.languages})
    inside = np.array([[language in part.languages for part in every] for language in languages])
    left = [float(means[~with_it].mean()) for with_it in inside if not with_it.all()]
    if len(left) == len(languages) > 2:
        deviation = np.array(left) - np.mean(left)
        parts.append((float((len(left) - 1) / len(left) * deviation @ deviation), len(left) - 1.0))
    return interval_around(value, parts)


def names_across(ids: Sequence[str], languages: Sequence[str | None]) -> list[str]:
    """What an id is called in every language: without the folder, the part of a file's name, or the ending that says the language.

    de-DE/page.txt and fr-FR/page.txt are page.txt; page.de.txt and page.fr.txt too; so are `7` and `7~2`, one id in two rows.
    """
    return [_without(name, language) for name, language in zip(ids, languages, strict=True)]


def _without(name: str, language: str | None) -> str:
    name = re.sub(r"~\d+$", "", name)
    if language is None:
        return name
    code = re.escape(language).replace(r"\-", "[-_]")
    *folders, file = name.split("/")
    kept = [folder for folder in folders if not re.fullmatch(code, folder, re.IGNORECASE)]
    file = re.sub(rf"(?:^|[._-]){code}(?=[._-]|$)", "", file, count=1, flags=re.IGNORECASE)
    return "/".join([*kept, file])
