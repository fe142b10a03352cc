"""The guide to comparing is true: its Python runs and says what the page says it does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "comparing.md").read_text(encoding="utf-8")


def test_python_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert blocks
    for block in blocks:
        promised = re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE)
        exec(compile(block, "comparing.md", "exec"), {})
        said = capsys.readouterr().out.splitlines()
        assert [line for line in promised if line not in said] == []
