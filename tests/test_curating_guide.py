"""The guide to curating is true: its commands run in their order, and so does its code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from command_line import success
from selfsup.curating.picture_copies import THRESHOLD as PICTURES
from selfsup.curating.strategies import STRATEGIES
from selfsup.curating.text_copies import THRESHOLD as TEXTS

PAGE = (Path(__file__).parents[1] / "docs" / "curating.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [shlex.split(line)[1:] for language, code in BLOCKS if language == "sh" for line in code.splitlines()]


def test_commands_and_code_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    digits = load_digits()
    for index, (image, label) in enumerate(zip(digits.images[:90], digits.target[:90], strict=True)):
        folder = tmp_path / "digits" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 15).astype(np.uint8)).save(folder / f"{index}.png")
    monkeypatch.chdir(tmp_path)
    for line in COMMANDS:
        success(capsys, *line, *(["--batch-size", "8"] if line[0] == "pretrain" else []))
    written = {file.name for file in (tmp_path / "runs" / "digits" / "curating").iterdir()}
    assert written == {f"{name}.{kind}" for name in ("duplicates", "outliers", "suggestions", "suspects") for kind in ("csv", "html")}
    assert (tmp_path / "keep.csv").is_file()
    names: dict[str, Any] = {}
    [code] = [code for language, code in BLOCKS if language == "python"]
    exec(code, names)
    assert len(names["wanted"].items) == 20
    assert names["wanted"].strategy == "coverage"


def test_thresholds_and_strategies_of_the_page_are_those_of_the_code() -> None:
    assert f"{PICTURES:g}".lstrip("0") + " for pictures" in PAGE
    assert f"{TEXTS:g}".lstrip("0") + " for texts" in PAGE
    assert all(f"`{name}`" in PAGE for name in STRATEGIES)
