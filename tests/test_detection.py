"""Boxes: bad annotations cost no good ones, boxes follow a picture to its square, and a small head finds what there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from selfsup.data.coco import UNKNOWN, Objects, read_coco
from selfsup.downstream import UseScores, detection, evaluate_detection
from selfsup.downstream.detector import Detector, Schedule
from shapes import save_shapes, untrained_run

SHORT = Schedule(fewest=4, most=4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_shapes(tmp_path)
    return tmp_path


def written(folder: Path, content: dict[str, Any]) -> Path:
    file = folder / "changed.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def test_boxes_are_shares_of_the_picture_and_what_sticks_out_is_cut(tmp_path: Path) -> None:
    content = save_shapes(tmp_path, count=2)
    content["annotations"] = [
        {"id": 1, "image_id": 0, "category_id": 7, "bbox": [16, 8, 16, 8]},
        {"id": 2, "image_id": 0, "category_id": 3, "bbox": [48, 24, 32, 32], "iscrowd": 1},
    ]
    found = read_coco(written(tmp_path, content), ["00.png", "01.png", "02.png"], aspects=np.array([2.0, 2.0, 2.0]))
    assert found.classes == ["ring", "square"]
    first, second, third = found.objects
    assert first is not None
    np.testing.assert_allclose(first.boxes, [[0.25, 0.25, 0.5, 0.5], [0.75, 0.75, 1.0, 1.0]])
    assert first.classes.tolist() == [1, 0]
    assert first.crowd.tolist() == [False, True]
    assert second is not None
    assert len(second) == 0
    assert third is None, "a picture that the file does not list is not known to be empty"


BAD: dict[str, dict[str, Any]] = {
    "outside": {"bbox": [70, 3, 5, 5]},
    "no area": {"bbox": [3, 3, 0, 5]},
    "unknown or was skipped": {"image_id": 999},
    "category, 99, is unknown": {"category_id": 99},
    "expected \\[left, top, width, height\\]": {"bbox": [1, 2, 3]},
    "what is no number": {"bbox": [1, 2, float("nan"), 3]},
}


@pytest.mark.parametrize("reason", BAD)
def test_one_bad_annotation_is_named_and_costs_no_other_picture(folder: Path, reason: str) -> None:
    content = json.loads((folder / "boxes.json").read_text(encoding="utf-8"))
    ids = [one["file_name"] for one in content["images"]]
    whole = read_coco(folder / "boxes.json", ids)
    content["annotations"].append({"id": 4711, "image_id": 1, "category_id": 7, "bbox": [1, 1, 5, 5]} | BAD[reason])
    found = read_coco(written(folder, content), ids)
    assert list(found.skipped) == ["annotation 4711"]
    assert reason.replace("\\", "") in found.skipped["annotation 4711"]
    pairs = list(zip(found.objects, whole.objects, strict=True))
    assert all(one is not None and other is not None and (one.boxes == other.boxes).all() for one, other in [pairs[0], *pairs[2:]])
    own, before = pairs[1]
    assert before is not None
    if "image_id" in BAD[reason]:
        assert own is not None
        assert len(own) == len(before)
    elif "bbox" in BAD[reason]:
        assert own is None, "something is there, and where is not known"
        assert "the picture is left out" in found.skipped["annotation 4711"]
    else:
        assert own is not None
        assert own.classes.tolist() == [UNKNOWN, *before.classes.tolist()] or own.classes.tolist() == [*before.classes.tolist(), UNKNOWN]
        assert own.crowd.sum() == 1
        np.testing.assert_allclose(own.boxes[own.crowd], [[1 / 64, 1 / 32, 6 / 64, 6 / 32]])


def test_pictures_that_cannot_be_meant_are_named(folder: Path) -> None:
    content = json.loads((folder / "boxes.json").read_text(encoding="utf-8"))
    content["images"].append({"id": 1000, "file_name": "gone.png", "width": 5, "height": 5})
    content["images"][2] |= {"width": 32, "height": 64}
    del content["images"][3]["height"]
    ids = [f"{number:02d}.png" for number in range(40)]
    found = read_coco(written(folder, content), ids, aspects=np.full(40, 2.0))
    assert found.skipped["gone.png"] == "means no picture there is"
    assert "another shape" in found.skipped["02.png"]
    assert found.skipped["03.png"] == "has no height"
    assert found.objects[2] is None


def test_files_that_are_something_else(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no file"):
        read_coco(tmp_path / "nothing.json", ["a.png"])
    with pytest.raises(ValueError, match="images, annotations, categories"):
        read_coco(written(tmp_path, {"boxes": []}), ["a.png"])
    content = save_shapes(tmp_path, count=2)
    with pytest.raises(ValueError, match=r"none of the pictures there are, for example 'a\.png'"):
        read_coco(written(tmp_path, content), ["a.png"])


def test_positions_answer_for_the_boxes_they_lie_in() -> None:
    """Told the truth, the head's decoding gives back the box: distances in strides to the four sides of a box around a position."""
    head = Detector([(4, 8)], size=32, classes=2)
    place = torch.tensor([5 * 8 + 2])  # row 5, column 2: its middle is at (10, 22)
    middle = (head.places[place, :2] + head.places[place, 2:]) / 2
    assert middle.tolist() == [[10.0, 22.0]]
    distances = torch.tensor([[6.0, 2.0, 4.0, 8.0]]) / 4  # left, top, right, bottom in strides of 4 px
    box = head.fcos.box_coder.decode(distances, head.places[place])
    assert box.tolist() == [[4.0, 20.0, 14.0, 30.0]]


