"""docs/tasks.md: every task of the table has its place, and every command is one that `pretrain` would take."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch

from selfsup import cli
from selfsup.backbones import build, build_text
from selfsup.commands.application import app
from selfsup.contract.pair_trials import PairTrial
from selfsup.contract.text_trials import byte_vocabulary, made_up_rows
from selfsup.options import parse_settings, task_options
from selfsup.pretext import Batch, Pretext
from selfsup.tasks import TASKS, find_task

PAGE = (Path(__file__).parents[1] / "docs" / "tasks.md").read_text(encoding="utf-8")
TRAINING = {"--backbone", "--batch-size", "--optimizer", "--learning-rate", "--weight-decay", "--epochs"}
TEXT = {"--context", "--vocabulary", "--steps", "--schedule", "--weights"}
COMMANDS = re.findall(r"^selfsup pretrain DATA --task (\w+)(.*)$", PAGE, flags=re.MULTILINE)


def test_every_task_has_its_place() -> None:
    assert sorted(re.findall(r"^\*\*(\w+)\*\* –", PAGE, flags=re.MULTILINE)) == sorted(TASKS)
    assert sorted({name for name, _ in COMMANDS}) == sorted(TASKS)


@pytest.mark.parametrize(("name", "rest"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_what_the_authors_used_can_be_built(name: str, rest: str) -> None:
    """On a small backbone of the same kind: the network's size changes nothing about whether options fit."""
    words = shlex.split(rest)
    given = {flag: words[place + 1] for place, flag in enumerate(words) if flag.startswith("--") and flag != "--set"}
    kind: type[Pretext] = find_task(name)
    options = task_options(kind, parse_settings([words[place + 1] for place, word in enumerate(words) if word == "--set"]))
    assert set(given) <= TRAINING | {"text": TEXT, "image": {"--size"}, "pair": {"--size", "--context"}}[kind.modality]
    if kind.modality == "pair":
        trial = PairTrial("vit_tiny_patch16_224+gpt2-tiny", 32)
        assert finite(kind(trial.network(), **options), trial.batch())
        return
    if kind.modality == "text":
        family = given.get("--backbone", "bert-base").removesuffix("-base")
        net: Any = build_text(f"{family}-tiny", vocabulary=byte_vocabulary(), context=32)
        assert finite(kind(net, **options), made_up_rows(4, 32, byte_vocabulary()))
        return
    backbone = "vit_tiny_patch16_224" if "vit" in given.get("--backbone", "") else "compact_convnet"
    net = build(backbone, size=int(given.get("--size", "64")), channels=3)
    image = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8)
    assert finite(kind(net, **options), {"image": image, "aspect": torch.ones(2), "index": torch.arange(2)})


def finite(task: Pretext, batch: Batch) -> bool:
    views = task.views(batch, torch.Generator().manual_seed(0))
    return all(bool(torch.isfinite(term)) for term in task.loss(task(views)).values())


def test_every_flag_of_the_page_is_one_of_pretrain() -> None:
    from typer.main import get_command

    command: Any = get_command(app)
    flags = {flag for option in command.commands["pretrain"].params for flag in option.opts}
    assert flags >= TRAINING | TEXT | {"--size", "--set", "--task"}


def test_a_wrong_command_would_be_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["pretrain", "nowhere", "--task", "rotation", "--set", "every_turns=true"])
    assert "every_turn" in capsys.readouterr().err
