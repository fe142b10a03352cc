"""The report on runs that learned from text: hostile documents stay text, what is gone is said, and every number can be checked."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import report_fixture
import text_report_fixture as fixture
from selfsup.data.documents import open_documents
from selfsup.data.tokens.corpus import open_tokens
from selfsup.data.tokens.hold_out import HoldOut
from selfsup.data.tokens.tokenizer import Tokenizer
from selfsup.reporting import report
from selfsup.reporting.alignment import Special, aligned
from selfsup.reporting.documents import read_again
from selfsup.reporting.excerpts import EXCERPT, excerpt
from selfsup.reporting.over_time import _word, read_over_time, spaced
from selfsup.reporting.vectors import read_vectors
from selfsup.reporting.wording import item_of, task_title
from selfsup.run import Run
from test_report import Page, read

IDS = list(fixture.texts())


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks on one folder of documents, with scores and labels."""
    root = tmp_path_factory.mktemp("text_report")
    data = fixture.write_folder(root / "letters")
    for task in ("masked_lm", "causal_lm"):
        fixture.write_run(root / "runs" / task, task, data)
    fixture.write_scores(root / "runs", {"masked_lm": ["masked_lm"], "causal_lm": ["causal_lm"]}, IDS)
    return root / "runs"


@pytest.fixture(scope="module")
def page(runs: Path) -> Page:
    return read(report(runs))


@pytest.fixture(scope="module")
def parts(page: Page, runs: Path) -> dict[str, Page]:
    """The sections of the page by their anchors."""
    text = (runs / "report.html").read_text(encoding="utf-8")
    return {anchor: Page(content) for anchor, content in re.findall(r'<section id="([^"]+)">(.*?)</section>', text, re.DOTALL)}


def single(page: Page, name: str, class_: str) -> list[dict[str, str | None]]:
    return [attributes for attributes in page.named(name) if class_ in (attributes.get("class") or "").split()]


def test_sections_come_in_reading_order(page: Page) -> None:
    anchors = [attributes["id"] for attributes in page.named("section")]
    expected = ["read", "progress", "training", "languages", "scores", "documents", "map", "skipped", "notes", "settings"]
    assert anchors == expected


def test_no_word_of_pictures(page: Page) -> None:
    assert not re.search(r"\bpictures?\b|\bpx\b|pixel", page.text, re.IGNORECASE)
    for words in ("held-out documents", "test documents were seen", "3 documents without a label", "1 label matched no document"):
        assert words in page.text, words


def test_facts_and_speed_count_documents_and_tokens(page: Page) -> None:
    for words in (
        "50 documents of 0.2 MB to pretrain on",  # 24 + 12 + 8 + 6 documents and 80 + 40 + 26.7 + 20 kB in the table of languages
        "41,666 tokens",
        "read 64 tokens at a time, in 300 rows",
        "4 languages",
        "12 more held out",
        "400 steps of 128 rows of 64 tokens in 40 s, 6,400 tokens a second",
    ):
        assert words in page.text, words


def test_loss_is_told_in_bits_per_byte_beside_nats(parts: dict[str, Page]) -> None:
    """The last loss is 4 ln 2 nats a token of 4 bytes: one bit per byte."""
    assert parts["training"].text.count("Bits per byte over steps 1 Bits") == 2
    assert parts["training"].text.count("Loss, nats per token 2.77 ") == 2


@pytest.mark.parametrize(
    ("terms", "changes"),
    [(("generator", "discriminator"), {}), (("words",), {"choices": {}}), (("words",), {"choices": {"bytes_per_token": 0}})],
)
def test_no_bits_where_they_cannot_be_told(tmp_path: Path, terms: tuple[str, ...], changes: dict[str, Any]) -> None:
    run = fixture.write_run(tmp_path / "run", "masked_lm", tmp_path / "gone", **changes)
    fixture.write_metrics(run, terms=terms)
    text = read(report(run.folder)).text
    assert "Bits per byte over steps" not in text
    assert "Loss over steps" in text


def test_hidden_pieces_are_marked_on_both_sides(parts: dict[str, Page]) -> None:
    page, text = parts["read"], parts["read"].text
    assert text.count("[MASK]") >= 6
    assert "B [MASK] n" in text  # the page's pieces are joined by spaces here
    assert "ie ne" not in text
    assert "B iene n" in text
    assert "has to tell each next token from those before. ¶ stands where a document ends." in text
    assert len(single(page, "mark", "hidden")) >= 6
    assert len(single(page, "mark", "changed")) >= 1  # tariff for crowd


