"""The guide to boxes, masks, numbers and several labels is true: its commands and its code run, and the report shows what they scored."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from command_line import failure, success
from selfsup.commands.application import app
from selfsup.downstream import detection, networks
from selfsup.downstream.detector import Schedule
from shapes import save_shapes

PAGE = (Path(__file__).parents[1] / "docs" / "downstream.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [shlex.split(line, comments=True)[1:] for language, code in BLOCKS if language == "sh" for line in code.splitlines()]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of pictures with boxes, masks, and a table of what is in them."""
    content = save_shapes(tmp_path)
    (tmp_path / "pictures").rename(tmp_path / "photos")
    names = {7: "square", 3: "ring"}
    with (tmp_path / "table.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "length", "contents"))
        for image in content["images"]:
            own = [one for one in content["annotations"] if one["image_id"] == image["id"]]
            writer.writerow((image["file_name"], sum(one["bbox"][2] for one in own), ";".join(names[one["category_id"]] for one in own)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(networks, "INITIALISATIONS", 1)
    monkeypatch.setattr(detection, "Schedule", lambda: Schedule(fewest=4, most=4))
    return tmp_path


def shortened(line: list[str]) -> list[str]:
    """The command with a few steps in place of its time, and few draws."""
    if line[0] == "pretrain":
        place = line.index("--budget")
        more = ["--steps", "2", "--batch-size", "8", "--size", "32", "--precision", "fp32", "--backbone", "compact_convnet"]
        return [*line[:place], *line[place + 2 :], *more]
    return [*line, "--draws", "2", "--labelled", "12,all"] if line[0] == "evaluate" else line


def test_the_page_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = [success(capsys, *shortened(line)) for line in COMMANDS]
    for metric, printed in zip(("AP50", "mIoU", "Spearman", "micro AP"), said[1:5], strict=True):
        assert metric in printed
        assert "untrained" in printed
        assert "simclr is" in printed
    page = (here / "runs" / "photos" / "report.html").read_text(encoding="utf-8")
    for title in ("Finding things", "Segmenting", "Telling numbers", "Several labels an item"):
        assert page.count(f"<h2>{title}</h2>") == 1
    assert "true 1" in page
    assert success(capsys, "report", "runs/photos", "--without-samples", "--out", "bare.html")
    bare = (here / "bare.html").read_text(encoding="utf-8")
    assert "Finding things" in bare
    assert "true 1" not in bare
    assert "<img" not in bare
    loaded: dict[str, Any] = {}
    [code] = [code for language, code in BLOCKS if language == "python"]
    exec(code, loaded)
    assert loaded["scores"].folder == Path("runs/photos")
    assert {part.name for part in loaded["contents"].parts} == {"square", "ring"}


def test_what_does_not_go_together(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save = ["evaluate", "runs/none", "photos"]
    assert "expected --labels too" in failure(capsys, *save, "--regression", "--boxes", "boxes.json")
    assert "expected --boxes too" in failure(capsys, *save, "--fine-tune", "--masks", "masks")
    assert "--labels, --boxes or --masks" in failure(capsys, *save)
    assert "--labelled got 'few'" in failure(capsys, *save, "--boxes", "boxes.json", "--labelled", "few")


def test_options_named_on_the_page_are_there() -> None:
    from typer.main import get_command

    group: Any = get_command(app)
    every = {flag for command in group.commands.values() for option in command.params for flag in option.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) <= every
