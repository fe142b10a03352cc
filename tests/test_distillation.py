"""Tasks that predict one view from another: each loss by hand, as its paper writes it, and as lightly computes it; and their traps."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selfsup.losses import by_picture, crossed_cosine
from selfsup.pretext import Output, Pretext, Views
from selfsup.teachers import momentum_at
from selfsup.train.optimizer import make_optimizer, set_rate
from selfsup.train.watch import Watch
from small_tasks import batch, make, rng, warned

TAUGHT = ("byol", "moco")


def sides(seed: int, rows: int = 5, width: int = 8) -> Tensor:
    """Two views of each picture, `(B, 2, D)`."""
    return torch.randn(rows, 2, width, generator=rng(seed))


def term(task: Pretext, **output: Tensor) -> float:
    (value,) = task.loss(output).values()
    return float(value.detach())


# BYOL -----------------------------------------------------------------------------------------------------------------------------


def test_byol_by_hand() -> None:
    """The two views are at right angles: what is predicted from the first agrees with the target of the second, or of its own."""
    task, target = make("byol"), torch.eye(2)[None] * 3
    assert term(task, predicted=target.flip(1), target=target) == pytest.approx(0.0, abs=1e-6)
    assert term(task, predicted=target, target=target) == pytest.approx(4.0)
    assert term(task, predicted=-target.flip(1), target=target) == pytest.approx(8.0)


def test_byol_written_as_the_paper_does() -> None:
    """Equation 2: squared distances of normalised rows, of one view's prediction to the other's target, and back."""
    predicted, target = sides(1), sides(2)

    def distance(one: Tensor, other: Tensor) -> float:
        return sum((float(x) / float(one.norm()) - float(y) / float(other.norm())) ** 2 for x, y in zip(one, other, strict=True))

    each = [distance(predicted[i, 0], target[i, 1]) + distance(predicted[i, 1], target[i, 0]) for i in range(5)]
    assert term(make("byol"), predicted=predicted, target=target) == pytest.approx(sum(each) / 5, abs=1e-5)


def test_byol_equals_lightly() -> None:
    """lightly takes half of the sum of both sides, and leaves out the constant."""
    loss = pytest.importorskip("lightly.loss").NegativeCosineSimilarity()
    predicted, target = sides(3, 32), sides(4, 32)
    theirs = (loss(predicted[:, 0], target[:, 1]) + loss(predicted[:, 1], target[:, 0])) / 2
    assert term(make("byol"), predicted=predicted, target=target) == pytest.approx(4 + 4 * float(theirs), abs=1e-5)


def test_views_of_a_picture_come_to_stand_beside_each_other() -> None:
    rows = torch.tensor([[1.0], [2.0], [3.0], [-1.0], [-2.0], [-3.0]])  # first views, then second ones
    assert by_picture(rows)[:, :, 0].tolist() == [[1, -1], [2, -2], [3, -3]]
    assert crossed_cosine(by_picture(rows), by_picture(rows)) == pytest.approx(-1.0)


# SimSiam --------------------------------------------------------------------------------------------------------------------------


def test_simsiam_by_hand() -> None:
    task, target = make("simsiam"), torch.eye(2)[None] * 3
    assert term(task, predicted=target.flip(1), target=target) == pytest.approx(-1.0)
    assert term(task, predicted=target, target=target) == pytest.approx(0.0, abs=1e-6)


def test_simsiam_equals_lightly() -> None:
    loss = pytest.importorskip("lightly.loss").NegativeCosineSimilarity()
    predicted, target = sides(3, 32), sides(4, 32)
    theirs = (loss(predicted[:, 0], target[:, 1]) + loss(predicted[:, 1], target[:, 0])) / 2
    assert term(make("simsiam"), predicted=predicted, target=target) == pytest.approx(float(theirs), abs=1e-5)


def test_no_gradient_reaches_what_simsiam_predicts() -> None:
    task = make("simsiam").eval()
    views = task.views(batch(), rng())
    output = task(views)
    assert not output["target"].requires_grad
    for place, side in enumerate("ab"):
        torch.testing.assert_close(output["target"][:, place], task.projector(task.backbone.embed(views[side])))
        torch.testing.assert_close(output["predicted"][:, place], task.predictor(output["target"][:, place]))


@pytest.mark.parametrize("optimizer", ["adamw", "lars"])
def test_the_rate_of_simsiams_predictor_is_constant(optimizer: str) -> None:
    task = make("simsiam")
    made = make_optimizer(task, optimizer, rate=0.2, decay=0.05)
    assert set_rate(made, 0.25) == pytest.approx(0.05)
    rates = {id(weight): group["lr"] for group in made.param_groups for weight in group["params"]}
    for name, weight in task.named_parameters():
        assert rates[id(weight)] == pytest.approx(0.2 if name.startswith("predictor") else 0.05), name
    assert set_rate(made, 0.0) == 0.0
    assert all(group["lr"] == 0.0 for group in made.param_groups), "steps that are timed move nothing"


# MoCo -----------------------------------------------------------------------------------------------------------------------------


def test_moco_by_hand() -> None:
    """Two pictures whose views agree, at right angles to each other: one candidate at 1 and one at 0, in both directions."""
    rows = torch.eye(2)[:, None].expand(2, 2, 2)
    nats = -math.log(math.exp(1 / 0.5) / (math.exp(1 / 0.5) + 1))
    value = term(make("moco", temperature=0.5, dimensions=2), query=rows, key=rows * 3, index=torch.arange(2))
    assert value == pytest.approx(2 * 0.5 * 2 * nats, abs=1e-6)


def filled(queue: Tensor, owners: list[int], **options: Any) -> Any:
    """The task with a queue of these keys."""
    task = make("moco", queue=len(queue), dimensions=queue.shape[1], **options)
    task.keys.copy_(F.normalize(queue, dim=1))
    task.owners.copy_(torch.tensor(owners))
    return task


def test_moco_written_as_the_paper_does() -> None:
    """Equation 1 of version 3, loop by loop, over batch and queue; copies of a picture and places not yet filled are no negatives."""
    query, key, queue = sides(1), sides(2), sides(3, 4)[:, 0]
    index, owners = [5, 6, 5, 7, 8], [9, 6, -1, 7]
    task = filled(queue, owners, temperature=0.3)

    def likeness(one: Tensor, other: Tensor) -> float:
        return math.exp(float(one @ other) / float(one.norm() * other.norm()) / 0.3)

    def nats(i: int, own: int) -> float:
        asked, wanted = query[i, own], key[:, 1 - own]
        below = sum(likeness(asked, wanted[j]) for j in range(5) if j == i or index[j] != index[i])
        below += sum(likeness(asked, queue[j]) for j in range(4) if owners[j] not in (-1, index[i]))
        return -math.log(likeness(asked, wanted[i]) / below)

    expected = 2 * 0.3 * sum(nats(i, own) for i in range(5) for own in (0, 1)) / 5
    assert term(task, query=query, key=key, index=torch.tensor(index)) == pytest.approx(expected, abs=1e-5)


def test_moco_equals_lightly_with_a_memory_bank() -> None:
    """lightly's negatives are those of the bank alone: so are ours where the whole batch is one picture."""
    loss = pytest.importorskip("lightly.loss").NTXentLoss(temperature=0.2, memory_bank_size=(24, 8))
    query, key = sides(3, 16), sides(4, 16)
    theirs = [float(loss(query[:, own], key[:, 1 - own])) for own in (0, 1)]  # without gradients it keeps its bank
    task = filled(loss.memory_bank.bank, list(range(100, 124)), temperature=0.2)
    value = term(task, query=query, key=key, index=torch.zeros(16, dtype=torch.int64))
    assert value == pytest.approx(2 * 0.2 * sum(theirs), abs=1e-5)


