"""Deduplication: copies, quoted replies, signatures and boilerplate go, and nothing else does."""

from __future__ import annotations

import hashlib
import random
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selfsup.data.documents import Deduplicated, deduplicate, open_documents
from selfsup.data.documents.hashes import HashCounts, HashSet, hash_of
from text_files import write


def thinned(texts: list[str], **options: Any) -> tuple[list[str], Deduplicated]:
    documents = deduplicate(open_documents(texts), **options)
    return [document.text for document in documents], documents


def test_copies() -> None:
    texts = ["One text.", "Another text.", "one  TEXT.\n", "One text!", "One text."]
    found, documents = thinned(texts)
    assert found == ["One text.", "Another text.", "One text!"]
    assert documents.dropped.copies == 2
    assert documents.counts.documents == 3
    assert [document.text for document in documents] == found, "a second pass drops the same"
    assert (
        documents.notes["a list of 5 entries"].startswith("left out: 2 copies, 0") or "2 copies" in documents.notes["a list of 5 entries"]
    )
    assert [document.id for document in documents] == ["0000000", "0000001", "0000003"]


def test_copies_do_not_make_their_lines_frequent() -> None:
    found, _ = thinned(["The same text\nin all of them."] * 50 + ["Another."])
    assert found == ["The same text\nin all of them.", "Another."]


def test_boilerplate() -> None:
    texts = [f"Text {number}\n\nThis message is confidential.\n\nSee you, {number}\n" for number in range(20)]
    texts += [f"Note {number}\nthis  message is CONFIDENTIAL.\n}}\n}}" for number in range(5)]
    found, documents = thinned(texts)
    assert found[:2] == ["Text 0\n\nSee you, 0", "Text 1\n\nSee you, 1"]
    assert found[20] == "Note 0\n}\n}", "lines that say nothing stay"
    assert documents.dropped.lines == 25
    assert documents.dropped.frequent == {"This message is confidential.": 25}, "as it was written first"
    assert documents.dropped.characters == sum(map(len, texts)) - sum(map(len, found))
    assert thinned(texts, most_documents=25)[0] == texts
    assert thinned(texts, most_documents=24)[0] == found


def test_the_limit_is_a_number_of_documents_not_of_lines() -> None:
    texts = ["again\n" * 50 + f"text {number}" for number in range(6)]
    assert thinned(texts)[0] == texts
    texts.append("again\ntext 6")
    assert thinned(texts)[0] == [f"text {number}" for number in range(7)]


def test_nothing_is_left_of_a_document() -> None:
    texts = [f"text {number}\nEnd of page" for number in range(9)] + ["End of page"]
    found, documents = thinned(texts)
    assert found == [f"text {number}" for number in range(9)]
    assert documents.dropped.emptied == 1


def test_quoted_replies() -> None:
    first = "My printer does not print.\nIt worked yesterday.\n\nAnn"
    answer = "Is it plugged in?\n\nOn Monday Ann wrote:\n> My printer does not print.\n> It worked yesterday.\n>\n> Ann"
    again = "Oh. No.\n\n>> My printer does not print.\n>> It worked yesterday.\n> Is it plugged in?"
    verse = "A poem:\n\n> Nobody has written\n> this before.\n\nNice?"
    found, documents = thinned([first, answer, again, verse])
    assert found == [first, "Is it plugged in?", "Oh. No.", verse]
    assert documents.dropped.quotes == 2
    assert thinned([first, answer, again, verse], quotes=False)[0] == [first, answer, again, verse]


def test_a_text_that_is_quoted_a_thousand_times_stays_where_it_was_written() -> None:
    first = "My printer does not print at all.\nWhat now?"
    replies = [f"Reply {number}\n\n> My printer does not print at all.\n> What now?" for number in range(1000)]
    found, documents = thinned([*replies[:500], first, *replies[500:]])
    assert found == [f"Reply {number}" for number in range(500)] + [first] + [f"Reply {number}" for number in range(500, 1000)]
    assert documents.dropped.quotes == 1000
    assert documents.dropped.frequent["> My printer does not print at all."] == 1001


def test_quotes_that_were_broken_into_other_lines() -> None:
    """Mail programs break lines anew as they quote, behind hyphens too; what is told apart is whole paragraphs."""
    words = "The printer on the second floor has stopped again, its well-known red lamp blinks, and nobody here has the key to open it."
    first = textwrap.fill(words, 60) + "\n\nAnn"
    narrow = ["\n".join("> " + line for line in textwrap.wrap(words, width)) for width in range(30, 50)]
    assert any("well-\n" in quote for quote in narrow)
    replies = [f"Reply {number}\n\nAnn wrote:\n{quote}" for number, quote in enumerate(narrow)]
    half = "Yes.\n\n" + narrow[3] + "\n>\n> And what about\n> the other one?"
    verse = "No.\n\n> The printer on the second floor has stopped again, its lamp\n> is dark, and everybody has a key."
    for texts in ([first, *replies, half, verse], [words, *replies, half, verse]):  # the second was written on one line
        found, documents = thinned(texts)
        assert found == [texts[0], *(f"Reply {number}" for number in range(20)), "Yes.", verse]
        assert (documents.dropped.quotes, documents.dropped.lines) == (21, 0)


