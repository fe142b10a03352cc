"""Steps are timed in turn, the first round is not counted, the minimum is."""

from __future__ import annotations

import pytest
import torch

from selfsup import timing


def test_the_minimum_of_rounds_in_turn_without_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    calls: list[str] = []
    spent = {"slow": [1.0, 9.0, 8.0], "fast": [0.5, 3.0, 4.0]}  # the first round is the shortest, and must not count

    def step(name: str) -> None:
        nonlocal now
        now += spent[name][calls.count(name)]
        calls.append(name)

    monkeypatch.setattr("selfsup.timing.time.perf_counter", lambda: now)
    seconds = timing.shortest([lambda: step("slow"), lambda: step("fast")], device=torch.device("cpu"), repetitions=2)
    assert seconds == [8.0, 3.0]
    assert calls == ["slow", "fast"] * 3
