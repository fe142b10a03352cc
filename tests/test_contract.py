"""The check of a user's own task and views: each thing that can be broken is found and named, and nothing else is."""

from __future__ import annotations

import contextlib
import inspect
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from command_line import run
from selfsup.backbones import Backbone, build
from selfsup.contract import PLACES, Finding, check
from selfsup.contract.findings import Findings, Stopped, written_in
from selfsup.contract.own_views import check_views
from selfsup.contract.picture_trials import made_up_batch
from selfsup.contract.places import check_module
from selfsup.contract.trials import check_class
from selfsup.options import task_options
from selfsup.pretext import Batch, Output, Pretext, Views, option_types, options_of
from selfsup.pretraining import pretrain
from selfsup.tasks.vicreg import VICReg
from selfsup.views import Augment


class Sound(Pretext):
    """Tell whether a picture was mirrored."""

    def __init__(self, backbone: Backbone, *, weight: float = 1.0) -> None:
        super().__init__(backbone)
        self.weight = weight
        self.head = nn.Linear(backbone.width, 2)
        self.default_views = Augment(size=backbone.size, flip=0.0)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        upright = self.augment(batch, rng)
        mirrored = torch.randint(2, (len(upright),), generator=rng, device=rng.device)
        return {"image": torch.where(mirrored[:, None, None, None] == 1, upright.flip(-1), upright), "mirrored": mirrored}

    def forward(self, views: Views) -> Output:
        return {"logits": self.head(self.backbone.embed(views["image"])), "mirrored": views["mirrored"]}

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"mirrored": self.weight * F.cross_entropy(output["logits"], output["mirrored"])}


def found_in(kind: type[Pretext], *, anew: bool = False) -> list[Finding]:
    """What a small ConvNet and a batch of six find in a task; with `anew`, state and training are looked at too."""

    def fresh() -> Pretext:
        torch.manual_seed(0)
        return kind(build("compact_convnet", size=16))

    found = Findings(written_in(kind))
    check_module(fresh(), made_up_batch(6, 3, 20), found, fresh=fresh if anew else None)
    return found.found


def marked(kind: type[Pretext]) -> str:
    """The line of this file that `# here` marks in a class, as findings name it."""
    lines, start = inspect.getsourcelines(kind)
    return f"{Path(__file__).name}:{start + next(n for n, line in enumerate(lines) if '# here' in line)}"


