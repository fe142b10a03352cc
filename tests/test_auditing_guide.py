"""The guide to the audit is true: its commands run in their order, and so does its code."""

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
from selfsup.auditing.findings import BREAKS, COSTS, HELPS, KEEPS, OPEN

PAGE = (Path(__file__).parents[1] / "docs" / "auditing.md").read_text(encoding="utf-8")
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
        success(capsys, *line, *(["--batch-size", "8"] if line[0] == "pretrain" else ["--seeds", "2"]))
    assert (tmp_path / "digits-audit" / "audit.html").is_file()
    names: dict[str, Any] = {}
    [code] = [code for language, code in BLOCKS if language == "python"]
    exec(code.replace('labels="folder"', 'labels="folder", seeds=2').replace("steps=20", "steps=2, batch_size=8"), names)
    assert names["run"].options.items() >= names["options"].items()


def test_every_verdict_is_explained() -> None:
    assert re.findall(r"^\| (\w[\w ]*?) \|", PAGE, re.MULTILINE)[1:] == [HELPS, KEEPS, COSTS, BREAKS, OPEN]
