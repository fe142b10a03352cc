"""Comparing tasks: units as they are named, the plan as arithmetic, validation, rungs, stops, and the answer."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import selfsup
from command_line import failure, success
from selfsup.comparison import Compared, assembly, compare, validation
from selfsup.comparison.climbing import Climb
from selfsup.comparison.measuring import Measured
from selfsup.comparison.plan import GROWTH, cost, ladder, rung_count
from selfsup.comparison.state import State
from selfsup.comparison.units import Unit, units_of
from selfsup.comparison.validation import halved
from selfsup.comparison.wanted import Here
from selfsup.comparison.words import sentences
from selfsup.evaluation import baselines
from selfsup.evaluation.problem import Problem
from selfsup.run import Run
from selfsup.tasks import TASKS, find_task
from selfsup.train import loop
from selfsup.train.schedule import COOL_DOWN

DIGITS = (load_digits().images * 15).astype(np.uint8)[:240]
TARGETS = (load_digits().target[:240] % 3).astype(str)
TASKS_TRIED = ("rotation", "dae", "vae", "simclr")


# Units ---------------------------------------------------------------------------------------------------------------------------


def test_tasks_for_the_kind_of_data_are_compared_by_default_but_for_those_that_are_much_like_others() -> None:
    for modality in ("image", "text"):
        units = units_of(None, modality=modality, settings={})
        left_out = {name for name in TASKS if not find_task(name).compared}
        assert left_out == {"barlow_twins", "byol", "lejepa", "moco", "simsiam", "visreg", "swav", "dino", "ibot", "ijepa", "data2vec"}
        assert [unit.name for unit in units] == [name for name in TASKS if find_task(name).modality == modality and name not in left_out]
        assert all(unit.backbone == "auto" and unit.views is None for unit in units)


def test_a_unit_names_backbone_and_views() -> None:
    named = ["simclr@compact_vit+mine/views.py:gentle", "rotation", "mae@compact_convnet", "simclr+views.py:hard"]
    first, second, third, fourth = units_of(named, modality="image", settings={})
    assert (first.task, first.backbone, first.views) == ("simclr", "compact_vit", "mine/views.py:gentle")
    assert (second.task, second.backbone, second.views) == ("rotation", "auto", None)
    assert (third.backbone, fourth.views) == ("compact_convnet", "views.py:hard")
    assert len({unit.folder(0) for unit in (first, second, third, fourth)}) == 4
    assert first.folder(3) == "simclr-compact_vit-mine-views-gentle-3"


def test_settings_go_to_all_that_have_them_and_to_one_over_that() -> None:
    units = units_of(
        ["simclr", "rotation", "vae"], modality="image", settings={"flip": "0", "simclr.flip": "1", "simclr.temperature": ".5"}
    )
    assert [dict(unit.options) for unit in units] == [{"flip": "1", "temperature": ".5"}, {"flip": "0"}, {"flip": "0"}]


@pytest.mark.parametrize(
    ("tasks", "settings", "said"),
    [
        (["simclr"], {}, "expected at least two"),
        (["simclr", "masked_lm"], {}, "learns from text"),
        (["simclr", "simclrr"], {}, "Did you mean 'simclr'"),
        (["simclr", "rotation"], {"temprature": "1"}, "no task compared has an option 'temprature'"),
        (["simclr", "rotation"], {"rotation.temperature": "1"}, "temperature"),
        (["simclr+a.py:f", "simclr+a-f"], {}, "share a folder"),
    ],
)
def test_units_that_cannot_be(tasks: list[str], settings: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        units_of(tasks, modality="image", settings=settings)


# Plan ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("units", [2, 3, 4, 7, 10, 20])
@pytest.mark.parametrize("seeds", [1, 3])
def test_a_ladder_takes_the_time_that_is_allowed(units: int, seeds: int) -> None:
    found = ladder(800.0, units=units, rungs=rung_count(units), seeds=seeds, overhead=2.0)
    assert cost(found, overhead=2.0) == pytest.approx(800.0, rel=1e-6)
    assert len(found.rungs) == rung_count(units)
    assert found.rungs[0].expected == units
    seconds = [rung.seconds for rung in found.rungs]
    assert all(later == pytest.approx(GROWTH * earlier) for earlier, later in itertools.pairwise(seconds))


def test_a_ladder_by_hand() -> None:
    """Four units, two rungs, the better three go on, three seeds: 4 t/2 + 3 (t - .8 t/2) + 3 * 2 t = 9.8 t."""
    found = ladder(98.0, units=4, rungs=2, seeds=3, overhead=0.0)
    assert [rung.seconds for rung in found.rungs] == pytest.approx([5.0, 10.0])
    assert [rung.expected for rung in found.rungs] == [4, 3]
    assert COOL_DOWN == 0.2


def test_more_that_stay_leave_less_time_and_then_fewer_seeds() -> None:
    planned = ladder(600.0, units=10, rungs=3, seeds=3, overhead=1.0)
    first = planned.rungs[0].seconds
    left = 600.0 - 10 * (first + 1.0)
    as_planned = ladder(left, units=5, rungs=2, seeds=3, overhead=1.0, trained=first)
    assert as_planned.last == pytest.approx(planned.last, rel=0.02)
    crowded = ladder(left, units=10, rungs=2, seeds=3, overhead=1.0, trained=first)
    assert crowded.rungs[0].seconds < as_planned.rungs[0].seconds
    assert cost(crowded, overhead=1.0, trained=first) <= left * 1.001
    starved = ladder(-40.0, units=10, rungs=2, seeds=3, overhead=1.0, trained=first)
    assert starved.rungs == ()
    assert starved.seeds == 1


# Validation ----------------------------------------------------------------------------------------------------------------------


def problem(targets: np.ndarray, test: int) -> Problem:
    rows = np.arange(len(targets))
    return Problem(
        [str(row) for row in rows], ["a", "b"], targets, rows[test:], rows[:test], None, {5: []}, rows, rows, False, 0,
    )  # fmt: skip


def test_halves_hold_half_of_each_class_and_no_tested_item() -> None:
    targets = np.array([0, 1] * 30 + [0] * 20)
    found = halved(problem(targets, 10), None, most=5)
    assert not set(found.rows) & set(range(10))
    for first in found.first:
        for label in (0, 1):
            members = found.targets == label
            assert abs(int((first & members).sum()) - members.sum() / 2) <= 0.5
    assert len({first.tobytes() for first in found.first}) == len(found.first)


def test_as_many_items_are_judged_as_there_is_time_for() -> None:
    targets = np.array([0, 1] * 500)
    assert len(halved(problem(targets, 10), None, most=5, judged=300).rows) == 300
    assert len(halved(problem(targets, 10), None, most=5).rows) == 990


def test_groups_stay_on_one_side() -> None:
    targets = np.array([0, 1] * 40)
    groups = np.arange(80) // 4
    found = halved(problem(targets, 8), groups, most=5)
    assert found.groups is not None
    for first in found.first:
        sides = {group: set(first[found.groups == group]) for group in np.unique(found.groups)}
        assert all(len(side) == 1 for side in sides.values())
        assert 0.3 < first.mean() < 0.7


# The whole -----------------------------------------------------------------------------------------------------------------------


def measured(data: Any, units: Sequence[Unit], shared: Any, **_: Any) -> tuple[dict[str, Measured], dict[str, str]]:
    """As if every step took ten seconds, far longer than any machine needs, so that what is trained does not hang on it."""
    fits = [unit for unit in units if unit.task != "colorization"]
    found = {unit.name: Measured(10.0, 2.0, "compact_convnet", "asked for", 32, 180, 1000, 1e6, None) for unit in fits}
    return found, {unit.name: "it needs colours" for unit in units if unit not in fits}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No measuring, few repeats, and baselines of a few steps."""
    hurried(monkeypatch)


