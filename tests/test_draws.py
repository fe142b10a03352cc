from __future__ import annotations

import numpy as np
import pytest

from selfsup.probing.draws import check_labels_per_class, draw_labels, holdout, overlap, stratified_folds, subsample, whole_group_folds

TARGETS = np.repeat([0, 1, 2], [20, 7, 3])


def test_draws_are_stratified_and_take_what_there_is() -> None:
    for draw in draw_labels(TARGETS, count=5, draws=6):
        assert np.bincount(TARGETS[draw]).tolist() == [5, 5, 3]
        assert len(set(draw.tolist())) == len(draw)


def test_draws_depend_on_the_seed_alone() -> None:
    first, second = (draw_labels(TARGETS, count=5, draws=6, seed=3) for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    assert len({tuple(draw) for draw in first}) == 6
    other = draw_labels(TARGETS, count=5, draws=6, seed=4)
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_more_draws_keep_the_earlier_ones() -> None:
    few, many = draw_labels(TARGETS, count=2, draws=5), draw_labels(TARGETS, count=2, draws=8)
    assert all((a == b).all() for a, b in zip(few, many, strict=False))


def test_all_is_one_draw_of_everything() -> None:
    (draw,) = draw_labels(TARGETS, count="all", draws=5)
    assert (draw == np.arange(30)).all()


def test_overlap_is_the_share_of_a_class_a_draw_takes() -> None:
    assert overlap(TARGETS, 5) == pytest.approx((5 / 20 + 5 / 7 + 1) / 3)
    assert overlap(TARGETS, "all") == 1


def test_folds_share_out_each_class_evenly() -> None:
    folds = stratified_folds(TARGETS, folds=3)
    for label in range(3):
        counts = np.bincount(folds[label == TARGETS], minlength=3)
        assert counts.max() - counts.min() <= 1
    assert np.ptp(np.bincount(folds)) <= 1


def test_the_only_item_of_a_class_is_never_held_back() -> None:
    folds = stratified_folds(np.array([0, 0, 0, 1]), folds=3)
    assert sorted(folds[:3].tolist()) == [0, 1, 2]
    assert folds[3] == -1


def test_folds_hold_whole_groups_and_every_class_is_learned_from() -> None:
    """Twelve groups of five; the third class stands in one of them alone, which is never held back."""
    groups = np.repeat(np.arange(12), 5)
    targets = np.tile([0, 1, 0, 1, 1], 12)
    targets[groups == 4] = [0, 2, 2, 1, 2]
    folds = stratified_folds(targets, folds=3, groups=groups)
    assert all(len(np.unique(folds[groups == group])) == 1 for group in range(12))
    assert set(folds[groups == 4]) == {-1}
    assert sorted(set(folds.tolist())) == [-1, 0, 1, 2]
    for fold in range(3):
        assert set(targets[folds != fold]) == {0, 1, 2}
    assert stratified_folds(targets, folds=3, groups=np.zeros(60, dtype=int)).tolist() == [-1] * 60


def test_fewer_labels_of_a_class_than_folds_are_shared_out_all_the_same() -> None:
    """Two labels of each class, every one a group of its own: two folds, or halves to test on. One label of each: nothing to judge."""
    targets, groups = np.repeat([0, 1, 2], 2), np.arange(6)
    folds = stratified_folds(targets, folds=3, groups=groups)
    assert set(folds.tolist()) <= {-1, 0, 1}
    assert len(set(folds.tolist()) - {-1}) == 2
    held_out = holdout(targets, groups)
    assert 0 < held_out.sum() < 6
    assert whole_group_folds(np.arange(4), np.arange(4), folds=5, seed=0).tolist() == [0] * 4
    assert stratified_folds(np.arange(4), folds=3, groups=np.arange(4)).tolist() == [-1] * 4
    with pytest.raises(ValueError, match="expected 2 of a class"):
        holdout(np.arange(4), np.arange(4))


def test_subsample_keeps_proportions() -> None:
    targets = np.repeat([0, 1], [3000, 1000])
    assert np.bincount(targets[subsample(targets, limit=400)]).tolist() == [300, 100]
    assert len(subsample(targets, limit=5000)) == 4000


def test_holdout_takes_a_fifth_of_each_class_and_one_at_least() -> None:
    held_out = holdout(np.repeat([0, 1, 2], [50, 10, 2]))
    assert [int(held_out[part].sum()) for part in (slice(0, 50), slice(50, 60), slice(60, 62))] == [10, 2, 1]


def test_holdout_keeps_groups_whole_and_classes_on_both_sides() -> None:
    groups = np.repeat(np.arange(30), 10)
    targets = np.repeat([0, 1, 1, 1, 1] * 6, 10)
    held_out = holdout(targets, groups, seed=1)
    for group in range(30):
        assert np.ptp(held_out[groups == group].astype(int)) == 0
    assert 0.1 < held_out.mean() < 0.3
    assert all(0 < held_out[targets == label].mean() < 1 for label in (0, 1))


def test_one_group_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="at least 2 groups"):
        holdout(np.array([0, 1, 0, 1]), np.zeros(4))


def test_labels_per_class_are_checked_and_put_in_order() -> None:
    assert check_labels_per_class(("all", 10, "5", 10)) == (5, 10, "all")
    for wrong in ((0,), (-1,), ("some",), ("2.5",), ()):
        with pytest.raises(ValueError, match="labels per class"):
            check_labels_per_class(wrong)
