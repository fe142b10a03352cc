"""The command line: fast help, every option handed on, and for every mistake one message instead of a traceback."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from command_line import ANSI, failure, success
from selfsup import cli
from selfsup.commands.arguments import parse_counts
from selfsup.commands.pretrain import pretrain as pretrain_command
from selfsup.pretext import options_of
from selfsup.run import Run
from selfsup.tasks import TASKS, find_task


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of eight grey pictures in two classes."""
    rng = np.random.default_rng(0)
    for index in range(8):
        folder = tmp_path / "pictures" / ("even" if index % 2 == 0 else "odd")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 12), dtype=np.uint8)).save(folder / f"{index}.png")
    return tmp_path / "pictures"


def make_run(folder: Path) -> Run:
    run = Run(
        folder=folder, data="d", task="simclr", options={}, backbone="compact_convnet", size=12, channels=1, store_side=12,
        batch_size=4, steps=1, learning_rate=1e-3, weight_decay=0.0,
    )  # fmt: skip
    run.save()
    return run


def test_help_is_fast_and_loads_nothing_heavy() -> None:
    """Under 0.4 s of processor time: other processes cannot make that much longer, as they can the time on the clock."""
    code = "import sys\nfrom selfsup.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\nprint('LOADED', *sys.modules)"
    seconds = []
    for _ in range(3):
        before = os.times()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        after = os.times()
        seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
    loaded = set(done.stdout.partition("LOADED")[2].split())
    assert "pretrain" in done.stdout
    assert not loaded & {"torch", "timm", "torchvision", "numpy", "pyarrow", "sklearn", "PIL", "matplotlib", "transformers"}
    assert min(seconds) < 0.4, f"--help took {min(seconds):.2f} s"


@pytest.mark.parametrize(
    "command", ["pretrain", "embed", "evaluate", "audit", "generate", "reconstruct", "report", "tasks", "backbones", "doctor"]
)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"selfsup {command}" in success(capsys, command, "--help")


def test_pretrain_hands_every_option_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    given: dict[str, Any] = {}
    from selfsup import pretraining

    known = inspect.signature(pretraining.pretrain).parameters

    def record(data: str, **options: Any) -> Run:
        given.update(options, data=data)
        return make_run(tmp_path)

    monkeypatch.setattr(pretraining, "pretrain", record)
    line = "pretrain photos --task simclr --backbone b --size 32 --steps 7 --batch-size 64 --accumulate 2 --learning-rate 0.01 "
    line += "--optimizer lars --schedule constant --seed 3 --out o --set temperature=0.5 --set flip=false --views v.py:fn "
    line += "--weights w --holdout 0.2 --groups folder --kind image --precision fp32 --resume "
    line += "--text subject,body --id number --language folder --encoding cp1252 --deduplicate --tokenizer bytes --vocabulary 900 "
    line += "--context 64 --alpha 0.5 --repeats 2 --image picture --image-from a --text-from b --freeze text --shared-width 99"
    out = success(capsys, *line.split())
    assert given == {
        "data": "photos", "task": "simclr", "backbone": "b", "size": 32, "budget": None, "steps": 7, "epochs": None, "batch_size": 64,
        "accumulate": 2, "learning_rate": 0.01, "weight_decay": None, "precision": "fp32",
        "optimizer": "lars", "schedule": "constant", "seed": 3, "out": Path("o"), "store_limit": 100.0,
        "options": {"temperature": "0.5", "flip": "false"}, "views": "v.py:fn", "weights": "w", "split": None, "holdout": 0.2,
        "groups": "folder", "resume": True, "kind": "image", "text": "subject,body", "id": "number", "language": "folder",
        "encoding": "cp1252", "deduplicate": True, "tokenizer": "bytes", "vocabulary": 900, "context": 64, "alpha": 0.5, "repeats": 2.0,
        "image": "picture", "image_from": "a", "text_from": "b", "freeze": "text", "shared_width": 99,
    }  # fmt: skip
    assert set(given) <= set(known), "the command has options that the function does not"
    assert str(tmp_path) in out


def test_defaults_are_those_of_the_function() -> None:
    from selfsup import pretraining

    function = inspect.signature(pretraining.pretrain).parameters
    for name, parameter in inspect.signature(pretrain_command).parameters.items():
        if name not in {"data", "task"}:
            assert parameter.default == function[name].default, name