def test_over_time_shows_first_and_last_step(parts: dict[str, Page]) -> None:
    section = parts["progress"].text
    assert [section.count(f"step {step} ") >= 2 for step in (1, 400)] == [True, True]
    assert "step 80 " not in section  # of six steps, four are shown
    assert "Right at first guess: 0 of 1 at step 1, 1 of 1 at step 400." in section
    assert "<b>team</b>" in section
    assert "75 %" in section
    assert "<1 %" in section
    assert "↵" in section
    assert "␣" in section
    assert len(single(parts["progress"], "span", "right")) == 4


def test_several_texts_over_time_are_all_shown_with_fewer_guesses_each(tmp_path: Path) -> None:
    """A run of an older release kept one text: five guesses for each of its words. Of three texts, three are enough to read."""
    run = fixture.write_run(tmp_path / "run", "masked_lm", tmp_path / "gone")
    file = run.samples / "over_time.jsonl"
    one = file.read_text(encoding="utf-8")
    assert len(single(read(report(run.folder)), "span", "guess")) == 4 * 5
    file.write_text("".join(one.replace("said so", words) for words in ("said so", "fell", "was sold")), encoding="utf-8")
    page = read(report(run.folder))
    assert len(single(page, "div", "prompted")) == 3
    assert len(single(page, "span", "guess")) == 3 * 4 * 3
    assert "Right at first guess: 0 of 3 at step 1, 3 of 3 at step 400." in page.text


def test_neighbours_are_excerpts_with_similarity_and_label(parts: dict[str, Page]) -> None:
    section = parts["documents"].text
    assert "✓" in section
    assert re.search(r"✓ sport similarity 0\.9\d+ en/sport-\d{3}\.txt .{0,30}The team won", section)
    assert "gone" not in section
    assert len(single(parts["documents"], "div", "query")) == 10


def test_every_excerpt_is_short_and_has_its_own_direction(page: Page) -> None:
    blocks = single(page, "p", "text")
    assert blocks
    assert {attributes.get("dir") for attributes in blocks} == {"auto"}
    assert max(len(text) for text in page.texts) < 800
    assert not re.search("x{310}", page.text)


def test_dots_of_the_map_say_their_texts(page: Page) -> None:
    titles = [text for text in page.texts if text.startswith("garten: Im Frühling")]
    assert len(titles) >= 10
    assert len(page.named("circle")) >= 2 * len(IDS)


def test_hostile_documents_stay_text(page: Page, runs: Path) -> None:
    text = (runs / "report.html").read_text(encoding="utf-8")
    names = {name for name, _ in page.elements}
    assert names.isdisjoint({"script", "img", "iframe", "link", "form", "object"})
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "\u202e" not in text
    assert "<script>alert(1)</script>" in page.text
    assert "://" not in text
    assert "guessed: <b>price</b>" in page.text


def test_language_table(parts: dict[str, Page]) -> None:
    section = parts["languages"].text
    assert "Loss and bits per byte: held-out rows." in section
    assert "Too short to fill a row of tokens, and never seen: sa." in section
    assert re.search(r"en 24 20,000 60\.0 % 40\.0 % 0\.667 4\.2 0(\.0)? 3 1\.25", section)


def test_one_language_needs_no_table(tmp_path: Path) -> None:
    run = fixture.write_run(tmp_path / "run", "causal_lm", tmp_path / "gone")
    fixture.write_languages(run, ("unknown",))
    page = read(report(run.folder))
    assert "languages" not in [attributes["id"] for attributes in page.named("section")]
    assert "In the end (held-out rows): 3 nats per token, 1.25 bits per byte." in page.text


def test_without_samples_leaves_out_every_text_and_name(runs: Path, tmp_path: Path) -> None:
    text = report(runs, out=tmp_path / "page.html", without_samples=True).read_text(encoding="utf-8")
    found = Page(text)
    for words in ("team", "Shares", "Garten", "کتابخانه", "alert", "sport-", "broken", "nowhere", "cp1252", "price", "[MASK]", "is odd"):
        assert words not in text, words
    assert [a["id"] for a in found.named("section")] == ["training", "languages", "scores", "map", "skipped", "settings"]
    assert not [a for a in found.named("circle") if a.get("r") == "5"]
    assert "Texts and file names were left out." in found.text


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
@pytest.mark.parametrize("named", [True, False])
def test_rows_of_tables_are_read_again(tmp_path: Path, suffix: str, *, named: bool) -> None:
    data = fixture.write_table(tmp_path / f"tickets.{suffix}")
    ids = IDS if named else [f"{data.name}#{i + 1}" for i in range(len(IDS))]
    reading = {"text": "body", "language": "language"} | ({"id": "ticket"} if named else {})
    run = fixture.write_run(tmp_path / "run", "simcse", data, ids=ids, reading=reading)
    found = read_again(run, {ids[2], ids[3], "nobody"})
    assert found == {ids[2]: excerpt(fixture.texts()[IDS[2]][0]), ids[3]: excerpt(fixture.texts()[IDS[3]][0])}
    assert "Im Frühling" in read(report(run.folder)).text


