"""What runs that learned from pictures make: new ones, and something of given ones; what they keep for it, and who may ask."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn

import selfsup
from selfsup import cli
from selfsup.backbones import save_backbone
from selfsup.data import open_source, open_store
from selfsup.generation import Reconstruction, Sampled
from selfsup.generation.runs import _check_text
from selfsup.generation.sheet import as_bytes, write_sheet
from selfsup.pretext import Pretext
from selfsup.pretraining import pretrain
from selfsup.run import Run
from selfsup.train.checkpoint import newest_checkpoint
from selfsup.trained import HEADS, head_tensors, load_task, makers, makes, save_heads
from selfsup.views import plain
from small_tasks import make, rng

DIGITS = load_digits().images[:60] / 16.0


def kept(folder: Path, name: str = "vae", *, channels: int = 1, **options: Any) -> tuple[Run, Pretext]:
    """A run as pretraining leaves it behind, of a task that learned nothing; its BatchNorm has seen a little."""
    from selfsup.options import task_options
    from selfsup.tasks import find_task

    task: Pretext = make(name, 16, channels, **options)
    for module in task.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)  # type: ignore[arg-type]
    run = Run(
        folder=folder, data="digits", task=name, options=task_options(find_task(name), options), backbone=task.backbone.name, size=16,
        channels=channels, store_side=16, batch_size=4, steps=1, learning_rate=1e-3, weight_decay=0.0,
    )  # fmt: skip
    run.save()
    save_backbone(task.backbone, folder)
    save_heads(task, folder)
    return run, task.eval()


def tiles(file: Path, side: int, columns: int) -> np.ndarray[Any, Any]:
    """The pictures of a sheet without names, (rows, columns, side, side, 3), cut out by what is known of its layout."""
    sheet = np.asarray(Image.open(file).convert("RGB"))
    times = -(-96 // side)
    step = side * times + 4
    rows = sheet.shape[0] // step
    cut = [[sheet[4 + r * step : r * step + step, 4 + c * step : c * step + step] for c in range(columns)] for r in range(rows)]
    return np.array(cut)[:, :, ::times, ::times]


# A run from its beginning to its end ----------------------------------------------------------------------------------------------------


def test_a_trained_vae_makes_pictures_and_rebuilds_them(tmp_path: Path) -> None:
    run = pretrain(
        DIGITS, task="vae", options={"latent": 4, "width": 8}, size=16, steps=30, batch_size=20, out=tmp_path / "run", precision="fp32"
    )
    task = load_task(run)
    newest = newest_checkpoint(run.checkpoints)
    assert newest is not None
    trained = torch.load(newest / "training.pt", weights_only=True)["task"]
    own = task.state_dict()
    assert own.keys() == trained.keys()
    assert all(torch.equal(own[name], trained[name]) for name in own), "the whole task is as it was after the last step"
    assert not task.training

    made = selfsup.generate(run, count=5, seed=3, out=tmp_path / "sheets" / "new.png")
    assert isinstance(made, Sampled)
    assert made.pictures.shape == (5, 1, 16, 16)
    codes = torch.randn(5, 4, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = (task.decoder(codes).clamp(0, 1) * 255).round().to(torch.uint8).numpy()  # type: ignore[operator]
    assert np.array_equal(made.pictures, expected)
    assert np.array_equal(tiles(made.file, 16, 5)[0, :, :, :, 0], expected[:, 0])
    assert len(np.unique(made.pictures.reshape(5, -1), axis=0)) == 5, "all different"

    shown = selfsup.reconstruct(run, DIGITS, count=6)
    assert shown.file == run.folder / "samples" / "reconstructed.png"
    assert list(shown.rows) == ["original", "rebuilt", "sampled", "from first to last"]
    store = open_store(open_source(DIGITS), side=run.store_side, channels=1)
    rows = torch.tensor([store.ids.index(name) for name in shown.ids])
    assert np.array_equal(shown.rows["original"], as_bytes(plain(store.take(rows), 16))), "whole, not cropped or mirrored"
    error = np.square(shown.rows["rebuilt"].astype(float) - shown.rows["original"]).mean()
    flat = np.square(shown.rows["original"].astype(float) - shown.rows["original"].mean()).mean()
    assert error < flat, "better than a grey picture after 30 steps"


# Heads -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", makers("show"))
def test_a_task_that_makes_something_comes_back_whole(name: str, tmp_path: Path) -> None:
    channels = 3 if name in ("colorization",) else 1
    run, task = kept(tmp_path, name, channels=channels)
    drawn = torch.random.get_rng_state()
    again = load_task(tmp_path)
    assert torch.equal(torch.random.get_rng_state(), drawn), "loading draws no random numbers that later ones would miss"
    before, after = task.state_dict(), again.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    images = DIGITS[:3] if channels == 1 else np.random.default_rng(0).random((3, 16, 16, 3))
    made = selfsup.reconstruct(run, images, out=tmp_path / "made.png")
    assert isinstance(made, Reconstruction)
    assert made.rows
    assert all(rows.shape[:2] == (3, channels) for rows in made.rows.values())
    same = selfsup.reconstruct(tmp_path, images)
    other = selfsup.reconstruct(tmp_path, images, seed=1)
    assert all(np.array_equal(made.rows[row], same.rows[row]) for row in made.rows), "the same seed hides the same"
    if name in ("mae", "dae", "context_encoder", "simmim"):
        assert not all(np.array_equal(made.rows[row], other.rows[row]) for row in made.rows)


def test_which_tasks_make_something() -> None:
    from selfsup.tasks import find_task

    assert makers("sample") == ["vae"]
    assert {"vae", "dae", "mae", "context_encoder"} <= set(makers("show"))
    assert makes(find_task("simclr")) == ()


def test_tasks_that_make_nothing_keep_no_heads(tmp_path: Path) -> None:
    kept(tmp_path, "simclr")
    assert not (tmp_path / HEADS).exists()


def test_a_run_without_heads_takes_them_from_its_newest_checkpoint(tmp_path: Path) -> None:
    from selfsup.train.checkpoint import save_checkpoint

    run, task = kept(tmp_path)
    (tmp_path / HEADS).unlink()
    with pytest.raises(ValueError, match=r"neither heads\.safetensors nor a checkpoint"):
        load_task(run)
    save_checkpoint(run.checkpoints, 1, task, torch.optim.AdamW(task.parameters()))
    again = load_task(run).state_dict()
    assert all(torch.equal(value, again[key]) for key, value in task.state_dict().items())


def test_what_is_shared_with_the_backbone_is_kept_once(tmp_path: Path) -> None:
    class Tied(Pretext):
        def __init__(self, backbone: Any) -> None:
            super().__init__(backbone)
            first = next(module for module in backbone.modules() if isinstance(module, nn.Conv2d))
            self.own, self.shared, self.twice = nn.Linear(3, 2), first, nn.ModuleList([nn.Linear(2, 2)] * 2)

        def show(self, batch: Any, rng: Any) -> Any:
            return {}

    task = Tied(make("vae", 16, 1).backbone)
    assert sorted(head_tensors(task)) == ["own.bias", "own.weight", "twice.0.bias", "twice.0.weight"]
    save_heads(task, tmp_path)
    assert (tmp_path / HEADS).is_file()
    assert not list(tmp_path.glob("*.new"))


def test_heads_are_not_unpickled_and_have_to_fit(tmp_path: Path) -> None:
    run, _ = kept(tmp_path)
    file = tmp_path / HEADS
    content = file.read_bytes()
    file.write_bytes(pickle.dumps(Path("a stranger's")))
    with pytest.raises(ValueError, match=r"heads\.safetensors cannot be read"):
        load_task(run)
    file.write_bytes(content[:-100])
    with pytest.raises(ValueError, match=r"heads\.safetensors cannot be read"):
        load_task(run)
    file.write_bytes(content)
    described = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(described | {"options": described["options"] | {"latent": 7}}))
    with pytest.raises(ValueError, match=r"do not fit vae as run\.json describes it"):
        load_task(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps(described | {"task": "mae", "options": {}}))
    with pytest.raises(ValueError, match="are not those of mae: missing"):
        load_task(tmp_path)


OWN = """
import torch
from selfsup import Pretext

