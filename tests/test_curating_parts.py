"""Curating, part by part, against numbers worked out otherwise."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.datasets import make_blobs

from selfsup.curating import neighbours as searching
from selfsup.curating.aligning import align
from selfsup.curating.confidence import contradicted, likeliest_other, margin_of, out_of_fold
from selfsup.curating.neighbours import nearest
from selfsup.curating.outlying import distances
from selfsup.curating.pairs import Pair, groups_of
from selfsup.curating.picture_copies import similarity
from selfsup.curating.strategies import STRATEGIES, Pool
from selfsup.curating.text_copies import text_pairs
from selfsup.embedding.texts import Texts
from text_stand_ins import ListOfTexts, Text


def unit_rows(count: int, width: int, seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(count, width, generator=torch.Generator().manual_seed(seed)), dim=1)


@pytest.mark.parametrize("same", [True, False])
def test_nearest_in_blocks_is_nearest_of_the_whole_table(same: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "QUERIES", 7)
    monkeypatch.setattr(searching, "OTHERS", 10)
    others = unit_rows(43, 5, 0)
    queries = others if same else unit_rows(20, 5, 1)
    table = (queries @ others.T).numpy()
    if same:
        np.fill_diagonal(table, -np.inf)
    cosines, rows = nearest(queries, others, count=6, same=same)
    order = np.argsort(-table, axis=1)[:, :6]
    np.testing.assert_array_equal(rows.numpy(), order)
    np.testing.assert_allclose(cosines.numpy(), np.take_along_axis(table, order, 1), atol=1e-6)


def test_there_are_no_more_neighbours_than_others() -> None:
    rows = unit_rows(4, 3, 0)
    assert nearest(rows, rows, count=10, same=True)[1].shape == (4, 3)


def test_the_distance_of_an_outlier_is_worked_by_hand() -> None:
    """Three rows along one axis and one across: its cosines are 0, theirs 1, 1 and 0."""
    unit = torch.tensor([[1.0, 0], [1, 0], [1, 0], [0, 1]])
    found, rows = distances(unit, neighbours=2)
    np.testing.assert_allclose(found, [0, 0, 0, 1])
    assert rows.shape == (4, 2)


def waves(shift: float, *, left: float, top: float, width: float, height: float, side: int = 32) -> torch.Tensor:
    """A smooth colour picture of a part of the unit square, told by a formula and so exact at any crop."""
    across = left + width * (torch.arange(side) + 0.5) / side
    down = (top + height * (torch.arange(side) + 0.5) / side)[:, None]
    channels = [torch.sin(7 * across + 5 * down + shift), torch.sin(9 * across * down + shift), torch.cos(8 * down - 6 * across + shift)]
    return torch.stack(channels) * 0.4 + 0.5


def test_a_crop_is_found_in_either_direction_with_its_place() -> None:
    """The crop from 2 to 97 % across and 5 to 98 % down has scales .95 and .93, and its middle at -.01 and +.03 half sides."""
    whole = waves(0.3, left=0, top=0, width=1, height=1)
    part = waves(0.3, left=0.02, top=0.05, width=0.95, height=0.93)
    found = align(torch.stack([whole, part]), torch.stack([part, whole]))
    np.testing.assert_allclose(found.scale[0].numpy(), [0.95, 0.93], atol=2e-3)
    np.testing.assert_allclose(found.shift[0].numpy(), [-0.01, 0.03], atol=2e-3)
    np.testing.assert_allclose(found.scale[1].numpy(), [1 / 0.95, 1 / 0.93], atol=2e-3)
    assert similarity(found).min() > 0.95
    assert found.alike.min() > 0.998


def test_contrast_and_brightness_do_not_count_but_a_changed_corner_does() -> None:
    whole = waves(0.3, left=0, top=0, width=1, height=1)
    dimmed, patched = 0.7 * whole + 0.1, whole.clone()
    patched[:, :8, :8] = 1 - patched[:, :8, :8]
    other = waves(2.0, left=0, top=0, width=1, height=1)
    found = similarity(align(whole.expand(3, -1, -1, -1), torch.stack([dimmed, patched, other])))
    assert found[0] > 0.99
    assert found[1] < 0.6
    assert found[2] < 0.3


def test_smoothing_a_difference_forgives_compression_but_not_a_changed_corner() -> None:
    """A drawing with sharp edges, saved by Pillow as JPEG of quality 30: its noise is in blocks of 8 pixels, a new corner is larger."""
    whole = waves(0.3, left=0, top=0, width=1, height=1, side=64)
    whole = (whole + 0.4 * (torch.hypot(torch.arange(64)[:, None] - 30.0, torch.arange(64) - 34.0) < 20)).clamp(0, 1)
    buffer = io.BytesIO()
    Image.fromarray((whole * 255).byte().permute(1, 2, 0).numpy()).save(buffer, "JPEG", quality=30)
    saved = torch.from_numpy(np.array(Image.open(buffer))).permute(2, 0, 1) / 255
    patched = whole.clone()
    patched[:, :16, :16] = 1 - patched[:, :16, :16]
    first, second = whole.expand(2, -1, -1, -1), torch.stack([saved, patched])
    rough, smooth = (similarity(align(first, second, smoothed=times)) for times in (0, 2))
    assert 1 - smooth[0] < 0.7 * (1 - rough[0])
    assert smooth[1] < 0.6


def test_a_flat_picture_is_like_no_other_and_gives_numbers() -> None:
    flat, whole = torch.full((3, 32, 32), 0.5), waves(0.3, left=0, top=0, width=1, height=1)
    found = similarity(align(torch.stack([flat, whole]), torch.stack([whole, flat])))
    assert torch.isfinite(found).all()
    assert found.max() < 0.5


def test_groups_are_connected_components() -> None:
    rng = np.random.default_rng(0)
    ends = rng.integers(0, 60, (40, 2))
    count, labels = connected_components(coo_array((np.ones(40), ends.T), shape=(60, 60)), directed=False)
    expected = [np.flatnonzero(labels == label).tolist() for label in range(count) if (labels == label).sum() > 1]
    assert groups_of([Pair(int(a), int(b), "", 1.0) for a, b in ends], 60) == sorted(expected)


def test_text_pairs_are_those_of_sets_of_five_words_in_a_row() -> None:
    rng = np.random.default_rng(1)
    words = [f"w{number}" for number in range(400)]
    texts = [" ".join(rng.choice(words, 40)) for _ in range(20)]
    texts += [
        texts[0].upper() + "!",
        "  ".join(texts[1].split()),
        " ".join(texts[2].split()[:30]),
        " ".join([*texts[3].split()[:25], *texts[4].split()[:15]]),
    ]
    texts += ["two words", "Two words.", "two other"]
    found = {(pair.first, pair.second): (pair.kind, pair.similarity) for pair in text_pairs(documents(texts), threshold=0.5)}
    sets = [stretches(text) for text in texts]
    expected = {}
    for a in range(len(texts)):
        for b in range(a + 1, len(texts)):
            share = len(sets[a] & sets[b]) / min(len(sets[a]), len(sets[b]))
            if share >= 0.5:
                expected[a, b] = share
    assert found.keys() == expected.keys()
    assert {pair: share for pair, (_, share) in found.items()} == pytest.approx(expected)
    kinds = {pair: kind for pair, (kind, _) in found.items()}
    assert kinds == {(0, 20): "same words", (1, 21): "identical", (2, 22): "contained", (3, 23): "edited", (24, 25): "same words"}


def stretches(text: str) -> set[tuple[str, ...]]:
    words = text.lower().replace("!", "").replace(".", "").split()
    return {tuple(words[start : start + 5]) for start in range(max(1, len(words) - 4))}


def documents(texts: list[str]) -> Texts:
    return Texts(ListOfTexts([Text(str(number), text) for number, text in enumerate(texts)]))


def test_boilerplate_makes_no_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten letters that end alike: the ending is in more documents than may share a stretch."""
    rng = np.random.default_rng(2)
    ending = "this mail is confidential and only for whom it was sent to"
    texts = [" ".join([*rng.choice([f"w{n}" for n in range(300)], 9), ending]) for _ in range(10)]
    assert len(text_pairs(documents(texts), threshold=0.3)) == 45
    monkeypatch.setattr("selfsup.curating.text_copies.MOST_DOCUMENTS", 9)
    assert text_pairs(documents(texts), threshold=0.3) == []


