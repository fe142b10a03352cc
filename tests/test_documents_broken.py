"""Two hundred broken files among good ones: nothing is raised, each is named, all good documents arrive as they were."""

from __future__ import annotations

import gzip
import json
import os
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from selfsup.data.documents import open_documents
from text_files import ARTICLES, write

LONG = "".join(f"Line {number} of a longer text, Größe und Maß.\n" for number in range(20_000))
ENGLISH = "Plain words of English, of no interest to anybody.\n"


def without_text(chance: random.Random) -> dict[str, bytes]:
    """Files that hold no text at all: they have to be in `skipped`, and give no document."""
    files = {f"random{number}.txt": chance.randbytes(chance.randrange(40, 5000)) for number in range(30)}
    files |= {f"zeros{number}.md": bytes(10 ** (number % 5 + 1)) for number in range(10)}
    files |= {f"empty{number}.txt": (b"", b" \n\t\r\n", b"\xef\xbb\xbf", b"\n")[number % 4] for number in range(12)}
    heads = (
        b"%PDF-1.4\n",
        b"PK\x03\x04",
        b"\x89PNG\r\n\x1a\n",
        b"\x7fELF",
        b"\xff\xfe",
        b"\xff\xfe\0\0",
        b"\xfe\xff",
        b"SQLite format 3\0",
    )
    files |= {f"other{number}.txt": heads[number % len(heads)] + chance.randbytes(2000) for number in range(16)}
    files |= {f"noise{number}.jsonl": chance.randbytes(500) for number in range(5)}
    files |= {f"noise{number}.csv": chance.randbytes(500) for number in range(5)}
    files |= {f"noise{number}.parquet": b"PAR1" + chance.randbytes(500) for number in range(5)}
    files |= {f"head{number}.txt.gz": gzip.compress(LONG.encode())[: number + 5] for number in range(5)}
    return files


def half_of_it() -> dict[str, bytes]:
    """Files of which something can be read: they have to be in `skipped` or in `notes`, and what is read has to be true."""
    files = {}
    for number in range(25):
        files[f"cut{number}.txt"] = LONG[: 1000 + number].encode() + "ß".encode()[:1]
        files[f"cut{number}.txt.gz"] = gzip.compress(LONG.encode())[: -20 - 300 * number]
        packed = pa.compress(LONG.encode(), codec="zstd", asbytes=True)
        files[f"cut{number}.txt.zst"] = packed[: len(packed) - 5 - 10 * number]
    files |= {f"nul{number}.txt": f"{ENGLISH}\0{ENGLISH}".encode() for number in range(5)}
    files["line0.txt"] = b"word " * 4_000_000
    for language in ("de", "ru", "ja", "pl", "el", "ko", "zh-CN"):
        text, old = ARTICLES[language]
        files |= {f"{language}.{encoding}.txt": text.encode(encoding) for encoding in (*old, "utf-16-le", "utf-16-be", "utf-32-le")}
    return files


def broken_tables() -> dict[str, bytes]:
    """Tables with one bad row each, and good rows around it."""
    files = {}
    for number in range(10):
        rows = [json.dumps({"id": f"j{number}-{row}", "text": f"json text {row}"}) for row in range(20)]
        rows[number] = ('{"text": "cut', "}{", "nonsense", "[" * 10_000, "\x01{", '{"a": 1,}', "{'text': 'a'}", "NaN", "[1, 2]", "3")[
            number
        ]
        files[f"rows{number}.jsonl"] = "\n".join(rows).encode()
        rows = [f'c{number}-{row},"csv text {row}"' for row in range(20)]
        rows[number + 5] = f'c{number}-{number + 5},"csv text'
        files[f"rows{number}.csv"] = ("id,text\n" + "\n".join(rows)).encode()
    return files


def good(tmp_path: Path) -> dict[str, str]:
    """Good files between them, and their documents."""
    texts = {f"good/{number:03d}.txt": f"Good text number {number}: Größe, 日本, text\nwith lines.\n" for number in range(100)}
    write(tmp_path, dict(texts))
    write(tmp_path, {"good/t.jsonl": "".join(json.dumps({"text": f"row {row}"}) + "\n" for row in range(50))})
    write(tmp_path, {"good/t.csv": "text,n\n" + "".join(f'"row, {row}\nof two",{row}\n' for row in range(50))})
    pq.write_table(pa.table({"text": [f"row {row}" for row in range(50)]}), tmp_path / "good/t.parquet")
    return (
        texts
        | {f"good/t.{kind}#{row + 1}": f"row {row}" for kind in ("jsonl", "parquet") for row in range(50)}
        | {f"good/t.csv#{row + 1}": f"row, {row}\nof two" for row in range(50)}
    )


