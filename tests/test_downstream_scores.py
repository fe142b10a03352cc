"""Scores that are no means: the jackknife agrees with the formula for means where the score is one, and the arithmetic with peers."""

from __future__ import annotations

from unittest.mock import Mock

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as peers
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from selfsup.data.tags import read_tags, says_several
from selfsup.downstream.comparing import UseEntry, use_comparisons
from selfsup.downstream.numbers import decimal_mark, number_of, number_scores, read_numbers
from selfsup.downstream.ridge import RIDGES, left_out_errors, nearest, ridge
from selfsup.downstream.scored import Metric, Scored, parts_of, score_difference, score_interval
from selfsup.downstream.several import average_precision, one_against_rest, tag_scores
from selfsup.downstream.trial import Trial, check_labelled, primary_labelled
from selfsup.embedding import Reading
from selfsup.probing.intervals import Sample, difference_interval, mean_interval

RNG = np.random.default_rng(0)
SHARE = Metric("share")


def scored(right: np.ndarray) -> Scored:
    """A mean over items (S, D, N) as a score like any other, each item a part."""
    seeds = []
    for seed in right:
        judges = [lambda some, draw=draw: {"share": float(draw.mean() if some is None else draw[some].mean())} for draw in seed]
        seeds.append(Scored.of(judges, np.arange(right.shape[2]), [SHARE]))
    return Scored.stacked(seeds)


@pytest.mark.parametrize("shape", [(1, 1, 20), (3, 1, 20), (2, 4, 25)])
def test_a_mean_gets_the_interval_of_a_mean(shape: tuple[int, int, int]) -> None:
    first, second = (RNG.random(shape) < 0.6).astype(float), (RNG.random(shape) < 0.5).astype(float)
    sample = Sample(np.full(shape[2], 1 / shape[2]), overlap=0.2)
    own, known = score_interval(scored(first), 0, SHARE, overlap=0.2), mean_interval(first, sample)
    assert (own.value, own.low, own.high) == pytest.approx((known.value, known.low, known.high))
    own, known = (
        score_difference(scored(first), scored(second), 0, SHARE, overlap=0.2),
        difference_interval(first, second, sample=sample),
    )
    assert (own.value, own.low, own.high) == pytest.approx((known.value, known.low, known.high))


def test_parts_are_even_and_keep_groups_whole() -> None:
    assert np.bincount(parts_of(100, None, seed=0)).tolist() == [4] * 25
    groups = np.repeat(np.arange(10), 3)
    parts = parts_of(30, groups, seed=0)
    assert len(set(parts.tolist())) == 10
    assert all(len(set(parts[groups == group].tolist())) == 1 for group in range(10))
    with pytest.raises(ValueError, match="expected 2 at least"):
        parts_of(5, np.zeros(5), seed=0)


def test_of_an_error_less_is_better() -> None:
    trial = Trial(np.arange(4), np.arange(9), np.arange(9), {2: [np.arange(2)]}, np.arange(2), False)
    error = Metric("MAE", high=np.inf, more_is_better=False)

    def entry(name: str, kind: str, values: float) -> UseEntry:
        table = Scored(np.full((1, 1, 1), values), np.full((1, 1, 1, 9), values) + RNG.normal(0, 1e-4, 9), 9)
        return UseEntry(name, kind, 1, {("ridge", 2): table})

    found = use_comparisons([entry("own", "run", 1.0), entry("good", "baseline", 2.0), entry("poor", "baseline", 3.0)], trial, [error])
    assert {(one.against, one.verdict, one.best_baseline) for one in found} == {("good", "better", True), ("poor", "better", False)}


def test_numbers_of_labelled_items() -> None:
    assert check_labelled(["all", "50", 10, 10]) == (10, 50, "all")
    assert primary_labelled((10, 40, "all")) == 40
    assert primary_labelled(("all",)) == "all"
    for wrong in ("some", 1, 0):
        with pytest.raises(ValueError, match="whole numbers above 1"):
            check_labelled([wrong])


def test_number_scores_as_the_peers_have_them() -> None:
    truth, said = RNG.normal(size=40).round(1), RNG.normal(size=40).round(1)  # rounded: equal values share a rank
    found = number_scores(truth, said)
    assert found["R2"] == pytest.approx(peers.r2_score(truth, said))
    assert found["MAE"] == pytest.approx(peers.mean_absolute_error(truth, said))
    assert found["Spearman"] == pytest.approx(stats.spearmanr(truth, said).statistic)
    assert number_scores(truth, np.zeros(40))["Spearman"] == 0


def test_numbers_as_people_write_them() -> None:
    assert [number_of(word) for word in ("3.5", "3,5", "-2e3")] == [3.5, 3.5, -2000.0]
    assert [number_of(word) for word in ("1,200.5", "1.200,5", "1,200,000", "0,125", "1234,567", "1.200", "-1.234.567")] == [
        1200.5, 1200.5, 1_200_000, 0.125, 1234.567, 1.2, -1_234_567,
    ]  # fmt: skip
    for word in ("many", "nan", "inf", "1,2,3", "1,20,000", "1.2.3", ",", "1,200,5", "12,200.5,1"):
        with pytest.raises(ValueError):  # noqa: PT011 - the word is what it says
            number_of(word)