SHARES = np.array([[0.9, 0.1, 0.0], [0.3, 0.6, 0.1], [0.2, 0.8, 0.0], [0.45, 0.5, 0.05], [0.1, 0.1, 0.8], [0.4, 0.2, 0.4]])
GIVEN = np.array([0, 0, 1, 1, 2, 2])


def test_confident_learning_is_worked_by_hand() -> None:
    """A class is confident from the mean of what it gives its own: .6, .65, .6. The second item falls short of .65; the fourth of both."""
    np.testing.assert_array_equal(contradicted(SHARES, GIVEN), [False] * 6)
    shares = SHARES.copy()
    shares[1] = [0.1, 0.8, 0.1]  # limits .5, .65, .6: class 1 is confident of it, and nothing is of the last
    np.testing.assert_array_equal(contradicted(shares, GIVEN), [False, True, False, False, False, False])


def test_margins_are_worked_by_hand() -> None:
    np.testing.assert_allclose(margin_of(SHARES, GIVEN), [0.8, -0.3, 0.6, 0.05, 0.7, 0.0])
    np.testing.assert_array_equal(likeliest_other(SHARES, GIVEN), [1, 1, 0, 0, 0, 0])


def test_what_cannot_be_judged_is_not_suspected() -> None:
    """The only item of a class, and with groups one whose class is in no other group."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(41, 4)).astype(np.float32)
    targets = np.array([0, 1] * 20 + [2])
    shares = out_of_fold(features, targets)
    assert np.isnan(shares[40]).all()
    assert np.isfinite(shares[:40]).all()
    assert not contradicted(shares, targets)[40]


def test_items_of_a_group_are_judged_by_others() -> None:
    """Twenty objects seen ten times each, labelled by chance: who has seen an object before is right of it, who has not is not."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 10)
    features = (rng.normal(size=(20, 30))[groups] + 0.1 * rng.normal(size=(200, 30))).astype(np.float32)
    targets = np.repeat(rng.permutation([0, 1] * 10), 10)
    alone, together = (out_of_fold(features, targets, members) for members in (None, groups))
    assert (alone.argmax(1) == targets).mean() > 0.95
    assert (together.argmax(1) == targets).mean() < 0.8


