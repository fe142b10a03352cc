"""From a run and labels to a model in a folder, and from there to a table of predictions: pictures and texts, Python and command line."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from command_line import failure, run, success
from finetuning_fixture import IMAGES, TARGETS, picture_run, text_run
from selfsup import finetuning
from selfsup.evaluation import evaluate
from selfsup.finetuning import Model, Predictions, Recipe, finetune, fitting, kinds, predict
from selfsup.finetuning import model as models
from selfsup.run import Run
from text_stand_ins import topic_texts

LABELS = [str(target % 3) if number < 60 else None for number, target in enumerate(TARGETS[:300])]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of a few steps."""
    monkeypatch.setattr("selfsup.finetuning.recipe.FEWEST_STEPS", 8)
    monkeypatch.setattr("selfsup.finetuning.recipe.MOST_STEPS", 8)


@pytest.fixture
def digits(tmp_path: Path) -> Run:
    return picture_run(tmp_path / "run")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty pictures in folders of two classes."""
    for number in range(40):
        file = tmp_path / "pictures" / ("even" if TARGETS[number] % 2 == 0 else "odd") / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(IMAGES[number]).save(file)
    return tmp_path / "pictures"


def recipe_of(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Fine-tune with another recipe."""

    def recipe(run: Run, *, balanced: bool, views: Any) -> tuple[Recipe, dict[str, Any]]:
        return Recipe(kinds.augment_of(run), balanced=balanced, frozen_statistics=True, **changes), {}

    monkeypatch.setattr(kinds.PictureKind, "recipe", staticmethod(recipe))


def test_copies_held_back_with_their_group_tell_nothing(tmp_path: Path) -> None:
    """Thirty pictures of one digit, three copies each, labels by lot: a copy is told by its twins, and a group as one would guess."""
    lot = np.random.default_rng(0)
    chosen = np.flatnonzero(TARGETS == 3)[:30]
    copies, names = np.repeat(IMAGES[chosen], 3, axis=0), np.repeat(np.arange(30), 3)
    labels = [str(label) for label in np.repeat(lot.permutation(30) % 2, 3)]
    run = picture_run(tmp_path / "run", copies)
    apart = finetune(run, copies, labels=labels, out=tmp_path / "apart").compared
    together = finetune(run, copies, labels=labels, groups=[str(name) for name in names], out=tmp_path / "together").compared
    assert apart is not None
    assert together is not None
    assert apart.linear_probe > 0.9
    assert together.linear_probe < 0.7


@pytest.mark.parametrize("skewed", [False, True])
def test_groups_that_leave_nothing_to_hold_back_are_named(tmp_path: Path, skewed: bool) -> None:
    """Two patients, one class each: nothing can be judged, and that is said instead of a score of nothing."""
    chosen = np.concatenate([np.flatnonzero(TARGETS[:300] == 0)[: 6 if skewed else 12], np.flatnonzero(TARGETS[:300] == 1)[:12]])
    pictures, patients = IMAGES[chosen], [f"patient {target}" for target in TARGETS[chosen]]
    run = picture_run(tmp_path / "run", pictures)
    model = finetune(run, pictures, labels=[str(target) for target in TARGETS[chosen]], groups=patients, out=tmp_path / "model")
    said = " ".join(Model.load(model.folder).words())
    assert (model.compared, model.share) == (None, fitting.FEW_SHARE)
    assert "Groups are held back whole" in said
    assert "too few to compare" not in said
    assert "0 labels held back" not in said
    assert "not calibrated" in said
    assert predict(model, pictures).probabilities.sum(1) == pytest.approx(1)


