from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.preprocessing import normalize

from selfsup.backbones import build, save_backbone
from selfsup.data import make_split, open_source, open_store
from selfsup.embedding import embed
from selfsup.evaluation import Results, baselines, evaluate, pictures
from selfsup.evaluation.copies import near_copies
from selfsup.evaluation.runs import rows_by_seed
from selfsup.finetuning import fine_tuned
from selfsup.run import Run

COUNT = 300
IMAGES = (load_digits().images * 15).astype(np.uint8)[:COUNT]
TARGETS = load_digits().target[:COUNT] % 3
QUICK: dict[str, Any] = {"probes": ("linear",), "labels_per_class": (5,), "baselines": False}
MakeRun = Callable[..., Run]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Baselines of a few steps."""
    monkeypatch.setattr("selfsup.finetuning.recipe.FEWEST_STEPS", 6)
    monkeypatch.setattr("selfsup.finetuning.recipe.MOST_STEPS", 6)


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Runs of no training on the digits, each in a folder of its own."""

    def make(
        name: str = "first", *, seed: int = 0, holdout: float = 0.3, groups: Any = None, images: np.ndarray = IMAGES, **more: Any
    ) -> Run:
        source = open_source(images)
        store = open_store(source, side=8, channels=1, progress=False)
        described: dict[str, Any] = {"task": "simclr", "options": {"crop": 0.5, "flip": 0.0}, "backbone": "compact_convnet"} | more
        described |= {"size": 8, "channels": 1, "store_side": 8, "batch_size": 32, "steps": 1, "learning_rate": 1e-3, "weight_decay": 0.0}
        run = Run(folder=tmp_path / name, data=source.name, seed=seed, fingerprint=store.fingerprint, **described)
        run.save()
        torch.manual_seed(seed)
        save_backbone(build("compact_convnet", size=8, channels=1), run.folder)
        make_split(source.ids, holdout=holdout, groups=groups).save(run.split_file)
        return run

    return make


@pytest.fixture
def everything(make_run: MakeRun) -> tuple[Results, list[Run]]:
    runs = [make_run("first", seed=0), make_run("second", seed=1)]
    return evaluate(runs, IMAGES, labels=TARGETS, probes=("linear", "knn"), labels_per_class=(1, 5, "all")), runs


def test_from_runs_to_results(everything: tuple[Results, list[Run]]) -> None:
    results, runs = everything
    assert {row.row for row in results.rows} == {"simclr", "raw pixels", "untrained", "from scratch"}
    assert len(results.rows) == 4 * 2 * 3
    assert (results.train, results.test, results.metric) == (210, 90, "accuracy")
    assert results.primary == {"probe": "linear", "labels_per_class": 5}
    own = results.find("simclr")
    assert (own.kind, own.seeds, own.runs) == ("run", 2, ["first", "second"])
    assert sum(own.layers.values()) == 2 * 5
    assert sum(results.find("untrained").layers.values()) == 5 * 5
    assert all(row.low <= row.value <= row.high for row in results.rows)
    assert set(results.chosen_layer) == {"first", "second"}
    assert all(layer.startswith("stage") for layer in results.chosen_layer.values())
    assert results.find("raw pixels", labels_per_class="all").value > results.find("raw pixels", labels_per_class=1).value
    for setting in {(row.probe, row.labels_per_class) for row in results.rows}:
        at = [c for c in results.comparisons if (c.probe, c.labels_per_class) == setting]
        assert len(at) == 3
        (best,) = (c for c in at if c.best_baseline)
        strongest = max(results.find(c.against, probe=setting[0], labels_per_class=setting[1]).value for c in at)
        assert results.find(best.against, probe=setting[0], labels_per_class=setting[1]).value == strongest
    assert not (runs[0].folder.parent / "first" / "predictions.parquet").exists()


