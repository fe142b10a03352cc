"""Encodings: told from bytes, never silently wrong; what is no text is refused."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from selfsup.data.documents import Documents, open_documents
from selfsup.data.encodings import NoText, detect
from selfsup.data.tables import read_table
from selfsup.data.writing import strangeness
from text_files import ARTICLES, write

WIDE = ("utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


@pytest.mark.parametrize("language", ARTICLES)
def test_every_encoding_of_every_language(tmp_path: Path, language: str) -> None:
    text, old = ARTICLES[language]
    write(tmp_path, {f"{encoding}.txt": text.encode(encoding) for encoding in (*WIDE, *old)})
    documents = open_documents(tmp_path)
    assert {document.id: document.text for document in documents} == {f"{encoding}.txt": text for encoding in (*WIDE, *old)}
    assert set(documents.notes) == {f"{encoding}.txt" for encoding in (*WIDE[4:], *old)}, "what was guessed is noted, and only that"


def test_long_texts_too(tmp_path: Path) -> None:
    """A megabyte, so that a sample has to do; and a first half without anything but ASCII."""
    for language in ("de", "ru", "ja", "zh-TW"):
        text, old = ARTICLES[language]
        long = "Nothing but ASCII here, for a long time.\n" * 40_000 + f"{text}\n" * 9000
        for encoding in (old[0], "utf-8", "utf-16-le"):
            path = write(tmp_path, {"long.txt": long.encode(encoding)}) / "long.txt"
            assert "".join(document.text for document in open_documents(path)) == long, (language, encoding)


def test_strangeness_of_clean_and_of_wrong_texts() -> None:
    for language, (text, old) in ARTICLES.items():
        east = {"ja": "cp932", "zh-CN": "gb18030", "zh-TW": "big5", "ko": "cp949"}.get(language, "")
        assert strangeness(text, east) < 0.05, language
        assert strangeness(text.encode(old[0]).decode("mac_roman", "replace")) > 0.2 or not east, language
    assert strangeness("Größe".encode().decode("cp1252")) > 0.3
    assert strangeness("nothing but ASCII") == 0.0
    assert strangeness("“Quoted” – it’s 20 € … ©") == 0.0


def test_an_encoding_that_is_given(tmp_path: Path) -> None:
    text = ARTICLES["de"][0]
    write(tmp_path, {"a.txt": text.encode("cp1252"), "b.txt": text.encode("utf-8"), "c.txt": b"ASCII"})
    documents = open_documents(tmp_path, encoding="cp1252")
    found = {document.id: document.text for document in documents}
    assert found["a.txt"] == text
    assert found["c.txt"] == "ASCII"
    assert documents.notes == {"b.txt": "fits UTF-8, but was read as cp1252"}
    documents = open_documents(tmp_path, encoding="UTF8")
    assert {document.id: document.text for document in documents} == {"b.txt": text, "c.txt": "ASCII"}
    assert documents.skipped == {"a.txt": "does not fit the encoding that was given, UTF8"}
    write(tmp_path, {"a.txt": "Größe".encode("utf-8-sig"), "b.txt": "Größe", "c.txt": "x"})
    assert [document.text for document in open_documents(tmp_path, encoding="utf-8")] == ["Größe", "Größe", "x"]


def test_broken_utf8_is_kept_and_named(tmp_path: Path) -> None:
    text = ARTICLES["fr"][0]
    data = text.encode()
    write(
        tmp_path,
        {
            "cut.txt": "dignité, égaux, égalité".encode()[:-1],
            "broken.txt": data[:40] + b"\xff" + data[40:],
            "meant.txt": f"{text} \ufffd",
            "whole.txt": text,
            "last.txt": "only é".encode("cp1252"),
        },
    )
    documents = open_documents(tmp_path)
    found = {document.id: document.text for document in documents}
    assert found["cut.txt"] == "dignité, égaux, égalit\ufffd"
    assert found["broken.txt"] == data[:40].decode() + "\ufffd" + data[40:].decode()
    assert found["meant.txt"] == f"{text} \ufffd"
    assert found["last.txt"] == "only é"
    assert documents.notes["cut.txt"] == documents.notes["broken.txt"] == "bytes that are no UTF-8 became U+FFFD in 1 place"
    assert set(documents.notes) == {"cut.txt", "broken.txt", "last.txt"}
    assert documents.skipped == {}


def test_what_is_taken_out(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "nul.txt": b"one\x00 two\x00",
            "bell.txt": b"one\x07 two",
            "page.txt": b"one\x0ctwo\x0bthree",
            "colour.txt": b"\x1b[1;31mred\x1b[0m and \x1b[Kplain",
            "mark.txt": "one\ufefftwo",
            "ends.txt": b"a\r\nb\rc\nd\r\n",
        },
    )
    documents = open_documents(tmp_path)
    assert {document.id: document.text for document in documents} == {
        "nul.txt": "one two",
        "bell.txt": "one two",
        "page.txt": "one\ntwo\nthree",
        "colour.txt": "red and plain",
        "mark.txt": "onetwo",
        "ends.txt": "a\nb\nc\nd\n",
    }
    assert documents.notes["nul.txt"] == "2 NUL bytes were removed"
    assert documents.notes["bell.txt"] == "1 control signs were removed"


def test_line_ends_and_colours_across_chunks(tmp_path: Path) -> None:
    """Chunks end after a megabyte, here in the middle of everything that takes more than one sign."""
    for middle in (b"\r\n", b"\x1b[1;31m", "é".encode(), "日".encode(), "😀".encode()):
        for before in range(1, len(middle)):
            data = b"a" * ((1 << 20) - before) + middle + b"b"
            path = write(tmp_path, {"a.txt": data}) / "a.txt"
            text = "".join(document.text for document in open_documents(path))
            meant = {b"\r\n": "\n", b"\x1b[1;31m": ""}.get(middle, middle.decode())
            assert text == "a" * ((1 << 20) - before) + meant + "b"


def skipped(documents: Documents) -> dict[str, str]:
    list(documents)
    return documents.skipped


def test_no_text_is_refused(tmp_path: Path) -> None:
    chance = random.Random(0)
    write(
        tmp_path,
        {
            **{f"random{number}.txt": chance.randbytes(number) for number in (24, 100, 1000, 100_000)},
            "zeros.txt": bytes(100),
            "picture.txt": b"\x89PNG\r\n\x1a\n" + chance.randbytes(50),
            "office.md": b"PK\x03\x04" + chance.randbytes(500),
            "page.txt": b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n",
            "marked16.txt": b"\xff\xfe" + chance.randbytes(1000),
            "marked8.txt": b"\xef\xbb\xbf" + ARTICLES["ru"][0].encode("cp1251"),
            "tail.txt": b"text " * 300_000 + chance.randbytes(1 << 20),
            "utf8tail.txt": "Größe ".encode() * 300_000 + chance.randbytes(1 << 21),
            "good.txt": "good",
        },
    )
    found = skipped(open_documents(tmp_path))
    assert len(found) == 12
    assert "good.txt" not in found
    assert found["picture.txt"] == "a PNG picture, not text"
    assert found["office.md"] == "a ZIP archive or an Office file, not text"
    assert found["zeros.txt"] == "nothing but NUL bytes"
    assert found["tail.txt"] == "the rest of it: binary data, not text"
    assert found["utf8tail.txt"] == "the rest of it: turns into binary data"
    for number in (24, 100, 1000, 100_000):
        assert found[f"random{number}.txt"].startswith(("binary data", "bytes that fit no encoding"))


def test_random_bytes_are_hardly_ever_text() -> None:
    chance = random.Random(1)
    taken = 0
    for size in (30, 60, 200, 3000):
        for _ in range(25):
            try:
                detect(chance.randbytes(size))
                taken += 1
            except NoText:
                pass
    assert taken == 0


def test_label_tables_are_read_with_the_same_eyes(tmp_path: Path) -> None:
    write(tmp_path, {"t.csv": "path;label\na.png;Польша\nb.png;Россия и Москва\n".encode("cp1251")})
    assert read_table(tmp_path / "t.csv")["label"] == ["Польша", "Россия и Москва"]
    write(tmp_path, {"b.csv": bytes(range(256)) * 4})
    with pytest.raises(ValueError, match="binary data"):
        read_table(tmp_path / "b.csv")