def test_moco_knows_the_loss_of_a_network_that_tells_nothing_apart() -> None:
    task, same = filled(torch.ones(6, 8), [40, 41, 42, 43, -1, -1]), torch.ones(5, 2, 8)
    assert term(task, query=same, key=same, index=torch.arange(5)) == pytest.approx(task.blind_loss(5), abs=1e-5)


@pytest.mark.parametrize(("room", "rows"), [(12, 3), (10, 3), (7, 2), (5, 4)], ids=["divides", "wraps", "odd", "more than room"])
def test_the_queue_holds_the_newest_keys_and_the_oldest_go_first(room: int, rows: int) -> None:
    task, every, owners = make("moco", queue=room, dimensions=4), [], []
    for step in range(5):
        key, index = sides(step, rows, 4), torch.arange(rows) + 10 * step
        task.after_step({"query": key, "key": key, "index": index})
        every += list(F.normalize(key, dim=2).flatten(0, 1))
        owners += index.repeat_interleave(2).tolist()
        newest = sorted(range(max(0, len(every) - room), len(every)), key=lambda number: number)
        assert sorted(task.owners[task.owners >= 0].tolist()) == sorted(owners[number] for number in newest)
        for number in newest:
            [found] = [place for place in range(room) if torch.equal(task.keys[place], every[number])]
            assert task.owners[found] == owners[number]
    if rows * 2 <= room:
        start = int(task.place)
        order = [*range(start, room), *range(start)]
        torch.testing.assert_close(task.keys[order], torch.stack(every[-room:]), msg="oldest first, from where the next key goes")