def test_files_say_the_same(everything: tuple[Results, list[Run]]) -> None:
    results, runs = everything
    assert results.folder == runs[0].folder.parent
    text = (results.folder / "results.json").read_text(encoding="utf-8")
    content = json.loads(text)
    assert content["format"] == 1
    assert content["per_class"][0]["class"] == "0"
    assert runs[1].results_file.read_text(encoding="utf-8") == text
    assert (runs[1].folder / "labels.parquet").read_bytes() == (results.folder / "labels.parquet").read_bytes()
    loaded = Results.load(results.folder / "results.json")
    assert loaded.find("simclr").value == pytest.approx(results.find("simclr").value, abs=1e-6)
    assert loaded.comparisons[0].against == results.comparisons[0].against
    table = pq.read_table(results.folder / "predictions.parquet").to_pandas()
    mine = table[(table.row == "simclr") & (table.probe == "linear") & (table.labels_per_class == "5")]
    assert len(mine) == 2 * 5 * 90
    assert (mine.truth == mine.predicted).mean() == pytest.approx(results.find("simclr").value)
    labels = pq.read_table(results.folder / "labels.parquet").to_pandas()
    assert labels.part.value_counts().to_dict() == {"train": 210, "test": 90}


def test_tested_pictures_are_sought_from_one_another(make_run: MakeRun, tmp_path: Path) -> None:
    """recall@k is that of a plain count over the embeddings; no draw of labels can change it, and there is chance beside it."""
    runs = [make_run("first", seed=0), make_run("second", seed=1)]
    asked: dict[str, Any] = {"labels": TARGETS, "labels_per_class": (1,), "baselines": ("pixels", "scratch")}
    results = evaluate(runs, IMAGES, probes=("linear", "retrieval"), **asked)
    own = results.find("simclr", probe="recall@5", labels_per_class=0)
    (layer,) = own.layers
    held_out = pq.read_table(results.folder / "labels.parquet").to_pandas().query("part == 'test'")  # type: ignore[operator]
    expected = []
    for run in runs:
        table = pq.read_table(embed(run, IMAGES, out=tmp_path / f"{run.name}.parquet", layer=layer).file).to_pandas().set_index("id")
        rows, labels = np.stack(list(table.loc[held_out.id].embedding)), held_out.label.to_numpy()
        near = normalize(rows) @ normalize(rows).T
        np.fill_diagonal(near, -2)
        expected.append([label in labels[order[:5]] for label, order in zip(labels, (-near).argsort(1), strict=True)])
    assert own.value == pytest.approx(np.mean(expected))
    assert (own.metric, own.seeds, own.low < own.value < own.high) == ("recall@5", 2, True)
    assert {row.row for row in results.rows if row.probe == "recall@1"} == {"simclr", "raw pixels"}
    sizes = held_out.label.value_counts()
    assert results.chance["recall@1"] == pytest.approx(sum(size * (size - 1) for size in sizes) / 90 / 89)
    assert results.primary == {"probe": "linear", "labels_per_class": 1}
    against = {probe: {c.against for c in results.comparisons if c.probe == probe} for probe in ("linear", "recall@10")}
    assert against == {"linear": {"raw pixels", "from scratch"}, "recall@10": {"raw pixels"}}
    assert {record.probe for record in results.confusion} == {record.probe for record in results.per_class} == {"linear"}
    again = evaluate(runs, IMAGES, probes=("retrieval",), seed=7, **asked)
    assert again.find("simclr", probe="recall@5").value == own.value
    assert again.primary == {"probe": "recall@1", "labels_per_class": 0}
    loaded = Results.load(again.folder / "results.json")  # type: ignore[operator]
    assert loaded.chance == pytest.approx(again.chance, abs=1e-6)


def test_results_of_another_format_are_refused(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"format": 99}', encoding="utf-8")
    with pytest.raises(ValueError, match="format 99"):
        Results.load(tmp_path / "results.json")


