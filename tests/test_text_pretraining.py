"""Pretraining on text as a whole: from documents to a run, resumed exactly, adapted from weights on disk, kind to bad input."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from command_line import success
from selfsup.backbones import Vocabulary, load_text_backbone
from selfsup.backbones.weights import read_tensors
from selfsup.data import Split
from selfsup.data.tokens.tokenizer import Tokenizer
from selfsup.pretraining import pretrain
from selfsup.run import Run
from selfsup.train.checkpoint import newest_checkpoint
from sentences import sentences
from test_documents_broken import half_of_it, without_text

HERE = Path(__file__).parent
TEXT_TASKS = ("masked_lm", "causal_lm", "replaced_token", "span_corruption", "tsdae", "simcse")
QUICK: dict[str, Any] = {"steps": 3, "batch_size": 8, "context": 24, "vocabulary": 400, "precision": "fp32"}


def backbone_of(task: str) -> str:
    return "gpt2-tiny" if task == "causal_lm" else "bert-tiny"


def settle(folder: Path, task: str, steps: int, how: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(HERE / "pretrain_texts.py"), str(folder), task, str(steps), how], stderr=subprocess.PIPE)


def steps_in(folder: Path) -> int:
    newest = newest_checkpoint(folder / "checkpoints")
    return int(newest.name) if newest else 0


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELFSUP_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("task", TEXT_TASKS)
def test_every_task_makes_a_run_that_transformers_loads(task: str, tmp_path: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    run = pretrain(
        sentences(), task=task, backbone=backbone_of(task), holdout=0.2, id="id", language="language", out=tmp_path / "run", **QUICK
    )
    assert (run.kind, run.size) == ("text", 24)
    tokenizer: Any = AutoTokenizer.from_pretrained(run.folder)
    model = AutoModel.from_pretrained(run.folder).eval()
    ours, _ = load_text_backbone(run.folder, Vocabulary.of(Tokenizer.load(run.folder)))
    ids = torch.tensor([tokenizer("The old red cat sat.", add_special_tokens=False)["input_ids"]])
    assert ids[0].tolist() == Tokenizer.load(run.folder).encode("The old red cat sat.").tolist()
    torch.testing.assert_close(ours.eval().tokens(ids), model(ids).last_hidden_state, rtol=1e-4, atol=1e-4)
    table = json.loads((run.folder / "languages.json").read_text())
    assert {row["language"] for row in table} == {"de", "en"}
    assert all(row["loss"] > 0 for row in table)
    assert len(json.loads((run.samples / "seen.json").read_text())["text"]) == 6
    parts = Split.load(run.split_file)
    assert sorted(parts.ids) == sorted(row["id"] for row in sentences())
    assert len(parts.rows("test")) == run.held_out > 0
    if task in ("masked_lm", "causal_lm"):
        check_samples(run, {parts.ids[row] for row in parts.rows("test")})


def check_samples(run: Run, held_out: set[str]) -> None:
    """At every step the same three beginnings of held-out documents, in both languages; what was hidden in them is what stands there."""
    lines = [json.loads(line) for line in (run.samples / "over_time.jsonl").read_text().splitlines()]
    shown = {step: [line["prompt"] for line in lines if line["step"] == step] for step in (1, 2, 3)}
    assert shown[1] == shown[2] == shown[3]
    assert len(set(shown[1])) == 3 == len(lines) / 3
    spoken = set()
    for line in lines:
        prompt = line["prompt"]
        for blank in line.get("blanks", []):
            prompt = prompt.replace("[MASK]", blank["truth"], 1)
        own = [row for row in sentences() if row["id"] in held_out and row["text"].replace(" ", "").startswith(prompt.replace(" ", ""))]
        assert own, prompt
        spoken |= {row["language"] for row in own}
        assert line.get("text") or [len(blank["guesses"]) for blank in line["blanks"]] == [5, 5, 5]
    assert spoken == {"de", "en"}


@pytest.mark.parametrize("task", ["masked_lm", "causal_lm"])
def test_killed_at_random_steps_it_ends_in_the_same_weights(task: str, tmp_path: Path) -> None:
    """kill -9 at two random steps; the resumed run measures nothing (it would raise) and ends in the weights of a straight run."""
    straight = settle(tmp_path / "straight", task, 14, "new")
    _, errors = straight.communicate(timeout=180)
    assert straight.returncode == 0, errors.decode()
    folder = tmp_path / "killed"
    for number, target in enumerate(sorted(random.Random(3).sample(range(2, 12), 2))):
        process = settle(folder, task, 14, "resume" if number else "new")
        deadline = time.monotonic() + 120
        while steps_in(folder) < target and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.002)
        process.kill()
        process.communicate()
        assert steps_in(folder) >= target
    last = settle(folder, task, 14, "resume")
    _, errors = last.communicate(timeout=180)
    assert last.returncode == 0, errors.decode()
    for name in ("model.safetensors", "heads.safetensors"):
        assert (folder / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()
    lines = [json.loads(line) for line in (folder / "samples" / "over_time.jsonl").read_text().splitlines()]
    shown = [(line["step"], line["prompt"]) for line in lines]
    assert len(shown) == len(set(shown)), "nothing is shown twice"
    assert [step for step, _ in shown] == sorted(step for step, _ in shown)


def test_accumulated_batches_are_one(tmp_path: Path) -> None:
    runs = [
        pretrain(sentences(), task="causal_lm", backbone="gpt2-tiny", accumulate=parts, out=tmp_path / str(parts), **QUICK)
        for parts in (1, 4)
    ]
    curves = [[json.loads(line)["loss"] for line in run.metrics_file.read_text().splitlines() if "loss" in line] for run in runs]
    assert curves[0] == pytest.approx(curves[1], rel=1e-5)


def test_going_on_from_an_encoder_of_transformers(tmp_path: Path) -> None:
    """Domain adaptation: its own tokeniser, its own weights at the start; what it lacks is said."""
    from transformers import BertConfig, BertForMaskedLM

    tokenizer = pretrain(sentences(), task="masked_lm", backbone="bert-tiny", out=tmp_path / "first", **QUICK)
    theirs = tmp_path / "theirs"
    Tokenizer.load(tokenizer.folder).save(theirs)
    size = Tokenizer.load(theirs).size
    torch.manual_seed(1)
    configuration = BertConfig(
        vocab_size=size, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=96, max_position_embeddings=40
    )
    BertForMaskedLM(configuration).save_pretrained(theirs)
    rest = {name: value for name, value in QUICK.items() if name != "vocabulary"}
    run = pretrain(sentences(), task="masked_lm", weights=theirs, learning_rate=1e-12, weight_decay=0.0, out=tmp_path / "run", **rest)
    before, _ = load_text_backbone(theirs, Vocabulary.of(Tokenizer.load(theirs)))
    after, _ = load_text_backbone(run.folder, Vocabulary.of(Tokenizer.load(run.folder)))
    for name, value in before.state_dict().items():
        torch.testing.assert_close(after.state_dict()[name], value, rtol=1e-4, atol=1e-6)
    assert (run.weights, after.width) == (str(theirs), 64)
    with pytest.raises(ValueError, match="--weights brings its own backbone"):
        pretrain(sentences(), task="masked_lm", weights=theirs, backbone="bert-tiny", **rest)


def test_going_on_from_a_run_takes_its_heads_where_the_task_is_the_same(tmp_path: Path) -> None:
    rest = {name: value for name, value in QUICK.items() if name != "vocabulary"}
    first = pretrain(sentences(), task="masked_lm", backbone="bert-tiny", out=tmp_path / "first", **QUICK)
    still: dict[str, Any] = {"weights": first.folder, "learning_rate": 1e-12, "weight_decay": 0.0, **rest}
    again = pretrain(sentences(), task="masked_lm", out=tmp_path / "again", **still)
    other = pretrain(sentences(), task="simcse", out=tmp_path / "other", **still)
    assert (again.choices["heads_taken"], other.choices["heads_taken"]) == (True, False)
    before, after = (read_tensors(run.folder / "heads.safetensors") for run in (first, again))
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, rtol=1e-4, atol=1e-6)


def test_a_run_with_checkpoints_goes_on_without_the_weights_it_began_with(tmp_path: Path) -> None:
    rest = {name: value for name, value in QUICK.items() if name != "vocabulary"}
    first = pretrain(sentences(), task="masked_lm", backbone="bert-tiny", out=tmp_path / "first", **QUICK)
    again = pretrain(sentences(), task="masked_lm", weights=first.folder, out=tmp_path / "again", **rest)
    before = (again.folder / "model.safetensors").read_bytes()
    first.folder.rename(tmp_path / "gone")
    resumed = pretrain(sentences(), task="masked_lm", out=again.folder, resume=True)
    assert (resumed.folder / "model.safetensors").read_bytes() == before


def test_a_run_whose_documents_have_changed_does_not_go_on_and_its_tokens_stay(tmp_path: Path) -> None:
    """Rows of tokens and documents are told apart; restored, the documents need no tokens again."""
    folder = tmp_path / "letters"
    folder.mkdir()
    for row in sentences():
        (folder / f"{row['id']}.txt").write_text(row["text"], encoding="utf-8")
    run = pretrain(folder, task="masked_lm", backbone="bert-tiny", holdout=0.2, out=tmp_path / "run", **QUICK)
    store = Path(run.choices["tokens"])
    times = {file.name: file.stat().st_mtime_ns for file in store.iterdir()}
    (folder / "new.txt").write_text("Something else.", encoding="utf-8")
    rows, learned = run.pictures, 120 - run.held_out
    words = rf"learns from {learned} documents in {rows} rows of 24 tokens, with {run.held_out} more held out, and some were added"
    with pytest.raises(ValueError, match=words):
        pretrain(folder, task="masked_lm", out=run.folder, resume=True)
    (folder / "new.txt").unlink()
    pretrain(folder, task="masked_lm", out=run.folder, resume=True)
    assert {file.name: file.stat().st_mtime_ns for file in store.iterdir()} == times


def test_languages_are_mixed_as_asked(tmp_path: Path) -> None:
    rows = sentences(200)
    few = [row for number, row in enumerate(rows) if row["language"] == "en" or number % 15 == 0]
    runs = {
        alpha: pretrain(few, task="masked_lm", backbone="bert-tiny", language="language", alpha=alpha, out=tmp_path / str(alpha), **QUICK)
        for alpha in (0.0, 1.0)
    }
    shares = {
        alpha: {row["language"]: row["sampled"] for row in json.loads((run.folder / "languages.json").read_text())}
        for alpha, run in runs.items()
    }
    assert shares[0.0]["de"] > 2 * shares[1.0]["de"]
    assert all(sum(own.values()) == pytest.approx(1) for own in shares.values())


def test_two_hundred_broken_files_are_named_and_nothing_else_is_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    good = {f"good{number}.txt": row["text"] for number, row in enumerate(sentences(60))}
    lost, half = without_text(random.Random(1)), half_of_it()
    half.pop("line0.txt")  # 20 MB; test_documents_broken.py reads it
    assert len(lost) + len(half) >= 200
    for name, content in {**{name: text.encode() for name, text in good.items()}, **lost, **half}.items():
        (corpus / name).write_bytes(content)
    success(capsys, "pretrain", corpus, "--task", "masked_lm", "--backbone", "bert-tiny",
            "--steps", "2", "--batch-size", "4", "--context", "32",
            "--vocabulary", "500", "--out", tmp_path / "run")  # fmt: skip
    run = Run.open(tmp_path / "run")
    named = {name.split(",")[0] for name in {**run.skipped, **run.notes}}
    assert set(good) <= set(Split.load(run.split_file).ids)
    not_named = [name for name in lost if name not in run.skipped and lost[name].strip(b"\xef\xbb\xbf \n\r\t")]
    assert not_named == []
    cut = [name for name in half if name.startswith("cut")]
    assert [name for name in cut if name not in named] == []
    success(capsys, "report", run.folder)
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "random7.txt" in page


def test_from_a_table_to_scores_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "texts.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["id", "text", "language", "kind"])
        writer.writeheader()
        writer.writerows(sentences(200))
    out = tmp_path / "run"
    success(capsys, "pretrain", file, "--text", "text", "--id", "id", "--language", "language",
            "--task", "masked_lm", "--backbone", "bert-tiny",
            "--steps", "4", "--batch-size", "8", "--context", "24", "--vocabulary", "400", "--holdout", "0.2", "--out", out)  # fmt: skip
    success(capsys, "embed", out)
    success(
        capsys,
        "evaluate",
        out,
        file,
        "--labels",
        "kind",
        "--labels-per-class",
        "5",
        "--baselines",
        "untrained,tfidf",
        "--text",
        "text",
        "--id",
        "id",
    )
    success(capsys, "report", out)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "TF-IDF" in page
    assert "%" in success(capsys, "generate", out, "--prompt", "The old [MASK] sat")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"task": "rotation"}, "--text is for text"),
        ({"task": "masked_lm", "size": 32}, "--size 32 is for pictures"),
        ({"task": "masked_lm", "views": "own.py:views"}, "is for pictures"),
        ({"task": "masked_lm", "kind": "image"}, "learns from text"),
        ({"task": "masked_lm", "vocabulary": 400, "tokenizer": "bytes"}, "give one of them"),
        ({"task": "masked_lm", "alpha": 2.0}, "alpha=2"),
        ({"task": "masked_lm", "context": 5000}, "fill no row of 5,000"),
        ({"task": "masked_lm", "split": "nowhere.csv"}, "no table nowhere.csv"),
        ({"task": "masked_lm", "split": "nowhere"}, "no such column"),
        ({"task": "masked_lm", "backbone": "gpt2-tiny"}, "take an encoder"),
        ({"task": "masked_lm", "backbone": "resnet18"}, "no text backbone 'resnet18'"),
    ],
)
def test_wrong_options_are_refused_in_words(given: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        pretrain(sentences(), text="text", steps=2, batch_size=4, out=tmp_path / "run", **given)


def test_bytes_and_a_users_tokeniser(tmp_path: Path) -> None:
    rest = {name: value for name, value in QUICK.items() if name != "vocabulary"}
    run = pretrain(sentences(), task="causal_lm", backbone="gpt2-tiny", tokenizer="bytes", out=tmp_path / "bytes", **rest)
    assert Tokenizer.load(run.folder).size < 300
    from tokenizers import Tokenizer as Library
    from tokenizers import models, pre_tokenizers, trainers

    own = Library(models.BPE(unk_token="<unk>"))
    own.pre_tokenizer = pre_tokenizers.Whitespace()
    own.train_from_iterator([row["text"] for row in sentences()], trainers.BpeTrainer(vocab_size=300, special_tokens=["<unk>"]))
    own.save(str(tmp_path / "tokenizer.json"))
    run = pretrain(sentences(), task="masked_lm", backbone="bert-tiny", tokenizer=tmp_path / "tokenizer.json", out=tmp_path / "own", **rest)
    assert Tokenizer.load(run.folder).special.mask is not None
