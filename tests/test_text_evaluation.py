"""Scores of real text backbones with a real tokeniser: from a folder of files to results, and language modelling by real tasks."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from command_line import success
from selfsup.backbones import TextBackbone, Vocabulary, build_text, save_text_backbone
from selfsup.data import make_split
from selfsup.data.documents import open_documents
from selfsup.data.tokens.tokenizer import Tokenizer
from selfsup.embedding import TextReading, embed
from selfsup.embedding.texts import Texts
from selfsup.evaluation import Results, evaluate, evaluate_across_languages
from selfsup.evaluation.held_out import model_texts
from selfsup.run import Run
from selfsup.tasks.causal_lm import CausalLanguageModel
from selfsup.tasks.masked_lm import MaskedLanguageModel
from selfsup.tasks.simcse import SimCSE
from text_stand_ins import ListOfTexts, Text, topic_texts

CONTEXT = 48
TOKENIZER = Tokenizer.bytes()


def backbone(name: str, *, seed: int = 0) -> TextBackbone:
    torch.manual_seed(seed)
    return build_text(name, vocabulary=Vocabulary.of(TOKENIZER), context=CONTEXT).eval()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sixty files of three topics."""
    for text in topic_texts(60):
        file = tmp_path / "texts" / text.id
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.text, encoding="utf-8")
    return tmp_path / "texts"


def run_of(folder: Path, name: str, *, seed: int = 0, backbone_name: str = "bert-tiny") -> Run:
    """A run of no training."""
    documents = open_documents(folder)
    described: dict[str, Any] = {"task": name, "options": {}, "backbone": backbone_name, "kind": "text", "size": CONTEXT, "channels": 0}
    described |= {"store_side": 0, "batch_size": 8, "steps": 1, "learning_rate": 1e-3, "weight_decay": 0.0, "root": documents.root}
    run = Run(folder=folder.parent / f"{name}-{seed}", data=str(folder), seed=seed, fingerprint=documents.fingerprint(), **described)
    run.save()
    TOKENIZER.save(run.folder)
    save_text_backbone(backbone(backbone_name, seed=seed), run.folder)
    make_split([document.id for document in documents], holdout=0.3).save(run.split_file)
    return run


