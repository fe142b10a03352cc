"""Scores of texts on the command line and in Python: real small networks on files, tables and languages, from a folder to the report."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from command_line import failure, success
from selfsup.backbones import Vocabulary, build_text, save_text_backbone
from selfsup.data import make_split
from selfsup.data.documents import open_documents
from selfsup.data.tokens.hold_out import HoldOut
from selfsup.data.tokens.tokenizer import Tokenizer
from selfsup.embedding import embed, opened_for
from selfsup.embedding.texts import Texts
from selfsup.evaluation import evaluate, evaluate_across_languages, evaluate_language_modelling
from selfsup.evaluation.held_out import model_texts
from selfsup.evaluation.language_modelling import joined
from selfsup.evaluation.modelling_scores import compressed
from selfsup.evaluation.parallel import find_translations, parallel_of, translated_pairs
from selfsup.evaluation.predictions import Setting
from selfsup.evaluation.transfer import Languages, summary_of, told_right
from selfsup.evaluation.translations import MARK, of_columns, of_documents, of_paragraphs, paragraphs_of
from selfsup.probing.intervals import ratio_interval
from selfsup.reporting.report import report
from selfsup.run import Run
from selfsup.trained import load_task, save_heads
from text_stand_ins import ListOfTexts, Text, topic_texts

CONTEXT = 48
TOKENIZER = Tokenizer.bytes()
BACKBONES = {"causal_lm": "gpt2-tiny", "masked_lm": "bert-tiny", "simcse": "bert-tiny"}


def run_on(data: Path, name: str, *, seed: int = 0, holdout: float = 0.4, groups: str | None = None, **reading: Any) -> Run:
    """A run of no training, as pretraining leaves one."""
    torch.manual_seed(seed)
    network = build_text(BACKBONES[name], vocabulary=Vocabulary.of(TOKENIZER), context=CONTEXT).eval()
    told = {key: value for key, value in reading.items() if key != "deduplicate"}
    documents = open_documents(data, **told)
    described: dict[str, Any] = {"task": name, "options": {}, "backbone": BACKBONES[name], "kind": "text", "size": CONTEXT}
    described |= {"batch_size": 8, "steps": 1, "learning_rate": 1e-3, "weight_decay": 0.0, "root": documents.root, "reading": reading}
    run = Run(folder=data.parent / f"{name}-{seed}", data=str(data), seed=seed, fingerprint=documents.fingerprint(), **described)
    run.save()
    TOKENIZER.save(run.folder)
    save_text_backbone(network, run.folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        from selfsup.tasks import find_task

        save_heads(find_task(name)(network), run.folder)
    kept = list(documents)
    split = make_split([document.id for document in kept])
    parts = [HoldOut(holdout, groups=groups).part(document) for document in kept]
    type(split)(split.ids, parts).save(run.split_file)
    return run


@pytest.fixture
def news(tmp_path: Path) -> Path:
    """A table of 60 articles with a title, a body, a class, a language and a number of its own, some of it in Latin-1."""
    lines = ["number;title;body;category;lang;notes"]
    for row, text in enumerate(topic_texts(60)):
        topic = text.id.partition("/")[0]
        lines.append(f"n{row};Café {topic};{text.text};{topic};{'de' if row % 2 else 'fr'};{'a longer cell of other words ' * 4}")
    file = tmp_path / "news.csv"
    file.write_bytes("\n".join(lines).encode("cp1252"))
    return file


COLUMNS: dict[str, Any] = {"text": "title,body", "id": "number", "language": "lang", "encoding": "cp1252"}


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Twelve pages in three languages, each of five paragraphs: names that all share, words of the language, one left untranslated."""
    rng = np.random.default_rng(0)
    for language in ("de", "en", "fr"):
        for page in range(12):
            parts = [" ".join(f"{language}{rng.integers(30)}word name{page}x{place}" for _ in range(5)) for place in range(4)]
            parts += [f"apt install page{page} --not-translated --at-all --in-any-language"]
            file = tmp_path / "book" / language / f"page{page}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("\n\n".join(parts), encoding="utf-8")
    return tmp_path / "book"


