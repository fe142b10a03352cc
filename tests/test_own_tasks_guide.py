"""The guide to own tasks is true: its files are written, its commands run, and its output is what is printed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from selfsup import cli

PAGE = Path(__file__).parents[1] / "docs" / "own_tasks.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
FILES = {code.partition("\n")[0].removeprefix("# "): code for language, code in BLOCKS if language == "python"}
COMMANDS = [line.removeprefix("selfsup ").split() for language, code in BLOCKS if language == "sh" for line in code.splitlines()]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of the page, and pictures and mails of two classes."""
    for name, code in FILES.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    digits = load_digits()
    for index, (image, label) in enumerate(zip(digits.images[:80], digits.target[:80] % 2, strict=True)):
        folder = tmp_path / "pictures" / ("odd" if label else "even")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 15).astype(np.uint8)).save(folder / f"{index}.png")
    for index in range(60):
        folder = tmp_path / "mails" / ("bills", "lamps")[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        told = ("the bill for order", "the lamp of room")[index % 2]
        (folder / f"{index}.txt").write_text(f"Dear all, {told} {index} has come again. " * (8 + index % 5), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("selfsup.finetuning.recipe.FEWEST_STEPS", 6)
    monkeypatch.setattr("selfsup.finetuning.recipe.MOST_STEPS", 6)
    return tmp_path


def output(capsys: pytest.CaptureFixture[str], *line: str) -> tuple[object, str]:
    with pytest.raises(SystemExit) as stop:
        cli.main(line)
    return stop.value.code, capsys.readouterr().out


def test_every_command_of_the_page_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    once = ["tasks", "pretrain", "evaluate", "report"]
    assert [line[0] for line in COMMANDS] == ["tasks", "tasks", *once, *once]
    for line in COMMANDS:
        short = ["--steps", "2"] if "--budget" in line else ["--baselines", "tfidf"] if line[:2] == ["evaluate", "runs/shuffled"] else []
        kept = [word for n, word in enumerate(line) if "--budget" not in line[max(0, n - 1) : n + 1]]
        code, said = output(capsys, *kept, *short)
        assert code == 0, said
        if "--check" in line:
            assert "Nothing is broken." in said
    page = (here / "runs" / "chirality" / "report.html").read_text(encoding="utf-8")
    assert "put right by the network" in page
    assert "Chirality" in page
    assert "ShuffledWords" in (here / "runs" / "shuffled" / "report.html").read_text(encoding="utf-8")


def test_the_finding_shown_on_the_page_is_what_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [shown] = [code.strip() for language, code in BLOCKS if language == "text"]
    name = next(iter(FILES))
    (here / name).write_text(FILES[name].replace("generator=rng, ", ""), encoding="utf-8")
    code, said = output(capsys, "tasks", "--check", f"{name}:Chirality")
    assert code == 2
    assert " ".join(shown.split()) in " ".join(said.split())
