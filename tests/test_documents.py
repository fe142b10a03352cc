"""Documents of folders, files, globs, lists and other things of Python, one by one."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from selfsup.data.documents import Document, Documents, looks_like_text, open_documents
from selfsup.data.documents.languages import LanguageRule, as_code
from text_files import write


def texts(documents: Documents) -> dict[str, str]:
    return {document.id: document.text for document in documents}


def zstd(data: bytes) -> bytes:
    packed = pa.compress(data, codec="zstd", asbytes=True)
    assert isinstance(packed, bytes)
    return packed


def test_folder_of_mixed_kinds(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "b/page10.txt": "ten",
            "b/page2.txt": "two\r\nlines\rthree",
            "a/notes.md": "# Notes",
            "a/deep/er/x.rst": "rst",
            "Größe/日本.text": "named",
            "table.csv": "id,text\n1,first\n2,second\n",
            "rows.jsonl": '{"text": "third"}\n',
            "rows.jsonl.gz": gzip.compress(b'{"text": "fourth"}\n'),
            "packed.TXT.zst": zstd(b"fifth"),
            "picture.png": b"x",
            ".hidden.txt": "x",
            "__MACOSX/a.txt": "x",
        },
    )
    documents = open_documents(tmp_path)
    assert list(texts(documents)) == [
        "a/deep/er/x.rst",
        "a/notes.md",
        "b/page2.txt",
        "b/page10.txt",
        "Größe/日本.text",
        "packed.TXT.zst",
        "rows.jsonl#1",
        "rows.jsonl.gz#1",
        "table.csv#1",
        "table.csv#2",
    ]
    found = texts(documents)
    assert found["b/page2.txt"] == "two\nlines\nthree"
    assert [found[name] for name in ("table.csv#1", "table.csv#2", "rows.jsonl#1", "rows.jsonl.gz#1", "packed.TXT.zst")] == [
        *("first", "second", "third", "fourth", "fifth")
    ]
    assert documents.skipped == {}
    assert documents.ignored == {".png": 1, "hidden": 2}
    assert documents.root == str(tmp_path.resolve())
    assert documents.bytes == documents.counts.bytes_read == sum(file.stat().st_size for file in tmp_path.rglob("[!.]*") if seen(file))
    assert documents.counts.documents == 10
    assert documents.counts.characters == sum(map(len, found.values()))


def seen(file: Path) -> bool:
    return file.is_file() and file.suffix != ".png" and "__MACOSX" not in file.parts


def test_each_pass_begins_anew_and_two_may_run_at_once(tmp_path: Path) -> None:
    write(tmp_path, {f"{number}.txt": f"text {number}" for number in range(5)} | {"bad.txt": b""})
    documents = open_documents(tmp_path)
    one = iter(documents)
    first = next(one)
    other = list(documents)
    assert first == other[0] == Document("0.txt", "text 0")
    assert [document.id for document in one] == [document.id for document in other[1:]]
    assert len(list(documents)) == 5
    assert documents.counts.documents == 5, "counts are those of the latest pass"
    assert documents.skipped == {"bad.txt": "empty"}
    next(iter(documents))
    assert documents.counts.documents == 1


def test_links_locked_files_and_folders_called_like_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path, {"a.txt": "a", "locked.txt": "l", "folder.txt/inner.txt": "inner", "deep/b.txt": "b"})
    (root / "empty.txt").mkdir()
    (root / "deep" / "up").symlink_to(root)
    (root / "self.txt").symlink_to(root / "self.txt")
    (root / "gone.txt").symlink_to(root / "nothing.txt")
    os.mkfifo(root / "pipe.txt")
    opened = Path.open

    def guarded(path: Path, *arguments: Any, **named: Any) -> Any:
        if path.name == "locked.txt":  # tests may run as root, who may read anything
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", guarded)
    documents = open_documents(root)
    assert texts(documents) == {"a.txt": "a", "deep/b.txt": "b", "folder.txt/inner.txt": "inner"}
    assert documents.skipped["locked.txt"] == "Permission denied"
    assert documents.skipped["empty.txt"] == "a folder, not a file"
    assert documents.skipped["gone.txt"] == "a link to nothing"
    assert documents.skipped["pipe.txt"] == "not a regular file"
    assert set(documents.skipped) == {"locked.txt", "empty.txt", "deep/up", "self.txt", "gone.txt", "pipe.txt"}


def test_a_file_that_vanishes_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "a", "b.txt": "b", "t.parquet": b"", "t.csv": "text\nx\n"})
    documents = open_documents(tmp_path)
    for name in ("b.txt", "t.parquet", "t.csv"):
        (tmp_path / name).unlink()
    assert texts(documents) == {"a.txt": "a"}
    assert set(documents.skipped) == {"b.txt", "t.parquet", "t.csv"}
    assert "No such file" in documents.skipped["b.txt"]


def test_file_glob_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path, {"a/1.txt": "1", "a/2.txt": "2", "a/b/3.txt": "3", "[x]/4.txt": "4", "a/page.html": "<p>5</p>", "mail": "6"})
    assert texts(open_documents(root / "a/1.txt")) == {"1.txt": "1"}
    assert texts(open_documents(root / "a/page.html")) == {"page.html": "<p>5</p>"}, "whatever is named itself is read"
    assert texts(open_documents(str(root / "**" / "*.txt"))) == {"[x]/4.txt": "4", "a/1.txt": "1", "a/2.txt": "2", "a/b/3.txt": "3"}
    assert texts(open_documents(str(root / "[x]"))) == {"4.txt": "4"}
    assert texts(open_documents([root / "a/b/3.txt", root / "a/1.txt"])) == {"1.txt": "1", "b/3.txt": "3"}
    monkeypatch.chdir(root)
    assert set(texts(open_documents("a\\b"))) == {"3.txt"}


def test_files_without_an_ending(tmp_path: Path) -> None:
    write(tmp_path, {"rec.autos/101": "about cars", "rec.autos/12.": "mail", "sci.space/5": bytes(range(256))})
    documents = open_documents(tmp_path)
    assert texts(documents) == {"rec.autos/12.": "mail", "rec.autos/101": "about cars"}
    assert documents.skipped == {"sci.space/5": "binary data, not text"}


def test_a_packed_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": gzip.compress(b"a"), "b.txt.gz": "not packed", "c.txt.gz": gzip.compress(b"c1, ") + gzip.compress(b"c2")})
    assert texts(open_documents(tmp_path)) == {"a.txt": "a", "b.txt.gz": "not packed", "c.txt.gz": "c1, c2"}


def test_lists_and_iterables() -> None:
    assert texts(open_documents(["one", "two\r\n", " "])) == {"0000000": "one", "0000001": "two\n"}
    assert texts(open_documents([("x", "one"), ("x", "two"), ("x~2", "three")])) == {"x": "one", "x~2": "two", "x~2~2": "three"}
    rows = [{"name": "a", "body": "one", "n": 1}, {"name": "b", "body": "two", "n": None}]
    documents = open_documents(rows, id="name")
    assert list(documents) == [Document("a", "one", None, {"n": "1"}), Document("b", "two", None, {"n": None})]
    assert documents.notes == {"a list of 2 entries": "text column `body`, told from its name"}

    def several() -> Iterator[str]:
        yield from ("one", "two")

    for data in (several, pa.table({"text": ["one", "two"]}), pd.DataFrame({"text": ["one", "two"]}), {"text": ["one", "two"]}):
        for _ in range(2):
            assert list(texts(open_documents(data)).values()) == ["one", "two"]
    assert [document.columns for document in open_documents(pd.DataFrame({"text": ["one"], "y": [2]}))] == [{"y": "2"}]
    documents = open_documents(["good", 5, None, ("id", "pair"), b"bytes"])
    assert list(texts(documents).values()) == ["good", "pair", "bytes"]
    assert documents.skipped == {
        "a list of 5 entries, 0000001": "int, where a text or a pair (id, text) was expected",
        "a list of 5 entries, 0000002": "NoneType, where a text or a pair (id, text) was expected",
    }
    assert open_documents(documents) is documents


def test_fingerprints(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "one", "b.csv": "text,lang\nx,de\n"})
    first = open_documents(tmp_path).fingerprint()
    assert first == open_documents(str(tmp_path)).fingerprint()
    others = [
        open_documents(tmp_path, encoding="cp1252"),
        open_documents(tmp_path, language="folder"),
        open_documents(tmp_path, language="lang"),
        open_documents(tmp_path, text="text"),
        open_documents(tmp_path / "a.txt"),
        open_documents(["one"]),
        open_documents(["one", "two"]),
        open_documents(["onetwo"]),
        open_documents([{"text": "one", "y": 1}]),
    ]
    prints = [first, *(other.fingerprint() for other in others)]
    assert len(set(prints)) == len(prints)
    assert open_documents(lambda: iter(["one"])).fingerprint() == open_documents(["one"]).fingerprint()
    write(tmp_path, {"a.txt": "other"})
    assert open_documents(tmp_path).fingerprint() != first


def test_languages(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "de/x/a.txt": "a",
            "pt_br/b.txt": "b",
            "c.txt": "c",
            "t.csv": "text,lang,n\nd,EN,1\ne,,2\nf,German,3\n",
            "de/page.fr.md": "g",
            "de/page_pt_BR.txt.gz": "h",
            "de/minutes_of.txt": "i",
            "it.txt": "k",
        },
    )

    def found(language: str | None) -> dict[str, str | None]:
        return {document.text: document.language for document in open_documents(tmp_path, language=language)}

    assert set(found(None).values()) == {None}
    assert set(found("=nl").values()) == {"nl"}
    nothing = dict.fromkeys("abcdefghik")
    assert found("folder") == nothing | dict.fromkeys("aghi", "de") | {"b": "pt-BR"}
    assert found("folder:2") == nothing | {"a": "x"}
    assert found("name") == nothing | {"g": "fr", "h": "pt-BR", "k": "it"}
    assert found("lang") == nothing | {"d": "en", "f": "German"}
    assert [as_code(word) for word in ("DE", "zh_hant_tw", "en-us", "English", None)] == ["de", "zh-Hant-TW", "en-US", "English", None]
    for wrong in ("folder:0", "=", "", "folder:x"):
        with pytest.raises(ValueError, match=r"Expected a column's name, 'folder'"):
            LanguageRule.parse(wrong)


def test_messages(tmp_path: Path) -> None:
    write(
        tmp_path, {"pictures/a.png": b"x", "x.zip": b"PK", "t.csv": "path,label\na.png,1\nb.png,2\n", "a.txt": "text", "bad/a.txt": b"\0"}
    )
    (tmp_path / "empty").mkdir()
    cases: list[tuple[Any, dict[str, str], str]] = [
        (tmp_path / "pictures", {}, r"holds no text, but other files \(1 \.png\)"),
        (tmp_path / "empty", {}, "is empty. Expected texts: a folder"),
        (tmp_path / "missing" / "x", {}, f"There is no .* nearest folder there is: {tmp_path}"),
        (str(tmp_path / "*.rst"), {}, "matches no file"),
        (tmp_path / "x.zip", {}, "Unpack it"),
        (tmp_path / "t.csv", {}, "no column of text was found.*`path`, `label`"),
        (tmp_path / "t.csv", {"text": "body"}, "no column `body`; the columns are `path`, `label`"),
        (tmp_path / "t.csv", {"text": "label", "id": "key"}, "no column `key`"),
        (tmp_path / "a.txt", {"text": "body"}, r"Columns were named \(body\), but .* holds no table"),
        (tmp_path, {"text": "body"}, "no column `body`"),
        (tmp_path, {"language": "lang"}, "no column `lang`"),
        (tmp_path, {"encoding": "base64"}, "encoding='base64'"),
        (tmp_path, {"encoding": "utf-9"}, "encoding='utf-9'"),
        ("", {}, "empty path"),
        ([], {}, "is empty"),
        ((text for text in ["a"]), {}, "generator was given, which can be read only once"),
        (iter(["a"]), {}, "list_iterator was given"),
        (7, {}, "int was given. Expected texts"),
        ([1, 2], {}, "begins with int"),
        ([{"a": 1}], {}, "no column of text"),
        (["text"], {"id": "name"}, r"texts without columns, but columns were named \(name\)"),
        ([str(tmp_path / "a.txt")], {}, r"list of names of files .* give Path\("),
        ({"text": ["a"], "y": []}, {}, "different lengths"),
        ({"text": "a"}, {}, "Expected columns"),
    ]
    for data, options, words in cases:
        with pytest.raises(ValueError, match=words):
            open_documents(data, **options)


def test_a_pass_without_any_document_says_why(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": b"\0\1\2\3" * 99, "b.txt": "  \n"})
    with pytest.raises(
        ValueError, match=r"gave no document\. 2 could not be read, for example a\.txt: binary data, not text\. 1 were empty"
    ):
        list(open_documents(tmp_path))
    with pytest.raises(ValueError, match=r"gave no document\. 2 were empty"):
        list(open_documents(["", " "]))


def test_kind(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "texts/a.txt": "a",
            "texts/b.md": "b",
            "texts/figure.png": b"x",
            "pictures/a.png": b"x",
            "pictures/b.jpg": b"x",
            "pictures/labels.csv": "path,label\na.png,1\n",
            "mail/1": "a mail",
            "rows.csv": "id,body\n1,some words here\n",
            "paths.csv": "path,caption\na.png,some words here\n",
            "rows.jsonl": '{"text": "a"}\n',
            "pixels.jsonl": '{"image": [1, 2], "text": "a"}\n',
            "broken.parquet": b"x",
            "a.jpg": b"\xff\xd8\xff",
        },
    )
    texts_here = ["texts", "texts/a.txt", "mail", "rows.csv", "rows.jsonl", "texts/*.*"]
    others = ["pictures", "a.jpg", "paths.csv", "pixels.jsonl", "broken.parquet", "pictures/*", "missing"]
    assert [name for name in (*texts_here, *others) if looks_like_text(str(tmp_path / name))] == texts_here
    assert looks_like_text(["some text", "another"])
    assert looks_like_text([{"text": "some text"}])
    assert looks_like_text({"text": ["some text"]})
    assert looks_like_text(pd.DataFrame({"text": ["a"]}))
    assert looks_like_text(lambda: ["a"])
    assert looks_like_text(open_documents(["a"]))
    table = pa.table({"image": [b"x"], "text": ["a"]})
    pictures: list[object] = [["a.jpg", "b.png"], [{"image": 1, "text": "a"}], table, [1], [], 7, None]
    assert not [data for data in pictures if looks_like_text(data)]
