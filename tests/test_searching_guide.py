"""The guide to searching is true: its commands and its code run in their order; and what they print and write can be looked at."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from command_line import failure, success
from finetuning_fixture import IMAGES, picture_run, text_run
from selfsup import cli
from selfsup.commands.application import app
from selfsup.terminal import found as terminal
from selfsup.terminal.found import half_blocks

PAGE = (Path(__file__).parents[1] / "docs" / "searching.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
LINES = [shlex.split(line) for language, code in BLOCKS if language == "sh" for line in code.splitlines()]
COMMANDS = [line[1:] for line in LINES if line[0] == "selfsup"]
FIRST = {"lamps": "the lamp flickers in room", "bills": "pay the bill for order"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos of two classes, a table of tickets, and a run of each."""
    from PIL import Image

    for number in range(24):
        place = tmp_path / "photos" / ("cat" if number % 2 else "dog")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(IMAGES[number]).save(place / f"{number}.png")
    with (tmp_path / "tickets.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("number", "body", "queue", "hours"))
        writer.writerows((f"N{n}", f"{FIRST[queue]} {n}", queue, n) for n, queue in enumerate(["lamps", "bills"] * 6))
    picture_run(tmp_path / "runs" / "first", tmp_path / "photos")
    text_run(tmp_path / "runs" / "tickets", tmp_path / "tickets.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = [success(capsys, *line) for line in COMMANDS]
    assert "24 rows of" in said[0]
    assert "24 embedded, 24 added, 0 updated, 0 removed" in said[0]
    lines = said[1].splitlines()
    assert lines[0].split() == ["cosine", "id", "label"]
    assert lines[1].split() == ["1.0000", "cat/7.png", "cat"]
    assert len(lines) == 11
    assert len(said[2].splitlines()) == 21
    assert "cat/7.png" not in said[2]
    hits = json.loads(said[5])["hits"]
    assert set(hits[0]) == {"id", "score", "path", "fields"}
    assert Path(hits[0]["path"]).is_file()
    tickets = said[7].splitlines()[1:]
    assert len(tickets) == 4
    assert all(" lamps " in line and "the lamp flickers" in line for line in tickets)
    assert "0 embedded, 24 added" in said[8]
    loaded: dict[str, Any] = {}
    [code] = [code for language, code in BLOCKS if language == "python"]
    exec(code, loaded)
    assert loaded["found"].hits[0].id == "cat/7.png"
    assert {hit.fields["label"] for hit in loaded["found"].hits} == {"cat"}
    assert len(loaded["pairs"]) == 5
    check_page((here / "found.html").read_text(encoding="utf-8"))
    assert success(capsys, "search", "tickets.db", "<b>lamp</b>", "--html", "texts.html")
    page = (here / "texts.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;lamp&lt;/b&gt;" in page
    assert page.count('class="about"') == 10


def check_page(page: str) -> None:
    assert page.count("data:image/png;base64,") == 11, "what was asked with, and ten hits"
    assert "<b>1.000" not in page
    assert "cat/7.png" in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page), "nothing is asked of the network"
    assert "--without-samples" not in page


def test_a_page_shows_the_row_that_was_asked_with(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    success(capsys, "index", "runs/first", "photos", "--to", "photos.db")
    shown: list[list[str]] = []
    for question in (["--row", "cat/7.png"], ["photos/cat/7.png"]):
        success(capsys, "search", "photos.db", *question, "-k", "2", "--html", "found.html")
        shown.append(re.findall(r"data:image/png;base64,([^\"]+)", (here / "found.html").read_text(encoding="utf-8")))
    by_row, by_file = shown
    assert by_row[0] == by_file[0] == by_file[1], "the picture itself, found first by its file"
    assert len(by_row) == 3
    assert by_row[1] == by_file[2] != by_row[0]
    success(capsys, "index", "runs/tickets", "tickets.csv", "--text", "body", "--id", "number", "--to", "tickets.db")
    success(capsys, "search", "tickets.db", "--row", "N4", "-k", "2", "--html", "texts.html")
    asked, *found = (here / "texts.html").read_text(encoding="utf-8").split('class="about"')
    assert "the lamp flickers in room 4" in asked
    assert not any("room 4<" in one for one in found)


def test_what_goes_wrong_is_one_message(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "There is no index none.db. Make it: selfsup index RUN DATA --to none.db" in failure(capsys, "search", "none.db", "cat.png")
    assert "nothing came to search with" in failure(capsys, "search", "none.db")
    assert "is no index of selfsup, and holds other things" in failure(capsys, "index", "runs/first", "photos", "--to", "photos")
    assert "would be written down" in failure(capsys, "index", "runs/first", "photos", "--to", "http://me:hidden@host:1")
    assert "There are no embeddings of new.db" in failure(capsys, "index", "runs/first", "--rebuild", "--to", "new.db")


def test_a_terminal_shows_pictures(here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    success(capsys, "index", "runs/first", "photos", "--to", "photos.db")
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, color_system="truecolor", width=120, markup=False, highlight=False)
    monkeypatch.setattr(terminal, "Console", lambda: console)
    monkeypatch.setattr(terminal, "show", console.print)
    with pytest.raises(SystemExit):
        cli.main(["search", "photos.db", "--row", "cat/7.png", "-k", "2"])
    assert written.getvalue().count("▀") == 2 * 16 * 8, "16 columns and 8 lines each"


def test_half_blocks_hold_two_rows_of_pixels() -> None:
    pixels = np.zeros((16, 16, 3), dtype=np.uint8)
    pixels[0::2, :, 0] = 200
    text = half_blocks(pixels)
    assert text.plain == ("▀" * 16 + "\n") * 8
    assert {str(span.style) for span in text.spans} == {"rgb(200,0,0) on rgb(0,0,0)"}
    assert half_blocks(np.zeros((30, 10), dtype=np.uint8)).plain == ("▀" * 5 + "\n") * 8


def test_options_named_on_the_page_are_there() -> None:
    from typer.main import get_command

    group: Any = get_command(app)
    every = {flag for command in group.commands.values() for option in command.params for flag in option.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) <= every
