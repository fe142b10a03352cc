"""Tokens on disk: packed as a slow loop packs them, found again, killed, torn, filled up, large."""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from selfsup.data.batches import Batches
from selfsup.data.splits import Part
from selfsup.data.tokens import writing
from selfsup.data.tokens.corpus import open_tokens
from selfsup.data.tokens.files import Draft, State, column_file, read_state
from selfsup.data.tokens.hold_out import HoldOut
from selfsup.data.tokens.language_table import language_table
from selfsup.data.tokens.mixture import Mixing, Mixture
from selfsup.data.tokens.progress import count_in_words
from selfsup.data.tokens.repeated import Repeated
from selfsup.data.tokens.store import TokenStore
from selfsup.data.tokens.survey import survey
from selfsup.data.tokens.tokenizer import Tokenizer
from selfsup.data.tokens.training import train_tokenizer
from selfsup.data.tokens.writing import write_tokens
from texts import Text, Texts, corpus

SIZES = {"en": 60, "de": 30, "zh": 20, "unknown": 10}
TEXTS = corpus(SIZES)
TRAINED = train_tokenizer(TEXTS, size=500)
T = 32


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many blocks from few documents."""
    monkeypatch.setattr(writing, "CHUNK_CHARACTERS", 500)
    monkeypatch.setattr(writing, "BLOCK_TOKENS", 600)


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts encoded since the test began."""
    texts: list[str] = []
    encode = Tokenizer.encode_batch

    def counting(self: Tokenizer, batch: list[str]) -> object:
        texts.extend(batch)
        return encode(self, batch)

    monkeypatch.setattr(Tokenizer, "encode_batch", counting)
    return texts


def write(documents: Texts, folder: Path, tokenizer: Tokenizer = TRAINED, hold_out: HoldOut | None = None) -> Path:
    return write_tokens(documents, tokenizer, folder, hold_out=hold_out, progress=False)


def packed_slowly(store: TokenStore, documents: Texts, tokenizer: Tokenizer) -> dict[str, list[list[tuple[int, str]]]]:
    """Rows of each language, one token after the other: what the documents hold, in the order that the store has them in."""
    texts = {item.id: item for item in documents.items}
    streams: dict[str, list[tuple[int, str]]] = {}
    for number in range(store.documents):
        item = texts[store.document_id(number)]
        stream = streams.setdefault(item.language or "unknown", [])
        for token in tokenizer.encode(item.text).tolist():
            stream.append((token, item.id))
        stream.append((tokenizer.end, item.id))
    rows: dict[str, list[list[tuple[int, str]]]] = {}
    for language, stream in streams.items():
        row: list[tuple[int, str]] = []
        for entry in stream:
            row.append(entry)
            if len(row) == store.context:
                rows.setdefault(language, []).append(row)
                row = []
    return rows


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("context", [1, 7, 32, 100, 1000])
@pytest.mark.parametrize("kind", ["trained", "bytes"])
def test_packed_as_a_loop_packs(tmp_path: Path, context: int, kind: str) -> None:
    tokenizer = TRAINED if kind == "trained" else Tokenizer.bytes()
    store = TokenStore.open(write(TEXTS, tmp_path, tokenizer), context=context)
    expected = packed_slowly(store, TEXTS, tokenizer)
    assert len(store.packing._ends) > 8, "languages are in several pieces of the file, or nothing is tested"
    assert set(store.groups) == set(expected)
    assert len(store) == sum(map(len, expected.values()))
    for language, rows in store.groups.items():
        batch = store.batch(torch.tensor(rows))
        assert batch["tokens"].dtype == batch["document"].dtype == torch.int64
        assert batch["tokens"].tolist() == [[token for token, _ in row] for row in expected[language]]
        found = [[store.document_id(number) for number in row] for row in batch["document"].tolist()]
        assert found == [[name for _, name in row] for row in expected[language]]
    chosen = torch.tensor([len(store) - 1, 0, 0])
    batch = store.batch(chosen)
    assert torch.equal(batch["index"], chosen)
    assert torch.equal(batch["tokens"][1], batch["tokens"][2])
    assert torch.equal(batch["tokens"][0], store.batch(chosen[:1])["tokens"][0])