def test_two_hundred_broken_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(7)
    nothing, half, tables = without_text(chance), half_of_it(), broken_tables()
    meant = good(tmp_path)
    write(tmp_path / "bad", {**nothing, **half, **tables, "locked.txt": b"secret", "locked.parquet": b"secret"})
    (tmp_path / "bad" / "folder.txt").mkdir()
    (tmp_path / "bad" / "loop.txt").symlink_to(tmp_path / "bad" / "loop.txt")
    (tmp_path / "bad" / "up").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "bad" / "pipe.txt")
    lock(monkeypatch)

    documents = open_documents(tmp_path)
    found = {document.id: document.text for document in documents}

    assert {name: found.get(name) for name in meant} == meant
    named = documents.skipped.keys() | documents.notes.keys()
    odd = ["folder.txt", "loop.txt", "up", "pipe.txt", "locked.txt", "locked.parquet"]
    assert len(nothing) + len(half) + len(tables) + len(odd) >= 200
    assert [name for name in (*nothing, *odd) if f"bad/{name}" not in documents.skipped] == []
    assert [name for name in half if f"bad/{name}" not in named] == []
    assert [name for name in tables if not any(key.startswith(f"bad/{name}, line") for key in documents.skipped)] == []
    assert all(documents.skipped.values())
    from_bad = {name.removeprefix("bad/"): text for name, text in found.items() if name.startswith("bad/")}
    assert not [name for name in from_bad if name.partition("#")[0] in nothing]
    for name, text in from_bad.items():
        if name.startswith("cut"):
            assert LONG.startswith(text.rstrip("\ufffd")), name
    assert sum(name.startswith("rows") for name in from_bad) == 20 * 19
    assert from_bad["nul0.txt"] == ENGLISH * 2
    assert sum(len(text) for name, text in from_bad.items() if name.startswith("line0")) == 20_000_000
    for language in ("de", "ru", "ja", "pl", "el", "ko", "zh-CN"):
        assert {text for name, text in from_bad.items() if name.startswith(f"{language}.")} == {ARTICLES[language][0]}


def lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files called locked cannot be opened: permissions do not stop the superuser, who may be running this."""
    opened = Path.open

    def guarded(path: Path, *arguments: Any, **named: Any) -> Any:
        if path.name.startswith("locked"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", guarded)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read anything")
def test_permissions(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "a", "b.txt": "b"})
    (tmp_path / "b.txt").chmod(0)
    documents = open_documents(tmp_path)
    assert [document.id for document in documents] == ["a.txt"]
    assert documents.skipped == {"b.txt": "Permission denied"}


def test_a_damaged_file_gives_what_comes_before(tmp_path: Path) -> None:
    data = gzip.compress(LONG.encode())
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 255
    write(tmp_path, {"cut.txt.gz": data[: len(data) // 2], "flipped.txt.gz": bytes(flipped), "junk.txt.gz": data + b"junk"})
    rows = "".join(json.dumps({"text": f"row {row} Größe"}) + "\n" for row in range(20_000)).encode()
    packed = pa.compress(rows, codec="zstd", asbytes=True)
    write(tmp_path, {"cut.jsonl.zst": packed[: len(packed) // 2]})
    documents = open_documents(tmp_path)
    found = {document.id: document.text for document in documents}
    for name in ("cut.txt.gz", "flipped.txt.gz"):
        assert found[name][: len(LONG) // 3] == LONG[: len(LONG) // 3]
        assert found[name] != LONG
    assert LONG.startswith(found["cut.txt.gz"].rstrip("\ufffd"))
    assert found["junk.txt.gz"] == LONG
    rows_read = [text for name, text in found.items() if name.startswith("cut.jsonl")]
    assert rows_read == [f"row {row} Größe" for row in range(len(rows_read))]
    assert len(rows_read) > 5000
    for name in ("cut.txt.gz", "flipped.txt.gz", "junk.txt.gz", "cut.jsonl.zst"):
        assert documents.skipped[name].startswith("the rest of it: damaged "), name


def test_a_file_that_unpacks_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfsup.data.documents.unpacking._BOMB", 1 << 22)
    packed = pa.compress(b"text " * 4_000_000, codec="zstd", asbytes=True)
    write(tmp_path, {"bomb.txt.zst": packed})
    documents = open_documents(tmp_path)
    assert sum(len(document.text) for document in documents) < 8_000_000
    assert documents.skipped["bomb.txt.zst"] == "the rest of it: refused: unpacks to more than 500 times its size"
