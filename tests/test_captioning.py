"""Captioning: its loss against sums written out, what it may not see, captions written, and whether they come from the pictures."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

import selfsup
from command_line import ended, failure, success
from selfsup.data.pairs import PairWanted, open_pairs
from selfsup.evaluation.caption_scores import Asked, drawn_pictures, judged
from selfsup.evaluation.pair_retrieval import Matches
from selfsup.generation import Captions
from selfsup.run import Run
from selfsup.tasks.captioning import Captioning
from selfsup.trained import load_task
from small_pairs import arrays, make, network, rows, table, trial
from small_tasks import rng
from small_text import CLS, SEP

# The loss -------------------------------------------------------------------------------------------------------------------------


def batch() -> dict[str, torch.Tensor]:
    """Made-up pairs with ids of the small vocabulary."""
    made = trial().batch()
    made["tokens"] = 5 + made["tokens"] % 55
    return made


def test_the_end_is_asked_for_and_padding_is_not() -> None:
    task = make("captioning")
    tokens = torch.tensor([[7, 8, 9, 0], [7, 0, 0, 0], [6, 7, 8, 9]])
    target, counted = task.ended(tokens, torch.arange(4) < torch.tensor([[3], [1], [4]]))
    assert target.tolist() == [[7, 8, 9, SEP, SEP], [7, SEP, SEP, SEP, SEP], [6, 7, 8, 9, SEP]]
    assert counted.sum(1).tolist() == [4, 2, 5]
    full = torch.full((1, 12), 9)  # as many as the network reads: it may have been cut, so nobody knows that it ends there
    target, counted = task.ended(full, torch.ones(1, 12, dtype=torch.bool))
    assert target.tolist() == full.tolist()
    assert counted.sum() == 12


def test_a_network_that_knows_nothing_pays_the_logarithm_of_the_vocabulary() -> None:
    """With a table of zeros each word is one of 60, so each caption costs its tokens and its end."""
    task = make("captioning")
    torch.nn.init.zeros_(task.backbone.text.embedding.weight)
    views = task.views(batch(), rng())
    output = task(views)
    torch.testing.assert_close(output["nats"], views["counted"].sum(1) * math.log(60), rtol=1e-5, atol=0.0)
    assert task.loss(output)["caption"].item() == pytest.approx(math.log(60), rel=1e-5)


def test_the_loss_is_that_of_each_caption_alone_without_padding() -> None:
    """Token by token: each from a row of its own that ends before it, by softmax over all words."""
    task = make("captioning").double().eval()
    views = task.views(batch(), rng(3))
    views["image"] = views["image"].double()
    total, count = 0.0, 0
    text, table_of_words = task.backbone.text, task.backbone.text.embedding.weight
    with torch.no_grad():
        for row in range(len(views["target"])):
            ids = [*views["target"][row][views["counted"][row]].tolist()]
            seen = task.look(task.backbone.image.tokens(views["image"][row : row + 1]))
            for place, word in enumerate(ids):
                read = text.model(input_ids=torch.tensor([[CLS, *ids[:place]]])).last_hidden_state
                read = read + task.languages.weight[views["language"][row]]
                state = task.decoder(inputs_embeds=read, encoder_hidden_states=seen).last_hidden_state[0, -1]
                chances = (table_of_words @ state).softmax(0)
                total, count = total - math.log(chances[word]), count + 1
        found = task.loss(task(views))["caption"]
    assert float(found) == pytest.approx(total / count, rel=1e-6)
    assert int(task.count_of(views)) == count


def test_what_stands_behind_a_caption_changes_nothing() -> None:
    task, given = make("captioning").eval(), batch()
    other = {**given, "tokens": torch.where(given["tokens"] == 5, 59, given["tokens"])}  # 5 is what padding became
    within = torch.arange(given["tokens"].shape[2]) < given["length"][:, :, None]
    other["tokens"] = torch.where(within, given["tokens"], 59)
    wider = {**given, "tokens": F.pad(given["tokens"], (0, 3), value=7)}
    with torch.no_grad():
        first, second, third = (task(task.views(one, rng(1))) for one in (given, other, wider))
    torch.testing.assert_close(first["nats"], second["nats"])
    kept = given["length"].amax(1) < 12  # the others were cut at what was the end of the row, and are not any more
    assert torch.equal(first["counted"], second["counted"])
    torch.testing.assert_close(first["nats"][kept], third["nats"][kept])


def test_the_picture_is_learned_from_and_its_language_tells() -> None:
    task = make("captioning")
    views = task.views(batch(), rng(1))
    torch.autograd.backward(task.loss(task(views))["caption"])
    for name, parameter in task.named_parameters():
        assert parameter.grad is not None, name
        if name.startswith("backbone.image"):
            assert bool(parameter.grad.abs().sum() > 0), name
    task.eval()
    with torch.no_grad():
        one, other = task(views), task({**views, "language": 1 - views["language"]})
    assert not torch.allclose(one["nats"], other["nats"])


def test_a_caption_from_the_picture_alone_reads_no_words() -> None:
    task = make("captioning", parallel=0.5).eval()
    regions, language = torch.randn(2, 4, 128), torch.zeros(2, dtype=torch.int64)
    words = torch.tensor([[CLS, 7, 8, 9], [CLS, 7, 8, 9]])
    other = torch.tensor([[CLS, 17, 18, 19], [CLS, 17, 18, 19]])
    alone = torch.tensor([True, False])
    with torch.no_grad():
        first, second = (task.states(regions, ids, language, alone) for ids in (words, other))
    torch.testing.assert_close(first[0], second[0])
    assert not torch.allclose(first[1], second[1])
    drawn = torch.stack([task.views(batch(), rng(seed))["alone"] for seed in range(40)])
    assert 0.35 < drawn.float().mean() < 0.65


def test_it_takes_decoders_only_and_no_shared_space() -> None:
    with pytest.raises(ValueError, match="take a decoder, gpt2-tiny or llama-tiny"):
        Captioning(network())
    with pytest.raises(ValueError, match="a share of captions below 1"):
        make("captioning", parallel=1.0)
    net = network(text="gpt2-tiny")
    assert net.image_projection is not None
    Captioning(net)
    assert net.image_projection is None
    assert not any("projection" in name for name in net.state_dict())
    frozen = network(text="gpt2-tiny", frozen="image")
    torch.autograd.backward(Captioning(frozen)(make("captioning").views(batch(), rng()))["nats"].sum())
    assert all(parameter.grad is None for parameter in frozen.image.parameters())


# What it writes -------------------------------------------------------------------------------------------------------------------

QUICK: dict[str, Any] = {
    "task": "captioning", "size": 16, "precision": "fp32", "context": 24, "tokenizer": "bytes", "options": {"crop": 0.9},
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Twelve pictures, each of another colour or shape, learned by heart."""
    return selfsup.pretrain(arrays(12), **QUICK, steps=150, batch_size=12, learning_rate=3e-3, out=tmp_path_factory.mktemp("runs") / "cap")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table(tmp_path_factory.mktemp("photos") / "photos", 12).parent