def test_only_files_that_are_needed_are_read_again(tmp_path: Path) -> None:
    data = fixture.write_folder(tmp_path / "letters")
    run = fixture.write_run(tmp_path / "run", "simcse", data)
    (data / IDS[5]).unlink()
    (data / IDS[4]).write_bytes(b"")
    found = read_again(run, {IDS[4], IDS[5], IDS[6]})
    assert list(found) == [IDS[6]]
    assert read_again(run, {IDS[7]}, most_bytes=0)


def test_a_relative_path_is_found_from_any_folder(tmp_path: Path) -> None:
    data = fixture.write_folder(tmp_path / "letters")
    run = fixture.write_run(tmp_path / "run", "simcse", data)
    run = dataclasses.replace(run, data="letters")
    assert list(read_again(run, {IDS[6]})) == [IDS[6]]
    table = fixture.write_table(tmp_path / "rows.csv")
    run = fixture.write_run(tmp_path / "other", "simcse", table)
    assert list(read_again(dataclasses.replace(run, data="rows.csv"), {"rows.csv#3"})) == ["rows.csv#3"]


def test_texts_in_memory_are_told_from_their_tokens(tmp_path: Path) -> None:
    entries = [(f"note {i}", f"This is what note {i} says. " * 40) for i in range(60)]
    corpus = open_tokens(
        open_documents(entries),
        context=16,
        tokenizer=Tokenizer.bytes(),
        hold_out=HoldOut.asked(holdout=0.2),
        cache=tmp_path,
        progress=False,
    )
    choices = {"tokens": str(corpus.folder)}
    run = fixture.write_run(tmp_path / "run", "simcse", Path("a list of 60 entries"), root="", choices=choices)
    corpus.tokenizer.save(run.folder)
    found = read_again(run, {"note 3", "note 59", "note 60"})
    assert sorted(found) == ["note 3", "note 59"]
    assert found["note 3"].startswith("This is what note 3 says. This is")
    assert len(found["note 3"]) <= EXCERPT


def test_texts_that_are_gone(tmp_path: Path) -> None:
    run = fixture.write_run(tmp_path / "run", "masked_lm", tmp_path / "gone")
    page = read(report(run.folder))
    assert "can no longer be read" in page.text
    assert len(single(page, "p", "gone")) == 5 * 4
    assert any(text.startswith("en: en/sport-") for text in page.texts), "a dot whose text is gone says its name"


def test_documents_without_labels_are_told_apart_by_language(tmp_path: Path) -> None:
    run = fixture.write_run(tmp_path / "run", "masked_lm", fixture.write_folder(tmp_path / "letters"))
    vectors = read_vectors(run, {})
    assert vectors is not None
    assert (vectors.means, vectors.labels[2]) == ("language", "de")
    text = read(report(run.folder)).text
    assert "✓ has the same language, ✗ another one." in text
    assert "Labels only colour the dots" not in text


def test_damaged_samples_do_not_stop_the_report(tmp_path: Path) -> None:
    run = fixture.write_run(tmp_path / "run", "masked_lm", tmp_path / "gone")
    (run.samples / "seen.json").write_text("[1, 2")
    (run.samples / "over_time.jsonl").write_text('{"step": 1}\n[]\n{"step": 2, "prompt": "a", "blanks": [{"truth": 1}]}\n{"step": 3, "pro')
    (run.folder / "languages.json").write_text('[{"loss": 1}]')
    page = read(report(run.folder))
    assert "No texts were kept in this run" in page.text
    assert "progress" not in [attributes["id"] for attributes in page.named("section")]
    (run.samples / "seen.json").write_text('{"text": "abc", "seen": 7}')
    (run.folder / "model.safetensors").unlink()
    assert "no model.safetensors" in read(report(run.folder)).text


def test_words_that_cannot_be_seen_are_named() -> None:
    assert [_word(word) for word in (" bank", "", " ", "\n", "\u200c", "\u0301", "a\u0301")] == [
        "bank", "–", "␣", "↵", "U+200C", "U+0301", "a\u0301"
    ]  # fmt: skip


def test_a_step_that_was_written_twice_counts_once(tmp_path: Path) -> None:
    run = fixture.write_run(tmp_path / "run", "causal_lm", tmp_path / "gone")
    with (run.samples / "over_time.jsonl").open("a") as stream:
        stream.write(json.dumps({"step": 80, "prompt": f"The bank {fixture.HOSTILE}", "text": "again"}) + "\n")
    lines = read_over_time(run)
    assert [line["step"] for line in lines] == [1, 80, 160, 240, 320, 400]
    assert lines[1]["text"] == "again"