@pytest.mark.parametrize(("words", "mark", "values"), [
    (["950", "1,200"], None, [950, None]),
    (["950.5", "1,200"], ".", [950.5, 1200]),
    (["950,5", "1,200", "2.000"], ",", [950.5, 1.2, 2000]),
    (["0,250", "1,200"], ",", [0.25, 1.2]),
    (["1,200", "3,400,000"], ".", [1200, 3_400_000]),
    (["1.250", "1.200"], None, [1.25, 1.2]),
    (["3,5", "3.5", "1,200", "1.200"], None, [3.5, 3.5, None, 1.2]),
    (["1,200.50", "+7,000", "-7,000"], ".", [1200.5, 7000, -7000]),
    (["1.5e3", "1,200"], ".", [1500, 1200]),
    (["n.a.", "a, b", "1,200"], None, [None, None, None]),
])  # fmt: skip
def test_the_column_tells_what_a_comma_is(words: list[str], mark: str | None, values: list[float | None]) -> None:
    assert decimal_mark(words) == mark
    for word, value in zip(words, values, strict=True):
        if value is None:
            with pytest.raises(ValueError, match=r"nothing else in the column|is no number"):
                number_of(word, mark)
        else:
            assert number_of(word, mark) == value


def test_numbers_that_cannot_be_told_are_named() -> None:
    ids = [str(row) for row in range(12)]
    reading = Mock(spec=Reading, listed=ids, ids=ids, listed_columns=None, noun="texts")
    numbers, skipped = read_numbers([*map(str, range(900, 911)), "1,200"], reading)
    assert numbers[:11].tolist() == list(range(900, 911))
    assert np.isnan(numbers[11])
    assert list(skipped) == ["11"]
    assert "may be 1200 or 1.200" in skipped["11"]


def test_errors_of_items_left_out_are_those_of_models_fitted_without_them() -> None:
    rows, values = RNG.normal(size=(15, 30)), RNG.normal(size=15)
    for found, penalty in zip(left_out_errors(rows, values), RIDGES, strict=True):
        said = cross_val_predict(Ridge(alpha=penalty), rows, values, cv=LeaveOneOut())
        assert found == pytest.approx(float(np.mean((said - values) ** 2)), rel=1e-6)


def test_ridge_chooses_the_layer_that_tells() -> None:
    values = RNG.normal(size=60)
    vectors = {"noise": RNG.normal(size=(60, 8)), "told": np.stack([values, RNG.normal(size=60)], axis=1)}
    said, layer = ridge(vectors, values, np.arange(30), np.arange(30, 60))
    assert layer == "told"
    assert number_scores(values[30:], said)["R2"] > 0.99


def test_nearest_by_hand() -> None:
    """Equal likeness to two of three learned items: their mean."""
    vectors = {"only": np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [2.0, 0.0]])}
    said, layer = nearest(vectors, np.array([1.0, 3.0, 50.0, 0.0]), np.arange(3), np.array([3]))
    assert layer == "only"
    assert said.tolist() == pytest.approx([2.0])


def test_average_precision_as_the_peer_has_it() -> None:
    for _ in range(5):
        truth, said = RNG.random(50) < 0.3, RNG.random(50).round(1)  # with equal scores
        assert average_precision(truth, said) == pytest.approx(peers.average_precision_score(truth, said))
    table, scores = RNG.random((50, 4)) < 0.3, RNG.random((50, 4))
    assert tag_scores(table, scores)["mAP"] == pytest.approx(peers.average_precision_score(table, scores, average="macro"))
    assert tag_scores(table, scores)["micro AP"] == pytest.approx(peers.average_precision_score(table, scores, average="micro"))
    table[:, 0] = False
    assert tag_scores(table, scores)["mAP"] == pytest.approx(
        np.mean([peers.average_precision_score(table[:, k], scores[:, k]) for k in (1, 2, 3)])
    )


def test_each_label_has_a_probe_of_its_own() -> None:
    signs = RNG.random((80, 3)) < 0.5
    signs[:40, 2] = False  # nobody who is learned from has it
    vectors = {"noise/mean": RNG.normal(size=(80, 3)) / 2, "told/mean": np.where(signs, 1.0, -1.0) / 2}
    said, layer = one_against_rest(vectors, signs, np.arange(40), np.arange(40, 80), default="noise/mean")
    assert layer == "told/mean"
    assert ((said[:, :2] > 0.5) == signs[40:, :2]).all()
    assert (said[:, 2] == 0).all()


IDS = ["a.png", "b.png", "c.png", "d.png"]


def test_several_labels_in_every_spelling(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    (folder / "cells.csv").write_text("path,label\na.png,cat; dog\nb.png,dog\nc.png,;\nd.png,\n", encoding="utf-8")
    (folder / "lines.csv").write_text("path,label\na.png,cat\na.png,dog\nb.png,dog\n", encoding="utf-8")
    (folder / "columns.csv").write_text("path,cat,dog\na.png,1,yes\nb.png,0,true\nc.png,0,perhaps\nd.png,,\n", encoding="utf-8")
    (folder / "one.csv").write_text("path,label\na.png,cat\nb.png,dog\n", encoding="utf-8")
    expected = [[True, True], [False, True], [False, False], [False, False]]
    for labels, known in (
        (str(folder / "cells.csv"), [True, True, True, False]),
        (str(folder / "lines.csv"), [True, True, False, False]),
        (f"{folder / 'columns.csv'}:cat,dog", [True, True, True, False]),
        ([["cat", "dog"], ["dog"], [], None], [True, True, True, False]),
        (np.array(expected, dtype=int), [True] * 4),
    ):
        found = read_tags(labels, IDS)
        assert found.names in (["cat", "dog"], ["0", "1"])
        assert found.table.tolist() == expected
        assert found.known.tolist() == known
    assert read_tags(f"{folder / 'columns.csv'}:cat,dog", IDS).skipped == {"c.png, dog": "'perhaps' is neither yes nor no (1 or 0)"}
    assert says_several(str(folder / "cells.csv"))
    assert says_several(f"{folder / 'columns.csv'}:cat,dog")
    assert not says_several(str(folder / "one.csv"))
    assert not says_several("folder")
