"""The guide to comparing is true: its Python runs and says what the page says it does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import selfsup
from selfsup.tasks import TASKS, find_task
from test_comparison import DIGITS, TARGETS, hurried

PAGE = (Path(__file__).parents[1] / "docs" / "comparing.md").read_text(encoding="utf-8")


def test_python_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    hurried(monkeypatch)
    monkeypatch.chdir(tmp_path)
    for number, (picture, label) in enumerate(zip(DIGITS, TARGETS, strict=True)):
        (tmp_path / "cells" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(tmp_path / "cells" / label / f"{number}.png")
    whole = selfsup.compare

    def short(*arguments: Any, **settings: Any) -> selfsup.Compared:
        return whole(*arguments, **settings | {"budget": "30m", "seeds": 1, "batch_size": 16, "labels_per_class": (5,)})

    monkeypatch.setattr(selfsup, "compare", short)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        promised = re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE)
        exec(compile(block, "comparing.md", "exec"), {})
        said = capsys.readouterr().out.splitlines()
        assert [line for line in promised if line not in said] == []


def test_tasks_that_are_left_out_unasked_are_named() -> None:
    listed = re.search(r"ask nearly what another asks \((.*?): name them", PAGE, re.DOTALL)
    assert listed is not None
    assert set(re.findall(r"`(\w+)`", listed[1])) == {name for name in TASKS if not find_task(name).compared}