def test_no_key_tells_what_batch_it_is_from() -> None:
    """With a queue the teacher normalises by running statistics, so that a row has the same key alone and in company."""
    images = torch.rand(8, 3, 16, 16, generator=rng())
    alone, usual = make("moco", queue=16).train(), make("moco").train()
    torch.testing.assert_close(alone.teacher.project(images)[:3], alone.teacher.project(images[:3]))
    assert not torch.allclose(usual.teacher.project(images)[:3], usual.teacher.project(images[:3]), atol=1e-2)
    before = [buffer.clone() for buffer in alone.teacher.projector.buffers() if buffer.is_floating_point()]
    alone(alone.views(batch(), rng()))
    alone.teacher.follow(alone, 0.75)
    own, followed = ([b for b in part.projector.buffers() if b.is_floating_point()] for part in (alone.teacher, alone))
    for old, new, other in zip(before, own, followed, strict=True):
        torch.testing.assert_close(new, 0.75 * old + 0.25 * other)


# Teachers and targets -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TAUGHT)
def test_the_target_is_the_teachers_of_the_same_view_without_gradients(name: str) -> None:
    """In evaluation mode, where rows do not see each other; the teacher was made another one before."""
    task = make(name).eval()
    with torch.no_grad():
        for weight in task.teacher.parameters():
            weight.add_(0.02)
    views = task.views(batch(), rng())
    output = task(views)
    predicted, target = (output[part] for part in (("query", "key") if name == "moco" else ("predicted", "target")))
    assert not target.requires_grad
    assert predicted.requires_grad
    for place, side in enumerate("ab"):
        own = task.teacher.projector(task.teacher.backbone.embed(views[side]))
        torch.testing.assert_close(target[:, place], own)
        student = task.projector(task.backbone.embed(views[side]))
        assert not torch.allclose(own, student)
        torch.testing.assert_close(predicted[:, place], task.predictor(student))
    torch.autograd.backward(sum(task.loss(output).values()))
    assert all(weight.grad is None for weight in task.teacher.parameters())
    assert all(weight.grad is not None for weight in task.predictor.parameters())


@pytest.mark.parametrize("name", TAUGHT)
@pytest.mark.parametrize(("momentum", "progress"), [(None, 0.0), (0.9, 0.25), (0.9, 1.0)])
def test_the_teachers_momentum_follows_the_schedule(name: str, momentum: float | None, progress: float) -> None:
    task = make(name, momentum=momentum)
    task.progress.fill_(progress)
    task.steps.fill_(200)
    output = {part: rows.detach() for part, rows in task(task.views(batch(), rng())).items()}
    before = [weight.clone() for weight in task.teacher.projector.parameters()]
    with torch.no_grad():
        for weight in task.projector.parameters():
            weight.add_(1.0)
        task.after_step(output)
    first = 1 - 1 / 10 if momentum is None else momentum  # 1 - 1 / (.05 · 200)
    expected = 1 - (1 - first) * (math.cos(math.pi * progress) + 1) / 2
    assert momentum_at(task.progress, task.steps, start=momentum) == pytest.approx(expected)
    for old, new in zip(before, task.teacher.projector.parameters(), strict=True):
        torch.testing.assert_close(new, old + (1 - expected))