def test_hashes_are_those_of_the_text_without_case_and_white_space() -> None:
    odd = ["", " a", "a  b", "a b ", "A\tb\n", "\xa0a\u2003b", "a\u200bb", "stra\xdfe STRASSE", "a\x1fb", "a\x85b", "\ud800", "plain words"]
    for text in odd:
        plain = " ".join(text.split()).casefold().encode("utf-8", "replace")
        assert hash_of(text) == hashlib.blake2b(plain, digest_size=16).digest(), repr(text)


def test_signatures() -> None:
    sign = "\n-- \nBob Builder\nPhone: 123\nCan we fix it?"
    texts = [f"Text {number}{sign}" for number in range(3)]
    other = "Alone\n--\nA dash, then words that nobody else has."
    table = "head\n--\n" + "".join(f"row {number}\n" for number in range(30))
    found, documents = thinned([*texts, other, table])
    assert found == ["Text 0", "Text 1", "Text 2", other, table]
    assert documents.dropped.signatures == 3
    assert thinned(texts, signatures=False)[0] == texts
    above = [f"Answer {number}{sign}\n\n> A question of {number}\n> asked by {number}" for number in range(3)]
    assert thinned(above)[0] == [f"Answer {number}\n> A question of {number}\n> asked by {number}" for number in range(3)]


def test_tickets_a_thousand_times(tmp_path: Path) -> None:
    """Tickets-like work: the unique words of each stay, what is repeated goes and is named."""
    chance = random.Random(3)
    rows = ["id\ttext"]
    for number in range(1000):
        words = " ".join(chance.choice(["printer", "screen", "password", "mail", "slow", "broken"]) for _ in range(6)) + f" {number}"
        rows.append(
            f'T{number}\t"{words}\n\nOn Monday the help desk wrote:\n> Please describe your problem.\n\n-- \nACME Ltd\nAll rights reserved"'
        )
    documents = deduplicate(open_documents(write(tmp_path, {"t.tsv": "\n".join(rows)}) / "t.tsv", id="id"))
    found = {document.id: document.text for document in documents}
    assert len(found) == 1000
    assert all(text.endswith(f" {name[1:]}") and text.count("\n") == 0 for name, text in found.items())
    assert documents.dropped.quotes == documents.dropped.signatures == 1000
    assert set(documents.dropped.frequent.values()) == {1000}
    assert {"> Please describe your problem.", "ACME Ltd", "All rights reserved"} <= set(documents.dropped.frequent)
    assert "1,000 quotes, 1,000 signatures" in documents.notes[documents.name]


def test_findings_and_fingerprint(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "text", "b.txt": "text", "c.txt": b"", "d.txt": bytes(99)})
    source = open_documents(tmp_path)
    documents = deduplicate(source)
    assert [document.id for document in documents] == ["a.txt"]
    assert documents.skipped == {"c.txt": "empty", "d.txt": "nothing but NUL bytes"}
    assert documents.counts.empty == 1
    assert documents.counts.bytes_read == documents.bytes == 107
    assert documents.root == source.root
    prints = {source.fingerprint(), documents.fingerprint(), deduplicate(source, most_documents=7).fingerprint()}
    prints |= {deduplicate(source, quotes=False).fingerprint(), deduplicate(source, signatures=False).fingerprint()}
    assert len(prints) == 5
    assert documents.fingerprint() == deduplicate(open_documents(tmp_path)).fingerprint()
    with pytest.raises(ValueError, match="most_documents=0"):
        deduplicate(source, most_documents=0)


def test_hash_set() -> None:
    keys = [hash_of(str(number)) for number in range(5000)]
    known = HashSet()
    assert all(known.add(key) for key in keys)
    assert not any(known.add(key) for key in keys)
    assert len(known) == 5000
    assert hash_of("Größe  und\tMaß ") == hash_of("GRÖSSE UND MASS")
    assert hash_of("ab") != hash_of("a b")


def test_hash_counts_against_a_counter() -> None:
    chance = random.Random(0)
    counts, plain = HashCounts(1_000_000), Counter[str]()
    for _ in range(4000):
        some = {str(int(chance.paretovariate(0.3)) % 20_000) for _ in range(60)}
        counts.add({hash_of(word) for word in some})
        plain.update(some)
    words = [str(number) for number in range(20_000)]
    assert counts.find([hash_of(word) for word in words]).tolist() == [plain[word] for word in words]
    assert counts.find([]).tolist() == []
    assert len(counts) == len(plain)
    highest = counts.highest(20, least=1)
    assert sorted(highest.values()) == sorted(count for _, count in plain.most_common(20))
    counts.keep(3)
    assert counts.find([hash_of(word) for word in words]).tolist() == [plain[word] if plain[word] >= 3 else 0 for word in words]


def test_hash_counts_forget_the_rare() -> None:
    """A million lines that are seen once do not push out those that come again and again."""
    counts = HashCounts(100_000)
    chance = np.random.default_rng(0)
    for _ in range(500):
        rare = chance.bytes(16 * 2000)
        counts.add([hash_of("often"), *(rare[start : start + 16] for start in range(0, len(rare), 16))])
    assert counts.find([hash_of("often")]).tolist() == [500]
    assert len(counts) <= 100_000
    assert counts.forgotten > 0