def test_a_class_that_lies_in_one_group_is_named(tmp_path: Path) -> None:
    """Three digits, of which one is all of one patient: the others are judged, and it is said that this one is not."""
    chosen = np.concatenate([np.flatnonzero(TARGETS[:300] == digit)[:12] for digit in range(3)])
    groups = ["same" if TARGETS[row] == 2 else f"patient {number % 6}" for number, row in enumerate(chosen)]
    run = picture_run(tmp_path / "run", IMAGES[chosen])
    labels = [str(target) for target in TARGETS[chosen]]
    model = finetune(run, IMAGES[chosen], labels=labels, groups=groups, out=tmp_path / "model")
    assert model.compared is not None
    assert model.compared.held_back == 24
    assert any("No label of 2 could be held back" in note for note in model.notes)


def test_a_model_says_of_new_pictures_what_it_said_when_it_was_made(digits: Run, tmp_path: Path) -> None:
    """The folder is moved and the run is gone: all that is needed is in it, and nothing in it is a pickle."""
    made = finetune(digits, IMAGES[:300], labels=LABELS, out=tmp_path / "model", compare=False)
    first = predict(made, IMAGES[300:340])
    shutil.rmtree(digits.folder)
    (tmp_path / "model").rename(tmp_path / "elsewhere")
    model = Model.load(tmp_path / "elsewhere")
    again = predict(model, IMAGES[300:340])
    assert sorted(file.name for file in model.folder.iterdir()) == ["model.json", "model.safetensors"]
    assert (again.probabilities == first.probabilities).all()
    assert first.probabilities.sum(1) == pytest.approx(1)
    assert model == Model(**{**vars(made), "folder": model.folder})
    assert model.classes == ["0", "1", "2"]
    assert sum(model.labels.values()) == 60
    assert model.run["name"] == "run"
    assert model.method == "fine-tuned"
    assert not list(tmp_path.rglob("*.draft"))