# What prevents a collapse ---------------------------------------------------------------------------------------------------------


SHORT: dict[str, Any] = {"pictures": 120, "size": 16, "steps": 42, "batch_size": 32}


def without_predictor(kind: type[Pretext], monkeypatch: pytest.MonkeyPatch) -> None:
    made = kind.__init__

    @wraps(made)
    def make_without(self: Any, *arguments: Any, **options: Any) -> None:
        made(self, *arguments, **options)
        self.predictor = nn.Identity()

    monkeypatch.setattr(kind, "__init__", make_without)


def without_stop(kind: type[Pretext], monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(self: Any, views: Views) -> Output:
        projected = self.projector(self.backbone.embed(torch.cat([views["a"], views["b"]])))
        return {"predicted": by_picture(self.predictor(projected)), "target": by_picture(projected)}

    monkeypatch.setattr(kind, "forward", forward)


@pytest.mark.usefixtures("frequent_looks")
@pytest.mark.parametrize("name", ["byol", "simsiam"])
@pytest.mark.parametrize("off", [without_predictor, without_stop], ids=["no predictor", "no stop-gradient"])
def test_a_collapse_is_told_when_what_prevents_it_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off: Callable[[type[Pretext], pytest.MonkeyPatch], None], name: str
) -> None:
    off(type(make(name)), monkeypatch)
    found = warned(tmp_path / "run", name, learning_rate=0.006, **SHORT)
    assert "collapse" in found
    assert "flat" not in found


@pytest.mark.usefixtures("frequent_looks")
@pytest.mark.parametrize(("name", "options"), [("byol", {}), ("simsiam", {}), ("moco", {"queue": 64})])
def test_nothing_is_told_of_a_task_that_is_whole(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    found = warned(tmp_path / "run", name, options=options, **SHORT)
    assert not {"collapse", "flat"} & set(found)  # so few steps leave a contrast where it began, which is told


def test_a_loss_that_need_not_fall_is_not_called_flat() -> None:
    """Its targets are learned too, so it may rise."""
    for falls in (True, False):
        watch = Watch()
        look = partial(watch.warnings, rank=50, spread=0.5, falls=falls)
        said = [kind for step in range(20) for kind in look(progress=step / 20, loss=0.3 + 0.01 * step)]
        assert said == (["flat"] if falls else [])


def test_a_loss_below_zero_that_falls_is_not_called_flat() -> None:
    watch, still = Watch(), Watch()
    assert not any(watch.warnings(progress=step / 20, loss=-0.5 - 0.01 * step, rank=50, spread=0.5) for step in range(20))
    assert any(still.warnings(progress=step / 20, loss=-0.5, rank=50, spread=0.5) for step in range(20))


# Frozen patches -------------------------------------------------------------------------------------------------------------------


def test_frozen_patches_stay_as_they_began_and_all_else_is_trained() -> None:
    task = make("moco", backbone="compact_vit", frozen_patches=True)
    patches = {f"backbone.model.patch_embed.{name}": weight.clone() for name, weight in task.backbone.model.patch_embed.named_parameters()}
    optimizer = make_optimizer(task, "adamw", rate=0.01, decay=0.1)
    before = {name: weight.clone() for name, weight in task.named_parameters() if not name.startswith("teacher")}
    torch.autograd.backward(sum(task.loss(task(task.views(batch(), rng()))).values()))
    optimizer.step()
    moved = {name for name, weight in task.named_parameters() if name in before and not torch.equal(weight, before[name])}
    assert len(patches) == 2
    assert before.keys() - moved == patches.keys()


def test_frozen_patches_need_a_layer_of_patches() -> None:
    with pytest.raises(ValueError, match="'compact_convnet' projects no patches: take compact_vit"):
        make("moco", frozen_patches=True)
