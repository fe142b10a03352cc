"""Retrieval against double loops, parallel texts, and labels that go from one language to another."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np
import pytest
from scipy import sparse

from selfsup.evaluation.parallel import Parallel, find_translations, names_across, parallel_of, translated_pairs
from selfsup.evaluation.predictions import Setting
from selfsup.evaluation.retrieval import chances, densities, label_chance, label_ranks, query_weights, ranks
from selfsup.evaluation.transfer import Languages, Transfer, summary_of, told_right, transfers

RNG = np.random.default_rng(0)


def parallel_retrieval(features: np.ndarray, *, names: list[str], languages: Sequence[str | None], hashes: np.ndarray) -> Parallel:
    """What one embedding finds."""
    pairs, untranslated = translated_pairs(names, languages, hashes)
    return parallel_of([find_translations(features, pairs)], pairs, untranslated=untranslated)


def transfer(features: dict[str, np.ndarray], items: Languages, *, setting: Setting) -> list[Transfer]:
    """A score of one embedding for each two languages."""
    return transfers(told_right(features, items, setting=setting, default="layer/mean"), items, setting)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def slow_hit(query: np.ndarray, gallery: list[np.ndarray], wanted: list[bool], k: int) -> bool:
    """Sort the gallery, at equal likeness what is not wanted first, and look at the first k."""
    order = sorted(range(len(gallery)), key=lambda j: (-round(cosine(query, gallery[j]), 5), wanted[j]))
    return any(wanted[j] for j in order[:k])


@pytest.mark.parametrize("as_sparse", [False, True])
@pytest.mark.parametrize("balanced", [False, True])
def test_recall_by_label_is_that_of_a_double_loop(as_sparse: bool, balanced: bool) -> None:
    features, targets = RNG.normal(size=(40, 5)).clip(min=0) + 0.01, np.repeat(np.arange(4), [4, 8, 12, 16])
    found = label_ranks(sparse.csr_matrix(features) if as_sparse else features, targets)
    for k in (1, 5, 10):
        hits, luck = [], []
        for query in range(40):
            others = [row for row in range(40) if row != query]
            wanted = [bool(targets[row] == targets[query]) for row in others]
            hits.append(slow_hit(features[query], [features[row] for row in others], wanted, k))
            luck.append(1 - comb(39 - sum(wanted), k) / comb(39, k))
        assert (found < k).tolist() == hits
        of_class = [np.mean(np.array(luck)[targets == label]) for label in range(4)]
        expected = np.mean(of_class) if balanced else np.mean(luck)
        assert label_chance(targets, k=k, balanced=balanced) == pytest.approx(expected)


def test_a_collapsed_embedding_finds_nothing() -> None:
    found = label_ranks(np.ones((18, 3)), np.arange(18) % 2)
    assert set(found) == {9}, "nine of the other class come first, eight of the own follow"


def test_a_query_whose_label_nothing_else_has_does_not_count() -> None:
    targets = np.array([0, 0, 1, 2])
    assert query_weights(targets, balanced=False).tolist() == [0.5, 0.5, 0, 0]
    assert label_chance(targets, k=1, balanced=True) == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="two of a class"):
        query_weights(np.arange(4), balanced=False)


def test_chance_by_hand() -> None:
    assert chances(np.array([1, 2, 5]), 10, k=1).tolist() == pytest.approx([0.1, 0.2, 0.5])
    assert chances(np.array([1]), 10, k=5).tolist() == pytest.approx([0.5])
    assert chances(np.array([2]), 4, k=2).tolist() == pytest.approx([1 - (2 / 4) * (1 / 3)])
    assert chances(np.array([1]), 3, k=10).tolist() == pytest.approx([1])


def test_ranks_in_chunks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    features, keys = RNG.normal(size=(30, 6)), np.arange(30) % 5
    whole = ranks(features, features, sought=keys, keys=keys, own=np.arange(30))
    monkeypatch.setattr("selfsup.evaluation.retrieval.CHUNK", 64)
    assert (ranks(features, features, sought=keys, keys=keys, own=np.arange(30)) == whole).all()


def test_the_margin_takes_hubs_down() -> None:
    """A hub is near to every query; its cosine to them is high, so it loses more than the true neighbour of each."""
    queries = np.eye(3)
    gallery = np.vstack([np.eye(3) + 0.9 * (1 - np.eye(3)), [[1.0, 1.0, 1.0]]])
    density = densities(gallery, queries)
    expected = [np.mean([cosine(row, query) for query in queries]) / 2 for row in gallery]
    assert density.tolist() == pytest.approx(expected, abs=1e-6)
    keys = np.arange(4)
    by_loop = [
        sum(
            cosine(q, g) - d >= cosine(q, gallery[i]) - expected[i]
            for j, (g, d) in enumerate(zip(gallery, expected, strict=True))
            if j != i
        )
        for i, q in enumerate(queries)
    ]
    assert ranks(queries, gallery, sought=keys[:3], keys=keys, density=density).tolist() == by_loop


def three_languages(noise: float, count: int = 12) -> tuple[np.ndarray, list[str], list[str | None], np.ndarray]:
    """The same texts in three languages: one vector each, with noise of its own."""
    rng = np.random.default_rng(1)
    base = rng.normal(size=(count, 8))
    features = np.concatenate([base + noise * rng.normal(size=base.shape) for _ in range(3)])
    languages: list[str | None] = [code for code in ("de", "fr", "ja") for _ in range(count)]
    return features, [f"page{number}" for _ in range(3) for number in range(count)], languages, np.arange(3 * count)


def test_parallel_retrieval_is_that_of_a_double_loop() -> None:
    features, names, languages, hashes = three_languages(0.8)
    found = parallel_retrieval(features, names=names, languages=languages, hashes=hashes)
    assert [(pair.first, pair.second) for pair in found.pairings] == [("de", "fr"), ("de", "ja"), ("fr", "ja")]
    every = []
    for pair in found.pairings:
        first, second = (np.flatnonzero(np.array(languages) == code) for code in (pair.first, pair.second))
        ways = []
        for here, there in ((first, second), (second, first)):
            hits = [
                [slow_hit(features[q], [features[g] for g in there], [names[g] == names[q] for g in there], k) for q in here]
                for k in (1, 5, 10)
            ]
            ways.append(np.mean(hits, axis=1))
        assert (pair.there, pair.back) == pytest.approx((ways[0][0], ways[1][0]))
        assert [pair.recall[k] for k in (1, 5, 10)] == pytest.approx(np.mean(ways, axis=0).tolist())
        assert pair.chance == pytest.approx({1: 1 / 12, 5: 5 / 12, 10: 10 / 12})
        every.append(pair.both.value)
    assert found.recall[1].value == pytest.approx(np.mean(every))
    assert found.recall[1].low < found.recall[1].value < found.recall[1].high
    assert found.chance[1] == pytest.approx(1 / 12)


def test_exact_translations_are_all_found_and_noise_is_at_chance() -> None:
    features, names, languages, hashes = three_languages(0.0)
    assert parallel_retrieval(features, names=names, languages=languages, hashes=hashes).recall[1].value == 1
    blind = RNG.normal(size=(3 * 60, 8))
    _, names, languages, hashes = three_languages(0.0, count=60)
    found = parallel_retrieval(blind, names=names, languages=languages, hashes=hashes)
    assert found.recall[1].low <= found.chance[1] <= found.recall[1].high
    assert found.recall[10].low <= found.chance[10] <= found.recall[10].high


def test_duplicates_are_hits_and_raise_the_chance() -> None:
    """Two pages have one translation, word for word: either of its copies is right. By name alone, each would be right half the time."""
    features = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    names, languages = ["a", "b", "c"] * 2, ["de"] * 3 + ["fr"] * 3
    hashes = np.array([1, 2, 3, 9, 9, 4])
    found = parallel_retrieval(features, names=names, languages=languages, hashes=hashes).pairings[0]
    assert found.there == 1
    assert found.chance[1] == pytest.approx(((2 + 2 + 1) / 9 + 3 / 9) / 2)


def test_untranslated_texts_and_unknown_languages_take_no_part() -> None:
    features, names, languages, hashes = three_languages(0.0)
    hashes[12] = hashes[0]
    languages[3] = None
    found = parallel_retrieval(features, names=names, languages=languages, hashes=hashes)
    assert found.untranslated == 1
    assert [pair.count for pair in found.pairings] == [10, 11, 12]
    with pytest.raises(ValueError, match="share no two texts of equal name"):
        parallel_retrieval(features, names=[str(number) for number in range(36)], languages=languages, hashes=hashes)


def test_intervals_grow_when_languages_differ() -> None:
    """Pages are found between two of four languages, and not with the others: other languages would tell otherwise."""
    rng = np.random.default_rng(2)
    base = rng.normal(size=(30, 16))
    blocks = [base, base + 0.01 * rng.normal(size=base.shape), rng.normal(size=base.shape), rng.normal(size=base.shape)]
    names = [f"p{number}" for _ in range(4) for number in range(30)]
    languages = [code for code in ("a", "b", "c", "d") for _ in range(30)]
    found = parallel_retrieval(np.concatenate(blocks), names=names, languages=languages, hashes=np.arange(120))
    assert found.recall[1].value == pytest.approx(1 / 6, abs=0.07)
    leave_one_out = []
    for code in "abcd":
        leave_one_out.append(np.mean([p.both.value for p in found.pairings if code not in (p.first, p.second)]))
    spread = np.sqrt(3 / 4 * np.square(np.array(leave_one_out) - np.mean(leave_one_out)).sum())
    assert found.recall[1].high - found.recall[1].value > 2 * spread


@pytest.mark.parametrize(
    ("ids", "languages", "name"),
    [
        (["de-DE/ch1.txt", "fr/ch1.txt"], ["de-DE", "fr"], "ch1.txt"),
        (["book/de/ch1.txt", "book/FR/ch1.txt"], ["de", "fr"], "book/ch1.txt"),
        (["page.de.txt", "page.pt-BR.txt"], ["de", "pt-BR"], "page.txt"),
        (["page_de_DE.md", "page-en.md"], ["de-DE", "en"], "page.md"),
        (["7", "7~2"], ["de", "fr"], "7"),
        (["decode.txt", "decode.txt"], ["de", "co"], "decode.txt"),
    ],
)
def test_what_a_text_is_called_in_every_language(ids: list[str], languages: list[str | None], name: str) -> None:
    assert names_across(ids, languages) == [name, name]


def test_labels_of_one_language_in_another() -> None:
    """Two classes lie along one axis in German and French and along another in Japanese: labels help where the axis is the same."""
    rng = np.random.default_rng(3)
    count, language = 240, np.array(["de", "fr", "ja"] * 80)
    targets = (np.arange(count) // 3) % 2
    features = 0.3 * rng.normal(size=(count, 6))
    features[np.arange(count), np.where(language == "ja", 1, 0)] += 2.0 * targets - 1
    items = Languages(targets, 2, list(language), np.arange(120), np.arange(120, 240), np.arange(120))
    found = transfer({"layer/mean": features}, items, setting=Setting("linear", 5))
    scores = {(item.source, item.target): item.score.value for item in found}
    assert set(scores) == {(a, b) for a in ("de", "fr", "ja") for b in ("de", "fr", "ja")}
    assert min(scores["de", "de"], scores["de", "fr"], scores["fr", "de"], scores["ja", "ja"]) > 0.95
    assert max(scores["de", "ja"], scores["ja", "fr"]) < 0.75
    others = [value for (source, target), value in scores.items() if source != target]
    setting = Setting("linear", 5)
    summary = summary_of(told_right({"layer/mean": features}, items, setting=setting, default="layer/mean"), items, setting)
    assert summary.other is not None
    assert summary.other.value == pytest.approx(np.mean(others))
    assert {item.items for item in found} == {40}


def test_transfer_reads_labels_of_the_source_alone() -> None:
    rng = np.random.default_rng(4)
    language = ["de", "fr"] * 60
    targets = rng.integers(0, 2, 120)
    features = rng.normal(size=(120, 4))
    told = []
    for shift in (0, 1):
        changed = np.where((np.arange(120) < 60) & (np.array(language) == "fr"), (targets + shift) % 2, targets)
        items = Languages(changed, 2, language, np.arange(60), np.arange(60, 120), np.arange(60))
        found = transfer({"layer/mean": features}, items, setting=Setting("linear", 5))
        told.append([item.score.value for item in found if item.source == "de"])
    assert told[0] == told[1]


def test_a_language_without_two_classes_is_no_source() -> None:
    language = ["de", "fr"] * 20
    targets = np.where(np.array(language) == "fr", 0, np.arange(40) // 2 % 2)
    items = Languages(targets, 2, language, np.arange(20), np.arange(20, 40), np.arange(20))
    features = {"layer/mean": np.random.default_rng(5).normal(size=(40, 3))}
    assert {item.source for item in transfer(features, items, setting=Setting("knn", 5))} == {"de"}
    nobody = Languages(np.zeros(40, dtype=np.int64), 1, language, np.arange(20), np.arange(20, 40), np.arange(20))
    with pytest.raises(ValueError, match="no language has labels of two classes"):
        transfer(features, nobody, setting=Setting("knn", 5))