# Reading


def test_the_run_says_how_its_own_data_is_read(news: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_on(news, "masked_lm", **COLUMNS)
    monkeypatch.chdir(news.parent)
    for data in (None, str(news), news, "news.csv", Path("../") / news.parent.name / "news.csv"):
        texts: Texts = opened_for(run, data, {"text": None, "language": None})
        assert texts.ids[:2] == ["n0", "n1"]
        assert texts.languages[:2] == ["fr", "de"]
        assert next(iter(texts.some(np.arange(1)))).startswith("Café harbour")
        assert texts.fingerprint == run.fingerprint
    changed: Texts = opened_for(run, news, {"text": "notes"})
    assert next(iter(changed.some(np.arange(1)))).startswith("a longer cell")
    assert changed.ids[0] == "n0"
    copy = news.with_name("copy.csv")
    copy.write_bytes(news.read_bytes())
    other: Texts = opened_for(run, copy, {"text": "title"})
    assert other.ids[0].startswith("copy.csv#")
    assert set(other.languages) == {None}


def test_what_a_run_left_out_is_left_out_again(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.txt").write_text(f"These words are those of text {number // 2}.", encoding="utf-8")
    run = run_on(folder, "masked_lm", deduplicate=True)
    assert opened_for(run, None, {}).ids == ["0.txt", "2.txt", "4.txt"]
    assert len(opened_for(run, str(tmp_path), {}).ids) == 6


def test_reading_is_told_of_files_of_texts_only(news: Path, tmp_path: Path) -> None:
    run = run_on(news, "masked_lm", **COLUMNS)
    with pytest.raises(ValueError, match="text came with documents that are open already"):
        embed(run, open_documents(news), text="body")
    described: dict[str, Any] = {"task": "simclr", "options": {}, "backbone": "compact_convnet", "size": 12, "batch_size": 4, "steps": 1}
    pictures = Run(folder=tmp_path / "p", data="d", learning_rate=1e-3, weight_decay=0.0, **described)
    with pytest.raises(ValueError, match="text say how texts are read; the run learned from pictures"):
        opened_for(pictures, None, {"text": "body"})


def test_embed_reads_as_told(news: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_on(news, "masked_lm", **COLUMNS)
    assert "60 embeddings" in success(capsys, "embed", run.folder)
    assert embed(run, out=news.with_name("own.parquet")).ids[0] == "n0"
    out = news.with_name("told.parquet")
    success(capsys, "embed", run.folder, news, "--text", "title", "--id", "number", "--out", out)
    import pyarrow.parquet as pq

    table = pq.read_table(out)
    assert table["id"].to_pylist()[:2] == ["n0", "n1"]
    assert set(table["part"].to_pylist()) == {"train", "test"}


@pytest.mark.parametrize("labels", ["category", "lang", "language"])
def test_evaluate_on_a_column(news: Path, labels: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The reading options of the run hold; `language` is a label as any other."""
    run = run_on(news, "masked_lm", **COLUMNS)
    line = ["evaluate", run.folder, "--labels", labels, "--labels-per-class", "5", "--baselines", "tfidf", "--probes", "linear"]
    out = success(capsys, *line)
    assert "masked_lm" in out
    assert "documents" in out
    results = json.loads(run.results_file.read_text(encoding="utf-8"))
    assert results["classes"] == (["harbour", "kitchen", "orchard"] if labels == "category" else ["de", "fr"])
    assert not results["transductive"]


def test_a_folder_of_transformers_is_a_row(news: Path) -> None:
    """Weights that `transformers` wrote, with their own tokeniser."""
    from transformers import BertConfig, BertModel

    run = run_on(news, "masked_lm", **COLUMNS)
    folder = news.with_name("own")
    configuration = BertConfig(
        vocab_size=TOKENIZER.size, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=32,
    )  # fmt: skip
    BertModel(configuration).save_pretrained(folder)
    TOKENIZER.save(folder)
    options: dict[str, Any] = {"probes": ("linear",), "labels_per_class": (5,), "weights": folder, "baselines": False}
    results = evaluate(run, news, labels="category", **options)
    assert {row.row for row in results.rows} == {"masked_lm", "your weights"}


# Language modelling


def test_language_modelling_on_the_command_line(news: Path, capsys: pytest.CaptureFixture[str]) -> None:
    causal, masked = run_on(news, "causal_lm", **COLUMNS), run_on(news, "masked_lm", **COLUMNS)
    out = success(capsys, "evaluate", causal.folder, masked.folder, "--language-modelling")
    lines = out.splitlines()
    held_out = sum(1 for part in json_parts(causal) if part == "test")
    assert lines[0].split() == ["language", "documents", "causal_lm:", "bits", "per", "byte", "gzip:", "bits", "per", "byte",
                                "masked_lm:", "%", "guessed"]  # fmt: skip
    assert [line.split()[0] for line in lines[1:4]] == ["all", "de", "fr"]
    assert lines[1].split()[1] == str(held_out)
    assert "windows of 48 tokens that advance by 24" in out
    assert "15% of the tokens hidden" in out
    for folder in (news.parent, causal.folder, masked.folder):
        assert json.loads((folder / "language_modelling.json").read_text(encoding="utf-8"))["documents"].keys() == {"de", "fr"}
    page = report([causal.folder, masked.folder]).read_text(encoding="utf-8")
    assert page.count('id="language-modelling"') == 1
    assert "gzip" in page


def json_parts(run: Run) -> list[str]:
    import pyarrow.parquet as pq

    parts: list[str] = pq.read_table(run.split_file)["part"].to_pylist()
    return parts


def test_scores_are_those_of_the_task_on_what_was_held_out(news: Path) -> None:
    run = run_on(news, "causal_lm", **COLUMNS)
    found = evaluate_language_modelling(run)
    texts: Texts = opened_for(run, None, {})
    rows = np.array([row for row, part in enumerate(json_parts(run)) if part == "test"])
    own = model_texts(load_task(run), texts, TOKENIZER, rows=rows)
    assert found.find("causal_lm").total == own.total
    assert found.find("causal_lm").languages == own.languages
    assert found.gzip == compressed(texts, rows)
    whole = "".join(texts.some(rows)).encode()
    assert found.gzip[""] == pytest.approx(8 * len(gzip.compress(whole, 9)) / len(whole), rel=0.03)
    with pytest.raises(ValueError, match="there is no row 'x'; there are causal_lm"):
        found.find("x")


def test_seeds_are_one_row_and_their_spread_widens_the_interval(news: Path) -> None:
    runs = [run_on(news, "causal_lm", seed=seed, **COLUMNS) for seed in range(3)]
    row = evaluate_language_modelling(runs).find("causal_lm")
    single = [evaluate_language_modelling(run, out=news.parent / "o").find("causal_lm").total.bits_per_byte for run in runs]
    assert row.seeds == 3
    assert row.total.bits_per_byte.value == pytest.approx(np.mean([one.value for one in single]))
    width = row.total.bits_per_byte.high - row.total.bits_per_byte.low
    assert width > np.mean([one.high - one.low for one in single])


def test_ratio_interval_over_seeds_by_hand() -> None:
    above, below = np.array([[1.0, 2.0, 3.0], [2.0, 2.0, 4.0]]), np.array([[2.0, 4.0, 4.0], [2.0, 4.0, 4.0]])
    found = ratio_interval(above, below)
    assert found.value == pytest.approx((6 / 10 + 8 / 10) / 2)
    alone = ratio_interval(above[:1], below[:1])
    assert found.high - found.low > alone.high - alone.low
    assert ratio_interval(above[[0, 0]], below[[0, 0]]).value == alone.value


def test_the_commonest_token_is_a_scale(news: Path) -> None:
    run = run_on(news, "masked_lm", **COLUMNS)
    row = evaluate_language_modelling(run).find("masked_lm")
    assert row.commonest is not None
    assert 0.05 < row.commonest < 0.4  # of bytes, the space is most frequent
    one = model_texts(load_task(run), Texts(ListOfTexts([Text("a", "ab" * 20)])), TOKENIZER)
    assert one.commonest is not None
    assert 0.5 <= one.commonest <= 1
    assert joined([one]).total == one.total


def test_what_cannot_be_modelled_is_said(news: Path, capsys: pytest.CaptureFixture[str]) -> None:
    simcse = run_on(news, "simcse", **COLUMNS)
    assert "simcse, which predicts no words" in failure(capsys, "evaluate", simcse.folder, "--language-modelling")
    whole = run_on(news, "causal_lm", holdout=0.0, **COLUMNS)
    said = failure(capsys, "evaluate", whole.folder, "--language-modelling")
    assert "all 60 documents" in said
    assert "--holdout 0.1" in said
    assert "nothing to score on was given" in failure(capsys, "evaluate", whole.folder)
    assert "expected --labels too" in failure(capsys, "evaluate", whole.folder, "--across-languages", "--language-modelling")
    assert "expected at least two" in failure(capsys, "evaluate", news, "--language-modelling")


def test_other_texts_are_judged_whole(news: Path, book: Path) -> None:
    run = run_on(news, "causal_lm", holdout=0.0, **COLUMNS)
    found = evaluate_language_modelling(run, book, language="folder")
    assert found.documents == {"de": 12, "en": 12, "fr": 12}
    assert set(found.rows[0].languages) == {"de", "en", "fr"}


def test_only_a_sample_of_much_is_judged(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_on(book, "causal_lm", language="folder", holdout=0.999)
    monkeypatch.setattr("selfsup.evaluation.modelling_scores.MOST", 3000)
    found = evaluate_language_modelling(run)
    assert all(1 <= count < 12 for count in found.documents.values())
    assert "drawn at random" in found.notes[0]


# Translations


def test_paragraphs() -> None:
    assert paragraphs_of("a\nb\n \n\nc\n") == ["a\nb", "c"]
    assert paragraphs_of("a\n\nb") == ["a", "b"]
    assert paragraphs_of("a\nb\n") == ["a", "b"]
    assert paragraphs_of("a") == ["a"]


def test_paragraphs_of_pages_with_equally_many_are_pairs() -> None:
    long = "a paragraph that is longer than a heading, number "
    texts = [
        Text("de/p.txt", f"{long}1\n\nShort\n\n{long}2", "de"),
        Text("fr/p.txt", f"Le {long}1\n\n{long}autre\n\nLe {long}2", "fr"),
        Text("it/p.txt", f"Il {long}1\n\nIl {long}2", "it"),
    ]
    found = of_paragraphs(ListOfTexts(texts))
    assert found.names == [f"p.txt{MARK}{place}" for place in ("0/3", "2/3", "0/3", "1/3", "2/3", "0/2", "1/2")]
    assert found.parents == ["de/p.txt"] * 2 + ["fr/p.txt"] * 3 + ["it/p.txt"] * 2
    rows, _ = found.chosen(np.arange(7))
    assert rows.tolist() == [0, 1, 2, 4]  # of the Italian page and the French second paragraph there is no translation


def test_untranslated_texts_stay_in_the_language_they_come_from() -> None:
    """English texts stand unchanged in the German and the French book: English keeps them, for those who did translate them."""
    said = {"de": ("deutsch", "english", "english"), "en": ("english",) * 3, "fr": ("english", "français", "français")}
    texts = [Text(f"{code}/{page}.txt", f"{word} {page}", code) for code, words in said.items() for page, word in enumerate(words)]
    found = of_documents(Texts(ListOfTexts(texts)))
    rows, notes = found.chosen(np.arange(len(texts)))
    assert [texts[row].id for row in rows] == ["de/0.txt", "en/0.txt", "en/1.txt", "en/2.txt", "fr/1.txt", "fr/2.txt"]
    assert notes == ["3 documents are the same in several languages (not translated, or code): of each, only en's takes part."]


def test_texts_count_once_and_a_sample_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [Text(f"{code}/{page}.txt", f"{code} {page % 20}", code) for code in ("de", "fr") for page in range(30)]
    found = of_documents(Texts(ListOfTexts(texts)))
    rows, notes = found.chosen(np.arange(60))
    assert len(rows) == 40
    assert notes == ["20 documents that stand twice in one language count once."]
    monkeypatch.setattr("selfsup.evaluation.translations.MOST", 7)
    rows, notes = found.chosen(np.arange(60))
    assert len(rows) == 14
    assert {texts[row].id[3:] for row in rows if row < 30} == {texts[row].id[3:] for row in rows if row >= 30}


def test_columns_are_translations(tmp_path: Path) -> None:
    file = tmp_path / "pairs.tsv"
    file.write_text("de\ten\tkey\n" + "\n".join(f"Satz {row}\tsentence {row}\tk{row}" for row in range(4)), encoding="utf-8")
    found = of_columns(file, ["de", "en"], {"id": "key"})
    assert found.texts.languages == ["de"] * 4 + ["en"] * 4
    assert found.names == ["k0", "k1", "k2", "k3"] * 2
    assert list(found.texts.some(np.array([0, 4]))) == ["Satz 0", "sentence 0"]


def test_seeds_of_an_embedding_are_a_mean() -> None:
    rng = np.random.default_rng(0)
    names, languages = [str(n) for _ in range(3) for n in range(20)], [code for code in "abc" for _ in range(20)]
    pairs, _ = translated_pairs(names, languages, np.arange(60))
    seeds = [find_translations(rng.normal(size=(60, 4)), pairs) for _ in range(3)]
    both = parallel_of(seeds, pairs)
    single = [parallel_of([seed], pairs) for seed in seeds]
    for k in (1, 5, 10):
        assert both.recall[k].value == pytest.approx(np.mean([one.recall[k].value for one in single]))
    assert both.pairings[0].there == pytest.approx(np.mean([one.pairings[0].there for one in single]))
    assert both.margin.value == pytest.approx(np.mean([one.margin.value for one in single]))


@pytest.mark.parametrize("what", ["documents", "paragraphs"])
def test_parallel_on_the_command_line(book: Path, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Names are in every translation: characters find them all, and nobody else is told to."""
    run = run_on(book, "masked_lm", holdout=0.5, groups="name", language="folder")
    out = success(capsys, "evaluate", run.folder, "--parallel", what)
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["row", "masked_lm", "untrained", "character", "chance"]
    content = json.loads((run.folder / "across_languages.json").read_text(encoding="utf-8"))
    pages = sum(1 for part in json_parts(run) if part == "test") // 3
    assert content["sought"] == dict.fromkeys(("de", "en", "fr"), pages if what == "documents" else 4 * pages)
    characters = next(row for row in content["rows"] if row["row"] == "character n-grams")
    assert characters["parallel"]["recall"]["1"]["value"] > 0.95
    assert any(line.split()[:1] == ["de"] and "/" in line for line in lines)
    assert "3 pairs of languages" in out
    page = report(run.folder).read_text(encoding="utf-8")
    assert 'id="across-languages"' in page
    assert "Language by language" in page


def test_parallel_columns_on_the_command_line(book: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_on(book, "causal_lm", language="folder")
    file = tmp_path / "pairs.csv"
    rows = [f"der Satz hat name{row},the sentence has name{row}" for row in range(30)]
    file.write_text("de,en\n" + "\n".join(rows), encoding="utf-8")
    out = success(capsys, "evaluate", run.folder, file, "--parallel", "de,en", "--weights", run.folder)
    assert "both ways between de and en, among 30 rows" in out
    assert "your weights" in out
    assert "chance" in out
    said = failure(capsys, "evaluate", run.folder, file, "--parallel", "pages")
    assert "Expected documents, paragraphs, or columns" in said
    assert "no column `it`" in failure(capsys, "evaluate", run.folder, file, "--parallel", "de,it")
    assert "share no two texts of equal name" in failure(capsys, "evaluate", run.folder, file, "--parallel", "documents", "--text", "de")


def test_labels_across_languages_on_the_command_line(news: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_on(news, "masked_lm", **COLUMNS)
    line = ["evaluate", run.folder, "--labels", "category", "--across-languages", "--labels-per-class", "5", "--parallel"]
    assert "share no two texts" in failure(capsys, *line, "documents")
    out = success(capsys, *line[:-1])
    assert out.splitlines()[0].split()[:2] == ["row", "layer"]
    assert "labels in another language" in out
    assert "5 labels a class in one language; tested on" in out
    content = json.loads((run.folder / "across_languages.json").read_text(encoding="utf-8"))
    assert content["sought"] == {}
    assert sum(content["tested"].values()) == sum(1 for part in json_parts(run) if part == "test")
    pairs = {(item["source"], item["target"]) for item in content["rows"][0]["transfers"]}
    assert pairs == {(a, b) for a in ("de", "fr") for b in ("de", "fr")}
    page = report(run.folder).read_text(encoding="utf-8")
    assert "tested in another" in page


def test_translations_of_tested_texts_are_not_learned_from(book: Path) -> None:
    """Held out one by one, nearly every tested page has a translation with a label: those are left out."""
    run = run_on(book, "masked_lm", holdout=0.3, language="folder")
    labels = {document.id: str(int(document.id.partition("page")[2][:-4]) % 2) for document in open_documents(book)}
    found = evaluate_across_languages(run, labels=labels, labels_per_class=2, baselines=False)
    parts = dict(zip([document.id for document in open_documents(book)], json_parts(run), strict=True))
    assert sum(found.tested.values()) == sum(part == "test" for part in parts.values())
    everything = run_on(book, "causal_lm", holdout=0.999, language="folder")
    assert evaluate_across_languages(everything, labels=labels, labels_per_class=2, baselines=False).tested.keys() == {"de", "en", "fr"}


def test_a_summary_is_the_mean_over_tested_items() -> None:
    rng = np.random.default_rng(0)
    language = ["de", "fr", "ja"] * 40
    targets = (np.arange(120) // 3) % 2
    items = Languages(targets, 2, language, np.arange(60), np.arange(60, 120), np.arange(60))
    features = rng.normal(size=(120, 4)) + targets[:, None] * (np.array(language) != "ja")[:, None]
    setting = Setting("linear", 5)
    right = told_right({"a/mean": features}, items, setting=setting, default="a/mean")
    found = summary_of(right, items, setting)
    spoken = np.array(language)[60:]
    same = np.mean([right[source].mean((0, 1))[spoken == source].mean() for source in right])
    other = np.mean([np.mean([right[s].mean((0, 1))[spoken == target] for s in right if s != target]) for target in right])
    assert found.same is not None
    assert found.other is not None
    assert (found.same.value, found.other.value) == pytest.approx((same, other))


def test_pages_are_held_out_in_all_languages_at_once(book: Path) -> None:
    documents = list(open_documents(book, language="folder"))
    parts: dict[str, set[str]] = {}
    for document in documents:
        parts.setdefault(document.id.partition("/")[2], set()).add(HoldOut(0.4, groups="name").part(document))
    assert all(len(found) == 1 for found in parts.values())
    assert {"train"} in parts.values()
    assert {"test"} in parts.values()
