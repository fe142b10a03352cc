"""Tables as documents: columns found and named, any separator, broken rows, ids that embeddings can be joined by."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from selfsup.data.documents import Document, open_documents
from selfsup.data.documents.pieces import in_lines, in_pieces, numbered
from text_files import write


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet", "csv.gz", "parquet.gz"])
def test_columns(tmp_path: Path, ending: str) -> None:
    rows: list[dict[str, str | None]] = [
        {"Ticket": "T-7", "Subject": "Printer", "Body": "It is\nbroken, again", "Lang": "de", "label": "hardware"},
        {"Ticket": "T-8", "Subject": None, "Body": "Forgot my password", "Lang": None, "label": None},
        {"Ticket": "T-9", "Subject": None, "Body": None, "Lang": "en", "label": "empty"},
    ]
    path = tmp_path / f"tickets.{ending.removesuffix('.gz')}"
    if "parquet" in ending:
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif ending == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if ending == "tsv" else ";")
            writer.writeheader()
            writer.writerows(rows)
    if ending.endswith(".gz"):
        packed = path.with_name(f"tickets.{ending}")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path = packed
    named = open_documents(path, text="subject, body", id="ticket", language="lang")
    assert list(named) == [
        Document("T-7", "Printer\n\nIt is\nbroken, again", "de", {"Lang": "de", "label": "hardware"}),
        Document("T-8", "Forgot my password", None, {"Lang": None, "label": None}),
    ]
    assert named.counts.empty == 1
    assert named.counts.bytes_read == named.bytes == path.stat().st_size
    found = open_documents(path)
    assert [document.id for document in found] == [f"tickets.{ending}#1", f"tickets.{ending}#2"]
    assert [document.text for document in found] == ["It is\nbroken, again", "Forgot my password"]
    assert found.notes == {f"tickets.{ending}": "text column `Body`, told from its name; 1 of 3 rows are empty"}


@pytest.mark.parametrize(
    "content",
    [
        b"id,text\n1,Caf\xe9 au lait\n2,\xe0 la carte\n",
        "id;text\r\n1;Café au lait\r\n\r\n2;à la carte\r\n".encode("utf-8-sig"),
        "id\ttext\n1\tCafé au lait\n2\tà la carte\n".encode("utf-16"),
        "id\ttext\n1\tCafé au lait\n2\tà la carte\n".encode("utf-16-le"),
        '"id"|"text"\n"1"|"Café au lait"\n"2"|"à la carte"\n'.encode(),
        "id, text\n'1', 'Café au lait'\n'2', 'à la carte'\n".encode(),
        "sep=;\nid;text\n1;Café au lait\n2;à la carte".encode(),
    ],
)
def test_csv_of_any_kind(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, {"t.csv": content}) / "t.csv"
    assert [(document.text, document.columns) for document in open_documents(path)] == [
        ("Café au lait", {"id": "1"}),
        ("à la carte", {"id": "2"}),
    ]


def texts_of(tmp_path: Path, content: str, name: str = "t.csv") -> list[str]:
    return [document.text for document in open_documents(write(tmp_path, {name: content}) / name)]


def test_csv_as_people_write_it(tmp_path: Path) -> None:
    quoted = 'text,n\n"one, ""two""\n\nthree",1\n"he said \'hello\', twice",2\n'
    assert texts_of(tmp_path, quoted) == ['one, "two"\n\nthree', "he said 'hello', twice"]
    assert texts_of(tmp_path, "text\nWell, yes, no\nOne\n") == ["Well, yes, no", "One"], "one column needs no separator"
    assert texts_of(tmp_path, "id,text\n1,Well, yes\n2,One\n3,Two\n") == ["Well, yes", "One", "Two"], "commas that nobody quoted"
    escaped = 'n,text\n1,"He said \\"yes\\", twice"\n2,"plain"\n'
    assert texts_of(tmp_path, escaped) == ['He said "yes", twice', "plain"]
    assert texts_of(tmp_path, 'n,text\n1,a 5" disk\n2,"fine"\n') == ['a 5" disk', "fine"]
    unquoted = 'n\ttext\tlang\n1\t"Yes" he said\ten\n2\t"But why\ten\n3\tPlain\ten\n4\tHe said "so\ten\n'
    assert texts_of(tmp_path, unquoted, "t.tsv") == ['"Yes" he said', '"But why', "Plain", 'He said "so']
    assert texts_of(tmp_path, "id,text,label\n1,Well, yes,good\n2,One,bad\n3,Two,bad\n") == ["Well, yes", "One", "Two"]
    assert texts_of(tmp_path, "n,text\n1,one\x0ctwo\x0bthree\n") == ["one two three"], "no new row"
    assert texts_of(tmp_path, "n,text\n1,a\u2028b\x85c\n") == ["a\u2028b\x85c"], "only a newline ends a row"


def test_csv_without_a_header(tmp_path: Path) -> None:
    path = write(tmp_path, {"t.csv": '0,"What a lovely day it is."\n4,"Not so lovely, I must say."\n'}) / "t.csv"
    documents = open_documents(path)
    assert [(document.text, document.columns) for document in documents] == [
        ("What a lovely day it is.", {"column1": "0"}),
        ("Not so lovely, I must say.", {"column1": "4"}),
    ]
    assert "no line with the names of its columns" in documents.notes["t.csv"]


def test_cells_larger_than_pythons_csv_allows(tmp_path: Path) -> None:
    big = "word " * 100_000
    assert texts_of(tmp_path, f'id,text\n1,"{big}"\n2,small\n') == [big, "small"]


def test_a_quote_that_is_never_closed_costs_one_row(tmp_path: Path) -> None:
    rows = [f'{number},"text {number}"' for number in range(1, 1001)]
    rows[99] = '100,"text 100'
    rows[499] = '500,"text" 500'
    rows[999] = '1000,"text 1000'
    documents = open_documents(write(tmp_path, {"t.csv": "id,text\n" + "\n".join(rows)}) / "t.csv", id="id")
    found = {document.id: document.text for document in documents}
    assert set(map(str, range(1, 1001))) - set(found) == {"100", "1000"}
    assert found.pop("500") == '"text" 500', "as it stands"
    assert all(text == f"text {name}" for name, text in found.items())
    assert documents.skipped == {"t.csv, line 101": "a quote that is never closed", "t.csv, line 1,001": "a quote that is never closed"}


def test_broken_json_lines_are_named(tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"text {number}"}) for number in range(1, 101)]
    lines[9], lines[19], lines[29], lines[39], lines[49] = (
        '{"text": "cut',
        "[1]",
        "",
        "[" * 100_000,
        '{"text": "a\\ud83d\\ude00b\\ud83dc\\u0000"}',
    )
    path = write(tmp_path, {"t.jsonl": "\n".join(lines)}) / "t.jsonl"
    documents = open_documents(path)
    found = {document.id: document.text for document in documents}
    assert len(found) == 96
    assert found["t.jsonl#50"] == "a😀b\ufffdc", "escapes can hold halves of signs, which nothing else can"
    assert found["t.jsonl#100"] == "text 100"
    assert set(documents.skipped) == {"t.jsonl, line 10", "t.jsonl, line 20", "t.jsonl, line 40"}
    assert documents.skipped["t.jsonl, line 10"].startswith("no JSON: ")
    assert documents.skipped["t.jsonl, line 20"] == "list, where dict was expected"


def test_many_broken_lines_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, {"t.jsonl": '{"text": "good"}\n' + "broken\n" * 5000}) / "t.jsonl"
    documents = open_documents(path)
    assert len(list(documents)) == 1
    assert len(documents.skipped) == 21
    assert documents.skipped["t.jsonl, other rows"].startswith("4,980 more could not be read, the last at line 5,001")


def test_other_json_files(tmp_path: Path) -> None:
    write(
        tmp_path, {"a.json": '[{"text": "a"}]', "b.json": '{\n  "text": "b"\n}', "c.jsonl": '"one"\n"two"\n', "d.json": '{"text": "d"}\n'}
    )
    documents = open_documents(tmp_path)
    assert {document.id: document.text for document in documents} == {"c.jsonl#1": "one", "c.jsonl#2": "two", "d.json#1": "d"}
    assert set(documents.skipped) == {"a.json", "b.json"}
    assert "one object a line was expected" in documents.skipped["a.json"]


def test_nested_cells(tmp_path: Path) -> None:
    row = {"sentences": ["one", "two"], "vector": [0.1, 0.2], "meta": {"a": 1}, "y": True}
    path = write(tmp_path, {"t.jsonl": json.dumps(row)}) / "t.jsonl"
    assert list(open_documents(path, text="sentences")) == [Document("t.jsonl#1", "one\ntwo", None, {"y": "True"})]
    pq.write_table(pa.table({"sentences": [["one", "two"]], "vector": [[0.1]], "y": [b"bytes"], "text": ["x"]}), tmp_path / "t.parquet")
    assert list(open_documents(tmp_path / "t.parquet", text="sentences")) == [Document("t.parquet#1", "one\ntwo", None, {"text": "x"})]


def test_the_column_with_the_longest_texts(tmp_path: Path) -> None:
    table = "when,url,rating,name,said\n2020-01-01 10:00:00,https://example.org/a/very/long/address/indeed,5,Ann,It is quite good\n" * 1
    table += "2020-01-02 10:00:00,https://example.org/b/very/long/address/indeed,1,Bob,It is not good at all\n"
    documents = open_documents(write(tmp_path, {"t.csv": table}) / "t.csv")
    assert [document.text for document in documents] == ["It is quite good", "It is not good at all"]
    assert documents.notes == {"t.csv": "text column `said`, the one with the longest cells"}


def test_a_table_of_labels_beside_texts_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "a", "labels.csv": "path,label\na.txt,1\n"})
    documents = open_documents(tmp_path)
    assert [document.id for document in documents] == ["a.txt"]
    assert documents.skipped["labels.csv"].startswith("no column of text was found")


def test_tables_of_the_same_columns_are_read_alike(tmp_path: Path) -> None:
    """The longest texts are in another column in the second part; the choice of the first holds."""
    head = "left,right\n"
    write(tmp_path, {"1.csv": head + "a long text it is,a short one\n", "2.csv": head + "a short one,a very long text it is indeed\n"})
    assert [document.text for document in open_documents(tmp_path)] == ["a long text it is", "a short one"]


def test_ids_are_made_unique_and_noted(tmp_path: Path) -> None:
    write(tmp_path, {"1.csv": "id,text\na,one\na,two\na~2,three\n,four\n", "2.csv": "id,text\na,five\n"})
    documents = open_documents(tmp_path, id="id")
    assert {document.id: document.text for document in documents} == {
        "a": "one",
        "a~2": "two",
        "a~2~2": "three",
        "1.csv#4": "four",
        "a~3": "five",
    }
    assert "3 documents have the id of an earlier one, the first is 'a'" in documents.notes[str(tmp_path)]


def test_parquet_that_others_wrote(tmp_path: Path) -> None:
    words = pa.array(["one", "two", "three"])
    pq.write_table(pa.table({"text": words.dictionary_encode(), "n": [1, 2, 3]}), tmp_path / "a.parquet", row_group_size=1)
    pq.write_table(pa.table({"text": words.cast("binary"), "n": [1, 2, 3]}), tmp_path / "b.parquet")
    bad = pa.array([b"caf\xc3\xa9", b"caf\xe9", b"x"]).view(pa.string())
    pq.write_table(pa.table({"text": bad}), tmp_path / "c.parquet")
    found = [document.text for document in open_documents(tmp_path)]
    assert found == ["one", "two", "three", "one", "two", "three", "café", "caf\ufffd", "x"]


def test_pieces_and_lines() -> None:
    text = "".join(f"line {number}\n" for number in range(1000))
    for size in (1, 7, 100, 5000, 100_000):
        chunks = [text[start : start + size] for start in range(0, len(text), size)]
        pieces = list(in_pieces(chunks, longest=500))
        assert "".join(pieces) == text
        assert max(map(len, pieces)) <= 500
        assert all(piece.endswith("\n") for piece in pieces)
        long = list[int]()
        assert [line for _, line in in_lines(chunks, too_long=long.append, longest=7)] == [f"line {number}" for number in range(100)]
        assert long == list(range(101, 1001))
    assert all(piece.endswith(" ") for piece in in_pieces(["word " * 999], longest=104))
    assert [len(piece) for piece in in_pieces(["x" * 25], longest=10)] == [10, 10, 5]
    assert list(numbered("a", iter([]))) == []
    assert list(numbered("a", iter(["x"]))) == [("a", "x")]
    assert list(numbered("a", iter("xyz"))) == [("a#1", "x"), ("a#2", "y"), ("a#3", "z")]
