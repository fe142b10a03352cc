"""The audit on pictures whose labels are known to hang on one thing: what breaks them is named, what does not is left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import selfsup
from command_line import failure, success
from selfsup.auditing import Audit, audit
from test_report import read

SIDE = 16


def noise(count: int, channels: int = 1) -> tuple[NDArray[np.float64], np.random.Generator]:
    rng = np.random.default_rng(5)
    return rng.uniform(60, 120, (count, SIDE, SIDE, channels)), rng


def sided(count: int) -> tuple[NDArray[np.uint8], list[str]]:
    """A bright bar at the left or at the right, anywhere from top to bottom: mirroring exchanges the classes."""
    pixels, rng = noise(count)
    labels = ["left" if row % 2 else "right" for row in range(count)]
    for row, label in enumerate(labels):
        top, across = rng.integers(2, 10), 2 if label == "left" else SIDE - 5
        pixels[row, top : top + 4, across : across + 3] = 230
    return pixels.astype(np.uint8), labels


def coloured(count: int) -> tuple[NDArray[np.uint8], list[str]]:
    """A red or a blue-green spot of one luminance: without colours nothing is left of the classes."""
    pixels, rng = noise(count, 3)
    pixels[:] = pixels.mean(3, keepdims=True)
    colours = {"red": (255.0, 60.0, 60.0), "teal": (60.0, 147.0, 110.0)}
    labels = ["red" if row % 2 else "teal" for row in range(count)]
    for row, label in enumerate(labels):
        top, left = rng.integers(2, 8, 2)
        pixels[row, top : top + 6, left : left + 6] = colours[label]
    return pixels.astype(np.uint8), labels


@pytest.fixture(scope="module")
def sides() -> Audit:
    pixels, labels = sided(60)
    return audit(pixels, labels=labels, seeds=3)


def test_mirroring_breaks_left_and_right(sides: Audit) -> None:
    assert sides.told.low > 0.9
    assert set(sides.breaking) >= {"flip", "half turn", "turn 180"}
    [pair] = sides.finding("flip").pairs
    assert {pair.first, pair.second} == {"left", "right"}
    assert pair.after > 0.3
    assert sides.finding("flip").told.low < 0.5 < sides.finding("flip").told.high + 0.1  # nothing is left but guessing between two
    assert sides.finding("flip").loss.low > 0.1
    for name in ("vertical flip", "brightness"):
        assert sides.finding(name).verdict in ("keeps", "helps"), name


def test_options_follow(sides: Audit) -> None:
    assert sides.options_for("mae")["flip"] == 0
    assert sides.options_for("relative_location").get("flip") is None  # it does not mirror by itself
    assert sides.options_for("simclr")["flip"] == 0
    assert sides.options_for("masked_lm") == {}
    with pytest.raises(ValueError, match="simclr"):
        sides.options_for("simcrl")
    with pytest.raises(ValueError, match="vertical flip"):
        sides.finding("mirror")


def test_without_colour_nothing_is_left_of_colours() -> None:
    pixels, labels = coloured(80)
    found = audit(pixels, labels=labels, seeds=2)
    assert found.finding("grey").verdict == "breaks"
    assert found.finding("grey").told.low < 0.6
    assert {finding.name for finding in found.findings} >= {"hue", "grey"}
    assert found.finding("flip").verdict in ("keeps", "helps")
    options = found.options_for("simclr")
    assert options["grey"] == 0
    assert "flip" not in options


def test_labels_that_mean_nothing_break_nothing() -> None:
    pixels, labels = sided(80)
    shuffled = [labels[row] for row in np.random.default_rng(2).permutation(len(labels))]
    found = audit(pixels, labels=shuffled, seeds=2)
    assert not found.tells
    assert {finding.verdict for finding in found.findings} == {"cannot tell"}
    assert not any(finding.pairs for finding in found.findings)
    assert found.options_for("simclr") == {}


def test_the_same_seed_gives_the_same_audit(sides: Audit) -> None:
    pixels, labels = sided(60)
    assert audit(pixels, labels=labels, seeds=3) == sides
    assert sides.as_dict()["upright"]["verdict"] == sides.upright.verdict


def test_page_and_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pixels, labels = sided(60)
    np.savez(tmp_path / "bars.npz", images=pixels, label=np.array(labels))
    said = success(capsys, "audit", tmp_path / "bars.npz", "--labels", "label", "--seeds", "2", "--out", tmp_path / "found")
    assert "flip" in said
    assert "--set flip=0" in said
    assert "left and right" in said
    page = read(tmp_path / "found" / "audit.html")
    assert "left and right" in page.text
    assert len(page.named("img")) > 80
    assert [attributes["id"] for attributes in page.named("section")] == ["settings", "verdicts", "alike", "pictures", "method"]
    content = json.loads((tmp_path / "found" / "audit.json").read_text())
    flip = next(finding for finding in content["findings"] if finding["name"] == "flip")
    assert flip["verdict"] == "breaks"
    assert len(flip["pairs"][0]["examples"]) == 8
    success(capsys, "audit", tmp_path / "bars.npz", "--labels", "label", "--seeds", "2", "--out", tmp_path / "bare", "--without-samples")
    assert not read(tmp_path / "bare" / "audit.html").named("img")
    assert '"0000' not in (tmp_path / "bare" / "audit.json").read_text()


def test_groups_stay_together() -> None:
    """Copies of few pictures under random labels: told perfectly where copies are on both sides of a fold, and not with groups."""
    pixels, _ = noise(16)
    labels = np.random.default_rng(0).permutation(["a", "b"] * 8)
    arguments: dict[str, Any] = {"labels": np.repeat(labels, 5).tolist(), "seeds": 2}
    copies = np.repeat(pixels, 5, axis=0).astype(np.uint8)
    assert audit(copies, **arguments).told.value > 0.95
    grouped = audit(copies, groups=np.repeat(np.arange(16), 5).astype(str).tolist(), **arguments)
    assert grouped.told.value < 0.85
    assert not grouped.tells


@pytest.mark.parametrize(
    ("data", "labels", "words"),
    [
        (["a text of some words", "another text of words"], [0, 1], "audit is for pictures"),
        (sided(12)[0], ["left"] * 12, "2 classes with 5"),
        (sided(12)[0], ["left"] * 9 + ["right"] * 3, "2 classes with 5"),
    ],
)
def test_what_cannot_be_audited_is_said(data: Any, labels: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        selfsup.audit(data, labels=labels)


def test_a_folder_of_texts_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.txt").write_text("Dear all, the lamp flickers.")
    assert "audit is for pictures" in failure(capsys, "audit", tmp_path, "--labels", "folder")
