"""The guide to texts is true: its commands run in their order, and what it loads is what was trained."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from selfsup import cli
from selfsup.backbones import save_text_backbone
from selfsup.commands.application import app
from selfsup.contract.text_trials import byte_vocabulary
from selfsup.data.tokens.tokenizer import Tokenizer
from selfsup.embedding.text_networks import network_in
from small_text import backbone

PAGE = (Path(__file__).parents[1] / "docs" / "text.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [shlex.split(line)[1:] for language, code in BLOCKS if language == "sh" for line in code.splitlines()]
TOLD = {"bills": "the bill for order {} has come again and nobody has paid it", "lamps": "the lamp of room {} flickers and hums all night"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with mails, a table of tickets, manuals in two languages, and a network of somebody else's."""
    rows = []
    for number in range(60):
        queue = list(TOLD)[number % 2]
        said = f"Dear all, {TOLD[queue].format(number)}. " * (8 + number % 5)
        translated = said.replace("Dear all", "Liebe alle").replace(" and ", " und ").replace("the", "die")
        for name, text in {
            f"mails/{queue}/{number}.txt": said,
            f"manuals/en/{number}.txt": said,
            f"manuals/de/{number}.txt": translated,
        }.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        rows.append({"number": f"T{number}", "customer": f"C{number % 20}", "subject": f"Room {number}", "body": said, "queue": queue})
    with (tmp_path / "tickets.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    Tokenizer.bytes().save(tmp_path / "FOLDER")
    save_text_backbone(backbone(size=byte_vocabulary().size, context=128), tmp_path / "FOLDER")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("selfsup.finetuning.recipe.FEWEST_STEPS", 6)
    monkeypatch.setattr("selfsup.finetuning.recipe.MOST_STEPS", 6)
    monkeypatch.setattr("selfsup.evaluation.baselines.INITIALISATIONS", 2)  # untrained networks take most of the time
    return tmp_path


def shortened(line: list[str]) -> list[str]:
    """The command, with a few steps in place of its time, and one baseline in place of all."""
    if line[0] == "evaluate" and "--baselines" not in line:
        return [*line, "--baselines", "tfidf"]
    if line[0] != "pretrain":
        return line
    place = line.index("--budget")
    return [*line[:place], *line[place + 2 :], "--steps", "2", "--batch-size", "4"]


def test_the_commands_of_the_page_run_in_their_order(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for line in COMMANDS:
        with pytest.raises(SystemExit) as stop:
            cli.main(shortened(line))
        said = capsys.readouterr()
        assert stop.value.code == 0, (line, said.out[-2000:], said.err[-2000:])
    table = pq.read_table(here / "mails.parquet")
    assert table.column_names[:4] == ["id", "path", "part", "embedding"]
    assert len(table) == 60
    assert set(table["part"].to_pylist()) == {"train", "test"}
    loaded: dict[str, Any] = {}
    [code] = [code for language, code in BLOCKS if language == "python"]
    exec(code, loaded)
    ids = loaded["rows"]["input_ids"]
    own = network_in(here / "runs" / "mails")[0].eval()
    assert ids[0].tolist() == Tokenizer.load(here / "runs" / "mails").encode("The lamp of room 7 flickers.").tolist()
    np.testing.assert_allclose(loaded["states"].detach().numpy(), own.tokens(ids).detach().numpy(), atol=1e-5)
    assert torch.isfinite(loaded["states"]).all()


def test_options_named_on_the_page_are_there() -> None:
    from typer.main import get_command

    group: Any = get_command(app)
    every = {flag for command in group.commands.values() for option in command.params for flag in option.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) <= every
    for line in COMMANDS:
        own = {flag for option in group.commands[line[0]].params for flag in option.opts}
        assert {word for word in line if word.startswith("--")} <= own, line
