"""The guide to pairs is true: its commands run in their order, and its Python finds pictures by words."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from selfsup import cli
from small_pairs import table

PAGE = (Path(__file__).parents[1] / "docs" / "pairs.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [shlex.split(line)[1:] for language, code in BLOCKS if language == "sh" for line in code.splitlines()]


def shortened(line: list[str]) -> list[str]:
    """The command, with a few steps on small networks in place of its time, and no untrained networks beside."""
    if line[0] == "evaluate" and "--baselines" not in line:
        return [*line, "--baselines", "none"]
    if line[0] != "pretrain":
        return line
    place = line.index("--budget")
    steps = "60" if "clip" in line else "2"
    return [*line[:place], *line[place + 2 :], "--steps", steps, "--batch-size", "16", "--precision", "fp32"]


def test_the_commands_of_the_page_run_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table(tmp_path / "photos")
    (tmp_path / "question.jsonl").write_text(json.dumps({"text": "a green column"}) + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for line in COMMANDS:
        with pytest.raises(SystemExit) as stop:
            cli.main(shortened(line))
        said = capsys.readouterr()
        assert stop.value.code == 0, (line, said.out[-2000:], said.err[-2000:])
    loaded: dict[str, Any] = {}
    for language, code in BLOCKS:
        if language == "python":
            exec(code, loaded)
    assert len(loaded["best"]) == 3
    assert {one.language for one in loaded["scores"].rows[0].zero_shot} == {"en", "de"}
    assert list(loaded["written"].texts) == ["000.png"]
    assert {one.group for one in loaded["judged"]} == {"en", "de"}
    assert len((tmp_path / "german.jsonl").read_text(encoding="utf-8").splitlines()) == 48


def test_options_named_on_the_page_are_there() -> None:
    from typer.main import get_command

    from selfsup.commands.application import app

    group: Any = get_command(app)
    every = {flag for command in group.commands.values() for option in command.params for flag in option.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) <= every
