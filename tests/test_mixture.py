"""Mixtures of languages: shares worked out by hand and by another formulation, and what becomes of them in an epoch."""

from __future__ import annotations

import random
from collections import Counter

import pytest
import torch
from torch import Tensor

from selfsup.data.batches import Batches
from selfsup.data.tokens.mixture import Mixing, Mixture, shares, whole_counts

SIZES = (1000, 300, 10, 1)
UNCAPPED = 10**9


class Rows:
    """A store whose rows are their numbers."""

    def batch(self, rows: Tensor) -> dict[str, Tensor]:
        return {"index": rows.clone()}


@pytest.mark.parametrize(
    ("alpha", "published"),
    [(1.0, (76, 23, 0.8, 0.1)), (0.7, (68, 29, 2.7, 0.5)), (0.5, (60, 33, 6, 1.9)), (0.3, (48, 34, 12, 6.1)), (0.0, (25, 25, 25, 25))],
)
def test_published_shares(alpha: float, published: tuple[float, ...]) -> None:
    found = [100 * share for share in shares(SIZES, Mixing(alpha, UNCAPPED))]
    assert found == pytest.approx(published, abs=0.51)
    assert [round(share, 1) for share in found[2:]] == pytest.approx(published[2:], abs=0.11)
    assert sum(found) == pytest.approx(100)


def test_shares_with_the_cap_by_hand() -> None:
    """1000^.3 = 7.9433, 300^.3 = 5.5352. The small ones may have at most four times 10 and four times 1 of 1311: 3.051 and .3051 %.

    The other 96.644 % are divided as 7.9433 : 5.5352.
    """
    assert shares(SIZES, Mixing()) == pytest.approx((0.56955, 0.39689, 0.030511, 0.0030511), rel=1e-4)
    assert shares(SIZES, Mixing(), budget=13110) == shares(SIZES, Mixing()), "ten passes: the cap holds for each"
    assert shares(SIZES, Mixing(), budget=131.1) == pytest.approx((0.49768, 0.34680, 0.12501, 4 / 131.1), rel=1e-4)
    assert shares(SIZES, Mixing(), budget=1.311) == pytest.approx(shares(SIZES, Mixing(0.3, UNCAPPED))), "a short run repeats nothing"


def unimax(sizes: list[float], budget: float, repeats: float) -> list[float]:
    """Algorithm 1 of Chung et al.: from the smallest language on, each gets an equal part of what is left, or as much as it may repeat."""
    order = sorted(range(len(sizes)), key=lambda place: sizes[place])
    left, given = budget, [0.0] * len(sizes)
    for done, place in enumerate(order):
        given[place] = min(left / (len(sizes) - done), repeats * sizes[place])
        left -= given[place]
    return [amount / sum(given) for amount in given]


def test_without_smoothing_it_is_unimax() -> None:
    chance = random.Random(0)
    for _ in range(200):
        sizes = [10 ** chance.uniform(0, 6) for _ in range(chance.randint(1, 30))]
        repeats, budget = chance.choice([1, 1.5, 4, 10]), sum(sizes) * chance.uniform(0.01, 1)
        assert shares(sizes, Mixing(0, repeats), budget=budget) == pytest.approx(unimax(sizes, budget, repeats))


def test_no_share_above_its_cap() -> None:
    chance = random.Random(1)
    for _ in range(200):
        sizes = [10 ** chance.uniform(0, 6) for _ in range(chance.randint(1, 30))]
        mixing = Mixing(chance.random(), chance.choice([1, 2, 4]))
        found = shares(sizes, mixing)
        assert sum(found) == pytest.approx(1)
        free = [share / (size / sum(sizes)) ** mixing.alpha for share, size in zip(found, sizes, strict=True)]
        for share, size, weight in zip(found, sizes, free, strict=True):
            capped = share == pytest.approx(mixing.repeats * size / sum(sizes))
            assert share <= mixing.repeats * size / sum(sizes) * (1 + 1e-6)
            assert capped or weight == pytest.approx(max(free)), "those below the cap keep their proportions"


