"""The demo runs from end to end on a few pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo import export_digits, run_demo


def test_digits_are_exported_once(tmp_path: Path) -> None:
    folder = export_digits(tmp_path, limit=2)
    files = sorted(folder.rglob("*.png"))
    assert [file.parent.name for file in files] == [str(digit) for digit in range(10) for _ in range(2)]
    before = [file.stat().st_mtime_ns for file in files]
    export_digits(tmp_path, limit=2)
    assert [file.stat().st_mtime_ns for file in files] == before, "a second export would decode everything again"


def test_demo_ends_with_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = run_demo(tmp_path, budget="2s", limit=25, baselines=False)
    assert page.is_file()
    said = capsys.readouterr().out
    assert "simclr" in said
    assert str(page) in said
    assert page.read_text(encoding="utf-8").count('class="place"') == 2 * 10, "the map of each task names the ten digits"
