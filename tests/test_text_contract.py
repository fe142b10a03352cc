"""The check of a user's own task for text: what can be broken is found and named in words that fit, and nothing else is."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from command_line import run
from selfsup.backbones import TextBackbone, build_text
from selfsup.contract import Finding, check, check_before_training
from selfsup.contract.findings import TEXT_PLACES, Findings, written_in
from selfsup.contract.places import check_module
from selfsup.contract.text_trials import byte_vocabulary, made_up_rows, real_rows
from selfsup.contract.trials import check_class
from selfsup.pretext import Batch, Output, TextPretext, Views
from small_text import SEP, backbone, vocabulary


class Sound(TextPretext):
    """Tell whether a row was turned round."""

    def __init__(self, backbone: TextBackbone, *, weight: float = 1.0) -> None:
        super().__init__(backbone)
        self.weight = weight
        self.head = nn.Linear(backbone.width, 2)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        ids = batch["tokens"]
        turned = torch.randint(2, (len(ids),), generator=rng, device=rng.device)
        return {"seen": torch.where(turned[:, None] == 1, ids.flip(1), ids), "turned": turned}

    def forward(self, views: Views) -> Output:
        return {"logits": self.head(self.backbone.embed(views["seen"])), "turned": views["turned"]}

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"turned": self.weight * F.cross_entropy(output["logits"], output["turned"])}


def found_in(kind: type[TextPretext], *, anew: bool = False, name: str = "bert-tiny") -> list[Finding]:
    """What a tiny network and six rows of bytes find in a task; with `anew`, state and training are looked at too."""

    def fresh() -> TextPretext:
        torch.manual_seed(0)
        return kind(build_text(name, vocabulary=byte_vocabulary(), context=24))

    found = Findings(written_in(kind))
    check_module(fresh(), made_up_rows(6, 24, byte_vocabulary()), found, fresh=fresh if anew else None)
    return found.found


def marked(kind: type[TextPretext]) -> str:
    """The line of this file that `# here` marks in a class, as findings name it."""
    lines, start = inspect.getsourcelines(kind)
    return f"{Path(__file__).name}:{start + next(n for n, line in enumerate(lines) if '# here' in line)}"


class DrawsWithoutGenerator(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        return super().views(batch, rng) | {"chance": torch.rand(len(batch["tokens"]), device=rng.device)}  # here


class DrawsWithoutDevice(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        return super().views(batch, rng) | {"order": torch.randperm(len(batch["tokens"]), generator=rng)}  # here


class DrawsFromNumpy(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        order = torch.from_numpy(np.random.permutation(batch["tokens"].shape[1]))  # here
        return {**super().views(batch, rng), "mixed": batch["tokens"][:, order]}


class HidesInPlace(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        batch["tokens"][:, 0] = 0
        return super().views(batch, rng)


class GivesTheIdsAlone(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Any:
        return batch["tokens"]


class GivesAList(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Any:
        return super().views(batch, rng) | {"lengths": [24] * len(batch["tokens"])}


class FlattensTheTargets(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        return super().views(batch, rng) | {"target": batch["tokens"].flatten()}


class LooksForPictures(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        return {"image": self.augment(batch, rng)}  # here


class LearnsInViews(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        views = super().views(batch, rng)
        return views | {"words": self.backbone.tokens(views["seen"])}


class InventsAnId(Sound):
    def forward(self, views: Views) -> Output:
        beyond = views["seen"] + self.backbone.vocabulary.size
        return {"logits": self.head(self.backbone.embed(beyond)), "turned": views["turned"]}  # here


class ReadsTooMuch(Sound):
    def forward(self, views: Views) -> Output:
        twice = views["seen"].repeat(1, 2)
        return {"logits": self.head(self.backbone.embed(twice)), "turned": views["turned"]}  # here


class DropsOut(Sound):
    def forward(self, views: Views) -> Output:
        embedding = F.dropout(self.backbone.embed(views["seen"]), 0.1, self.training)  # here
        return {"logits": self.head(embedding), "turned": views["turned"]}


class DropsOutFromNumpy(Sound):
    draws_in_forward = True

    def forward(self, views: Views) -> Output:
        output = super().forward(views)
        return output | {"logits": output["logits"] * float(np.random.rand())} if self.training else output  # here


class CountsItsDrops(Sound):
    draws_in_forward = True
    count = 0

    def forward(self, views: Views) -> Output:
        self.count += self.training
        output = super().forward(views)
        return output | {"logits": output["logits"] * (1 + self.count % 7)}


class ComparesTexts(Sound):
    def forward(self, views: Views) -> Output:
        output = super().forward(views)
        return output | {"alike": output["logits"] @ output["logits"].T}


class CentresWords(Sound):
    def forward(self, views: Views) -> Output:
        embedding = self.backbone.embed(views["seen"])
        return {"logits": self.head(embedding - embedding.mean(0)), "turned": views["turned"]}


class PicksPredictedWords(Sound):
    def forward(self, views: Views) -> Output:
        hidden = self.backbone.tokens(views["seen"])
        return super().forward(views) | {"words": hidden[views["seen"] != byte_vocabulary().eos]}


class GivesABareLoss(Sound):
    def loss(self, output: Output) -> Any:
        return F.cross_entropy(output["logits"], output["turned"])


class Sums(Sound):
    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"turned": F.cross_entropy(output["logits"], output["turned"], reduction="sum")}


class AveragesUnevenCounts(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        return super().views(batch, rng) | {"counted": batch["tokens"].eq(byte_vocabulary().eos or 0)}

    def forward(self, views: Views) -> Output:
        nats = self.backbone.tokens(views["seen"])[:, :, 0].square() * self.head.weight.sum() + self.head.bias.sum()
        return {"nats": nats, "counted": views["counted"]}

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"ends": (output["nats"] * output["counted"]).sum() / output["counted"].sum().clamp(min=1)}


class PredictsNothing(Sound):
    def loss(self, output: Output) -> dict[str, Tensor]:
        nothing = torch.zeros(len(output["logits"]), dtype=torch.bool)
        return {"turned": F.cross_entropy(output["logits"][nothing], output["turned"][nothing])}


class HasAnIdleTable(Sound):
    def __init__(self, backbone: TextBackbone) -> None:
        super().__init__(backbone)
        self.table = nn.Embedding(4, 3)


class MovesTheHead(Sound):
    def after_step(self, output: Output) -> None:
        self.head.weight.mul_(0.9)


class KeepsALooseTensor(Sound):
    def __init__(self, backbone: TextBackbone) -> None:
        super().__init__(backbone)
        self.counts = torch.zeros(backbone.vocabulary.size)


class ClimbsTheLoss(Sound):
    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"turned": 1 - F.cross_entropy(output["logits"], output["turned"]).clamp(max=0.3)}


class ScoresOfOnePlace(Sound):
    def logits(self, ids: Tensor, positions: Tensor) -> Tensor:
        return self.backbone.tokens(ids, at=positions) @ self.backbone.embedding.weight.T[:, :7]


class ScoresWithoutPlaces(Sound):
    def logits(self, ids: Tensor) -> Tensor:
        return self.backbone.tokens(ids) @ self.backbone.embedding.weight.T


BROKEN: list[tuple[type[TextPretext], str, str]] = [
    (DrawsWithoutGenerator, "views", "torch.rand drew without generator=, so a run could not be repeated; use torch's, with generator=rng"),
    (DrawsWithoutDevice, "views", "torch.randperm drew without device=; add device=rng.device"),
    (DrawsFromNumpy, "views", "numpy.random.permutation drew numbers that rng knows nothing of"),
    (HidesInPlace, "views", "changed 'tokens' of the batch in place"),
    (GivesTheIdsAlone, "views", "returned Tensor; expected a dict of tensors, such as {'tokens': tokens}."),
    (GivesAList, "views", "returned list as 'lengths'; expected a tensor: keep a number that every row shares in self, or make it a tensor "
                          "with a row for each row of tokens."),
    (FlattensTheTargets, "views", "returned 'target' with shape (144,) for a batch of 6; expected rows first, (6, …)"),
    (LooksForPictures, "views", "raised AttributeError"),
    (LearnsInViews, "views", "used parameters for 'words'; expected none: move what is learned to forward"),
    (InventsAnId, "forward", "An id or a position lies outside its table: ids go from 0 to backbone.vocabulary.size - 1."),
    (ReadsTooMuch, "forward", "rows have 48 tokens, and the backbone 'bert-tiny' takes at most 24"),
    (DropsOut, "forward", "F.dropout drew a random number, and nothing may be drawn here"),
    (DropsOutFromNumpy, "forward", "numpy.random.rand drew numbers that rng knows nothing of, and nothing may be drawn here"),
    (CountsItsDrops, "forward", "gave another 'logits' after the same torch.manual_seed, so a run could not be repeated"),
    (ComparesTexts, "forward", "returned 'alike' with shape (6, 6) for 6 rows and (3, 3) for 3, a table of rows by rows"),
    (CentresWords, "forward", "gave other rows of 'logits' when the batch had fewer rows; treat each row by itself"),
    (PicksPredictedWords, "forward", "for a batch of 6; expected rows first, (6, …): reshape or expand it."),
    (GivesABareLoss, "loss", "returned Tensor; expected a dict of named terms, such as {'words': F.cross_entropy(…)}."),
    (Sums, "loss", "rows are coupled, or summed; say couples_rows = True"),
    (AveragesUnevenCounts, "loss", "on average for its halves: rows are coupled, or summed"),
    (PredictsNothing, "loss", "returned 'turned' as nan; expected a finite number: look for log(0) or 0/0."),
    (HasAnIdleTable, "gradients", "do not reach table.weight; use what they belong to in forward"),
    (MovesTheHead, "after_step", "changed head.weight, which gradients train"),
    (KeepsALooseTensor, "state", "self.counts is a plain tensor, neither saved nor moved to an accelerator"),
    (ClimbsTheLoss, "training", "in 40 steps on the same views; see that forward uses the backbone"),
    (ScoresOfOnePlace, "logits", "returned (6, 8, 7) for places (6, 8); expected (6, 8, 260): a score for each word, (B, K, V)."),
    (ScoresWithoutPlaces, "logits", "raised TypeError"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "place", "words"), BROKEN, ids=lambda item: item.__name__ if isinstance(item, type) else "")
def test_what_is_broken_is_named(kind: type[TextPretext], place: str, words: str) -> None:
    """One finding and no other: what follows from it is not told again. Nothing speaks of pictures."""
    [finding] = found_in(kind, anew=place in ("state", "training"))
    assert finding.place == place
    assert words in finding.words
    assert "picture" not in finding.words.replace("'image'", "")
    assert finding.words.endswith(".")
    if "# here" in inspect.getsource(kind):
        assert finding.line == marked(kind)


def test_every_place_can_be_broken() -> None:
    assert {place for _, place, _ in BROKEN} | {"__init__"} == set(TEXT_PLACES)


class SaysWhatItCounts(AveragesUnevenCounts):
    def count_of(self, views: Views) -> Tensor | None:
        return views["counted"].sum()


class SaysThatItDrops(DropsOut):
    draws_in_forward = True


@pytest.mark.parametrize("kind", [Sound, SaysWhatItCounts, SaysThatItDrops])
def test_nothing_is_found_in_sound_tasks(kind: type[TextPretext]) -> None:
    assert found_in(kind) == []


def test_a_sound_task_is_tried_on_encoders_and_decoders() -> None:
    checked = check_class(Sound, "mine.py:Sound")
    assert checked.findings == ()
    assert checked.reached == set(checked.places) == set(TEXT_PLACES)
    assert [name.rpartition(" ")[2] for name in checked.trials] == ["bert-tiny", "bert-tiny", "gpt2-tiny", "gpt2-tiny"]
    assert "made-up text, 48 bytes × 5 on bert-tiny" in checked.trials


class Forwards(Sound):
    reads_forwards = True


class OnlyEncoders(Sound):
    def __init__(self, backbone: TextBackbone) -> None:
        super().__init__(backbone)
        if backbone.causal:
            raise ValueError("this task sees whole rows")


def test_what_does_not_fit_is_not_tried() -> None:
    checked = check_class(Forwards, "mine.py:Forwards")
    assert {name.rpartition(" ")[2] for name in checked.trials} == {"gpt2-tiny"}
    checked = check_class(OnlyEncoders, "mine.py:OnlyEncoders")
    assert checked.findings == ()
    assert checked.notes[0] == "not tried: made-up text, 64 bytes × 8 on gpt2-tiny (this task sees whole rows)"


def test_made_up_rows_are_as_the_store_gives_them() -> None:
    """One document in the first row, several in the last; each closed by its end; numbers that only rise, from row to row."""
    rows = made_up_rows(8, 64, byte_vocabulary())
    tokens, document = rows["tokens"], rows["document"]
    assert tokens.dtype == document.dtype == torch.int64
    assert tokens.shape == document.shape == (8, 64)
    assert len(set(document[0].tolist())) == 1
    assert len(set(document[-1].tolist())) > 2
    assert document.flatten().diff().tolist() == tokens.flatten()[:-1].eq(byte_vocabulary().eos or 0).long().tolist()
    words = byte_vocabulary()
    assert 0.2 < float(words.is_start_of_word[tokens].float().mean()) < 0.6, "words of one and of several tokens"
    other = made_up_rows(3, 10, vocabulary())
    assert set(other["tokens"].flatten().tolist()) - set(range(5, 60)) <= {SEP}


def test_before_training_a_task_is_tried_on_the_runs_own_backbone_and_vocabulary() -> None:
    tasks = [Sound(backbone(context=32)), Sound(backbone("gpt2-tiny", context=2048))]
    state = torch.get_rng_state()
    for task in tasks:
        check_before_training(task, name="mine.py:Sound", side=0)
    assert torch.equal(state, torch.get_rng_state())
    with pytest.raises(ValueError, match=r"mine.py:Dreams is broken:\n  views, test_text_contract.py:\d+: torch.rand drew without") as said:
        check_before_training(DrawsWithoutGenerator(backbone()), name="mine.py:Dreams")
    assert "selfsup tasks --check mine.py:Dreams" in str(said.value)


def test_lines_of_the_library_are_not_the_users() -> None:
    assert written_in(Sound) == {str(Path(__file__))}


# Real rows ------------------------------------------------------------------------------------------------------------------------


def test_real_rows_hold_the_texts(tmp_path: Path) -> None:
    """Of each text at most a row and a half, so that long ones do not hide the others."""
    lines = [{"text": letter * 500} for letter in "abcdefghij"]
    file = tmp_path / "mails.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    trial, rows = real_rows(file, "bert-tiny")
    assert trial.name == "mails.jsonl text, 128 bytes × 8 on bert-tiny"
    assert rows["tokens"].shape == (8, 128)
    assert rows["tokens"][0].tolist() == [ord("a")] * 128
    assert rows["tokens"][1].tolist() == [ord("a")] * 64 + [byte_vocabulary().eos] + [ord("b")] * 63
    assert rows["document"][1].tolist() == [0] * 65 + [1] * 63
    with pytest.raises(ValueError, match="holds 6 bytes to try; expected at least 256"):
        real_rows(["Hello"], "bert-tiny")


class HatesUmlauts(Sound):
    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        if bool((batch["tokens"] == "ü".encode()[0]).any()) and len(batch["tokens"][0]) == 128:
            raise RuntimeError("ü")  # here
        return super().views(batch, rng)


def test_a_finding_says_on_which_rows_it_was_seen() -> None:
    texts = ["Über die Brücke führt ein Weg. " * 20] * 8
    [finding] = check_class(HatesUmlauts, "mine.py:HatesUmlauts", texts).findings
    assert finding.trials == ("a list of 8 entries text, 128 bytes × 8 on bert-tiny",)
    assert finding.line == marked(HatesUmlauts)


# Commands -------------------------------------------------------------------------------------------------------------------------

TASK = '''
import torch
import torch.nn.functional as F
from torch import nn

from selfsup.pretext import TextPretext


class Mine(TextPretext):
    """Tell whether a row was turned round."""

    def __init__(self, backbone, *, width: int = 2):
        super().__init__(backbone)
        self.head = nn.Linear(backbone.width, width)

    def views(self, batch, rng):
        ids = batch["tokens"]
        turned = torch.randint(2, (len(ids),), generator=rng, device=rng.device)
        return {"seen": torch.where(turned[:, None] == 1, ids.flip(1), ids), "turned": turned}

    def forward(self, views):
        return {"logits": self.head(self.backbone.embed(views["seen"])), "turned": views["turned"]}

    def loss(self, output):
        return {"turned": F.cross_entropy(output["logits"], output["turned"])}
'''


def test_check_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, texts = tmp_path / "mine.py", tmp_path / "mails"
    texts.mkdir()
    for number in range(9):
        (texts / f"{number}.txt").write_text(f"Dear {number},\n" + "the lamp flickers. " * 20, encoding="utf-8")
    file.write_text(TASK, encoding="utf-8")
    code, said = run(capsys, "tasks", "--check", f"{file}:Mine", texts)
    assert code == 0
    assert "Nothing is broken." in said
    assert "mails text, 128 bytes × 8 on bert-tiny" in said
    assert "picture" not in said
    file.write_text(TASK.replace("generator=rng, ", ""), encoding="utf-8")
    code, said = run(capsys, "tasks", f"{file}:Mine", "--check", "--set", "width=3", "--backbone", "llama-tiny")
    assert code == 2
    assert "1 thing is broken." in said
    assert "mine.py:18: torch.randint drew without generator=" in said
    assert "llama-tiny" in said


@pytest.mark.parametrize("name", ["masked_lm", "causal_lm", "replaced_token", "span_corruption", "tsdae", "simcse"])
def test_tasks_of_the_table_pass(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(capsys, "tasks", "--check", name)
    assert code == 0, said
    assert "Nothing is broken." in said
    assert ("gpt2-tiny" if name == "causal_lm" else "bert-tiny") in said


def test_own_task_pretrains_or_is_refused(tmp_path: Path) -> None:
    from selfsup.pretraining import pretrain

    file, texts = tmp_path / "mine.py", [f"{number} green bottles hang on the wall. " * 30 for number in range(12)]
    asked: dict[str, Any] = {"task": f"{file}:Mine", "steps": 1, "backbone": "bert-tiny", "tokenizer": "bytes", "context": 32}
    file.write_text(TASK.replace("generator=rng, ", ""), encoding="utf-8")
    with pytest.raises(ValueError, match=r"Mine is broken:\n  views, mine.py:18: torch.randint drew without generator="):
        pretrain(texts, out=tmp_path / "broken", batch_size=8, **asked)
    assert not (tmp_path / "broken" / "run.json").exists()
    file.write_text(TASK, encoding="utf-8")
    made = pretrain(texts, out=tmp_path / "run", batch_size=8, **asked)
    assert (made.folder / "model.safetensors").is_file()
    assert check(f"{file}:Mine", texts, backbone="bert-tiny").findings == ()