def test_whole_counts() -> None:
    assert whole_counts([0.5, 0.3, 0.2], 10) == [5, 3, 2]
    assert whole_counts([1 / 3, 1 / 3, 1 / 3], 10) == [4, 3, 3]
    assert whole_counts([0.56, 0.38, 0.06], 10) == [6, 4, 0]
    chance = random.Random(2)
    for _ in range(100):
        weights = [chance.random() for _ in range(9)]
        parts = [weight / sum(weights) for weight in weights]
        found = whole_counts(parts, 1000)
        assert sum(found) == 1000
        assert all(abs(count - 1000 * part) < 1 for count, part in zip(found, parts, strict=True))


GROUPS = {"en": range(1000), "de": range(1000, 1300), "is": range(1300, 1310), "fo": range(1310, 1311)}


def test_an_epoch_has_the_shares() -> None:
    mixture = Mixture(GROUPS, Mixing())
    assert mixture.counts == {"en": 747, "de": 520, "is": 40, "fo": 4}
    assert len(mixture) == 1311
    for number in range(3):
        seen = Counter(mixture.epoch(0, number).tolist())
        for language, rows in GROUPS.items():
            assert sum(seen[row] for row in rows) == mixture.counts[language]
        assert all(seen[row] == 4 for row in (*GROUPS["is"], *GROUPS["fo"]))


def test_no_row_comes_again_before_all_have_come() -> None:
    """Over epochs too: 747 of 1,000 English rows in the first, the other 253 in the second before any of them again."""
    mixture = Mixture(GROUPS, Mixing())
    seen = Counter[int]()
    for number in range(12):
        seen.update(mixture.epoch(5, number).tolist())
        for rows in GROUPS.values():
            counts = [seen[row] for row in rows]
            assert max(counts) - min(counts) <= 1


def test_proportional_is_each_row_once() -> None:
    mixture = Mixture(GROUPS, Mixing(alpha=1))
    for number in range(3):
        assert sorted(mixture.epoch(1, number).tolist()) == list(range(1311))
    single = Mixture({"unknown": range(7), "empty": range(7, 7)}, Mixing())
    assert sorted(single.epoch(0, 4).tolist()) == list(range(7))


def test_an_epoch_is_a_pure_function() -> None:
    mixture = Mixture(GROUPS, Mixing())
    torch.manual_seed(3)
    state = torch.get_rng_state()
    assert torch.equal(mixture.epoch(2, 7), Mixture(GROUPS, Mixing()).epoch(2, 7))
    assert not torch.equal(mixture.epoch(2, 7), mixture.epoch(2, 8))
    assert not torch.equal(mixture.epoch(2, 7), mixture.epoch(3, 7))
    assert torch.equal(torch.get_rng_state(), state)
    mixed = mixture.epoch(0, 0)
    halves = [sum(int(row) in GROUPS["de"] for row in half) for half in mixed.chunk(2)]
    assert abs(halves[0] - halves[1]) < 80, "languages are mixed within an epoch"


def test_batches_of_a_mixture() -> None:
    batches = Batches(Rows(), Mixture(GROUPS, Mixing()), batch_size=64, seed=9)
    assert batches.steps_per_epoch == 20
    uninterrupted = [batches.at(step)["index"] for step in range(60)]
    resumed = Batches(Rows(), Mixture(GROUPS, Mixing()), batch_size=64, seed=9)
    for step in (59, 33, 34, 20, 0):
        assert torch.equal(resumed.at(step)["index"], uninterrupted[step])
        parts = [resumed.at(step, part=(index, 4))["index"] for index in range(4)]
        assert torch.equal(torch.cat(parts), uninterrupted[step])
    expected = Mixture(GROUPS, Mixing()).epoch(9, 1)
    assert torch.equal(torch.cat(uninterrupted[20:40]), expected[:1280])


def test_messages() -> None:
    with pytest.raises(ValueError, match=r"alpha=1\.5 was given"):
        Mixing(alpha=1.5)
    with pytest.raises(ValueError, match=r"repeats=0\.5 was given"):
        Mixing(repeats=0.5)
    with pytest.raises(ValueError, match="no row of any language"):
        Mixture({"en": range(0)}, Mixing())
    with pytest.raises(ValueError, match="positive size"):
        shares([1, 0], Mixing())