class Grey(Pretext):
    'Make grey pictures.'
    def __init__(self, backbone, *, level: float = 0.5):
        super().__init__(backbone)
        self.level = torch.nn.Parameter(torch.tensor(level))
    def sample(self, count, rng):
        return self.level.expand(count, self.backbone.channels, self.backbone.size, self.backbone.size)
"""


def test_a_task_of_ones_own_is_named_again(tmp_path: Path) -> None:
    file = tmp_path / "grey.py"
    file.write_text(OWN)
    name, folder = f"{file}:Grey", tmp_path / "run"
    backbone = make("vae", 16, 1).backbone
    from selfsup.tasks import find_task

    save_backbone(backbone, folder)
    save_heads(find_task(name)(backbone), folder)
    Run(
        folder=folder, data="d", task=name, options={"level": 0.1}, backbone=backbone.name, size=16, channels=1, store_side=16,
        batch_size=4, steps=1, learning_rate=1e-3, weight_decay=0.0,
    ).save()  # fmt: skip
    with pytest.raises(ValueError, match="Code is never taken from a run"):
        selfsup.generate(folder)
    made = selfsup.generate(folder, task=name, count=2)
    assert isinstance(made, Sampled)
    assert (made.pictures == 128).all(), "half, as in its weights, not a tenth, as its option began"
    file.write_text(OWN.replace("self.level.expand", "self.nothing.expand"))
    with pytest.raises(ValueError, match=r"grey.py:11 raised AttributeError"):
        selfsup.generate(folder, task=name)


# Who may ask for what ---------------------------------------------------------------------------------------------------------------


def test_tasks_that_cannot_say_which_can(tmp_path: Path) -> None:
    kept(tmp_path / "simclr", "simclr")
    kept(tmp_path / "dae", "dae")
    with pytest.raises(ValueError, match=r"simclr makes no new pictures; tasks that do: vae\.$"):
        selfsup.generate(tmp_path / "simclr")
    with pytest.raises(
        ValueError, match=r"dae makes no new pictures; tasks that do: vae\. What it makes of given ones: selfsup reconstruct"
    ):
        selfsup.generate(tmp_path / "dae")
    with pytest.raises(ValueError, match=r"simclr makes nothing of pictures that could be looked at; tasks that do: .*dae, vae, context"):
        selfsup.reconstruct(tmp_path / "simclr", DIGITS)


def test_options_that_do_not_belong(tmp_path: Path) -> None:
    run, task = kept(tmp_path)
    for options, words in (
        ({"prompt": "x"}, "--prompt is for text"),
        ({"count": 0}, "count is 0"),
        ({"out": tmp_path / "a.jpg"}, r"does not end in \.png"),
        ({"task": "mae"}, "was pretrained with task vae; got mae"),
    ):
        with pytest.raises(ValueError, match=words):
            selfsup.generate(run, **options)
    with pytest.raises(ValueError, match="count is -1"):
        selfsup.reconstruct(run, DIGITS, count=-1)
    text = tmp_path / "text"
    with pytest.raises(ValueError, match="vae makes no text; tasks that do: "):
        _check_text(replace(run, kind="text"), type(task), {})
    Run(
        folder=text, data="d", kind="text", task="vae", options={}, backbone="b", size=1, channels=1, store_side=1, batch_size=4, steps=1,
        learning_rate=1e-3, weight_decay=0.0,
    ).save()  # fmt: skip
    with pytest.raises(ValueError, match="learned from text; what it makes of one is shown by: selfsup"):
        selfsup.reconstruct(text, DIGITS)
    with pytest.raises(ValueError, match="--count is for pictures"):
        selfsup.generate(text, count=2)


def test_unreadable_pictures_are_named_and_others_taken_in_their_place(tmp_path: Path) -> None:
    run, _ = kept(tmp_path / "run", "dae")
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(9):
        Image.fromarray(np.full((20, 30), 20 * number, dtype=np.uint8)).save(folder / f"{number}.png")
    for number in (0, 3, 6):
        (folder / f"{number}.png").write_bytes(b"no picture")
    made = selfsup.reconstruct(run, folder, count=4)
    assert len(made.ids) == 4
    assert set(made.skipped) <= {"0.png", "3.png", "6.png"}
    assert made.skipped
    levels = made.rows["original"].mean(axis=(1, 2, 3)).round().astype(int).tolist()
    assert levels == [20 * int(name.removesuffix(".png")) for name in made.ids]
    assert len(selfsup.reconstruct(run, folder, count=40).ids) == 6
    for number in range(9):
        (folder / f"{number}.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"no picture of .* can be read, of 9\."):
        selfsup.reconstruct(run, folder)


# Sheets ------------------------------------------------------------------------------------------------------------------------------


def test_a_sheet_holds_every_pixel_enlarged_in_whole_steps(tmp_path: Path) -> None:
    pictures = torch.randint(0, 256, (11, 3, 20, 20), generator=rng()).to(torch.uint8).numpy()
    write_sheet({"": pictures}, tmp_path / "sheet.png", columns=4)
    cut = tiles(tmp_path / "sheet.png", 20, 4)
    assert cut.shape == (3, 4, 20, 20, 3)
    assert np.array_equal(cut.reshape(12, 20, 20, 3)[:11], pictures.transpose(0, 2, 3, 1))
    assert (cut[2, 3] == 255).all(), "paper where there is no picture"
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (3 * 104, 4 + 4 * 104, 3)
    assert (sheet[4:9, 4:9] == sheet[4, 4]).all(), "a pixel is a square of 5"


def test_large_pictures_stay_as_they_are_and_grey_ones_grey(tmp_path: Path) -> None:
    pictures = torch.randint(0, 256, (2, 1, 130, 130), generator=rng()).to(torch.uint8).numpy()
    write_sheet({"": pictures}, tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert np.array_equal(sheet[4:, 138:268], pictures[1, 0][:, :, None].repeat(3, axis=2))


def test_rows_stand_under_their_names_and_go_on_below(tmp_path: Path) -> None:
    rows = {name: np.full((10, 1, 96, 96), level, dtype=np.uint8) for name, level in (("asked", 0), ("answered", 128))}
    write_sheet(rows, tmp_path / "sheet.png", columns=8)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))[:, :, 0]
    step = 4 + 14 + 4 + 96
    assert sheet.shape == (4 * step, 4 + 8 * 100)
    for place, level in enumerate([0, 128, 0, 128]):
        assert (sheet[place * step + 22 : (place + 1) * step, 4:100] == level).all()
        assert (sheet[place * step : place * step + 22] < 200).any(), "its name"
    assert (sheet[2 * step + 22 :, 4 + 2 * 100 :] == 255).all(), "two are left for the second line"


# The command line --------------------------------------------------------------------------------------------------------------------


def run_command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    said = capsys.readouterr()
    assert isinstance(stop.value.code, int)
    return stop.value.code, said.out, said.err


def test_commands_make_sheets_and_say_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(tmp_path / "run")
    np.save(tmp_path / "digits.npy", DIGITS)
    file = tmp_path / "new.png"
    code, out, _ = run_command(capsys, "generate", str(tmp_path / "run"), "--count", "3", "--seed", "1", "--out", str(file))
    assert (code, out.strip()) == (0, f"3 new pictures: {file}")
    same = selfsup.generate(tmp_path / "run", count=3, seed=1)
    assert isinstance(same, Sampled)
    assert np.array_equal(tiles(file, 16, 3)[0, :, :, :, 0], same.pictures[:, 0])
    code, out, _ = run_command(capsys, "reconstruct", str(tmp_path / "run"), str(tmp_path / "digits.npy"), "--count", "2")
    assert code == 0
    assert out.startswith("2 pictures, each as original, rebuilt, sampled, from first to last: ")
    code, _, err = run_command(capsys, "generate", str(tmp_path / "run"), "--prompt", "x")
    assert code == 2
    assert "--prompt is for text" in err


def test_what_text_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from selfsup import generation
    from selfsup.generation import Blank, Candidate, Continuation, FilledIn
    from selfsup.generation.continuation import LearnedFrom

    given: dict[str, Any] = {}
    corpus = np.arange(200, dtype=np.uint16)

    def go_on(run: str, **options: Any) -> Any:
        given.update(options, run=run)
        return Continuation("The cat", iter([" sat", "."]), list(range(5, 60)), LearnedFrom(corpus, lambda place: "cats.txt"))

    monkeypatch.setattr(generation, "generate", go_on)
    line = "generate r --prompt x --tokens 9 --temperature 0.5 --top-k 4 --top-p 0.8 --seed 2 --repeats --task t.py:T"
    code, out, err = run_command(capsys, *line.split())
    assert (code, out) == (0, "The cat sat.\n")
    assert "Warning: 55 tokens from token 1 on repeat what the network learned from, word for word: cats.txt." in err
    assert given == {
        "run": "r", "prompt": "x", "tokens": 9, "temperature": 0.5, "top_k": 4, "top_p": 0.8, "count": None, "seed": 2, "out": None,
        "task": "t.py:T", "repeats": True, "pictures": None, "language": None,
    }  # fmt: skip
    blanks = [Blank([Candidate("cat", 0.75), Candidate("[dog]", 0.2)], 2), Blank([Candidate("sat", 0.9)], 1)]
    monkeypatch.setattr(generation, "generate", lambda run, **options: FilledIn("p", "The cat sat", blanks))
    code, out, _ = run_command(capsys, "generate", "r")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["The", "cat", "sat"]
    assert lines[2] == ["1", "2nd", "cat", "75.0", "%", "[dog]", "20.0", "%"]
    assert lines[3] == ["2", "1st", "sat", "90.0", "%"]


@pytest.mark.parametrize("command", ["generate", "reconstruct"])
def test_defaults_are_those_of_the_function(command: str) -> None:
    import inspect

    from selfsup.commands import generate

    function = inspect.signature(getattr(selfsup, command)).parameters
    own = inspect.signature(getattr(generate, command)).parameters
    assert set(own) == set(function)
    for name, parameter in own.items():
        assert parameter.default == function[name].default, name