def test_a_head_learns_where_things_are(folder: Path) -> None:
    """Squares and rings on raw pixels: what is found overlaps what is there, which chance (a random box) hardly does."""
    run = untrained_run(folder / "run", folder / "pictures")
    scores = evaluate_detection(run, folder / "pictures", boxes=folder / "boxes.json", labelled=("all",), baselines=["pixels"])
    assert scores.find("raw pixels", metric="AP50").value > 0.5
    assert scores.find("raw pixels", metric="AP").value < scores.find("raw pixels", metric="AP50").value
    sample = scores.samples[0]
    surest = sample["found"]["raw pixels"][0]
    assert len(surest) == 6
    assert 0 <= min(surest[:4]) <= max(surest[:4]) <= 1


def test_rows_files_and_the_split_of_the_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "Schedule", lambda: SHORT)
    runs = [untrained_run(folder / f"runs/{name}", folder / "pictures", seed=seed) for seed, name in enumerate("ab")]
    runs += [untrained_run(folder / "runs/c", folder / "pictures", task="rotation")]
    scores = evaluate_detection(runs, folder / "pictures", boxes=folder / "boxes.json", labelled=(4, "all"), draws=3)
    assert {row.row for row in scores.rows} == {"simclr", "rotation", "raw pixels", "untrained"}
    assert (scores.train, scores.test, scores.transductive) == (24, 16, False)
    assert len(scores.rows) == 4 * 2 * 2
    assert all(0 <= row.low <= row.value <= row.high <= 1 for row in scores.rows)
    own = scores.find("simclr")
    assert (own.seeds, own.runs, own.labelled) == (2, ["a", "b"], 4)
    assert sum(one.best_baseline for one in scores.comparisons if one.row == "simclr") == 2 * 2
    assert {one.against for one in scores.comparisons if one.row == "simclr"} == {"rotation", "raw pixels", "untrained"}
    assert {part.name for part in scores.parts} == {"square", "ring"}
    assert any("One pretraining seed only (rotation)" in note for note in scores.notes)
    loaded = UseScores.load(folder / "runs" / "detection.json")
    assert loaded.find("simclr").value == pytest.approx(own.value, abs=1e-6)
    assert (folder / "runs/a/detection.json").read_bytes() == (folder / "runs/detection.json").read_bytes()
    with np.load(folder / "runs/detection.npz") as arrays:
        assert arrays["pictures"].shape[0] == len(scores.samples)