def test_pictures_and_texts_share_a_page(tmp_path: Path) -> None:
    fixture.write_run(tmp_path / "text", "masked_lm", fixture.write_folder(tmp_path / "letters"))
    data = report_fixture.write_data(tmp_path / "digits.npz", 40)
    report_fixture.write_run(tmp_path / "digits", "dae", data, pictures=40)
    page = read(report([tmp_path / "text", tmp_path / "digits"]))
    anchors = [attributes["id"] for attributes in page.named("section")]
    assert len(anchors) == len(set(anchors))
    assert {"saw", "rebuilt", "read", "progress", "neighbours", "documents"} <= set(anchors)
    assert "pictures a second" in page.text
    assert "tokens a second" in page.text


def test_settings_are_in_tokens_and_documents(page: Page) -> None:
    rows = dict(zip(page.texts, page.texts[1:], strict=False))
    assert (rows["context"], rows["rows of tokens"], rows["documents held out"]) == ("64", "300", "12")
    assert not {"store side", "channels", "size"} & set(page.texts)


@pytest.mark.parametrize(
    ("text", "seen", "expected"),
    [
        ("the streaming cat", "the str[MASK]ing[MASK]", [("eam", "[MASK]"), (" cat", "[MASK]")]),
        ("我们的是不了", "我们[MASK]是不[MASK]", [("的", "[MASK]"), ("了", "[MASK]")]),
        ("for inviting me last week", "<extra_id_0> me<extra_id_1> week", [("for inviting", "<extra_id_0>"), (" last", "<extra_id_1>")]),
        ("one two three four", "one four", [("two three ", "")]),
        ("a big house stood", "a big price stood", [("house", "price")]),
        ("an end[EOS] and on", "an end[EOS] and on", []),
        ("an end and on", "an end[SEP] and on", []),
    ],
)
def test_alignment_finds_what_was_hidden(text: str, seen: str, expected: list[tuple[str, str]]) -> None:
    pieces = aligned(text, seen, Special(), most=EXCERPT)
    assert [(piece.text, piece.seen) for piece in pieces if piece.changed] == expected


def test_alignment_ends_with_what_is_shown() -> None:
    """A text that is longer than what is shown is not marked at its end, though `seen` is shorter."""
    words = [f"word{i}" for i in range(400)]
    seen = " ".join("[MASK]" if i % 7 == 3 else word for i, word in enumerate(words))
    pieces = aligned(" ".join(words), seen, Special(), most=200)
    assert [piece.text for piece in pieces if piece.changed] == [f"word{i}" for i in range(3, 30, 7)]
    assert "".join(piece.text for piece in pieces).startswith(" ".join(words)[:190])
    assert sum(len(piece.text) for piece in pieces) < 220


def test_own_special_tokens_are_known() -> None:
    special = Special(mask=["@hole@"], ending=["@stop@"])
    pieces = aligned("one two@stop@ three", "one@hole@@stop@ three", special, most=EXCERPT)
    assert [(piece.text, piece.seen, piece.hidden) for piece in pieces if piece.changed] == [(" two", "@hole@", True)]


def test_excerpts_are_cut_between_words() -> None:
    assert excerpt("  one\n\ntwo\tthree ") == "one two three"
    assert excerpt("one two three four", 12) == "one two thr…", "the last space is too far back"
    assert excerpt("sentences of words, more words", 22) == "sentences of words,…"
    assert excerpt("x" * 1000, 10) == "x" * 9 + "…"
    assert excerpt("a" * 8 + "e\u0301\u0301\u0301" * 5, 10) == "a" * 8 + "…"
    assert excerpt(" " * 5000 + "late", 10) == "…"


def test_words_for_texts(tmp_path: Path) -> None:
    text = Run(folder=tmp_path, data="a", kind="text", task="simcse", options={}, backbone="bert-mini", size=64, batch_size=8, steps=1,
               learning_rate=0.1, weight_decay=0.1)  # fmt: skip
    assert item_of([text]) == "document"
    names = ["masked_lm", "causal_lm", "replaced_token", "span_corruption", "tsdae", "simcse"]
    assert [task_title(name) for name in names] == ["Masked LM", "Causal LM", "Replaced token", "SpanCorruption", "TSDAE", "SimCSE"]
    assert spaced([1, 2, 3, 4, 5, 6], 4) == [1, 3, 4, 6]
    assert spaced([1, 2], 4) == [1, 2]


def test_a_run_is_moved_with_its_folder(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "masked_lm", tmp_path / "moved")
    assert "The team won" in read(report(tmp_path / "moved")).text
