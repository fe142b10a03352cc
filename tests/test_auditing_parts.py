"""The parts of the audit: views, probe, intervals and verdicts, each beside something independent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.linear_model import Ridge

from selfsup.auditing.findings import Upright
from selfsup.auditing.judging import balanced, find, judge, rising
from selfsup.auditing.options import Evidence, advice, options_for
from selfsup.auditing.probing import STRENGTHS, Question, _standardised, _Table
from selfsup.auditing.sample import Sample, _drawn
from selfsup.auditing.transforms import Pictures, Transform, transforms
from selfsup.probing.intervals import Interval
from selfsup.views import Augment


def pictures(channels: int = 3) -> Pictures:
    image = torch.randint(256, (6, channels, 12, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Pictures(image, torch.ones(6), 12, 12)


def views_of(name: str, channels: int = 3) -> list[torch.Tensor]:
    [found] = [each for each in transforms(channels) if each.name == name]
    return found.views(pictures(channels), torch.Generator().manual_seed(1))


def test_every_transform_makes_views_a_network_takes() -> None:
    for channels in (1, 3):
        for transform in transforms(channels):
            for view in transform.views(pictures(channels), torch.Generator().manual_seed(1)):
                assert view.shape == (6, channels, 12, 12), transform.name
                assert float(view.min()) >= 0, transform.name
                assert float(view.max()) <= 1, transform.name
    assert not {"hue", "grey"} & {transform.name for transform in transforms(1)}


def test_flips_and_turns_are_what_they_say() -> None:
    whole = pictures().whole().numpy()
    assert np.array_equal(views_of("flip")[1].numpy(), whole[..., ::-1])
    assert np.array_equal(views_of("vertical flip")[1].numpy(), whole[..., ::-1, :])
    assert np.array_equal(views_of("half turn")[1].numpy(), whole[..., ::-1, ::-1])
    for turn, view in enumerate(views_of("quarter turns")):
        assert np.array_equal(view.numpy(), np.rot90(whole, turn, (2, 3)))


def test_strengths_are_those_of_the_views_of_tasks() -> None:
    assert all(float((view - view[:, :1]).abs().max()) < 1e-6 for view in views_of("grey"))
    plain, blurred = pictures().whole(), views_of("blur")[1]  # the stronger half: sigma from 1.05 to 2
    assert float(blurred.std()) < 0.5 * float(plain.std())
    known = set(Augment.__dataclass_fields__) | {"half_turn", "quarter_turns"}
    assert {transform.option for transform in transforms(3)} <= known


def test_turns_cover_their_range() -> None:
    """A bright row that is turned by at most 20 degrees stays brighter than the column; by any angle it does not."""
    image = torch.zeros(200, 1, 15, 15, dtype=torch.uint8)
    image[:, :, 7] = 255
    bars = Pictures(image, torch.ones(200), 15, 15)
    shares = {}
    for most in (20, 180):
        [transform] = [each for each in transforms(1) if each.name == f"turn {most}"]
        views = torch.cat(transform.views(bars, torch.Generator().manual_seed(0)))
        shares[most] = float((views[:, 0, 7].sum(1) > views[:, 0, :, 7].sum(1)).double().mean())
    assert shares[20] == 1.0
    assert 0.4 < shares[180] < 0.6


def test_the_probe_is_ridge_regression() -> None:
    rng = np.random.default_rng(0)
    rows, targets, folds = rng.normal(size=(60, 2, 7)), rng.integers(0, 3, 60), np.arange(60) % 5
    weights = 1 / (np.bincount(targets)[targets] * 3)
    question = Question(torch.from_numpy(targets), 3, torch.from_numpy(folds), torch.from_numpy(weights))
    standard = _standardised(torch.from_numpy(rows))
    table = _Table.of(standard, question)
    learned = np.repeat(folds != 2, 2)
    flat, each = standard.flatten(0, 1).numpy()[:, :-1], np.repeat(weights, 2) / 2
    for strength, probe in zip(STRENGTHS, table.fit({2}), strict=True):
        alpha = strength * each[learned].sum() / 8
        peer = Ridge(alpha=alpha).fit(flat[learned], np.eye(3)[np.repeat(targets, 2)][learned], sample_weight=each[learned])
        np.testing.assert_allclose(table.scores(probe, 2).flatten(0, 1).numpy(), peer.predict(flat[~learned]), atol=1e-6)


def made_up(count: int = 200, classes: int = 4) -> Sample:
    targets = np.arange(count) % classes
    empty = Pictures(torch.zeros(count, 1, 4, 4, dtype=torch.uint8), torch.ones(count), 4, 4)
    return Sample("made up", [f"{row:03d}" for row in range(count)], empty, targets, list("abcd")[:classes], None, count)


def votes(sample: Sample, called: np.ndarray) -> np.ndarray:
    """One seed's votes as two equal seeds."""
    return np.stack([np.eye(len(sample.classes))[called]] * 2)


FLIP = Transform("flip", "mirrored", "flip", 0.5, lambda pictures, rng: [])