def test_the_whole_network_can_be_trained(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "Schedule", lambda: SHORT)
    run = untrained_run(folder / "run", folder / "pictures")
    before = (run.folder / "backbone.safetensors").read_bytes()
    asked: dict[str, Any] = {"boxes": folder / "boxes.json", "labelled": (4,), "draws": 2, "baselines": ["pixels", "scratch"]}
    scores = evaluate_detection(run, folder / "pictures", fine_tune=True, **asked)
    assert {row.row: row.probe for row in scores.rows} == {"simclr": "fine-tuned", "from scratch": "fine-tuned", "raw pixels": "frozen"}
    assert {one.against for one in scores.comparisons} == {"from scratch"}
    assert all(one.best_baseline for one in scores.comparisons)
    assert all(set(part.scores) <= {"simclr", "from scratch"} for part in scores.parts)
    assert any("no fine-tuned run: raw pixels" in note for note in scores.notes)
    assert (run.folder / "backbone.safetensors").read_bytes() == before


@pytest.mark.parametrize(("beside", "rows"), [(True, {"simclr", "from scratch"}), ("pixels", {"simclr", "raw pixels"})])
def test_what_stands_beside_a_fine_tuned_network(folder: Path, monkeypatch: pytest.MonkeyPatch, beside: bool | str, rows: set[str]) -> None:
    monkeypatch.setattr(detection, "Schedule", lambda: SHORT)
    run = untrained_run(folder / "run", folder / "pictures")
    scores = evaluate_detection(run, boxes=folder / "boxes.json", labelled=(4,), draws=1, fine_tune=True, baselines=beside)
    assert {row.row for row in scores.rows} == rows
    assert bool(scores.comparisons) is (beside is True), "nothing frozen is compared with what was trained"
    assert any("No baseline was trained" in note for note in scores.notes) is (beside is not True)


def test_pictures_without_anything_are_tested_and_not_drawn(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "Schedule", lambda: SHORT)
    content = json.loads((folder / "boxes.json").read_text(encoding="utf-8"))
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] % 2]
    run = untrained_run(folder / "run", folder / "pictures")
    scores = evaluate_detection(run, boxes=written(folder, content), labelled=("all",), baselines=False)
    assert scores.train < 24
    assert scores.test == 16


def test_crowds_are_not_learned_from() -> None:
    torch.manual_seed(0)
    head = Detector([(4, 8)], size=32, classes=2)
    maps = [torch.rand(1, 4, 8, 8)]
    box = np.array([[0.1, 0.1, 0.6, 0.6]])
    crowd = Objects(box, np.array([UNKNOWN]), np.array([True]))
    outside = np.ones((8, 8), dtype=bool)
    outside[1:5, 1:5] = False  # middles at 6, 10, 14 and 18 px lie between 3.2 and 19.2; that at 2 does not
    logits = head(maps)["cls_logits"][0].reshape(8, 8, 2)[torch.as_tensor(outside)]
    chance = logits.sigmoid()
    asked = -0.75 * (chance**2 * (1 - chance).log()).sum()  # focal loss where nothing is (Lin and others, ICCV 2017), alpha .25, gamma 2
    assert head.loss(maps, [crowd]).item() == pytest.approx(asked.item(), rel=1e-5)


def test_a_box_in_a_crowd_is_learned_from() -> None:
    torch.manual_seed(0)
    head = Detector([(4, 8)], size=32, classes=2)
    maps = [torch.rand(1, 4, 8, 8)]
    small, large = [0.3, 0.3, 0.5, 0.5], [0.0, 0.0, 1.0, 1.0]
    for boxes, crowd in (([small], [False]), ([small, large], [False, True])):
        head.zero_grad()
        torch.autograd.backward(head.loss(maps, [Objects(np.array(boxes), np.array([1, 0][: len(boxes)]), np.array(crowd))]))
        pulls = head.fcos.head.classification_head.cls_logits.bias.grad
        assert pulls[1] < 0, "its class is wanted"
        assert (pulls[0] > 0) is not crowd[-1], "and the other is unwanted, though not in a crowd of it"
