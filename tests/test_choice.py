"""`--backbone auto`: which backbone is taken when, and what it says."""

from __future__ import annotations

import time

import pytest
import torch

from selfsup.backbones import choice, choose
from selfsup.backbones.choice import speed_and_precision


@pytest.fixture(autouse=True)
def forgotten() -> None:
    """What other tests measured in this process."""
    choice._speed_and_precision.cache_clear()


@pytest.fixture
def speeds(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Views a second of each network, in place of measuring."""
    speeds = {"compact_convnet": 2000.0, "compact_vit": 1000.0, "resnet18": 200.0, "vit_small_patch16_224": 50.0}

    def seconds(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> float:
        return shape[0] / speeds[name] * (1 if dtype == torch.bfloat16 else 2)

    monkeypatch.setattr("selfsup.backbones.choice._seconds", seconds)
    return speeds


@pytest.mark.parametrize(
    ("size", "seconds", "prefers_patches", "name", "words"),
    [
        (28, 90.0, False, "compact_convnet", "2 min is a short budget"),
        (128, 1200.0, False, "compact_convnet", "20 min is a short budget"),
        (128, 90.0, True, "compact_vit", "a ViT skips these"),
        (32, 36_000.0, False, "compact_convnet", "32 px show little"),
        (128, 36_000.0, False, "resnet18", "200 views/s here, 7,200,000 in 10.0 h"),
        (128, 3_600.0, False, "compact_convnet", "720,000 in 1.0 h, too few"),
        (128, 36_000.0, True, "vit_small_patch16_224", "1,800,000 in 10.0 h"),
        (64, None, False, "compact_convnet", "not given in time"),
        (64, None, True, "compact_vit", "not given in time"),
    ],
)
@pytest.mark.usefixtures("speeds")
def test_which_and_why(size: int, seconds: float | None, prefers_patches: bool, name: str, words: str) -> None:
    found = choose(size=size, channels=3, seconds=seconds, prefers_patches=prefers_patches)
    assert found.name == name
    assert words in found.reason
    assert "views/s" in found.reason


@pytest.mark.usefixtures("speeds")
def test_the_faster_precision_counts() -> None:
    assert speed_and_precision("compact_convnet", 32, 3) == (2000.0, torch.bfloat16)


def test_measuring_is_short_and_leaves_the_random_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfsup.backbones.choice.ENOUGH_VIEWS", 1)
    state, start = torch.get_rng_state(), time.perf_counter()
    choice = choose(size=64, channels=1, seconds=7200.0, prefers_patches=False)
    assert choice.name == "resnet18"
    assert torch.equal(torch.get_rng_state(), state)
    assert time.perf_counter() - start < 10  # half a second on a machine of its own


def test_a_backbone_is_timed_once_in_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def seconds(name: str, *_: object) -> float:
        asked.append(name)
        return 0.1

    monkeypatch.setattr("selfsup.backbones.choice._seconds", seconds)
    for _ in range(2):
        choose(size=32, channels=3, seconds=60.0, prefers_patches=False)
    assert len(asked) == 3  # two precisions, and then the better one on more pictures