def test_it_writes_the_very_captions_it_learned_in_the_language_asked_for(run: Run, photos: Path) -> None:
    assert run.backbone.endswith("+gpt2-tiny"), "auto takes a decoder"
    assert "shared_width" not in run.choices
    for language in ("en", "de"):
        made = selfsup.generate(run, photos / "images", language=language)
        assert isinstance(made, Captions)
        assert list(made.texts.values()) == [row[language] for row in rows(12)]
        assert made.language == language
    one = selfsup.generate(run, photos / "images" / "000.png")
    assert one.texts == {"000.png": "a red square"}  # type: ignore[union-attr]


def test_prompts_temperature_and_seeds(run: Run, photos: Path) -> None:
    picture = photos / "images" / "002.png"
    begun: Any = selfsup.generate(run, picture, prompt="a blue s")
    assert list(begun.texts.values()) == ["a blue square"]
    short: Any = selfsup.generate(run, picture, tokens=3)
    assert list(short.texts.values()) == ["a b"]
    wild: Any = [selfsup.generate(run, [picture] * 1, temperature=9.0, top_p=None, seed=seed) for seed in (1, 1, 2)]
    assert wild[0].texts == wild[1].texts != wild[2].texts


def test_the_command_skips_what_is_broken_and_writes_what_pretrain_reads(
    run: Run, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("000", "001"):
        (tmp_path / f"{name}.png").write_bytes((photos / "images" / f"{name}.png").read_bytes())
    (tmp_path / "broken.png").write_bytes((photos / "images" / "000.png").read_bytes()[:60])
    names = [str(tmp_path / f"{name}.png") for name in ("000", "broken", "001")]
    code, out, err = ended(capsys, "generate", run.folder, *names, "--language", "de", "--out", tmp_path / "captions.jsonl")
    assert code == 0, err
    assert "000.png: rot: square" in out
    assert "001.png: grün: square" in out
    assert "Skipped broken.png" in err
    listed = open_pairs(str(tmp_path / "captions.jsonl"), PairWanted())
    assert [(own[0].text, own[0].group) for own in listed.captions] == [("rot: square", "de"), ("grün: square", "de")]


def test_kind_errors(run: Run, photos: Path, tmp_path: Path) -> None:
    picture = photos / "images" / "000.png"
    (tmp_path / "broken.png").write_bytes(picture.read_bytes()[:60])
    for given, words in (
        ({}, "expected some, as in: selfsup generate"),
        ({"pictures": tmp_path / "nothing.png"}, "There is no"),
        ({"pictures": tmp_path / "broken.png"}, "broken.png"),
        ({"pictures": picture, "language": "fr"}, "--language en or de"),
        ({"pictures": picture, "count": 3}, "--count is for new pictures"),
        ({"pictures": picture, "out": "here.png"}, "--out captions.jsonl"),
        ({"pictures": picture, "prompt": "a long " * 9}, "shorten it"),
    ):
        with pytest.raises(ValueError, match=words):
            selfsup.generate(run, **given)
    with pytest.raises(ValueError, match="is one side of a run of pairs"):
        selfsup.generate(run.folder / "image", picture)
    with pytest.raises(ValueError, match="rebuilds no pictures"):
        selfsup.reconstruct(run)
    with pytest.raises(ValueError, match="scored by evaluate_captions"):
        selfsup.evaluate_pairs(run)
    with pytest.raises(ValueError, match="--shared-width is for tasks"):
        selfsup.pretrain(arrays(12), **QUICK, shared_width=32, steps=1, out=tmp_path / "run")


def test_runs_of_other_tasks_write_no_captions(photos: Path, tmp_path: Path) -> None:
    picture = photos / "images" / "000.png"
    clip = selfsup.pretrain(arrays(12), **{**QUICK, "task": "clip"}, steps=1, batch_size=4, out=tmp_path / "clip")
    with pytest.raises(ValueError, match="clip writes no captions; tasks that do: captioning"):
        selfsup.generate(clip, picture)
    with pytest.raises(ValueError, match="Use evaluate_pairs"):
        selfsup.evaluate_captions(clip, arrays(12))
    texts = [" ".join(row["en"] for row in rows(12))] * 4
    gpt = selfsup.pretrain(texts, task="causal_lm", backbone="gpt2-tiny", context=16, tokenizer="bytes", steps=1, out=tmp_path / "gpt")
    with pytest.raises(ValueError, match="causal_lm takes no pictures to write of; tasks that do: captioning"):
        selfsup.generate(gpt, picture)


def test_the_sides_are_runs_of_their_own(run: Run, photos: Path, tmp_path: Path) -> None:
    seen = selfsup.embed(run.folder / "image", photos / "images", out=tmp_path / "a.parquet")
    read = selfsup.embed(run.folder / "text", photos / "captions.jsonl", text="text", out=tmp_path / "b.parquet")
    assert (seen.count, read.count, read.width) == (12, 24, 128)
    with pytest.raises(ValueError, match="shared"):
        selfsup.embed(run.folder / "image", photos / "images", layer="shared", out=tmp_path / "c.parquet")


# Whether it looks -----------------------------------------------------------------------------------------------------------------


def test_scores_by_hand() -> None:
    """Two captions of 2 and 3 bytes, each with its own picture and two others."""
    asked = Asked("en", np.arange(2), ["ab", "abc"], np.zeros((2, 3), int), np.arange(2))
    nats = np.array([[1.0, 2.0, 4.0], [3.0, 3.0, 1.0]])
    found = judged(asked, np.stack([nats, np.array([[2.0] * 3, [3.0] * 3])])[None])
    scale = 5 * math.log(2)
    blind = -math.log((math.exp(-2) + math.exp(-4)) / 2) - math.log((math.exp(-3) + math.exp(-1)) / 2)
    assert found.own.value == pytest.approx(4 / scale)
    assert found.others.value == pytest.approx(5 / scale)
    assert found.blind.value == pytest.approx(blind / scale)
    assert found.gain.value == pytest.approx((blind - 4) / scale)
    assert found.preferred.value == pytest.approx((1 + 1 + 0.5 + 0) / 4)
    assert found.gain.low < 0 < found.gain.high


def test_no_caption_is_judged_with_a_picture_it_is_right_for() -> None:
    own = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=bool)
    drawn = drawn_pictures(Matches("en", np.arange(4), ["a", "b", "c"], own), 10)
    assert drawn is not None
    texts, pictures = drawn
    assert texts.tolist() == [0, 0, 1, 2]
    assert pictures[:, 0].tolist() == [0, 1, 2, 3]
    assert not own[pictures[:, 1:], texts[:, None]].any()
    assert drawn_pictures(Matches("en", np.arange(2), ["a"], np.ones((2, 1), dtype=bool)), 10) is None