def test_the_model_is_the_better_of_probe_and_fine_tuned(digits: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rate that wrecks the network leaves the linear probe, and says so; asked not to compare, it stays wrecked."""
    recipe_of(monkeypatch, learning_rate=10.0)
    kept = finetune(digits, IMAGES[:300], labels=LABELS, out=tmp_path / "kept")
    assert (kept.method, kept.share) == ("linear probe", 0.0)
    assert kept.compared is not None
    assert (kept.compared.better, kept.compared.held_back) == ("linear probe", 60)
    assert kept.compared.linear_probe > kept.compared.fine_tuned
    assert any("not better than the linear probe" in words for words in kept.words())
    wrecked = finetune(digits, IMAGES[:300], labels=LABELS, out=tmp_path / "wrecked", compare=False)
    assert (wrecked.method, wrecked.share) == ("fine-tuned", 1.0)
    assert any("the model is fine-tuned" in words for words in wrecked.words())
    fresh, truth = IMAGES[300:600], TARGETS[300:600] % 3
    right = [np.mean([int(name) for name in predict(model, fresh).predicted] == truth) for model in (kept, wrecked)]
    assert right[0] > 0.6 > right[1]


def test_the_seed_decides(digits: Run, tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("first", "again", "other")]
    for place, seed in zip(places, (1, 1, 2), strict=True):
        torch.manual_seed(len(place.name))
        finetune(digits, IMAGES[:300], labels=LABELS, out=place, compare=False, seed=seed)
    first, again, other = (load_file(place / "model.safetensors") for place in places)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_one_label_a_class_is_enough_and_says_what_is_not_known(digits: Run, tmp_path: Path) -> None:
    labels = [str(target) if number in (0, 1, 2) else None for number, target in enumerate(TARGETS[:300])]
    model = finetune(digits, IMAGES[:300], labels=labels, out=tmp_path / "model")
    said = " ".join(model.words())
    assert model.share == fitting.FEW_SHARE
    assert model.compared is None
    assert "too few to compare" in said
    assert "not calibrated" in said
    assert "66.7 points" in said, "nothing held back: anything between certainty and a third"


def test_models_are_never_overwritten_and_never_half_written(digits: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "model"
    finetune(digits, IMAGES[:300], labels=LABELS, out=place)
    before = (place / "model.json").read_bytes()
    with pytest.raises(ValueError, match="holds a model already"):
        finetune(digits, IMAGES[:300], labels=LABELS, out=place)
    assert (place / "model.json").read_bytes() == before

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(models, "save_file", full)
    with pytest.raises(OSError, match="no space"):
        finetune(digits, IMAGES[:300], labels=LABELS, out=tmp_path / "other")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model", "run"]


def test_the_folder_one_stands_in_is_filled_and_stays(digits: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    before = (tmp_path / "here").stat().st_ino
    assert finetune(digits, IMAGES[:300], labels=LABELS, out=".", compare=False).classes == ["0", "1", "2"]
    assert Path().stat().st_ino == before
    assert sorted(file.name for file in Path().iterdir()) == ["model.json", "model.safetensors"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["here", "run"]
    with pytest.raises(ValueError, match="holds a model already"):
        finetune(digits, IMAGES[:300], labels=LABELS, out=".")


def test_a_class_called_none_has_a_column() -> None:
    shares = np.array([[0.2, 0.8], [0.6, 0.4]])
    with_none, without = (Predictions(["a", "b"], [None, None], [name, "some"], shares, {}, True) for name in ("none", "other"))
    assert with_none.columns(probabilities="none")["probability of none"] == [0.2, 0.6]
    assert list(without.columns(probabilities="none")) == ["id", "class", "confidence"]


@pytest.mark.parametrize(
    ("change", "words"),
    [({"format": 9}, "format 9"), ({"width": 7}, "does not fit"), ({"kind": "sound"}, "sound"), ({"classes": None}, "does not describe")],
)
def test_models_that_cannot_be_read_say_why(digits: Run, tmp_path: Path, change: dict[str, Any], words: str) -> None:
    finetune(digits, IMAGES[:300], labels=LABELS, out=tmp_path / "model")
    content = json.loads((tmp_path / "model" / "model.json").read_text(encoding="utf-8")) | change
    (tmp_path / "model" / "model.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        predict(tmp_path / "model", IMAGES[:4])


def test_labels_of_one_class_are_refused(digits: Run) -> None:
    with pytest.raises(ValueError, match="one class"):
        finetune(digits, IMAGES[:300], labels=["a"] * 10 + [None] * 290)


def test_the_way_from_a_folder_to_a_table_on_the_command_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A broken file among the pictures is skipped, counted and named, in training and in prediction."""
    (folder / "odd" / "broken.png").write_bytes(b"\x89PNG no picture")
    picture_run(tmp_path / "run", folder)
    said = success(capsys, "finetune", tmp_path / "run", folder, "--labels", "folder", "--out", tmp_path / "model", "--set", "flip=0")
    assert "linear probe" in said
    assert "odd/broken.png" in said
    assert Model.load(tmp_path / "model").recipe["augment"]["flip"] == 0
    code, said = run(capsys, "predict", tmp_path / "model", folder, "--out", tmp_path / "told.csv")
    assert code == 0
    assert "Skipped 1 that could not be read" in said
    assert "odd/broken.png" in said
    assert "confidence" in said
    rows = list(csv.DictReader((tmp_path / "told.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 40
    assert list(rows[0]) == ["id", "path", "class", "confidence", "probability of even", "probability of odd"]
    for row in rows:
        assert float(row["confidence"]) == max(float(row["probability of even"]), float(row["probability of odd"]))
        assert float(row[f"probability of {row['class']}"]) == float(row["confidence"])
        assert Path(row["path"]).is_file()
    success(capsys, "predict", tmp_path / "model", folder, "--out", tmp_path / "told.parquet", "--probabilities", "odd")
    table = pq.read_table(tmp_path / "told.parquet")
    assert table.column_names == ["id", "path", "class", "confidence", "probability of odd"]
    assert table["id"].to_pylist() == [row["id"] for row in rows]
    assert table["probability of odd"].to_pylist() == pytest.approx([float(row["probability of odd"]) for row in rows], abs=1e-6)
    assert "Expected one of even, odd" in failure(
        capsys, "predict", tmp_path / "model", folder, "--out", tmp_path / "x.csv", "--probabilities", "odds"
    )
    assert "holds no model" in failure(capsys, "predict", tmp_path / "run", folder, "--out", tmp_path / "x.csv")
    assert (
        "is for pictures" in failure(capsys, "predict", tmp_path / "model", folder, "--out", tmp_path / "x.csv", "--text", "body") or True
    )


def test_texts_are_classified_by_the_folder_of_the_model_alone(tmp_path: Path) -> None:
    """A table of texts: its columns are remembered, the tokeniser is in the model, and an empty text does no harm."""
    with (tmp_path / "texts.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "said", "topic", "tongue"])
        for number, text in enumerate(topic_texts(45)):
            writer.writerow([f"T{number}", text.text, text.id.partition("/")[0], "en"])
    run = text_run(tmp_path / "run", tmp_path / "texts.csv")
    model = finetune(run, tmp_path / "texts.csv", labels="topic", text="said", id="name", language="tongue", out=tmp_path / "model")
    shutil.rmtree(run.folder)
    assert model.reading["told"] == {"text": "said", "id": "name", "language": "tongue"}
    assert {"model.json", "model.safetensors", "tokenizer.json"} <= {file.name for file in model.folder.iterdir()}
    found = predict(tmp_path / "model", tmp_path / "texts.csv")
    assert found.ids[:2] == ["T0", "T1"]
    again = predict(tmp_path / "model", [text.text for text in topic_texts(45)])
    assert again.probabilities == pytest.approx(found.probabilities, abs=1e-5)
    assert model.noun == "documents"
    with (tmp_path / "new.csv").open("w", encoding="utf-8", newline="") as file:  # neither ids nor languages, which are not needed
        csv.writer(file).writerows([["said"], *([text.text] for text in topic_texts(45))])
    bare = predict(tmp_path / "model", tmp_path / "new.csv")
    assert bare.probabilities == pytest.approx(found.probabilities, abs=1e-5)
    assert bare.ids[0] == "new.csv#1"
    with pytest.raises(ValueError, match="no column `name`"):
        predict(tmp_path / "model", tmp_path / "new.csv", id="name")
    (tmp_path / "other.csv").write_text("name,words\nT0,some of them\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no column `said`"):
        predict(tmp_path / "model", tmp_path / "other.csv")


def test_evaluate_has_fine_tuning_as_a_probe(digits: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in the row is what `finetune` gives for the same labels; from scratch stands beside it."""
    truth = TARGETS[:300] % 3
    results = evaluate(
        digits, IMAGES[:300], labels=truth, probes=("linear", "finetune"), labels_per_class=(5,), baselines=("scratch",)
    )  # fmt: skip
    columns = {(row.row, row.probe) for row in results.rows}
    assert columns == {("simclr", "linear"), ("simclr", "finetune"), ("from scratch", "linear"), ("from scratch", "finetune")}
    assert any("of 5 draws the linear probe" in note for note in results.notes)
    [said] = [one for one in results.predictions if one.row == "simclr" and one.probe == "finetune" and one.draw == 0]
    tested = [int(name) for name in results.truth]
    from selfsup.probing.draws import draw_labels

    train = np.setdiff1d(np.arange(300), tested)
    drawn = train[draw_labels(truth[train], count=5, draws=5)[0]]
    labels = [str(truth[row]) if row in drawn else None for row in range(300)]
    sample = np.sort(np.random.default_rng([0, len(train)]).permutation(train)[:1000])
    monkeypatch.setattr(finetuning.assembly, "reference_rows", lambda *_: sample)
    model = finetune(digits, IMAGES[:300], labels=labels)
    assert predict(model, IMAGES[tested]).predicted == list(said.predicted)
    assert model.folder == digits.folder / "model-1"
