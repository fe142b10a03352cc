"""TF-IDF and latent semantic analysis through the probes, against scikit-learn's own pipelines; and `evaluate` on texts."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from selfsup.data import make_split
from selfsup.embedding import TextReading, embed, text_networks
from selfsup.embedding.encoded import Encoded
from selfsup.embedding.texts import Texts
from selfsup.evaluation import Results, evaluate, evaluate_across_languages
from selfsup.evaluation import texts as ground
from selfsup.evaluation.predictions import Setting
from selfsup.evaluation.scoring import Task, score
from selfsup.evaluation.text_copies import near_text_copies
from selfsup.evaluation.words import KINDS, counted, semantic, some_to_fit, vectoriser
from selfsup.probing import probes
from selfsup.probing.choice import choose
from selfsup.probing.draws import draw_labels
from selfsup.probing.probes import knn, linear
from selfsup.probing.sparse import dense
from selfsup.run import Run
from text_stand_ins import TOPICS, Bag, ListOfTexts, Text, WordEncoder, topic_texts

COUNT = 150
TEXTS = topic_texts(COUNT)
TARGETS = np.arange(COUNT) % 3
TRAIN, TEST = np.arange(100), np.arange(100, COUNT)
EVERY = np.arange(COUNT)


@pytest.fixture(scope="module")
def held() -> Texts:
    return Texts(ListOfTexts(TEXTS))


@pytest.fixture(scope="module")
def words(held: Texts) -> sparse.csr_matrix:
    return counted(held, EVERY, fitted=TRAIN)["words"].asked


def test_rows_keep_their_products_on_fewer_columns(words: sparse.csr_matrix) -> None:
    few = words[:20]
    rows = dense(few)
    assert rows.shape[1] <= 20 < few.shape[1]
    np.testing.assert_allclose(rows @ rows.T, (few @ few.T).toarray(), atol=1e-6)


@pytest.mark.parametrize("limit", [2000, 10])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("balanced", [False, True])
def test_linear_on_sparse_rows_is_linear_on_all_columns(
    words: sparse.csr_matrix, monkeypatch: pytest.MonkeyPatch, limit: int, classes: int, balanced: bool
) -> None:
    """Turned onto few columns, and by scikit-learn where there are too many rows for that."""
    monkeypatch.setattr(probes, "MOST_DENSE", limit)
    inside = TRAIN[TARGETS[TRAIN] < classes][:50]
    options: dict[str, Any] = {"classes": classes, "strength": 10.0, "balanced": balanced}
    slow = linear(words[inside].toarray(), TARGETS[inside], words[TEST].toarray(), **options)
    fast = linear(words[inside], TARGETS[inside], words[TEST], **options)
    assert np.abs(slow - fast).max() < (2e-3 if limit == 2000 else 0.02)
    assert (slow.argmax(1) == fast.argmax(1)).mean() > 0.97


def test_a_class_without_labels_gets_nothing_from_many_rows(words: sparse.csr_matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "MOST_DENSE", 10)
    inside = TRAIN[TARGETS[TRAIN] != 1]
    scores = linear(words[inside], TARGETS[inside], words[TEST], classes=3, strength=1.0)
    assert (scores[:, 1] == 0).all()
    assert scores.sum(1) == pytest.approx(1)


def test_neighbours_on_sparse_rows_are_scikit_learns(words: sparse.csr_matrix) -> None:
    ours = knn(words[TRAIN], TARGETS[TRAIN], words[TEST], classes=3, neighbours=1).argmax(1)
    theirs = KNeighborsClassifier(1, metric="cosine").fit(words[TRAIN].toarray(), TARGETS[TRAIN]).predict(words[TEST].toarray())
    assert (ours == theirs).mean() > 0.97  # two neighbours may be equally near
    full = knn(words[TRAIN].toarray(), TARGETS[TRAIN], words[TEST].toarray(), classes=3, neighbours=5)
    np.testing.assert_allclose(knn(words[TRAIN], TARGETS[TRAIN], words[TEST], classes=3, neighbours=5), full, atol=1e-4)


@pytest.mark.parametrize("probe", ["linear", "knn"])
def test_the_choice_is_that_on_all_columns(held: Texts, probe: str) -> None:
    features = {kind: found.asked[:60] for kind, found in counted(held, EVERY, fitted=TRAIN).items()}
    full = {kind: rows.toarray() for kind, rows in features.items()}
    options: dict[str, Any] = {"probe": probe, "labels_per_class": 20, "default": "words"}
    assert choose(features, TARGETS[:60], **options) == choose(full, TARGETS[:60], **options)


def test_the_whole_path_is_scikit_learns_pipeline(held: Texts) -> None:
    """TF-IDF of the training documents and logistic regression, draw by draw: the same calls."""
    draws: dict[int | str, list[np.ndarray]] = {4: draw_labels(TARGETS[TRAIN], count=4, draws=5)}
    task = Task(TARGETS, 3, TEST, draws, TRAIN)
    features = {"words": counted(held, EVERY, fitted=TRAIN)["words"].asked}
    ours = score(features, task, [Setting("linear", 4)], default="words", standardise=False)[Setting("linear", 4)].predicted[0]
    fitted = TfidfVectorizer(sublinear_tf=True).fit([text.text for text in TEXTS[:100]])
    for predicted, draw in zip(ours, draws[4], strict=True):
        pipeline = make_pipeline(fitted, LogisticRegression(C=10.0, tol=1e-6, max_iter=1000))
        pipeline[-1].fit(fitted.transform([TEXTS[row].text for row in draw]), TARGETS[draw])
        theirs = pipeline.predict([TEXTS[row].text for row in TEST])
        assert (predicted == theirs).mean() > 0.97
        assert (predicted == TARGETS[TEST]).mean() > 0.6


def test_counts_are_those_of_scikit_learn_in_the_order_asked(held: Texts) -> None:
    rows, fitted = np.array([3, 7, 50, 120, 149]), np.array([0, 7, 50, 60, 99])
    for kind, options in (("words", {}), ("characters", {"analyzer": "char_wb", "ngram_range": (3, 5)})):
        found = counted(held, rows, fitted=fitted)[kind]
        model = TfidfVectorizer(sublinear_tf=True, **options).fit([TEXTS[row].text for row in fitted])
        np.testing.assert_allclose(found.asked.toarray(), model.transform([TEXTS[row].text for row in rows]).toarray(), atol=1e-6)
        np.testing.assert_allclose(found.known.toarray(), model.transform([TEXTS[row].text for row in fitted]).toarray(), atol=1e-6)


def test_each_text_is_taken_apart_once_a_kind() -> None:
    documents = ListOfTexts(TEXTS)
    counted(Texts(documents), EVERY, fitted=TRAIN)  # what is fitted on comes first, and the rest in the same pass
    assert documents.passes == 1 + len(KINDS)


def test_tested_documents_are_not_fitted_on(held: Texts) -> None:
    changed = [*TEXTS[:100], *(Text(text.id, text.text + " neverbefore") for text in TEXTS[100:])]
    other = counted(Texts(ListOfTexts(changed)), EVERY, fitted=TRAIN)["words"].asked
    assert (other != counted(held, EVERY, fitted=TRAIN)["words"].asked).nnz == 0


def test_semantic_analysis_is_that_of_a_singular_value_decomposition(held: Texts) -> None:
    """Truncated to as many components as rows allow; what is compared are products, as axes may be turned."""
    rows = np.array([2, 5, 8, 110, 130])
    counts = counted(held, rows, fitted=TRAIN[:40])
    known, asked = counts["words"].known.toarray(), counts["words"].asked.toarray()
    _, _, axes = np.linalg.svd(known.astype(np.float64), full_matrices=False)
    expected = asked @ axes[:39].T
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = semantic({"words": counts["words"]})["words/300"]
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=0.03)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)


def test_chinese_characters_are_words_and_texts_without_words_are_left_out() -> None:
    model = vectoriser("words").fit(["漢字 hello world"])
    assert sorted(model.vocabulary_) == ["hello", "world", "字", "漢"]
    signs = Texts(ListOfTexts([Text(str(number), "+ - =") for number in range(4)]))
    assert set(counted(signs, np.arange(4), fitted=np.arange(3))) <= {"characters"}


def test_what_is_fitted_on_is_bounded_and_drawn_by_a_seed(held: Texts) -> None:
    some = some_to_fit(held, TRAIN, most=int(held.lengths[TRAIN].sum()) // 3)
    assert 25 < len(some) < 42
    assert held.lengths[some].sum() <= held.lengths[TRAIN].sum() / 3
    assert (some == np.sort(some)).all()
    assert (some_to_fit(held, TRAIN) == TRAIN).all()
    assert len(some_to_fit(held, TRAIN, most=1)) == 1


def test_near_copies_of_texts_are_found() -> None:
    long = " ".join(f"word{number}" for number in range(60))
    texts = [
        Text("learned/a", long),
        Text("learned/b", "quite another text of more than five words"),
        Text("learned/short", "two words"),
        Text("tested/same", long.replace(" ", "\n")),
        Text("tested/quoted", "> he wrote: " + long),
        Text("tested/half", " ".join(long.split()[:30]) + " " + " ".join(f"own{number}" for number in range(30))),
        Text("tested/short", "two words"),
        Text("tested/new", "nothing of this was ever seen before by anybody"),
    ]
    found = near_text_copies(Texts(ListOfTexts(texts)), np.arange(3), np.arange(3, 8))
    assert found == {"tested/same": "learned/a", "tested/quoted": "learned/a", "tested/short": "learned/short"}


MakeRun = Callable[..., Run]


@pytest.fixture
def make_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeRun:
    """Runs of no training: a small network each, and a tokeniser for all."""
    monkeypatch.setattr("selfsup.finetuning.recipe.FEWEST_STEPS", 20)
    monkeypatch.setattr("selfsup.finetuning.recipe.MOST_STEPS", 20)

    def network_in(folder: str | Path) -> tuple[Bag, list[str]]:
        network = Bag(causal="causal" in Path(folder).name)
        network.load_state_dict(torch.load(Path(folder) / "weights.pt", weights_only=True))
        return network, ["a remark"] if "foreign" in Path(folder).name else []

    def fresh(folder: str | Path) -> tuple[Callable[[], Bag], dict[str, Any]]:
        return partial(Bag, causal="causal" in Path(folder).name), {"name": "bag"}

    monkeypatch.setattr(text_networks, "network_in", network_in)
    monkeypatch.setattr("selfsup.embedding.text_reading.network_in", network_in)
    monkeypatch.setattr("selfsup.embedding.text_reading.Tokenizer.load", lambda _: WordEncoder())
    monkeypatch.setattr(text_networks, "fresh_network", fresh)

    def make(name: str = "first", *, seed: int = 0, holdout: float = 0.3, texts: list[Text] = TEXTS) -> Run:
        documents = ListOfTexts(texts)
        described: dict[str, Any] = {"task": "masked_lm", "options": {}, "backbone": "bag", "kind": "text", "size": 8, "channels": 0}
        described |= {"store_side": 0, "batch_size": 32, "steps": 1, "learning_rate": 1e-3, "weight_decay": 0.0}
        run = Run(folder=tmp_path / name, data=documents.name, seed=seed, fingerprint=documents.fingerprint(), **described)
        run.save()
        (run.folder / "tokenizer.json").write_text("{}", encoding="utf-8")
        torch.manual_seed(seed)
        torch.save(Bag().state_dict(), run.folder / "weights.pt")
        make_split([text.id for text in texts], holdout=holdout).save(run.split_file)
        return run

    return make


def test_evaluate_on_texts_has_all_rows(make_run: MakeRun) -> None:
    runs = [make_run("first"), make_run("second", seed=1)]
    foreign = make_run("foreign", seed=7)
    results = evaluate(
        runs, ListOfTexts(TEXTS), labels="folder", probes=("linear", "knn"), labels_per_class=(1, 5, "all"), weights=foreign.folder
    )
    assert {row.row for row in results.rows} == {"masked_lm", "TF-IDF", "LSA", "untrained", "from scratch", "your weights"}
    assert results.classes == list(TOPICS)
    assert (results.train, results.test) == (105, 45)
    assert results.find("masked_lm").seeds == 2
    assert results.find("TF-IDF", labels_per_class="all").value > 0.8
    assert results.find("LSA").value > results.find("masked_lm").low
    assert set(results.find("TF-IDF").layers) <= {"words", "characters"}
    assert set(results.find("LSA", labels_per_class=1).layers) == {"words/100"}
    assert set(results.find("masked_lm", labels_per_class=1).layers) == {"layer1/mean"}
    assert any("1 weights did not match, such as a remark" in note for note in results.notes)
    assert Results.load(runs[0].folder / "results.json").rows[0].row == "masked_lm"


def test_baselines_of_texts_are_made_once(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run()
    options: dict[str, Any] = {"labels": "folder", "probes": ("linear",), "labels_per_class": (5,)}
    first = evaluate(run, ListOfTexts(TEXTS), **options)

    def forbidden(*_: Any, **__: Any) -> Any:
        raise AssertionError("this was kept")

    monkeypatch.setattr(ground, "counted", forbidden)
    assert evaluate(run, ListOfTexts(TEXTS), **options).rows == first.rows
    with pytest.raises(AssertionError, match="this was kept"):
        evaluate(run, ListOfTexts(topic_texts(COUNT, seed=1)), **options)


def test_words_of_messages_are_of_documents(make_run: MakeRun) -> None:
    with pytest.raises(ValueError, match="149 labels were given for 150 documents"):
        evaluate(make_run(), ListOfTexts(TEXTS), labels=["a"] * 149)
    results = evaluate(make_run("none", holdout=0.0), ListOfTexts(TEXTS), labels="folder", labels_per_class=(5,), baselines=False)
    assert any("the run held out no labelled document," in note for note in results.notes)


def test_documents_are_embedded_with_ids_columns_and_parts(make_run: MakeRun) -> None:
    run = make_run()
    (run.folder / "model.safetensors").touch()  # the weights of a network that this test gives itself
    found = embed(run, ListOfTexts(TEXTS))
    assert found.ids == [text.id for text in TEXTS]
    assert (found.layer, found.vectors.shape) == ("layer1/mean", (COUNT, 16))
    held = Texts(ListOfTexts(TEXTS))
    reading = TextReading(held, Encoded(held, WordEncoder()), key="words")
    network, _ = text_networks.network_in(run.folder)
    np.testing.assert_allclose(found.vectors, reading.embeddings(network, range(COUNT), layers=["layer1/mean"])["layer1/mean"], rtol=1e-6)


def test_across_languages_stands_beside_untrained_networks_and_characters(make_run: MakeRun) -> None:
    """Three languages that share half of their words, as names and numbers are: characters find the pages, and networks of words do."""
    texts = [
        Text(
            f"{code}/{page}.txt",
            " ".join([f"name{page}x{place}" for place in range(6)] + [f"{code}{page}x{place}" for place in range(6)]),
            code,
        )
        for code in ("de", "fr", "ja")
        for page in range(20)
    ]
    run = make_run(texts=texts, holdout=0.0)
    labels = ["odd" if page % 2 else "even" for _ in range(3) for page in range(20)]
    found = evaluate_across_languages(run, ListOfTexts(texts), parallel="documents", labels=labels, labels_per_class=5)
    assert found.sought == {"de": 20, "fr": 20, "ja": 20}
    assert found.tested == {"de": 4, "fr": 4, "ja": 4}
    assert {(row.row, row.kind) for row in found.rows} == {
        ("masked_lm", "run"),
        ("untrained", "baseline"),
        ("character n-grams", "baseline"),
    }
    assert [row.layer for row in found.rows if row.row == "masked_lm"] == ["first+last/mean", "layer1/mean", "layer2/mean"]
    (characters,) = (row for row in found.rows if row.row == "character n-grams")
    assert characters.parallel is not None
    assert characters.parallel.recall[1].value > 0.95
    assert characters.parallel.chance[1] == pytest.approx(1 / 20)
    assert {row.seeds for row in found.rows if row.row == "untrained"} == {5}
    primary = [row for row in found.rows if row.primary]
    assert {row.layer for row in primary} == {"layer1/mean", "characters"}
    assert all(len(row.transfers) == 9 for row in primary)
    assert not any(row.transfers for row in found.rows if not row.primary)
    assert any("Transductive" in note for note in found.notes)
    for row in primary:
        assert row.labels is not None
        assert row.labels.same is not None
        assert row.labels.other is not None
    content = json.loads((run.folder / "across_languages.json").read_text(encoding="utf-8"))
    assert content["rows"][0]["parallel"]["pairings"][0]["first"] == "de"


def test_only_held_out_texts_are_asked_for_across_languages(make_run: MakeRun) -> None:
    texts = [Text(f"{code}/{page}.txt", f"{code} {page} word{page}", code) for code in ("de", "fr") for page in range(20)]
    run = make_run(texts=texts, holdout=0.0)
    parts = make_split([text.id for text in texts], groups=[text.id[3:] for text in texts], holdout=0.25)
    parts.save(run.split_file)
    found = evaluate_across_languages(run, ListOfTexts(texts), parallel="documents", baselines=False)
    assert found.sought == {"de": 5, "fr": 5}
    assert found.notes == []