def test_a_network_that_looks_gains_and_one_that_never_learned_does_not(run: Run, tmp_path: Path) -> None:
    scores = selfsup.evaluate_captions(run, arrays(12))
    assert "--holdout" in scores.notes[0]
    assert [one.group for one in scores.rows[0].judged] == ["en", "de"]
    for one in scores.rows[0].judged:
        assert one.own.value < one.blind.value < one.others.value + 1e-9
        assert one.gain.low > 0
        assert one.preferred.value > 0.95
    fresh = selfsup.pretrain(arrays(12), **QUICK, steps=1, batch_size=4, out=tmp_path / "fresh")
    for one in selfsup.evaluate_captions(fresh, arrays(12)).rows[0].judged:
        assert abs(one.gain.value) < 0.2
        assert 0.2 < one.preferred.value < 0.8


def test_evaluate_and_report_show_it(run: Run, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "gain by looking" in success(capsys, "evaluate", run.folder, photos / "captions.jsonl")
    assert "their sides are scored by labels" in failure(capsys, "evaluate", run.folder, photos / "captions.jsonl", "--labels", "colour")
    made = json.loads((run.samples / "captions.json").read_text(encoding="utf-8"))
    assert {line["language"] for line in made} == {"en", "de"}
    assert all(line["true"] == [line["written"]] for line in made)
    page = selfsup.report(run.folder).read_text(encoding="utf-8")
    assert "What it wrote of pictures" in page
    assert "schwarz: column" in page
    assert "Whether captions come from the pictures" in page
    assert "schwarz: column" not in selfsup.report(run.folder, without_samples=True).read_text(encoding="utf-8")


def test_a_run_goes_on_from_another_with_its_heads(run: Run, tmp_path: Path) -> None:
    on = selfsup.pretrain(arrays(12), task="captioning", steps=1, batch_size=4, weights=run.folder, precision="fp32", out=tmp_path / "on")
    assert on.choices["heads_taken"] is True
    assert load_task(on).languages.weight.shape == (2, 128)  # type: ignore[union-attr]
    Image.new("RGB", (9, 9)).save(tmp_path / "grey.png")
    assert len(selfsup.generate(on, tmp_path / "grey.png").texts) == 1  # type: ignore[union-attr]