def test_evaluate_takes_the_last_path_as_data(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    from selfsup import evaluation

    def record(runs: list[str], data: str, **options: Any) -> None:
        given.update(options, runs=runs, data=data)
        raise ValueError("far enough")

    monkeypatch.setattr(evaluation, "evaluate", record)
    line = ["evaluate", "a", "b", "photos", "--labels", "folder", "--labels-per-class", "5,all"]
    with pytest.raises(SystemExit):
        cli.main(line)
    assert (given["runs"], given["data"]) == (["a", "b"], "photos")
    assert (given["labels_per_class"], given["probes"]) == ((5, "all"), ("linear", "knn"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pretrian x --task simclr", "Did you mean 'pretrain'?"),
        ("pretrain x --taks simclr", "--task"),
        ("pretrain x --task simcrl", "Did you mean 'simclr'?"),
        ("pretrain x", "--task"),
        ("pretrain --task simclr", "DATA"),
        ("pretrain nowhere --task simclr", "nowhere"),
        ("pretrain x --task simclr --size big", "--size"),
        ("pretrain x --task simclr --set temperature", "not option=value"),
        ("pretrain x --task simclr --holdout 2", "--holdout"),
        ("pretrain x --task gone.py:Mine", "gone.py"),
        ("tasks simclrr", "Did you mean 'simclr'?"),
        ("evaluate only --labels folder", "expected at least two"),
        ("evaluate run data --labels folder --labels-per-class 1,x", "'x'"),
        ("evaluate run data --labels folder", "run holds no run"),
        ("embed run data --out o.parquet", "run holds no run"),
        ("report run", "run"),
    ],
)
def test_mistakes_get_one_message(
    line: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert words in failure(capsys, *line.split())


def test_wrong_values_of_real_pictures(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = ["pretrain", str(pictures), "--task", "simclr", "--out", str(tmp_path / "run")]
    assert "temperature" in failure(capsys, *start, "--steps", "1", "--set", "temperatur=1")
    assert "budget" in failure(capsys, *start, "--budget", "soon")
    assert "--steps" in failure(capsys, *start, "--budget", "1m", "--steps", "5")
    assert "adamw" in failure(capsys, *start, "--steps", "1", "--optimizer", "adam")
    assert "compact_convnet" in failure(capsys, *start, "--steps", "1", "--backbone", "compact_convnett")
    assert not (tmp_path / "run" / "run.json").exists()


def test_data_that_is_no_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    text = tmp_path / "text"
    text.mkdir()
    (text / "a.txt").write_text("words", encoding="utf-8")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "a.png").write_bytes(b"no picture")
    one = tmp_path / "one"
    one.mkdir()
    Image.new("L", (12, 12)).save(one / "a.png")
    for folder in (empty, text, broken, one):
        said = failure(capsys, "pretrain", str(folder), "--task", "simclr", "--steps", "2", "--out", str(tmp_path / "run"))
        assert "picture" in said, said


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELFSUP_DEBUG", "1")
    with pytest.raises(ValueError, match="no task"):
        cli.main(["tasks", "nothing"])


def test_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from selfsup.terminal import tasks

    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tasks, "print_tasks", interrupt)
    with pytest.raises(SystemExit) as stop:
        cli.main(["tasks"])
    assert stop.value.code == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "1,,2", "ten", "²"])
def test_counts_refuse(text: str) -> None:
    with pytest.raises(ValueError, match="labels-per-class"):
        parse_counts(text)


def test_tasks_lists_every_task_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    lines = success(capsys, "tasks").splitlines()
    pictures, text = (next(number for number, line in enumerate(lines) if line.split() == [title]) for title in ("Pictures", "Text"))
    for name in TASKS:
        [number] = [number for number, line in enumerate(lines) if line.split()[:1] == [name]]
        assert re.search(r"(19|20)\d\d", lines[number]), f"{name} gives no year of its source"
        assert (pictures < number < text) == (find_task(name).modality == "image")


def test_options_of_a_task_come_from_its_constructor(capsys: pytest.CaptureFixture[str]) -> None:
    out = success(capsys, "tasks", "simclr")
    assert re.search(r"temperature +float +0\.2", out)
    assert "backbone" not in [line.split()[0] for line in out.splitlines() if line]
    out = success(capsys, "tasks", "masked_lm")
    assert re.search(r"rate +float +0\.15", out)
    assert "Devlin" in out


def test_options_that_a_constructor_hands_on_are_listed_too(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line.split() for line in success(capsys, "tasks", "moco").splitlines()]
    for expected in (
        ["queue", "int", "0"],
        ["crop", "float", "0.25"],
        ["solarise", "float", "0.0"],
        ["second_blur", "float", "|", "None", "None"],
    ):
        assert expected in lines


@pytest.mark.parametrize("name", TASKS)
def test_every_option_is_explained(capsys: pytest.CaptureFixture[str], name: str) -> None:
    out = success(capsys, "tasks", name)
    assert [option for option in options_of(find_task(name)) if not re.search(f"`{option}[`=]", out)] == []


def test_options_that_an_own_task_only_inherits_are_explained_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.py"
    file.write_text("from selfsup.tasks.simclr import SimCLR\n\n\nclass Mine(SimCLR):\n    pass\n", encoding="utf-8")
    out = success(capsys, "tasks", f"{file}:Mine")
    assert out.count("`temperature`") == out.count("`crop`") == 1


def test_own_task_gets_the_same_help(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from selfsup import Pretext\n\n\nclass Mine(Pretext):\n    'Do what I want.'\n\n"
        "    def __init__(self, backbone, *, strength: int = 3):\n        super().__init__(backbone)\n",
        encoding="utf-8",
    )
    out = success(capsys, "tasks", f"{file}:Mine")
    assert "Do what I want." in out
    assert re.search(r"strength +int +3", out)


def test_backbones_and_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    out = success(capsys, "backbones")
    assert "compact_convnet" in out
    assert "gpt2-SIZE" in out
    assert re.search(r"mini +4 +256 +3\.1 M +2\.0 M", out)
    out = success(capsys, "doctor")
    assert re.search(r"for text +transformers \d", out)
    assert "GFLOP/s" in out
    assert "pip install 'selfsup[" in out or "installed" in out


def test_module_runs_and_colours_are_off_in_a_pipe() -> None:
    environment = {**os.environ, "COLUMNS": "70"}
    done = subprocess.run([sys.executable, "-m", "selfsup", "tasks"], capture_output=True, text=True, env=environment, check=True)
    assert not ANSI.search(done.stdout)
    assert "arXiv" in done.stdout
