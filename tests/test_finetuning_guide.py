"""The guide to fine-tuning is true: its commands and its code run in their order on pictures and tickets, and make what it says."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from command_line import success
from finetuning_fixture import IMAGES, TARGETS, picture_run, text_run
from selfsup.finetuning import Model

PAGE = (Path(__file__).parents[1] / "docs" / "finetuning.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [shlex.split(line)[1:] for language, code in BLOCKS if language == "sh" for line in code.splitlines()]
TOLD = {"bills": "the bill for order {} has come again and nobody has paid it", "lamps": "the lamp of room {} flickers and hums all night"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Cells in two folders, others without labels, a table of tickets, and a run of each."""
    for number in range(60):
        for place in (f"cells/{'good' if TARGETS[number] % 2 else 'bad'}", "new_cells"):
            (tmp_path / place).mkdir(parents=True, exist_ok=True)
            Image.fromarray(IMAGES[number]).save(tmp_path / place / f"{number}.png")
    with (tmp_path / "tickets.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["number", "subject", "body", "queue"])
        for number in range(40):
            queue = list(TOLD)[number % 2]
            writer.writerow([f"T{number}", f"Room {number}", TOLD[queue].format(number), queue if number < 30 else ""])
    picture_run(tmp_path / "runs" / "cells", tmp_path / "cells")
    text_run(tmp_path / "runs" / "tickets", tmp_path / "tickets.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("selfsup.finetuning.recipe.FEWEST_STEPS", 6)
    monkeypatch.setattr("selfsup.finetuning.recipe.MOST_STEPS", 6)
    return tmp_path


def test_what_the_page_says_happens(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for line in COMMANDS:
        success(capsys, *line)
    table = list(csv.DictReader((here / "predictions.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["id"] for row in table[:2]] == ["0.png", "1.png"]
    assert list(table[0]) == ["id", "path", "class", "confidence", "probability of bad", "probability of good"]
    told = pq.read_table(here / "predictions.parquet")
    assert told.column_names == ["id", "path", "class", "confidence"]
    assert told["id"].to_pylist() == [f"T{number}" for number in range(40)]
    assert sum(Model.load("models/tickets").labels.values()) == 30
    loaded: dict[str, Any] = {}
    [code] = [code for language, code in BLOCKS if language == "python"]
    exec(code, loaded)
    assert loaded["model"].recipe["augment"]["flip"] == 0
    assert loaded["found"].counts.keys() == {"good", "bad"}
    assert set(loaded["unsure"]) <= set(loaded["found"].ids)