def test_baselines_are_made_once(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run()
    first = evaluate(run, IMAGES, labels=TARGETS, probes=("linear",), labels_per_class=(5,))
    assert first.folder == run.folder

    def forbidden(*_: Any, **__: Any) -> Any:
        raise AssertionError("this was kept")

    monkeypatch.setattr(pictures, "pixel_features", forbidden)
    monkeypatch.setattr(baselines, "train_classifier", forbidden)
    monkeypatch.setattr(baselines.Setup, "build", forbidden)
    again = evaluate(run, IMAGES, labels=TARGETS, probes=("linear",), labels_per_class=(5,))
    assert again.rows == first.rows
    with pytest.raises(AssertionError, match="this was kept"):
        evaluate(run, IMAGES, labels=TARGETS, probes=("linear",), labels_per_class=(5,), seed=1)


def test_some_baselines_may_be_asked_for(make_run: MakeRun) -> None:
    asked: dict[str, Any] = {"labels": TARGETS, "probes": ("linear",), "labels_per_class": (5,)}
    some = evaluate(make_run(), IMAGES, baselines=["untrained", "pixels"], **asked)
    assert {row.row for row in some.rows if row.kind == "baseline"} == {"raw pixels", "untrained"}
    with pytest.raises(ValueError, match=r"'scrach'.*scratch"):
        evaluate(make_run("other"), IMAGES, baselines=["scrach"], **asked)


def test_the_users_weights_are_a_row(make_run: MakeRun) -> None:
    run, other = make_run("first"), make_run("other", seed=5)
    results = evaluate(run, IMAGES, labels=TARGETS, probes=("linear",), labels_per_class=(5,), weights=other.folder)
    alone = evaluate(other, IMAGES, labels=TARGETS, **QUICK)
    assert results.find("your weights").value == alone.find("simclr").value


def test_runs_that_differ_in_more_than_the_seed_are_rows_of_their_own(make_run: MakeRun) -> None:
    runs = [make_run("a"), make_run("b", seed=1), make_run("c", options={"crop": 0.2}), make_run("d", task="rotation")]
    results = evaluate(runs, IMAGES, labels=TARGETS, **QUICK)
    assert {row.row: row.runs for row in results.rows} == {"simclr (a, b)": ["a", "b"], "simclr (c)": ["c"], "rotation": ["d"]}
    assert any("No baselines" in note for note in results.notes)
    assert any("One pretraining seed only (simclr (c), rotation)" in note for note in results.notes)


def test_runs_are_as_long_as_one_another_by_budget_or_by_steps(make_run: MakeRun) -> None:
    def run(name: str, seed: int, steps: int, budget: str | None = None) -> Run:
        return dataclasses.replace(make_run(name, seed=seed), steps=steps, budget=budget)

    timed = [run("a", 0, 40, "1m"), run("b", 1, 43, "1m")]
    assert rows_by_seed([*timed, run("c", 2, 40)]) == {"simclr": [*timed, run("c", 2, 40)]}
    assert list(rows_by_seed([*timed, run("c", 2, 41)])) == ["simclr (a, b)", "simclr (c)"]
    assert list(rows_by_seed([*timed, run("c", 2, 40, "5m")])) == ["simclr (a, b)", "simclr (c)"]


def test_without_held_out_pictures_a_fifth_is_tested_and_said_to_be_transductive(make_run: MakeRun) -> None:
    results = evaluate(make_run(holdout=0.0), IMAGES, labels=TARGETS, **QUICK)
    assert results.transductive
    assert results.test == 60
    assert any("Transductive" in note for note in results.notes)


def test_other_pictures_than_those_of_pretraining_are_not_transductive(make_run: MakeRun) -> None:
    results = evaluate(make_run(holdout=0.0), IMAGES[::-1][:200].copy(), labels=TARGETS[::-1][:200], **QUICK)
    assert not results.transductive
    assert results.test == 40


def test_groups_stay_whole(make_run: MakeRun) -> None:
    groups = [f"group {number // 10}" for number in range(COUNT)]
    results = evaluate(make_run(holdout=0.0), IMAGES, labels=TARGETS, groups=groups, **QUICK)
    sides: dict[str, set[str]] = {}
    for name, (_, part) in results.parts.items():
        sides.setdefault(groups[int(name)], set()).add(part)
    assert all(len(parts) == 1 for parts in sides.values())
    assert results.test == 60
    with pytest.raises(ValueError, match="both sides"):
        evaluate(make_run("random"), IMAGES, labels=TARGETS, groups=groups, **QUICK)


def test_fine_tuning_holds_back_whole_groups_of_its_draw(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[np.ndarray, np.ndarray | None]] = []

    def recording(network: Any, reading: Any, *, rows: np.ndarray, groups: np.ndarray | None, **more: Any) -> Any:
        seen.append((rows, groups))
        return fine_tuned(network, reading, rows=rows, groups=groups, **more)

    monkeypatch.setattr("selfsup.evaluation.finetuned.fine_tuned", recording)
    groups = [f"group {number // 10}" for number in range(COUNT)]
    run = make_run(groups=groups)
    asked = QUICK | {"probes": ("finetune",), "labels_per_class": (5,)}
    evaluate(run, IMAGES, labels=TARGETS, **asked)
    assert len(seen) == 5
    assert all(members is not None and [groups[row] for row in rows] == members.tolist() for rows, members in seen)
    evaluate(run, IMAGES, labels=TARGETS, groups="none", **asked)
    assert [members for _, members in seen[5:]] == [None] * 5


def test_skewed_and_partly_labelled(make_run: MakeRun) -> None:
    labels = [None if number % 10 == 9 else "rare" if target == 0 and number % 2 else "common" for number, target in enumerate(TARGETS)]
    results = evaluate(make_run(), IMAGES, labels=labels, **QUICK)
    assert (results.metric, results.skewed, results.unlabelled) == ("balanced accuracy", True, 30)
    row = results.find("simclr")
    assert row.value == row.balanced_accuracy
    assert 0 < row.average_precision < 1
    recalls = {score.label: score.recall for score in results.per_class}
    assert row.value == pytest.approx(np.mean(list(recalls.values())))
    assert np.array(results.confusion[0].matrix).sum() == pytest.approx(results.test, abs=0.1)


def test_a_class_that_is_scarce_is_noted_and_one_that_is_missing_left_out(make_run: MakeRun) -> None:
    run = make_run()
    labels = [str(target) for target in TARGETS]
    parts = make_split(open_source(IMAGES).ids, holdout=0.3).parts
    train, test = ([n for n, part in enumerate(parts) if part == side] for side in ("train", "test"))
    for number in [*train[:3], test[0]]:
        labels[number] = "scarce"
    labels[train[5]] = "lone"
    results = evaluate(run, IMAGES, labels=labels, **QUICK)
    assert results.classes == ["0", "1", "2", "scarce"]
    assert any("'lone' (1 to learn from, 0 to test on)" in note for note in results.notes)
    assert any("'scarce' has 3" in note for note in results.notes)


def test_what_cannot_be_scored_is_said(make_run: MakeRun) -> None:
    run = make_run()
    with pytest.raises(ValueError, match=r"expected at least 2 classes with 2 labelled pictures each .* 'one': 299, 'other': 1"):
        evaluate(run, IMAGES, labels=["other", *["one"] * (COUNT - 1)], **QUICK)
    with pytest.raises(ValueError, match="'same': 300"):
        evaluate(run, IMAGES, labels=["same"] * COUNT, **QUICK)
    for wrong, message in (
        ({"probes": ("tree",)}, "linear, knn"),
        ({"draws": 4}, "at least 5"),
        ({"labels_per_class": (0,)}, "labels per class"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate(run, IMAGES, labels=TARGETS, **(QUICK | wrong))
    with pytest.raises(ValueError, match="no run was given"):
        evaluate([], IMAGES, labels=TARGETS)
    with pytest.raises(ValueError, match="did not hold out the same pictures"):
        evaluate([run, make_run("other", holdout=0.2)], IMAGES, labels=TARGETS, **QUICK)


def test_near_copies_across_the_split_are_warned_of(make_run: MakeRun) -> None:
    source = open_source(IMAGES)
    parts = make_split(source.ids, holdout=0.3).parts
    learned, tested = (np.flatnonzero(np.array(parts) == side) for side in ("train", "test"))
    images = IMAGES.copy()
    images[tested[:3]] = np.clip(images[learned[:3]].astype(int) + 1, 0, 255).astype(np.uint8)
    store = open_store(open_source(images), side=8, channels=1, progress=False)
    assert near_copies(store, learned, tested) == {store.ids[a]: store.ids[b] for a, b in zip(tested[:3], learned[:3], strict=True)}
    results = evaluate(make_run("copied", images=images), images, labels=TARGETS, **QUICK)
    assert any("3 tested pictures are near-copies" in note for note in results.notes)