@pytest.mark.usefixtures("small_blocks")
def test_every_document_is_there_once(tmp_path: Path) -> None:
    store = TokenStore.open(write(TEXTS, tmp_path), context=T)
    assert store.documents == len(TEXTS.items)
    texts = {item.id: item for item in TEXTS.items}
    assert {store.document_id(number) for number in range(store.documents)} == set(texts)
    for number in range(store.documents):
        item = texts[store.document_id(number)]
        *tokens, end = store.document_tokens(number).tolist()
        assert end == TRAINED.eos
        assert TRAINED.decode(tokens) == item.text
        assert store.document_language(number) == (item.language or "unknown")
    for language, count in store.counts.items():
        own = [item.text for item in TEXTS.items if (item.language or "unknown") == language]
        assert (count.documents, count.characters) == (len(own), sum(map(len, own)))
        assert count.bytes == sum(len(text.encode()) for text in own)
        assert count.tokens == sum(len(TRAINED.encode(text)) + 1 for text in own)


def test_documents_of_a_folder_are_scattered(tmp_path: Path) -> None:
    """Sorted by class, as folders are: neighbours in the store tell nothing of each other."""
    texts = Texts([Text(f"{number // 100}/{number}", "some words") for number in range(500)])
    store = TokenStore.open(write(texts, tmp_path), context=T)
    classes = [store.document_id(number).split("/")[0] for number in range(500)]
    assert abs(sum(one == other for one, other in pairwise(classes)) / 499 - 0.2) < 0.08


@pytest.mark.usefixtures("small_blocks")
def test_held_out_documents(tmp_path: Path) -> None:
    rule = HoldOut(0.2)
    folder = write(TEXTS, tmp_path, hold_out=rule)
    stores = {part: TokenStore.open(folder, context=T, part=part) for part in ("train", "test")}
    ids = {part: {store.document_id(number) for number in range(store.documents)} for part, store in stores.items()}
    assert not ids["train"] & ids["test"]
    assert ids["test"] == {item.id for item in TEXTS.items if rule.part(item) == "test"}
    assert len(ids["test"]) + len(ids["train"]) == 120
    for store in stores.values():
        expected = packed_slowly(store, TEXTS, TRAINED)
        for language, rows in store.groups.items():
            assert store.batch(torch.tensor(rows))["tokens"].tolist() == [[token for token, _ in row] for row in expected[language]]


def test_the_rule_for_what_is_held_out() -> None:
    items = [Text(f"a/b{n % 50}/{n}", "x", ["en", "de", None][n % 3], {"thread": str(n % 40) if n % 2 else None}) for n in range(1500)]
    shares = [sum(HoldOut(0.1, seed).part(item) == "test" for item in items) / 1500 for seed in range(5)]
    assert all(abs(share - 0.1) < 3 * (0.09 / 1500) ** 0.5 for share in shares)
    assert len(set(shares)) > 1
    small, large = ({item.id for item in items if HoldOut(share).part(item) == "test"} for share in (0.1, 0.2))
    assert small < large
    names: dict[str, Callable[[Text], str]] = {
        "language": lambda item: item.language or item.id,
        "folder": lambda item: item.id.rpartition("/")[0],
        "thread": lambda item: item.columns["thread"] or item.id,
    }
    for groups, name in names.items():
        sides: dict[str, set[str]] = {}
        for item in items:
            sides.setdefault(name(item), set()).add(HoldOut(0.5, 1, groups).part(item))
        assert all(len(side) == 1 for side in sides.values())
        assert len({part for side in sides.values() for part in side}) == 2
    assert len({HoldOut(0.5, 1, "folder:1").part(item) for item in items}) == 1
    given: dict[str, Part] = {items[0].id: "test"}
    assert [HoldOut(given=given).part(item) for item in items[:2]] == ["test", "train"]
    assert len({rule.key for rule in (HoldOut(), HoldOut(0.1), HoldOut(0.1, 1), HoldOut(0.1, groups="x"), HoldOut(given=given))}) == 5
    with pytest.raises(ValueError, match=r"groups='author' was given. Expected a column \(thread\)"):
        HoldOut(0.1, groups="author").part(items[0])
    with pytest.raises(ValueError, match="Expected a share"):
        HoldOut(1.0)
    with pytest.raises(ValueError, match="both given"):
        HoldOut(0.1, given=given)