def test_loss_and_pairs_are_those_worked_by_hand() -> None:
    """Of 50 pictures a class, 15 of a become b and 5 of b become a; the interval is that of a mean of class means."""
    sample = made_up()
    called = sample.targets.copy()
    called[np.flatnonzero(sample.targets == 0)[:15]] = 1
    called[np.flatnonzero(sample.targets == 1)[:5]] = 0
    found = find(FLIP, votes(sample, sample.targets), votes(sample, called), sample)
    assert found.loss.value == pytest.approx((0.3 + 0.1) / 4)
    variance = (0.3 * 0.7 + 0.1 * 0.9) / 50 / 16 * 200 / 199
    half = stats.t.ppf(0.975, 199) * variance**0.5
    assert (found.loss.low, found.loss.high) == pytest.approx((0.1 - half, 0.1 + half))
    assert found.share is not None
    assert found.share.value == pytest.approx(0.1 / 0.75)
    assert found.verdict == "breaks"
    [pair] = found.pairs
    assert (pair.first, pair.second, pair.before) == ("a", "b", 0.0)
    assert pair.after == pytest.approx(0.2)
    bonferroni = stats.norm.ppf(1 - 0.025 / 6) / stats.norm.ppf(0.975)
    wide = bonferroni * stats.t.ppf(0.975, 99) * ((0.3 * 0.7 + 0.1 * 0.9) / 50 / 4 * 100 / 99) ** 0.5
    assert pair.low == pytest.approx(0.2 - wide)
    assert set(pair.examples) <= {sample.ids[row] for row in np.flatnonzero(called != sample.targets)}


def test_errors_all_over_name_no_pair() -> None:
    sample = made_up()
    called = sample.targets.copy()
    called[:12] = (called[:12] + np.repeat([1, 2, 3], 4)) % 4
    assert not rising(votes(sample, sample.targets), votes(sample, called), sample)
    assert balanced(np.ones((2, 200)), sample).value == pytest.approx(1)


@pytest.mark.parametrize(
    ("share", "alike", "verdict"),
    [
        (None, False, "cannot tell"),
        (Interval(0.15, 0.05, 0.25), False, "breaks"),
        (Interval(0.04, 0.02, 0.06), False, "costs"),
        (Interval(0.04, 0.02, 0.06), True, "breaks"),
        (Interval(0.02, -0.01, 0.05), False, "keeps"),
        (Interval(0.05, -0.1, 0.2), False, "cannot tell"),
        (Interval(-0.03, -0.05, -0.01), False, "helps"),
    ],
)
def test_verdicts(share: Interval | None, alike: bool, verdict: str) -> None:
    assert judge(share, margin=0.1, alike=alike) == verdict


def evidence(upright: str = "yes", channels: int = 3, **verdicts: str) -> Evidence:
    return Evidence({name.replace("_", " "): verdict for name, verdict in verdicts.items()}, upright, channels)


def test_options_limit_what_breaks_and_leave_the_rest() -> None:
    digits = Evidence({"flip": "breaks", "turn 20": "helps", "turn 90": "breaks", "turn 180": "breaks"}, "yes", 3)
    assert options_for("simclr", digits) == {"flip": 0, "turn": 20}
    assert options_for("rotation", digits) == {"flip": 0}
    crops = Evidence({"crop 0.08": "breaks", "crop 0.25": "breaks", "crop 0.5": "costs"}, "yes", 3)
    assert options_for("simclr", crops) == {"crop": 0.5}
    assert options_for("jigsaw", crops) == {}  # .7 is above what breaks
    assert options_for("jigsaw", Evidence({"crop 0.5": "breaks"}, "yes", 3)) == {"crop": 1.0}
    assert options_for("simclr", evidence(hue="breaks", grey="breaks", blur="breaks")) == {"grey": 0, "blur": 0, "jitter": 0}
    assert options_for("simclr", evidence(hue="costs", grey="cannot tell", blur="keeps")) == {}


def test_rotation_wants_a_way_up() -> None:
    assert advice("rotation", evidence("yes")) is None
    assert "no way is up" in (advice("rotation", evidence("no")) or "")
    assert "upside down" in (advice("rotation", evidence("not top from bottom")) or "")
    assert "grey" in (advice("colorization", evidence(channels=1)) or "")
    assert advice("simclr", evidence("no")) is None


def test_way_up() -> None:
    sure, even = Interval(0.9, 0.88, 0.92), Interval(0.5, 0.47, 0.53)
    assert Upright(sure, sure).verdict == "yes"
    assert Upright(Interval(0.49, 0.47, 0.51), even).verdict == "not top from bottom"
    assert Upright(Interval(0.25, 0.22, 0.28), even).verdict == "no"
    assert Upright(Interval(0.4, 0.2, 0.6), Interval(0.55, 0.4, 0.7)).verdict == "cannot tell"


def test_a_sample_takes_small_classes_whole() -> None:
    targets = np.array([0] * 50 + [1] * 8 + [2] * 30 + [-1] * 9)
    drawn = _drawn(targets, 48, 0)
    assert np.bincount(targets[drawn]).tolist() == [20, 8, 20]
    assert np.bincount(targets[_drawn(targets, 500, 0)]).tolist() == [50, 8, 30]


def test_folds_hold_whole_groups() -> None:
    sample = replace(made_up(), members=np.arange(200) // 10)
    folds = sample.question(3).folds.numpy()
    assert all(len(set(folds[np.arange(200) // 10 == group])) == 1 for group in range(20))
    assert len(set(folds.tolist())) == 5
