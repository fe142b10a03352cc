"""What scoring has time for: worked by hand from a pace of a hundredth of a second an item and a thousandth a label."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from selfsup.comparison.scoring_plan import BESIDE_LABELS, Costs, Pace, in_words, told_by, work_of
from selfsup.evaluation.problem import Problem, Protocol, thinned

ALL = 400


def costs(*, tested: int = 1000, runs: int = 1, row: float = 0.001, probes: tuple[str, ...] = ("linear",)) -> Costs:
    """Ten classes; 400 labelled items to learn from, 100 to standardise."""
    draws: dict[Any, Any] = {count: [np.arange(10 * count)] * 20 for count in (1, 10)}
    draws["all"] = [np.arange(ALL)]
    rows, targets = np.arange(ALL), np.arange(ALL + tested) % 10
    problem = Problem([], list("abcdefghij"), targets, rows, ALL + np.arange(tested), None, draws, rows, rows[:100], False, 0)
    pace = Pace()
    pace.embedded("net", 1.0, 60)
    pace.embedded("net", 0.4, 80)
    pace.fitted(0.18, 180)
    return Costs(problem, Protocol("label", probes, (1, 10, "all"), 20), pace, {"net": runs}, {"net": row})


def test_a_pace_is_seconds_by_what_was_done() -> None:
    pace = costs().pace
    assert pace.item("net") == pytest.approx(0.01)
    assert pace.fit(100) == pytest.approx(0.1)
    pace.embedded("slow", 1.0, 10)
    assert pace.item("one that was not timed") == pytest.approx(0.1)


def test_seconds_of_scoring_by_hand() -> None:
    """Each of three runs and five untrained networks embeds 100 + 1,000 + 400 items and fits 5 probes on 10, 5 on 100 labels."""
    linear = 5 * (10 + BESIDE_LABELS) + 5 * (100 + BESIDE_LABELS)
    assert costs(runs=3).scoring(5, 1000, 5, (1, 10)) == pytest.approx(8 * (15.0 + linear / 1000))
    assert work_of("knn", 100) == pytest.approx(27)
    assert work_of("recall@1", 100) == 0


def test_seconds_from_scratch_by_hand() -> None:
    """With one label a class nothing is tuned: five times 150 steps of 32, and 1,000 items are asked; with ten, 7/3 of the steps."""
    assert costs().scratch(5, 1000, 1) == pytest.approx(5 * (150 * 32 * 0.001 + 10))
    assert costs().scratch(5, 1000, 10) == pytest.approx(5 * (150 * 32 * 0.001 * 7 / 3 + 10))
    assert costs().scratch(5, 1000, "all") == pytest.approx(250 * 32 * 0.001 * 7 / 3 + 10)


def test_with_enough_time_all_is_scored() -> None:
    found = costs().plan(networks=1e6, training=1e6)
    assert (found.draws, found.tested, found.labels_per_class, set(found.scratch_at)) == (20, 1000, (1, 10, "all"), {1, 10, "all"})
    assert in_words(found, costs().protocol, 1000) == []


def test_draws_are_given_up_first_then_all_labels_then_tested_items() -> None:
    some = costs(probes=("linear",))
    twelve = some.scoring(12, 1000, 5, (1, 10, "all"))
    assert some.plan(networks=twelve + 0.01, training=0).draws == 12
    five = some.scoring(5, 1000, 5, (1, 10, "all"))
    assert some.plan(networks=five + 0.01, training=0).labels_per_class == (1, 10, "all")
    assert some.plan(networks=some.scoring(5, 1000, 4, (1, 10, "all")) + 0.01, training=0).untrained == 4
    fewer = some.plan(networks=some.scoring(5, 800, 3, (1, 10, "all")), training=0)
    assert (fewer.draws, fewer.labels_per_class) == (5, (1, 10, "all"))
    assert 700 < fewer.tested <= 800
    least = some.plan(networks=0.1, training=0)
    assert (least.draws, least.tested, least.labels_per_class, least.scratch_at) == (5, 500, (1, 10), ())
    assert in_words(least, some.protocol, 1000) == [
        "5 draws of labels in place of 20", "3 untrained networks of each backbone in place of 5", "500 of 1,000 items tested",
        "nothing at all labels", "nothing trained from scratch at 1, 10 labels",
    ]  # fmt: skip


def test_fine_tuning_is_scored_where_it_fits_and_before_what_starts_from_nothing() -> None:
    """Two runs, trained four times for each of five draws at ten labels a class, once at one label."""
    some = costs(tested=500, runs=2, probes=("linear", "finetune"))
    steps, asked = 150 * 32 * 0.001, 500 * 0.01
    assert some.finetuning(5, 500, (1, 10)) == pytest.approx(2 * 5 * (steps + asked) + 2 * 5 * (4 * steps + asked))
    every = some.scoring(20, 500, 5, (1, 10, "all")), some.finetuning(20, 500, (1, 10, "all"))
    assert some.plan(networks=every[0], training=every[1] + 0.01).probes == ("linear", "finetune")
    assert some.plan(networks=every[0], training=every[1] + 0.01).scratch_at == ()
    without = some.plan(networks=every[0], training=every[1] - 0.01)
    assert without.probes == ("linear",)
    assert "nothing scored by finetune" in in_words(without, some.protocol, 500)
    assert costs(probes=("finetune",)).plan(networks=0.1, training=0).probes == ("finetune",)


def test_from_scratch_comes_first_where_the_score_decides() -> None:
    some = costs(tested=500)
    spare = some.scratch(20, 500, 10) + 0.01
    assert some.plan(networks=some.scoring(20, 500, 5, (1, 10, "all")), training=spare).scratch_at == (10,)


def test_what_cannot_be_trained_leaves_its_time_to_networks_as_they_are() -> None:
    some = costs(row=1.0)
    twelve = some.scoring(12, 1000, 5, (1, 10, "all")) + 0.01
    assert some.plan(networks=twelve - 50, training=50).draws == 12


def test_a_plan_comes_back_as_it_was_kept() -> None:
    found = costs().plan(networks=1e6, training=1e6)
    assert told_by(json.loads(json.dumps(dataclasses.asdict(found)))) == found


def test_few_tested_items_are_standardised_by_few() -> None:
    rows = np.arange(2000)
    problem = Problem([], ["a", "b"], rows % 2, rows, rows[:900], None, {}, rows, rows[1000:], False, 0)
    assert [len(thinned(problem, tested).reference) for tested in (900, 600, 60)] == [900, 600, 400]
    assert set(thinned(problem, 60).reference) < set(problem.reference)


def test_fewer_tested_items_keep_classes_in_proportion_and_their_groups() -> None:
    targets = np.repeat([0, 1], [900, 100])
    problem = Problem(
        [], ["a", "b"], targets, np.arange(0), np.arange(1000), np.arange(1000) * 2, {}, np.arange(0), np.arange(0), False, 0
    )  # fmt: skip
    fewer = thinned(problem, 200)
    assert np.bincount(fewer.truth).tolist() == [180, 20]
    assert fewer.groups is not None
    assert np.array_equal(fewer.groups, 2 * fewer.test)
    with pytest.raises(ValueError, match="at least 50"):
        Protocol("label", ("linear",), (1,), tested=10)