@pytest.mark.usefixtures("small_blocks")
def test_opened_again_nothing_is_encoded(tmp_path: Path, encoded: list[str]) -> None:
    texts = Texts(TEXTS.items)
    first = TokenStore.open(write(texts, tmp_path), context=T)
    assert len(encoded) == texts.read == 120
    second = TokenStore.open(write(texts, tmp_path), context=2 * T)
    assert len(encoded) == texts.read == 120, "another context needs no other tokens"
    assert first.fingerprint == second.fingerprint
    other = TokenStore.open(write(texts, tmp_path, hold_out=HoldOut(0.2)), context=T)
    assert len(encoded) == 240
    assert other.fingerprint != first.fingerprint
    assert TokenStore.open(write(texts, tmp_path), context=T).fingerprint == first.fingerprint, "both are kept"
    assert len(encoded) == 240


@pytest.mark.usefixtures("small_blocks")
def test_a_changed_corpus_takes_the_place_of_the_old(tmp_path: Path) -> None:
    old = write(TEXTS, tmp_path)
    elsewhere = write(Texts(TEXTS.items, name="another"), tmp_path, hold_out=HoldOut(0.1))
    new = write(Texts([*TEXTS.items, Text("new", "one more")]), tmp_path)
    assert not old.exists()
    assert elsewhere.exists()
    assert TokenStore.open(new, context=T).documents == 121


def test_the_fingerprint_depends_on_content_only(tmp_path: Path) -> None:
    stores = [
        TokenStore.open(write(Texts(items, name=name), tmp_path / name), context=T)
        for name, items in {"a": TEXTS.items, "b": TEXTS.items, "c": [*TEXTS.items[:-1], Text("z", "other")]}.items()
    ]
    assert stores[0].fingerprint == stores[1].fingerprint != stores[2].fingerprint


class Interrupted(Exception):
    """As a kill, but for the test."""


