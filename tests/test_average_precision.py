"""COCO's average precision: worked by hand, and against pycocotools where it is installed."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest

from selfsup.data.coco import UNKNOWN, Objects
from selfsup.downstream.average_precision import Boxes, match, mean_average_precision, overlaps


def objects(boxes: list[list[float]], classes: list[int], crowd: list[bool] | None = None) -> Objects:
    count = len(boxes)
    return Objects(
        np.array(boxes, dtype=float).reshape(-1, 4),
        np.array(classes, dtype=np.int64),
        np.array(crowd if crowd is not None else [False] * count, dtype=bool),
    )


def said(boxes: list[list[float]], scores: list[float], classes: list[int]) -> Boxes:
    return Boxes(np.array(boxes, dtype=float).reshape(-1, 4), np.array(scores, dtype=float), np.array(classes, dtype=np.int64))


LEFT, RIGHT = [0.0, 0.0, 0.4, 0.4], [0.6, 0.6, 1.0, 1.0]


def test_overlap_of_two_boxes_by_hand() -> None:
    """Half of each is shared: a third of their union; all of a box that lies in a crowd."""
    found = overlaps(np.array([[0, 0, 2, 2.0]]), np.array([[1, 0, 3, 2.0], [0, 0, 4, 4.0]]), np.array([False, True]))
    np.testing.assert_allclose(found, [[1 / 3, 1.0]])


def test_one_found_one_missed_by_hand() -> None:
    """One of two is found, and the surer call is wrong: precision is 1/2 up to recall 1/2, which 51 of the 101 recalls do not pass."""
    matches = match([said([RIGHT, LEFT], [0.9, 0.8], [0, 0])], [objects([LEFT, [0.5, 0.0, 0.6, 0.1]], [0, 0])], 1)
    assert mean_average_precision(matches) == pytest.approx({"AP": 0.5 * 51 / 101, "AP50": 0.5 * 51 / 101})


def test_a_box_that_is_a_little_off_counts_at_small_overlaps_only() -> None:
    """Overlap 0.64: right at .5, .55 and .6, three of ten."""
    matches = match([said([[0.0, 0.0, 0.32, 0.32]], [0.9], [0])], [objects([LEFT], [0])], 1)
    assert mean_average_precision(matches) == pytest.approx({"AP": 0.3, "AP50": 1.0})


def test_a_true_box_is_found_once_and_a_class_without_any_does_not_count() -> None:
    matches = match([said([LEFT, LEFT], [0.9, 0.8], [0, 0])], [objects([LEFT], [0])], 2)
    assert matches[0].right.sum() == 10
    assert mean_average_precision(matches)["AP"] == pytest.approx(1.0)
    assert np.isnan(matches[1].average_precision()).all()


def test_what_lies_in_a_crowd_is_no_mistake() -> None:
    truth = objects([LEFT, [0.5, 0.5, 1.0, 1.0]], [0, 0], [False, True])
    matches = match([said([RIGHT, [0.5, 0.5, 0.6, 0.6], LEFT], [0.9, 0.8, 0.7], [0, 0, 0])], [truth], 1)
    assert mean_average_precision(matches)["AP"] == pytest.approx(1.0)


def test_a_crowd_of_unknown_class_may_be_of_any() -> None:
    """Surer calls of either class in it are no mistakes, and nothing more is wanted."""
    truth = objects([LEFT, LEFT, [0.5, 0.5, 1.0, 1.0]], [0, 1, UNKNOWN], [False, False, True])
    matches = match([said([RIGHT, RIGHT, LEFT, LEFT], [0.9, 0.8, 0.7, 0.6], [0, 1, 0, 1])], [truth], 2)
    assert [one.wanted.tolist() for one in matches] == [[1], [1]]
    assert mean_average_precision(matches)["AP"] == pytest.approx(1.0)


def test_on_some_pictures_only() -> None:
    truth = [objects([LEFT], [0]), objects([LEFT], [0])]
    matches = match([said([LEFT], [0.9], [0]), said([RIGHT], [0.8], [0])], truth, 1)
    assert mean_average_precision(matches, np.array([True, False]))["AP"] == pytest.approx(1.0)
    assert mean_average_precision(matches, np.array([False, True]))["AP"] == 0.0
    assert np.isnan(mean_average_precision(matches, np.array([False, False]))["AP"])


def random_case(seed: int) -> tuple[list[Boxes], list[Objects]]:
    """Pictures with true boxes of three classes, some crowds, and found ones around them or anywhere; scores with ties."""
    rng = np.random.default_rng(seed)
    found, truth = [], []
    for _ in range(12):
        count = int(rng.integers(0, 6))
        corner, side = rng.uniform(0, 0.6, (count, 2)), rng.uniform(0.05, 0.4, (count, 2))
        boxes, classes = np.concatenate([corner, corner + side], axis=1), rng.integers(0, 3, count)
        truth.append(Objects(boxes, classes, rng.random(count) < 0.15))
        near = np.repeat(boxes, 3, axis=0) + rng.normal(0, 0.02, (3 * count, 4))
        corner = rng.uniform(0, 0.6, (5, 2))
        guesses = np.concatenate([near, np.concatenate([corner, corner + rng.uniform(0.05, 0.4, (5, 2))], axis=1)])
        kinds = np.concatenate([np.repeat(classes, 3), rng.integers(0, 3, 5)])
        found.append(Boxes(guesses, np.round(rng.random(len(guesses)), 1), kinds))
    return found, truth


@pytest.mark.parametrize("seed", range(4))
def test_as_pycocotools_has_it(seed: int) -> None:
    pytest.importorskip("pycocotools", reason="the peer is an extra: pip install pycocotools")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    found, truth = random_case(seed)

    def square(box: Any) -> list[float]:
        left, top, right, bottom = (1000 * float(number) for number in box)
        return [left, top, right - left, bottom - top]

    annotations: list[dict[str, Any]] = []
    for row, one in enumerate(truth):
        for box, kind, crowd in zip(one.boxes, one.classes, one.crowd, strict=True):
            area = square(box)[2] * square(box)[3]
            entry = {"image_id": row, "category_id": int(kind), "bbox": square(box), "area": area, "iscrowd": int(crowd)}
            annotations.append({"id": len(annotations) + 1, **entry})
    calls = [
        {"image_id": row, "category_id": int(kind), "bbox": square(box), "score": float(score)}
        for row, one in enumerate(found)
        for box, score, kind in zip(one.boxes, one.scores, one.classes, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        peer = COCO()
        peer.dataset = {
            "images": [{"id": row} for row in range(len(truth))],
            "annotations": annotations,
            "categories": [{"id": number} for number in range(3)],
            "info": {},
        }
        peer.createIndex()
        judged = COCOeval(peer, peer.loadRes(calls), "bbox")
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    ours = mean_average_precision(match(found, truth, 3))
    assert ours["AP"] == pytest.approx(judged.stats[0], abs=1e-9)
    assert ours["AP50"] == pytest.approx(judged.stats[1], abs=1e-9)