class DrawsWithoutGenerator(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        noise = torch.rand(len(batch["image"]), device=rng.device)  # here
        return super().views(batch, rng) | {"noise": noise}


class DrawsWithoutDevice(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        return super().views(batch, rng) | {"noise": torch.rand(len(batch["image"]), generator=rng)}  # here


class DrawsFromItsOwn(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        own = torch.Generator().manual_seed(1)
        return super().views(batch, rng) | {"noise": torch.rand(len(batch["image"]), generator=own, device="cpu")}  # here


class DrawsFromNumpy(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        return super().views(batch, rng) | {"noise": torch.from_numpy(np.random.rand(len(batch["image"])))}  # here


class DrawsFromPython(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        views = super().views(batch, rng)
        return views | {"image": views["image"] * random.random()}  # here


class CountsViews(Sound):
    count = 0

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        self.count += 1
        views = super().views(batch, rng)
        return views | {"image": views["image"] / self.count}


class ChangesTheBatch(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        batch["image"].add_(1)
        return super().views(batch, rng)


class GivesATuple(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Any:
        return self.augment(batch, rng), self.augment(batch, rng)


class GivesANumber(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Any:
        return super().views(batch, rng) | {"strength": 3}


class StacksViewsFirst(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        return super().views(batch, rng) | {"both": torch.stack([self.augment(batch, rng), self.augment(batch, rng)])}


class GivesBytes(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        return super().views(batch, rng) | {"original": batch["image"].clone()}


class Normalises(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        views = super().views(batch, rng)
        return views | {"image": (views["image"] - 0.5) / 0.25}


class LearnsInViews(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        views = super().views(batch, rng)
        return views | {"guess": self.head(self.backbone.embed(views["image"]))}


class ViewsRaise(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        return {"image": batch["picture"]}  # here


class DropsOut(Sound):
    def forward(self, views: Views) -> Output:
        embedding = F.dropout(self.backbone.embed(views["image"]), 0.1, self.training)  # here
        return {"logits": self.head(embedding), "mirrored": views["mirrored"]}


class ComparesRowsInForward(Sound):
    def forward(self, views: Views) -> Output:
        embedding = self.backbone.embed(views["image"])
        return {"logits": self.head(embedding - embedding.mean(0)), "mirrored": views["mirrored"]}


class MakesATable(Sound):
    def forward(self, views: Views) -> Output:
        output = super().forward(views)
        return output | {"similarity": output["logits"] @ output["logits"].T}


class ForgetsTheRows(Sound):
    def forward(self, views: Views) -> Output:
        output = super().forward(views)
        return output | {"mean": output["logits"].mean(0)}


class ForwardRaises(Sound):
    def forward(self, views: Views) -> Output:
        return {"logits": self.head(views["image"])}  # here


class HasNoLoss(Pretext):
    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        return {"image": self.augment(batch, rng)}

    def forward(self, views: Views) -> Output:
        return {"embedding": self.backbone.embed(views["image"])}


class GivesABareLoss(Sound):
    def loss(self, output: Output) -> Any:
        return F.cross_entropy(output["logits"], output["mirrored"])


class GivesALossARow(Sound):
    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"mirrored": F.cross_entropy(output["logits"], output["mirrored"], reduction="none")}


class GivesAFloat(Sound):
    def loss(self, output: Output) -> Any:
        return {"mirrored": F.cross_entropy(output["logits"], output["mirrored"]).item()}


class DividesByZero(Sound):
    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"mirrored": output["logits"].sum() / 0}


class Detaches(Sound):
    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"mirrored": F.cross_entropy(output["logits"].detach(), output["mirrored"])}


class LearnsInTheLoss(Sound):
    def loss(self, output: Output) -> dict[str, Tensor]:
        return super().loss(output) | {"penalty": self.head.weight.square().mean()}


class CouplesRowsSilently(Sound):
    def loss(self, output: Output) -> dict[str, Tensor]:
        return super().loss(output) | {"spread": -output["logits"].std(0).mean()}


class Sums(Sound):
    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"mirrored": F.cross_entropy(output["logits"], output["mirrored"], reduction="sum")}


class HasAnIdleLayer(Sound):
    def __init__(self, backbone: Backbone) -> None:
        super().__init__(backbone)
        self.idle = nn.Linear(3, 3)


class RootOfZero(Sound):
    def loss(self, output: Output) -> dict[str, Tensor]:
        return super().loss(output) | {"distance": (output["logits"] - output["logits"]).square().sum().sqrt()}


class LeavesOutTheHead(Sound):
    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.backbone.parameters())}]


class MovesTheHead(Sound):
    def after_step(self, output: Output) -> None:
        self.head.weight.mul_(0.9)


class GrowsAQueue(Sound):
    queue: Tensor

    def __init__(self, backbone: Backbone) -> None:
        super().__init__(backbone)
        self.register_buffer("queue", torch.zeros(0, 2))

    def after_step(self, output: Output) -> None:
        self.queue = torch.cat([self.queue, output["logits"]])


class DrawsAfterTheStep(Sound):
    def after_step(self, output: Output) -> None:
        torch.randperm(6)  # here


class KeepsALooseTensor(Sound):
    def __init__(self, backbone: Backbone) -> None:
        super().__init__(backbone)
        self.centre = torch.zeros(2)


class RemembersAFloat(Sound):
    scale = 1.0

    def after_step(self, output: Output) -> None:
        self.scale = 2.0

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"mirrored": self.scale * F.cross_entropy(output["logits"], output["mirrored"])}


class ClimbsTheLoss(Sound):
    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"mirrored": 1 - F.cross_entropy(output["logits"], output["mirrored"]).clamp(max=0.3)}


class ShowsOnePicture(Sound):
    def show(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        return {"seen": self.augment(batch, rng)[0]}


class ShowsWhatIsNoPicture(Sound):
    def show(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        return {"seen": 2 * self.augment(batch, rng) - 1}


class SamplesOneMore(Sound):
    def sample(self, count: int, rng: torch.Generator) -> Tensor:
        return torch.rand(count + 1, 3, 16, 16, generator=rng, device=rng.device)


class SamplesByChance(Sound):
    def sample(self, count: int, rng: torch.Generator) -> Tensor:
        return torch.rand(count, 3, 16, 16)  # here


class SamplesNoise(Sound):
    def sample(self, count: int, rng: torch.Generator) -> Tensor:
        return torch.randn(count, 3, 16, 16, generator=rng, device=rng.device)


BROKEN: list[tuple[type[Pretext], str, str]] = [
    (DrawsWithoutGenerator, "views", "torch.rand drew without generator=, so a run could not be repeated; use torch's, with generator=rng"),
    (DrawsWithoutDevice, "views", "torch.rand drew without device=; add device=rng.device"),
    (DrawsFromItsOwn, "views", "torch.rand drew from a generator of its own"),
    (DrawsFromNumpy, "views", "numpy.random.rand drew numbers that rng knows nothing of, so a run could not be repeated"),
    (DrawsFromPython, "views", "random.random drew numbers that rng knows nothing of"),
    (CountsViews, "views", "gave another 'image' for the same state of rng"),
    (ChangesTheBatch, "views", "changed 'image' of the batch in place"),
    (GivesATuple, "views", "returned tuple; expected a dict of tensors"),
    (GivesANumber, "views", "returned int as 'strength'; expected a tensor"),
    (StacksViewsFirst, "views", "returned 'both' with shape (2, 6, 3, 16, 16) for a batch of 6; expected rows first, (6, …)"),
    (GivesBytes, "views", "returned 'original' as uint8; expected float in [0, 1]"),
    (Normalises, "views", "expected [0, 1]: clamp them, or leave out the normalisation, which the backbone does itself"),
    (LearnsInViews, "views", "used parameters for 'guess'; expected none: move what is learned to forward"),
    (ViewsRaise, "views", "raised KeyError: 'picture'"),
    (DropsOut, "forward", "F.dropout drew a random number, and nothing may be drawn here"),
    (ComparesRowsInForward, "forward", "gave other rows of 'logits' when the batch had fewer rows; treat each row by itself"),
    (MakesATable, "forward", "returned 'similarity' with shape (6, 6) for 6 rows and (3, 3) for 3, a table of rows by rows"),
    (ForgetsTheRows, "forward", "returned 'mean' with shape (2,) for a batch of 6; expected rows first"),
    (ForwardRaises, "forward", "raised RuntimeError: mat1 and mat2"),
    (HasNoLoss, "loss", "there is no loss(output) in HasNoLoss; expected one"),
    (GivesABareLoss, "loss", "returned Tensor; expected a dict of named terms"),
    (GivesALossARow, "loss", "returned 'mirrored' as shape (6,); expected a tensor with one number: take the mean"),
    (GivesAFloat, "loss", "returned 'mirrored' as float; expected a tensor with one number"),
    (DividesByZero, "loss", "inf; expected a finite number"),
    (Detaches, "loss", "depends on no parameter, so nothing would be learned"),
    (LearnsInTheLoss, "loss", "uses the parameter head.weight; expected arithmetic on the output alone"),
    (CouplesRowsSilently, "loss", "say couples_rows = True in the class if rows are compared, or return means over rows"),
    (Sums, "loss", "rows are coupled, or summed; say couples_rows = True"),
    (HasAnIdleLayer, "gradients", "do not reach idle.weight, idle.bias; use what they belong to in forward, or switch them off with"),
    (RootOfZero, "gradients", "are no numbers at"),
    (LeavesOutTheHead, "gradients", "would not move head.weight, head.bias once a step: parameter_groups"),
    (MovesTheHead, "after_step", "changed head.weight, which gradients train"),
    (GrowsAQueue, "after_step", "changed the shape of queue, so a checkpoint could not be loaded"),
    (DrawsAfterTheStep, "after_step", "torch.randperm drew a random number"),
    (KeepsALooseTensor, "state", "self.centre is a plain tensor, neither saved nor moved to an accelerator; write self.register_buffer"),
    (RemembersAFloat, "state", "after loading, 'mirrored' was another"),
    (ClimbsTheLoss, "training", "in 40 steps on the same views; see that forward uses the backbone"),
    (ShowsOnePicture, "show", "returned 'seen' with shape (3, 16, 16) for a batch of 6; expected rows first"),
    (ShowsWhatIsNoPicture, "show", "returned 'seen' with values from -"),
    (SamplesOneMore, "sample", "returned (4, 3, 16, 16) for a count of 3; expected pictures (3, 3, 16, 16)"),
    (SamplesByChance, "sample", "torch.rand drew without generator=, so a run could not be repeated; use torch's, with generator=rng"),
    (SamplesNoise, "sample", "returned 'the pictures' with values from -"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "place", "words"), BROKEN, ids=lambda item: item.__name__ if isinstance(item, type) else "")
def test_what_is_broken_is_named(kind: type[Pretext], place: str, words: str) -> None:
    """One finding and no other: what follows from it is not told again."""
    [finding] = found_in(kind, anew=place in ("state", "training"))
    assert finding.place == place
    assert words in finding.words
    assert "\n" not in finding.words
    assert finding.words.endswith(".")
    if "# here" in inspect.getsource(kind):
        assert finding.line == marked(kind)


def test_every_place_can_be_broken() -> None:
    assert {place for _, place, _ in BROKEN} | {"__init__"} == set(PLACES)


def test_nothing_is_found_in_a_sound_task() -> None:
    checked = check_class(Sound, "mine.py:Sound")
    assert checked.findings == ()
    assert checked.reached == set(PLACES)
    assert [name for name in checked.trials if "compact_vit" in name]
    assert [name for name in checked.trials if "compact_convnet" in name]


def test_the_task_and_torchs_random_state_stay_as_they_were() -> None:
    task = Sound(build("compact_convnet", size=16))
    before = {name: tensor.clone() for name, tensor in task.state_dict().items()}
    state = torch.get_rng_state()
    check_module(task, made_up_batch(4, 3, 20), Findings(()))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(tensor, before[name]) for name, tensor in task.state_dict().items())
    assert all(parameter.grad is None for parameter in task.parameters())


class Positional(Sound):
    def __init__(self, backbone: Backbone, weight: float = 1.0, *rest: int) -> None:
        super().__init__(backbone)


class Hidden(Pretext):
    def __init__(self, backbone: Backbone, **others: int) -> None:
        super().__init__(backbone)


class Untyped(Sound):
    def __init__(self, backbone: Backbone, *, weight=1.0) -> None:  # type: ignore[no-untyped-def]
        super().__init__(backbone)


class InitialiserRaises(Sound):
    def __init__(self, backbone: Backbone) -> None:
        super().__init__(backbone)
        self.size = backbone.colour  # here


class OnlyColour(Sound):
    def __init__(self, backbone: Backbone) -> None:
        super().__init__(backbone)
        if backbone.channels != 3:
            raise ValueError("this task needs colour")


class EvenRows(Sound):
    def forward(self, views: Views) -> Output:
        pairs = views["image"].reshape(2, len(views["image"]) // 2, *views["image"].shape[1:])  # here
        return super().forward(views | {"image": pairs.flatten(0, 1)})


class HandsOn(VICReg):
    def __init__(self, backbone: Backbone, *, strength: int = 3, crop: float = 0.5, **others: Any) -> None:
        super().__init__(backbone, crop=crop, **others)


def test_options_that_are_handed_on_are_those_of_the_class_it_derives_from() -> None:
    options, types = options_of(HandsOn), option_types(HandsOn)
    assert list(options)[:5] == ["strength", "crop", "invariance", "variance", "covariance"]
    assert (options["crop"].default, options["covariance"].default, options["flip"].default) == (0.5, 1.0, 0.5)
    assert (types["strength"], types["second_blur"]) == (int, float | None)
    assert task_options(HandsOn, {"flip": "0"})["flip"] == 0.0


def test_options_that_cannot_be_read() -> None:
    by_position, rest = check_class(Positional, "mine.py:Positional").findings
    assert "takes 'weight' by its position; expected options by name only: write backbone, *, weight." in by_position.words
    assert "takes *rest: 'int', whose options nobody can see" in rest.words
    hidden = [finding.words for finding in check_class(Hidden, "mine.py:Hidden").findings]
    assert any("takes **others: 'int', whose options nobody can see" in words for words in hidden)
    [untyped] = check_class(Untyped, "mine.py:Untyped").findings
    assert "has no type for option 'weight'" in untyped.words


def test_an_initialiser_that_fails_is_named_and_one_that_refuses_is_not_broken() -> None:
    [finding] = check_class(InitialiserRaises, "mine.py:InitialiserRaises", backbone="compact_convnet").findings
    assert (finding.place, finding.line) == ("__init__", marked(InitialiserRaises))
    assert "AttributeError" in finding.words
    checked = check_class(OnlyColour, "mine.py:OnlyColour", backbone="compact_convnet")
    assert checked.findings == ()
    assert "this task needs colour" in checked.notes[0]
    with pytest.raises(ValueError, match="refuses every backbone"):
        check_class(type("Never", (Sound,), {"__init__": _never}), "mine.py:Never")


def _never(self: Pretext, backbone: Backbone) -> None:
    raise ValueError("not on this one")


def test_a_finding_says_on_which_batches_it_was_seen() -> None:
    [finding] = check_class(EvenRows, "mine.py:EvenRows", backbone="compact_convnet").findings
    assert [name for name in finding.trials if "× 5" in name] == list(finding.trials)
    assert finding.line == marked(EvenRows)


# Views ----------------------------------------------------------------------------------------------------------------------------


def gentle(image: Tensor, rng: torch.Generator) -> Tensor:
    gain = 0.5 + 0.5 * torch.rand(len(image), 1, 1, 1, generator=rng, device=rng.device)
    return image.float() / 255 * gain


def hidden_draw(image: Tensor, rng: torch.Generator) -> Tensor:
    return image.float() / 255 * torch.rand(1)


VIEWS: list[tuple[Callable[..., Any], str]] = [
    (lambda image, rng: None, "returned NoneType; expected a float tensor (5, 3, 20, 20)"),
    (lambda image, rng: image[:, :1] / 255, "returned shape (5, 1, 20, 20) for (5, 3, 20, 20); expected (5, 3, 20, 20)"),
    (lambda image, rng: image[:, :, :8] / 255, "returned shape (5, 3, 8, 20)"),
    (lambda image, rng: image, "as uint8; expected float"),
    (lambda image, rng: image.float(), "expected [0, 1]: divide by 255"),
    (lambda image, rng: image.div(0), "values that are no numbers"),
    (lambda image, rng: image.fill_(1) / 255, "changed 'image' of the batch in place"),
    (lambda image, rng: image / 255 * np.random.default_rng().random(), "gave another 'the view'"),
    (hidden_draw, "torch.rand drew without generator="),
    (lambda image: image, "raised TypeError"),
]


@pytest.mark.parametrize(("function", "words"), VIEWS, ids=[words for _, words in VIEWS])
def test_broken_views_are_named(function: Callable[..., Any], words: str) -> None:
    found = Findings([__file__])
    with contextlib.suppress(Stopped):
        check_views(function, made_up_batch(5, 3, 20)["image"], found, size=20)
    assert words in found.found[0].words
    assert found.found[0].place == "views"


def test_sound_views_pass() -> None:
    found = Findings([__file__])
    assert check_views(gentle, made_up_batch(5, 3, 20)["image"], found) == 20
    assert found.found == []


# Commands -------------------------------------------------------------------------------------------------------------------------

TASK = '''
import torch
from torch import nn
import torch.nn.functional as F
from selfsup import Pretext


class Mine(Pretext):
    """Tell how bright a picture was made."""

    def __init__(self, backbone, *, width: int = 1):
        super().__init__(backbone)
        self.head = nn.Linear(backbone.width, width)

    def views(self, batch, rng):
        image = self.augment(batch, rng)
        gain = torch.rand(len(image), generator=rng, device=rng.device)
        return {"image": image * gain[:, None, None, None], "gain": gain}

    def forward(self, views):
        return {"guess": self.head(self.backbone.embed(views["image"]))[:, 0], "gain": views["gain"]}

    def loss(self, output):
        return {"gain": F.mse_loss(output["guess"], output["gain"])}
'''
FUNCTION = "import torch\n\n\ndef mine(image, rng):\n    return image.float().div(255)\n"


def test_check_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.py"
    file.write_text(TASK, encoding="utf-8")
    np.save(tmp_path / "pictures.npy", made_up_batch(9, 3, 24)["image"].permute(0, 2, 3, 1).numpy())
    code, said = run(capsys, "tasks", "--check", f"{file}:Mine", tmp_path / "pictures.npy", "--backbone", "compact_convnet")
    assert code == 0
    assert "Nothing is broken." in said
    assert "pictures.npy colour 24 px × 8 on compact_convnet" in said
    file.write_text(TASK.replace("generator=rng, ", ""), encoding="utf-8")
    code, said = run(capsys, "tasks", f"{file}:Mine", "--check", "--set", "width=2")
    assert code == 2
    assert "1 thing is broken." in said
    assert "mine.py:17: torch.rand drew without generator=" in said
    assert str(tmp_path) not in said.partition("\n")[2], "the path is told once"


def test_check_of_views_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "views.py"
    file.write_text(FUNCTION, encoding="utf-8")
    code, said = run(capsys, "tasks", "--check", f"{file}:mine")
    assert (code, "Nothing is broken." in said) == (0, True)
    file.write_text(FUNCTION.replace(".div(255)", ".div(9)"), encoding="utf-8")
    code, said = run(capsys, "tasks", "--check", f"{file}:mine")
    assert (code, "expected [0, 1]: divide by 255." in said) == (2, True)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tasks --check", "nothing to check"),
        ("tasks simclr pictures", "expected --check"),
        ("tasks --check simclrr", "Did you mean 'simclr'?"),
    ],
)
def test_mistakes(line: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(capsys, *line.split())
    assert (code, words in said) == (2, True)


def test_pretrain_refuses_what_is_broken_in_the_same_words(tmp_path: Path) -> None:
    images = made_up_batch(8, 1, 16)["image"][:, 0].numpy()
    task, views = tmp_path / "mine.py", tmp_path / "views.py"
    asked: dict[str, Any] = {"steps": 1, "out": tmp_path / "run", "backbone": "compact_convnet", "size": 16}
    task.write_text(TASK.replace("gain = torch.rand(len(image), generator=rng,", "gain = torch.rand(len(image),"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"Mine is broken:\n  views, mine.py:17: torch.rand drew without generator="):
        pretrain(images, task=f"{task}:Mine", **asked)
    task.write_text(TASK.replace("super().__init__(backbone)", "super().__init__(backbone).missing"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine.py:12: __init__ raised AttributeError"):
        pretrain(images, task=f"{task}:Mine", **asked)
    task.write_text(TASK + "\n\nnothing + 1\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine.py:27 failed while it was imported: NameError"):
        pretrain(images, task=f"{task}:Mine", **asked)
    views.write_text(FUNCTION.replace(".div(255)", ""), encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine is broken:\n  views: returned 'the view' with values from"):
        pretrain(images, task="rotation", views=f"{views}:mine", **asked)
    assert not (tmp_path / "run" / "run.json").exists()


def test_own_task_and_views_pretrain(tmp_path: Path) -> None:
    images = made_up_batch(8, 1, 16)["image"][:, 0].numpy()
    (tmp_path / "mine.py").write_text(TASK, encoding="utf-8")
    (tmp_path / "views.py").write_text(FUNCTION, encoding="utf-8")
    asked: dict[str, Any] = {"steps": 1, "out": tmp_path / "run", "backbone": "compact_convnet", "size": 16}
    made = pretrain(images, task=f"{tmp_path / 'mine.py'}:Mine", views=f"{tmp_path / 'views.py'}:mine", **asked)
    assert (made.folder / "backbone.safetensors").is_file()
    assert check(f"{tmp_path / 'mine.py'}:Mine", images, backbone="compact_convnet").findings == ()