class Failing(Texts):
    """A corpus that stops in the middle of the first pass, as if the process had been killed there."""

    after: int = 10**9

    def __iter__(self) -> Iterator[Text]:
        for number, item in enumerate(super().__iter__()):
            if number == self.after:
                self.after = 10**9
                raise Interrupted
            yield item


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name != "state.json"}


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("after", [1, 40, 41, 75, 119])
def test_an_interrupted_write_goes_on(tmp_path: Path, encoded: list[str], after: int) -> None:
    whole = write(TEXTS, tmp_path / "whole", hold_out=HoldOut(0.2))
    encoded.clear()
    texts = Failing(TEXTS.items)
    texts.after = after
    with pytest.raises(Interrupted):
        write(texts, tmp_path / "torn", hold_out=HoldOut(0.2))
    (draft,) = (tmp_path / "torn").glob("*.draft")
    with pytest.raises(ValueError, match="no tokens that were written to their end"):
        TokenStore.open(draft, context=T)
    state = read_state(draft)
    done = 0 if state is None else state.read
    assert (done > 0) == (after >= 40)
    for file in draft.glob("t*"):  # what a kill leaves behind the last commit
        with file.open("ab") as stream:
            stream.write(b"half a block")
    encoded.clear()
    torn = write(texts, tmp_path / "torn", hold_out=HoldOut(0.2))
    assert len(encoded) == 120 - done, "what counted is not encoded again"
    assert files_of(torn) == files_of(whole)
    assert not draft.exists()
    stores = [TokenStore.open(folder, context=T) for folder in (torn, whole)]
    assert stores[0].fingerprint == stores[1].fingerprint
    assert stores[0].counts == stores[1].counts


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("harm", ["shorter", "missing", "no state", "half a state", "another tokeniser"])
def test_a_draft_that_cannot_be_trusted_is_begun_anew(tmp_path: Path, encoded: list[str], harm: str) -> None:
    texts = Failing(TEXTS.items)
    texts.after = 80
    with pytest.raises(Interrupted):
        write(texts, tmp_path)
    (draft,) = tmp_path.glob("*.draft")
    tokens, state = column_file(draft, "train", "tokens"), draft / "state.json"
    if harm == "shorter":
        os.truncate(tokens, tokens.stat().st_size // 2)
    elif harm == "missing":
        tokens.unlink()
    elif harm == "no state":
        state.unlink()
    elif harm == "half a state":
        state.write_text(state.read_text()[:100])
    encoded.clear()
    tokenizer = Tokenizer.bytes() if harm == "another tokeniser" else TRAINED
    store = TokenStore.open(write(texts, tmp_path, tokenizer), context=T)
    assert len(encoded) == 120
    assert store.documents == 120


KILLED = """
import sys, time
from pathlib import Path
sys.path[:0] = {path!r}
from selfsup.data.tokens import writing
from selfsup.data.tokens.writing import write_tokens
from selfsup.data.tokens.tokenizer import Tokenizer
from texts import Texts, corpus
writing.CHUNK_CHARACTERS, writing.BLOCK_TOKENS = 500, 600
class Slow(Texts):
    def __iter__(self):
        for item in super().__iter__():
            time.sleep(0.004)
            yield item
write_tokens(Slow(corpus({sizes!r}).items), Tokenizer.bytes(), Path({folder!r}), progress=False)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.usefixtures("small_blocks")
def test_killed(tmp_path: Path) -> None:
    """Killed again and again at any moment, it comes to the same end."""
    path = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "src")]
    script = KILLED.format(path=path, sizes=SIZES, folder=str(tmp_path / "killed"))
    draft_state = "*.draft/state.json"
    chance = random.Random(0)
    for _ in range(3):
        before = [read_state(file.parent) for file in (tmp_path / "killed").glob(draft_state)]
        read = before[0].read if before and before[0] else 0
        process = subprocess.Popen([sys.executable, "-c", script])
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            states = [read_state(file.parent) for file in (tmp_path / "killed").glob(draft_state)]
            if any(state is not None and state.read > read for state in states) or process.poll() is not None:
                break
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert list((tmp_path / "killed").glob("*.draft")), "killed in the middle, or nothing is tested"
    killed = write(TEXTS, tmp_path / "killed", Tokenizer.bytes())
    whole = write(TEXTS, tmp_path / "whole", Tokenizer.bytes())
    assert files_of(killed) == files_of(whole)


@pytest.mark.usefixtures("small_blocks")
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoded: list[str]) -> None:
    append, appended = Draft.append, list[int]()

    def refusing(self: Draft, part: Part, columns: dict[str, object]) -> None:
        appended.append(1)
        if len(appended) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, part, columns)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Draft, "append", refusing)
        with pytest.raises(ValueError, match=r"The disk filled up while tokens were stored.*SELFSUP_CACHE"):
            write(TEXTS, tmp_path)
    before = len(encoded)
    store = TokenStore.open(write(TEXTS, tmp_path), context=T)
    assert store.documents == 120
    assert len(encoded) < before + 120, "three blocks were kept"


class Unplugged(Texts):
    """A corpus on a disk that somebody takes away."""

    def __iter__(self) -> Iterator[Text]:
        yield from self.items[:50]
        raise OSError(errno.EIO, "Input/output error")


def test_a_corpus_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"texts could not be read to its end: .*Input/output error"):
        write(Unplugged(TEXTS.items), tmp_path)


def test_what_it_takes_is_said_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    characters = survey(TEXTS).characters
    monkeypatch.setattr(writing, "_WORTH_SAYING", 0.0)
    expected = f"Tokenising {count_in_words(characters)} characters: about 1 s, "
    write_tokens(TEXTS, TRAINED, tmp_path / "a", survey=survey(TEXTS))
    assert expected in capsys.readouterr().err
    write_tokens(TEXTS, TRAINED, tmp_path / "b")
    assert "Tokenising texts: " in capsys.readouterr().err, "nothing tells how much there is"
    monkeypatch.setattr(writing, "CHUNK_CHARACTERS", characters // 4)
    size = sum(len(item.text.encode()) for item in TEXTS.items)
    write_tokens(Texts(TEXTS.items, bytes=size), TRAINED, tmp_path / "c")
    told = re.search(r"Tokenising ([\d.]+) k characters: about", capsys.readouterr().err)
    assert told is not None
    assert float(told[1]) == pytest.approx(characters / 1000, rel=0.2), "told from the first quarter"
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(ValueError, match=r"The tokens of texts need .* kB in .*, where 1 kB are free"):
        write_tokens(TEXTS, TRAINED, tmp_path / "d", survey=survey(TEXTS))


@pytest.mark.skipif(sys.platform == "win32" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ValueError, match=r"could not be stored.*SELFSUP_CACHE"):
        write(TEXTS, tmp_path / "sub")


def test_odd_documents(tmp_path: Path) -> None:
    """Empty ones, one of a single byte, one of a megabyte without a space, odd names, halves of characters."""
    items = [
        Text("empty", ""),
        Text("x", "x"),
        Text("long", "ß" * 500_000),
        Text("名/ü \udcff", "name"),
        Text("half", "a\ud83d"),
        Text("twice", "1"),
        Text("twice", "2"),
    ]
    store = TokenStore.open(write(Texts(items, skipped={"bad.txt": "no text"}), tmp_path), context=T)
    assert store.empty == 1
    assert store.skipped == {"bad.txt": "no text"}
    found = {store.document_id(number): TRAINED.decode(store.document_tokens(number)) for number in range(store.documents)}
    assert found.pop("twice") in ("1", "2")
    assert found == {"x": "x", "long": "ß" * 500_000, "名/ü \\udcff": "name", "half": "a\ufffd"}


def test_messages(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"texts holds no text \(1 documents are empty; 1 could not be read\)"):
        write(Texts([Text("a", "")], skipped={"b": "no"}), tmp_path)
    with pytest.raises(ValueError, match="All 1 documents of texts are held out"):
        write(Texts([Text("a", "text")]), tmp_path, hold_out=HoldOut(given={"a": "test"}))
    with pytest.raises(ValueError, match=r"holdout=0\.001 held out none of the 2 documents"):
        write(Texts([Text("a", "text"), Text("b", "text")]), tmp_path, hold_out=HoldOut(0.001))
    with pytest.raises(ValueError, match="name more than 1,000 languages, such as '997', '998', '999'"):
        write(Texts([Text(str(n), "text", str(n)) for n in range(1001)]), tmp_path)
    folder = write(Texts([Text("a", "text", "en"), Text("b", "text and text", "de")]), tmp_path)
    with pytest.raises(ValueError, match=r"texts holds \d+ tokens \(\d+ of de, \d+ of en\), which fill no row of 100\."):
        TokenStore.open(folder, context=100)
    with pytest.raises(ValueError, match="context=0 was given"):
        TokenStore.open(folder, context=0)
    with pytest.raises(ValueError, match="holds no tokens"):
        TokenStore.open(tmp_path / "nowhere", context=1)


def test_a_tokeniser_without_an_end(tmp_path: Path) -> None:
    from tokenizers import Tokenizer as Library
    from tokenizers import models

    tokenizer = Tokenizer(Library(models.WordLevel(vocab={"a": 0, "[UNK]": 1}, unk_token="[UNK]")))
    with pytest.raises(ValueError, match="no eos token, which joining documents needs"):
        write(TEXTS, tmp_path, tokenizer)


def test_batches_of_rows(tmp_path: Path) -> None:
    """What training sees: every row once, the same at the same step after a new start, slices for ranks."""
    store = TokenStore.open(write(TEXTS, tmp_path), context=T)
    batches = Batches(store, torch.arange(len(store)), batch_size=4, seed=0)
    seen = torch.cat([batches.at(step)["index"] for step in range(batches.steps_per_epoch)])
    assert len(set(seen.tolist())) == len(seen)
    uninterrupted = [batches.at(step) for step in range(40)]
    again = Batches(TokenStore.open(write(TEXTS, tmp_path), context=T), torch.arange(len(store)), batch_size=4, seed=0)
    for step in (39, 17, 18):
        batch = again.at(step)
        assert set(batch) == {"tokens", "document", "index"}
        for name in batch:
            assert torch.equal(batch[name], uninterrupted[step][name])
            halves = [again.at(step, part=(index, 2))[name] for index in range(2)]
            assert torch.equal(torch.cat(halves), batch[name])


def test_languages_get_their_shares(tmp_path: Path) -> None:
    texts = corpus({"en": 400, "de": 40, "zh": 4})
    texts.items = [*texts.items, Text("tiny", "ein", "is")]
    store = TokenStore.open(write(texts, tmp_path), context=T)
    mixture = Mixture(store.groups, Mixing())
    batches = Batches(store, mixture, batch_size=8, seed=0)
    spoken = {row: name for name, rows in store.groups.items() for row in rows}
    languages = [spoken[row] for step in range(batches.steps_per_epoch) for row in batches.at(step)["index"].tolist()]
    table = {row.language: row for row in language_table(store, mixture)}
    assert list(table) == ["en", "de", "zh", "is"], "largest first"
    for name, row in table.items():
        assert abs(languages.count(name) - row.sampled * len(store)) <= 8
        assert row.rows == len(store.groups.get(name, []))
    assert table["is"].rows == table["is"].sampled == 0
    assert table["zh"].repeats == pytest.approx(4)
    assert table["en"].sampled < table["en"].share
    assert table["en"].repeats == pytest.approx(table["en"].sampled / table["en"].share)
    own = [item.text for item in texts.items if item.language == "en"]
    tokens = sum(len(TRAINED.encode(text)) for text in own)
    assert table["en"].bytes_per_token == pytest.approx(sum(map(len, own)) / tokens)
    plain = language_table(store)
    assert all(row.sampled == row.share for row in plain)
    assert sum(row.share for row in plain) == pytest.approx(1)


def test_unknown_words_are_counted(tmp_path: Path) -> None:
    from tokenizers import Tokenizer as Library
    from tokenizers import models, pre_tokenizers

    backend = Library(models.WordLevel(vocab={"known": 0, "[UNK]": 1, "[EOS]": 2}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    texts = Texts([Text("a", "known words are known", "en"), Text("b", "known", "de")])
    store = TokenStore.open(write(texts, tmp_path, Tokenizer(backend)), context=1)
    assert {row.language: row.unknown for row in language_table(store)} == {"en": 0.5, "de": 0.0}


def test_everything_in_one_call(tmp_path: Path, encoded: list[str]) -> None:
    texts = Texts(TEXTS.items)

    def opened(**options: object) -> object:
        return open_tokens(texts, context=T, cache=tmp_path, progress=False, **options)  # type: ignore[arg-type]

    first = open_tokens(texts, context=T, tokenizer=400, hold_out=HoldOut(0.2), cache=tmp_path, progress=False)
    assert first.tokenizer.size == 400
    assert first.test is not None
    assert first.test.documents + first.train.documents == 120
    read, count = texts.read, len(encoded)
    assert read == 3 * 120, "counted, learned from, encoded"
    start = time.perf_counter()
    again = open_tokens(texts, context=T, tokenizer=400, hold_out=HoldOut(0.2), cache=tmp_path, progress=False)
    assert time.perf_counter() - start < 0.5
    assert (texts.read, len(encoded)) == (read, count), "found again"
    assert again.train.fingerprint == first.train.fingerprint
    assert again.tokenizer.fingerprint == first.tokenizer.fingerprint
    opened(tokenizer=Tokenizer.bytes())
    assert texts.read == read + 120
    plain = open_tokens(texts, context=T, cache=tmp_path, progress=False)
    assert plain.test is None
    assert plain.tokenizer.size > 400


LARGE = """
import resource, sys
from pathlib import Path
sys.path[:0] = {path!r}
from selfsup.data.tokens.store import TokenStore
from selfsup.data.tokens.writing import write_tokens
from selfsup.data.tokens.tokenizer import Tokenizer
from texts import Text, Texts
import torch
class Large(Texts):
    def __iter__(self):
        for number in range(int(self.name)):
            yield Text(f"a rather long name of a folder/{{number:09d}}", "word " * ({length} // 5), "en")
    def fingerprint(self):
        return self.name
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
def own():  # without pages of mapped files, of which the kernel maps as many around each read as it likes, and takes them back
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:")), None) or peak()
def written(count):
    return write_tokens(Large([], name=str(count)), Tokenizer.bytes(), Path({folder!r}), progress=False)
written({small})
before = peak()
folder = written({large})
after, own_after = peak(), own()
store = TokenStore.open(folder, context=128)
store.batch(torch.arange(0, len(store), len(store) // 64))
print(after - before, own() - own_after, len(store))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="not told there")
@pytest.mark.parametrize(("small", "large", "length"), [(20, 100, 500_000), (70_000, 200_000, 200)])
def test_memory_does_not_grow_with_the_corpus(tmp_path: Path, small: int, large: int, length: int) -> None:
    """Both corpora fill a block; the larger has 80 MB more of tokens in large documents, or 64 MB more and names in small ones."""
    path = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "src")]
    script = LARGE.format(path=path, folder=str(tmp_path), small=small, large=large, length=length)
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    grown, opened, rows = map(int, out.split())
    assert rows == (large * (length + 1)) // 128
    assert grown < 25e6
    assert opened < 25e6


def test_state_survives_the_disk(tmp_path: Path) -> None:
    state = State("key", "uint16", ["name", "root"], "print")
    assert (state.number("en"), state.number("de"), state.number("en")) == (0, 1, 0)
    state.counts["train"][1].tokens = 5
    with Draft(tmp_path / "d", state) as draft:
        draft.append("train", {"tokens": np.arange(5, dtype=np.uint16)})
        draft.commit()
    assert read_state(tmp_path / "d") == state


def told_of(texts: list[str], folder: Path) -> str | None:
    """What the notes of a token store say of repeats."""
    written = write(Texts([Text(str(number), text) for number, text in enumerate(texts)], name="mails"), folder)
    return TokenStore.open(written, context=2).notes.get("mails")


def test_repeats_are_noticed_and_what_to_do_is_said(tmp_path: Path) -> None:
    own = [f"Text number {number} says what no other text says of {number * number}." for number in range(90)]
    assert told_of(own, tmp_path / "own") is None
    assert told_of([*own, own[3]], tmp_path / "one") is None, "1 of 91 is not worth a word"
    words = "10 of 100 documents (10 %) are copies of others; --deduplicate leaves them out"
    assert told_of([*own, *(f" {text}\n" for text in own[:10])], tmp_path / "copies") == words
    footer = "This message is confidential and meant for you alone."
    texts = [f"{text}\n{footer}" if number < 45 else text for number, text in enumerate(own)]
    share = 45 * len(footer) / sum(map(len, texts))
    expected = f"{100 * share:.0f} % of the text are lines that more than 6 documents have; --deduplicate leaves them out"
    assert told_of(texts, tmp_path / "lines") == expected
    assert told_of([f"{text}\n{footer}" if number < 6 else text for number, text in enumerate(own)], tmp_path / "six") is None


def test_of_very_many_documents_some_are_watched_with_all_their_copies() -> None:
    """Of 40,000 documents 30 % are copies; 1,000 hashes at most are held, and tell it to a few points."""
    repeated = Repeated(most=1000)
    for number in range(40_000):
        repeated.add(f"Document {number if number < 28_000 else number - 28_000}")
        assert len(repeated.watched) <= 1000
    assert repeated.copies == pytest.approx(0.3, abs=0.04)
    assert str(repeated.in_words()).startswith("about ")
