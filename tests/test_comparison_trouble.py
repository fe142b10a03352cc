"""What a comparison does when something goes wrong: a task that diverges, a stop, labels that cannot be used, a machine that slows down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import selfsup
from selfsup.comparison.climbing import Climb, Climbed
from selfsup.comparison.plan import Ladder, Rung
from selfsup.comparison.state import FILE, State
from selfsup.comparison.units import Unit
from selfsup.comparison.validation import halved
from selfsup.comparison.wanted import Here
from selfsup.run import Run
from selfsup.train import TrainingFailed
from test_comparison import DIGITS, compared, hurried, measured, problem


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurried(monkeypatch)


def test_a_task_that_diverges_is_left_out_and_the_others_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One task breaks at the second rung, and one seed of a finalist."""
    calls: list[tuple[str, int]] = []

    def breaking(*arguments: Any, **settings: Any) -> Run:
        calls.append((settings["task"], settings["seed"]))
        task, seed = calls[-1]
        if (task == "dae" and calls.count(("dae", 0)) == 2) or (task == "rotation" and seed == 1):
            raise TrainingFailed("training broke at step 7: reconstruction nan")
        return selfsup.pretrain(*arguments, **settings)

    monkeypatch.setattr("selfsup.comparison.wanted.pretrain", breaking)
    found = compared(tmp_path / "out", tasks=("rotation@compact_convnet", "vae", "dae", "context_encoder"))
    assert found.answer.refused["dae"] == "its training failed. training broke at step 7: reconstruction nan"
    scored = {row.row: row.seeds for row in found.results.rows if row.kind == "run"}
    assert set(scored.values()) == {1, 2}
    assert len(scored) == 3
    assert {one.unit for one in found.answer.uses[0].standing.standings} == {"rotation@compact_convnet", "vae", "context_encoder"}
    assert (found.folder / "runs" / found.answer.run / "backbone.safetensors").is_file()


def test_a_stop_names_the_comparison_and_not_one_of_its_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopping(*_: Any, **settings: Any) -> Run:
        raise InterruptedError(f"stopped. Go on with --resume --out {settings['out']}.")

    monkeypatch.setattr("selfsup.comparison.wanted.pretrain", stopping)
    with pytest.raises(InterruptedError, match=rf"Go on with --resume --out {tmp_path / 'out'}\.$"):
        compared(tmp_path / "out")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"labels": "category"}, "category"),
        ({"labels": np.array(["only one class"] * len(DIGITS))}, "at least 2 classes"),
        ({"probes": ("finetune",)}, "expected linear or knn among them"),
        ({"probes": ("retrieval",)}, "expected linear or knn among them"),
        ({"weights": "nowhere.safetensors"}, "nothing at nowhere.safetensors"),
        ({"budget": "5m"}, "too short"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], words: str
) -> None:
    """And the folder stays free for what is asked next."""
    monkeypatch.setattr("selfsup.comparison.wanted.pretrain", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(ValueError, match=words):
        compared(tmp_path / "out", **wrong)
    assert not (tmp_path / "out" / FILE).exists()


def test_too_few_groups_to_choose_by_are_told() -> None:
    targets = np.array([0, 1] * 20)
    with pytest.raises(ValueError, match="36 labelled pictures in 1 groups are left"):
        halved(problem(targets, 4), np.zeros(40), most=5)


def test_a_machine_that_became_slower_trains_fewer_seeds(tmp_path: Path) -> None:
    fits = measured(None, [Unit("rotation", "rotation", "auto", None)], {})[0]
    here = Here(1, print, print)
    climb = Climb(State(tmp_path, {}, [], fits), DIGITS, {}, 1000.0, 3, 0, lambda run: pytest.fail("opened"), print, here)
    climb.history.append(Climbed(98.0, {}, {}, ()))  # a run takes 2 s beside that
    ahead = Ladder((Rung(98.0, 3),), 3, 3)
    assert climb._seeds(ahead, 3, 600.0) == 3
    assert climb._seeds(ahead, 3, 551.0) == 3, "a run that is a little late"
    assert climb._seeds(ahead, 3, 500.0) == 2
    assert climb._seeds(ahead, 3, -50.0) == 1


def test_pretraining_pays_only_beyond_what_choosing_the_best_of_several_brings(tmp_path: Path) -> None:
    """The interval holds that of the plain comparison, whose row was named after the fact."""
    found = compared(tmp_path / "out", tasks=("rotation", "dae", "vae"), seeds=1, budget="20m")
    assert found.answer.pays is not None
    plain = next(
        item for item in found.results.comparisons
        if item.best_baseline and (item.row, item.probe) == (found.answer.pays.row, "linear")
    )  # fmt: skip
    assert found.answer.pays.low < plain.low < plain.high < found.answer.pays.high
    assert found.answer.pays.difference == plain.difference