def test_texts_are_sought_from_one_another_on_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three topics with words of their own: TF-IDF finds them, blind choice seldom; the page and the terminal say both."""
    run = run_of(folder, "masked_lm")
    told = success(capsys, "evaluate", run.folder, folder, "--labels", "folder", "--probes", "retrieval", "--baselines", "tfidf,lsa")
    results = Results.load(run.results_file)
    assert [results.find(row).value for row in ("TF-IDF", "LSA")] == [1, 1]
    assert 0.2 < results.chance["recall@1"] < 0.6
    chance = f"{100 * results.chance['recall@1']:.1f}"
    assert re.search(rf"recall@1 +recall@5 +recall@10 *\n.*\nchance +{re.escape(chance)} ", told, re.DOTALL)
    success(capsys, "report", run.folder)
    page = run.folder.joinpath("report.html").read_text(encoding="utf-8")
    for words in ("recall@10", "Retrieval", "chance", chance, "recall@k: how often"):
        assert words in page, words
    assert "Retrieval by label, recall@1, on" in page
    assert "The score that decides is tinted: recall@1. A task" in page


@pytest.mark.parametrize("name", ["bert-tiny", "gpt2-tiny"])
def test_pools_are_those_of_the_backbone_itself(folder: Path, name: str) -> None:
    """Documents that fit one row: the mean of the last layer is what `embed` gives. Longer ones: the mean over the windows' tokens."""
    net, texts = backbone(name), TextReading.opened(folder)
    TOKENIZER.save(folder.parent)
    reading = TextReading.reading_as(folder.parent, texts)
    found = reading.embeddings(net, range(len(texts)))
    assert ("layer1/last" in found) == net.causal
    for row, text in enumerate(texts.some(np.arange(8))):
        ids = torch.from_numpy(TOKENIZER.encode(text).astype(np.int64))
        count = -(-len(ids) // CONTEXT)
        edges = [number * len(ids) // count for number in range(count + 1)]
        with torch.no_grad():
            sums = [net.embed(ids[None, start:end])[0] * (end - start) for start, end in pairwise(edges)]
        np.testing.assert_allclose(found["layer2/mean"][row], (torch.stack(sums).sum(0) / len(ids)).numpy(), rtol=1e-3, atol=1e-4)


def test_from_files_to_results(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfsup.finetuning.recipe.FEWEST_STEPS", 4)
    monkeypatch.setattr("selfsup.finetuning.recipe.MOST_STEPS", 4)
    runs = [run_of(folder, "masked_lm", seed=seed) for seed in (0, 1)]
    other = run_of(folder, "other", seed=5, backbone_name="gpt2-tiny")
    results = evaluate(runs, labels="folder", probes=("linear",), labels_per_class=(5,), weights=other.folder)
    assert {row.row for row in results.rows} == {"masked_lm", "TF-IDF", "LSA", "untrained", "from scratch", "your weights"}
    assert (results.train, results.test, results.noun) == (42, 18, "documents")
    assert results.find("masked_lm").seeds == 2
    layer = results.chosen_layer["masked_lm-0"]
    found = embed(runs[0])
    assert (found.layer, found.count) == (layer, 60)
    assert found.ids[0] == "harbour/0000.txt"


def test_one_table_for_two_backbones(folder: Path) -> None:
    runs = [run_of(folder, "masked_lm"), run_of(folder, "causal_lm", backbone_name="gpt2-tiny")]
    other = run_of(folder, "other", seed=5)
    results = evaluate(runs, labels="folder", probes=("knn",), labels_per_class=(1,), baselines=["untrained"], weights=other.folder)
    names = [row.row for row in results.rows]
    assert names.count("your weights") == 1, "they bring their own network: one row, whatever the runs' are"
    assert {"masked_lm", "causal_lm"} < set(names)
    assert len([name for name in names if name.startswith("untrained (")]) == 2


def test_across_languages_from_files(tmp_path: Path) -> None:
    for language in ("de", "fr"):
        for page in range(8):
            file = tmp_path / "texts" / language / f"{page}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{language} {page} name{page} " * 5, encoding="utf-8")
    run = run_of(tmp_path / "texts", "masked_lm")
    run.split_file.unlink()
    found = evaluate_across_languages([run], open_documents(tmp_path / "texts", language="folder"), parallel="documents")
    assert found.sought == {"de": 8, "fr": 8}
    assert {row.row for row in found.rows} == {"masked_lm", "untrained", "character n-grams"}


def held(texts: list[Text]) -> Texts:
    return Texts(ListOfTexts(texts))


def test_bits_per_byte_of_a_causal_model_are_its_own_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document that fits one row: the task's mean loss in nats, over its bytes."""
    task = CausalLanguageModel(backbone("gpt2-tiny"))
    texts = held([Text("one", "Bytes are as good as words."), Text("two", "Or not?")])
    found = model_texts(task, texts, TOKENIZER, rows=np.array([0]))
    views = task.views(
        {"tokens": torch.tensor([[TOKENIZER.end, *TOKENIZER.encode("Bytes are as good as words.").tolist()]])}, torch.Generator()
    )
    assert found.total.bits_per_byte.value == pytest.approx(float(task.loss(task(views))["words"].detach()) / math.log(2), rel=1e-5)
    assert found.total.bytes == 27
    assert 6 < found.total.bits_per_byte.value < 10  # nothing learned: log2 of some 260 ids is 8
    many = held(topic_texts(6))
    whole = model_texts(task, many, TOKENIZER).total.bits_per_byte.value
    monkeypatch.setattr("selfsup.evaluation.held_out.NUMBERS", 1)
    assert model_texts(task, many, TOKENIZER).total.bits_per_byte.value == pytest.approx(whole, rel=1e-5)


def test_hidden_tokens_are_guessed_by_a_masked_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its logits at the hidden places, 15 % of them, whatever rate it was trained with."""
    task, texts = MaskedLanguageModel(backbone("bert-tiny"), rate=0.4), held(topic_texts(6))
    found = model_texts(task, texts, TOKENIZER)
    assert found.total.accuracy is not None
    assert found.total.accuracy.value < 0.2
    assert found.total.tokens == pytest.approx(0.15 * int(texts.lengths.sum()), rel=0.1)
    assert 6 < found.total.bits_per_byte.value < 10
    monkeypatch.setattr("selfsup.evaluation.held_out.NUMBERS", 1)
    again = model_texts(task, texts, TOKENIZER)
    assert again.total.bits_per_byte.value == pytest.approx(found.total.bits_per_byte.value, rel=1e-5)
    assert again.total.accuracy == found.total.accuracy


def test_a_task_without_words_is_refused() -> None:
    with pytest.raises(ValueError, match="SimCSE predicts no words"):
        model_texts(SimCSE(backbone("bert-tiny")), held(topic_texts(2)), TOKENIZER)


def test_numbers_and_several_labels_of_texts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uses beyond classes read texts as classes are read, beside LSA."""
    from selfsup.downstream import evaluate_multi_label, evaluate_regression, networks

    monkeypatch.setattr(networks, "INITIALISATIONS", 1)
    run = run_of(folder, "masked_lm")
    ids = [document.id for document in open_documents(folder)]
    topics = {name: name.partition("/")[0] for name in ids}
    several = {name: f"{topic};{'even' if place % 2 else 'odd'}" for place, (name, topic) in enumerate(topics.items())}
    found = evaluate_multi_label(run, folder, labels=several, labelled=("all",))
    assert {row.row for row in found.rows} == {"masked_lm", "LSA", "untrained"}
    assert found.noun == "documents"
    assert {"even", "odd"} < set(found.classes)
    scores = {part.name: part.scores["LSA"] for part in found.parts}
    assert min(scores[name] for name in set(topics.values())) > 0.9 > max(scores["even"], scores["odd"])
    numbers = {name: float(sorted(set(topics.values())).index(topic)) for name, topic in topics.items()}
    told = evaluate_regression(run, folder, labels=numbers, labelled=("all",))
    assert told.find("LSA").value > 0.5