def hurried(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(assembly, "measure", measured)
    patch.setattr(validation, "REPEATS", 2)
    patch.setattr(loop, "LOOKS", 1)
    for name in ("FEWEST_STEPS", "MOST_STEPS"):
        patch.setattr(f"selfsup.finetuning.recipe.{name}", 4)
    patch.setattr(baselines, "INITIALISATIONS", 2)


def compared(out: Path, *, labels: np.ndarray = TARGETS, **more: Any) -> Compared:
    settings: dict[str, Any] = {"tasks": TASKS_TRIED, "budget": "50m", "seeds": 2, "size": 8, "batch_size": 16, "precision": "fp32"}
    settings["audit"] = False  # tests/test_comparison_audit.py
    return compare(DIGITS, labels=labels, labels_per_class=(5,), out=out, **{**settings, **more})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    with pytest.MonkeyPatch.context() as patch:
        hurried(patch)
        return compared(tmp_path_factory.mktemp("compared") / "out", tasks=(*TASKS_TRIED, "colorization"))


def test_every_unit_is_an_ordinary_run_and_is_scored(whole: Compared) -> None:
    runs = {folder.name: Run.open(folder) for folder in (whole.folder / "runs").iterdir()}
    assert {f"{task}-0" for task in TASKS_TRIED} <= set(runs)
    assert all((run.folder / "backbone.safetensors").is_file() and run.schedule == "constant" for run in runs.values())
    assert {row.row for row in whole.results.rows if row.kind == "run"} == set(TASKS_TRIED)
    assert {"raw pixels", "untrained"} <= {row.row for row in whole.results.rows}
    assert whole.answer.refused == {"colorization": "it needs colours"}


def test_finalists_have_every_seed_and_the_others_one(whole: Compared) -> None:
    seeds = {row.row: row.seeds for row in whole.results.rows if row.kind == "run"}
    assert {task for task, count in seeds.items() if count == whole.answer.seeds} == set(whole.answer.finalists)
    assert len(whole.answer.finalists) == 3
    assert whole.answer.seeds == 2


def test_all_units_of_a_rung_are_trained_for_the_same_time(whole: Compared) -> None:
    for rung in whole.answer.rungs:
        assert set(rung.steps.values()) == {int(rung.seconds / 10)}
    planned = sum(one.seconds for one in whole.answer.costs)
    assert planned > 0
    assert whole.answer.rungs[0].seconds < whole.answer.rungs[-1].seconds


def test_the_answer_is_in_the_results_and_the_report(whole: Compared) -> None:
    content = json.loads((whole.folder / "results.json").read_text())
    assert content["answer"]["recommended"] == whole.answer.recommended
    assert content["answer"]["sentences"] == sentences(whole.answer)
    page = whole.report.read_text()
    assert "Which task to use" in page
    assert all(task in page for task in TASKS_TRIED)
    assert "it needs colours" in page


def test_the_recommended_unit_is_the_one_that_scores_best_where_it_counts(whole: Compared) -> None:
    first = whole.answer.uses[0]
    assert (first.probe, first.labels_per_class) == ("linear", 5)
    values = {one.unit: one.value.value for one in first.standing.standings}
    assert whole.answer.recommended == max(values, key=lambda unit: values[unit])
    row = whole.results.find(whole.answer.recommended)
    assert row.value == pytest.approx(values[whole.answer.recommended], abs=1e-9)


def test_a_stop_changes_nothing(whole: Compared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the middle of a rung and again among the finalists' seeds, it goes on and ends with the same answer."""
    tasks, calls = (*TASKS_TRIED, "colorization"), []

    def stopping(*arguments: Any, **settings: Any) -> Run:
        calls.append(settings["task"])
        if len(calls) in (3, 11):
            raise InterruptedError("stopped")
        return selfsup.pretrain(*arguments, **settings)

    monkeypatch.setattr("selfsup.comparison.wanted.pretrain", stopping)
    out = tmp_path / "out"
    with pytest.raises(InterruptedError):
        compared(out, tasks=tasks)
    with pytest.raises(InterruptedError):
        compared(out, tasks=tasks, resume=True)
    found = compared(out, tasks=tasks, resume=True)
    assert found.answer.rungs == whole.answer.rungs
    assert sentences(found.answer) == sentences(whole.answer)


def test_a_machine_that_slows_down_shortens_what_is_left_for_all(whole: Compared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = State.load(whole.folder)
    planned = state.left[0]
    fresh, here = State(tmp_path, {}, state.units, state.measured), Here(1, print, print)
    slow = Climb(fresh, DIGITS, {}, 1900.0, 2, 0, lambda run: pytest.fail("opened"), print, here)
    slow.history.append(whole.answer.rungs[0])
    slow.state.spent["pretraining"] = 1900.0 - planned / 2
    assert slow._left(planned) == pytest.approx(planned / 2, abs=0.01)
    slow.state.spent["pretraining"] = 1900.0
    assert slow._left(planned) == pytest.approx(planned / 2, abs=0.01), "decided once"


def test_labels_that_mean_nothing_cannot_tell(tmp_path: Path) -> None:
    mixed = np.random.default_rng(3).permutation(TARGETS)
    found = compared(tmp_path / "out", labels=mixed, tasks=("rotation", "dae"), seeds=1, budget="20m")
    assert found.answer.uses[0].standing.answer == "cannot tell"
    assert sentences(found.answer)[0].startswith("Cannot tell which task is best")


def test_a_comparison_is_never_overwritten_and_goes_on_only_as_it_was_begun(whole: Compared, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="already holds a comparison"):
        compared(whole.folder)
    with pytest.raises(ValueError, match="begun with budget '50m', and got '60m'"):
        compared(whole.folder, tasks=(*TASKS_TRIED, "colorization"), budget="60m", resume=True)
    with pytest.raises(ValueError, match="holds no comparison"):
        compared(tmp_path / "nothing", resume=True)


def test_too_short_a_budget_says_how_long_it_would_have_to_be(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too short for 4 tasks"):
        compared(tmp_path / "out", budget="5m")


def test_the_command_prints_the_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "digits.npz", images=DIGITS, label=TARGETS)
    out = tmp_path / "out"
    common = ["compare", tmp_path / "digits.npz", "--labels", "label", "--size", "8", "--batch-size", "32", "--labels-per-class", "5"]
    said = success(capsys, *common, "--tasks", "rotation,dae", "--budget", "20m", "--seeds", "1", "--set", "flip=0", "--out", out)
    assert "best for linear with 5 labels a class" in said or "Take " in said
    assert f"Report: {out / 'report.html'}" in said
    assert "expected at least two" in failure(capsys, *common, "--tasks", "rotation")