def blobs() -> tuple[Pool, np.ndarray]:
    """Three far clusters of 50, 30 and 20 items, of which nothing is labelled."""
    points, truth = make_blobs([50, 30, 20], centers=np.eye(3) * 10, n_features=3, cluster_std=1.0, random_state=0)
    vectors = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    return Pool(vectors, points.astype(np.float32), np.full(100, -1), np.ones(100, dtype=bool)), truth


def test_typical_items_come_from_each_cluster_the_largest_first() -> None:
    pool, truth = blobs()
    chosen = STRATEGIES["typical"](pool, 3, 0)
    assert truth[chosen].tolist() == [0, 1, 2]
    for row in chosen:  # nearer to its cluster's 20 nearest than any other of the cluster
        members = pool.vectors[truth == truth[row]]
        distance = np.sort(np.linalg.norm(members[:, None] - members, axis=2), axis=1)[:, 1:21].mean(1)
        assert np.flatnonzero(truth == truth[row])[distance.argmin()] == row


def test_labelled_clusters_are_not_asked_about_again() -> None:
    pool, truth = blobs()
    labelled = Pool(pool.vectors, pool.features, np.where(np.arange(100) == np.flatnonzero(truth == 0)[0], 0, -1), np.arange(100) > -1)
    chosen = STRATEGIES["typical"](labelled, 2, 0)
    assert sorted(truth[chosen]) == [1, 2]


def test_coverage_takes_the_furthest_again_and_again() -> None:
    pool, _ = blobs()
    start = Pool(pool.vectors, pool.features, np.where(np.arange(100) == 5, 0, -1), np.arange(100) != 5)
    chosen = STRATEGIES["coverage"](start, 8, 0)
    known = [5]
    for row in chosen:
        distance = np.linalg.norm(pool.vectors[:, None] - pool.vectors[known], axis=2).min(1)
        assert distance[row] == pytest.approx(distance.max(), abs=1e-5)
        known.append(int(row))


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_gives_as_many_open_items_as_asked_once_each(name: str) -> None:
    pool, truth = blobs()
    targets = np.where(np.arange(100) % 9 == 0, truth, -1)
    open_ = (targets < 0) & (np.arange(100) % 5 > 0)
    some = Pool(pool.vectors, pool.features, targets, open_)
    chosen = STRATEGIES[name](some, 12, 3)
    assert len(set(chosen.tolist())) == 12
    assert open_[chosen].all()
    np.testing.assert_array_equal(chosen, STRATEGIES[name](some, 12, 3))
    assert len(STRATEGIES[name](some, 500, 3)) == open_.sum()


def test_uncertain_items_lie_between_classes() -> None:
    points = np.linspace(-1, 1, 101, dtype=np.float32)[:, None]
    targets = np.full(101, -1)
    targets[[0, 10, 90, 100]] = [0, 0, 1, 1]
    pool = Pool(np.sign(points) + 0 * points, points, targets, targets < 0)
    assert set(STRATEGIES["uncertain"](pool, 5, 0)) == {48, 49, 50, 51, 52}


def test_one_class_tells_nothing_of_what_is_uncertain() -> None:
    pool, _ = blobs()
    with pytest.raises(ValueError, match="expected 2 classes"):
        STRATEGIES["uncertain"](Pool(pool.vectors, pool.features, np.where(np.arange(100) < 3, 1, -1), np.arange(100) >= 3), 5, 0)
