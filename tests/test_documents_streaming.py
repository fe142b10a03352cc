"""Huge files: cut into pieces, in memory that does not grow with them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from selfsup.data.documents import open_documents
from selfsup.data.documents.pieces import LONGEST
from text_files import write

GROWTH = """
import re, sys
from pathlib import Path
from selfsup.data.documents import deduplicate, open_documents

def memory(kind):
    return 1024 * int(re.search(rf"{kind}:\\s+(\\d+) kB", Path("/proc/self/status").read_text()).group(1))

for path in sys.argv[1:]:
    documents = open_documents(path)
    if "repeated" in path:
        documents = deduplicate(documents, most_lines=10_000)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: man 5 proc
    before = memory("VmRSS")
    characters = sum(len(document.text) for document in documents)
    print(characters, memory("VmHWM") - before)
"""
WORDS = "some words in a line that is fifty signs long, ok " * 10
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is counted otherwise elsewhere")


def growth(*paths: Path) -> list[tuple[int, int]]:
    """For each file, the characters read, and by how many bytes the process was larger at its largest."""
    done = subprocess.run([sys.executable, "-c", GROWTH, *paths], capture_output=True, text=True, check=True)
    return [(int(characters), int(memory)) for characters, memory in map(str.split, done.stdout.splitlines())]


def test_a_large_file_is_cut_at_line_ends(tmp_path: Path) -> None:
    text = "".join(f"line {number}, Größe\n" for number in range(1_500_000))
    path = write(tmp_path, {"large.txt": text}) / "large.txt"
    documents = open_documents(path, language="=de")
    found = list(documents)
    assert [document.id for document in found] == ["large.txt#1", "large.txt#2"]
    assert "".join(document.text for document in found) == text
    assert all(document.text.endswith("\n") and document.language == "de" for document in found)
    assert len(found[0].text) <= LONGEST
    assert documents.notes == {"large.txt": "cut into 2 pieces of at most 16,777,216 characters"}
    assert documents.counts.bytes_read == path.stat().st_size


def test_one_line_of_a_hundred_megabytes(tmp_path: Path) -> None:
    """As running text between words; as a row of a table it is one document, cut as well."""
    path = write(tmp_path, {"line.txt": b"word " * 20_000_000}) / "line.txt"
    found = list(open_documents(path))
    assert [document.id for document in found] == [f"line.txt#{number}" for number in range(1, 7)]
    assert all(document.text.endswith("word ") for document in found)
    assert sum(len(document.text) for document in found) == 100_000_000
    row = json.dumps({"name": "x", "text": "word " * 4_000_000, "y": 1})
    documents = open_documents(write(tmp_path, {"t.jsonl": f'{{"text": "a"}}\n{row}\n{{"text": "b"}}'}) / "t.jsonl")
    found = list(documents)
    assert [document.id for document in found] == ["t.jsonl#1", "t.jsonl#2#1", "t.jsonl#2#2", "t.jsonl#3"]
    assert found[2].columns == {"name": "x", "y": "1"}


def test_a_row_longer_than_any_row_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("csv_rows", "json_rows"):
        monkeypatch.setattr(f"selfsup.data.documents.{module}.LONGEST_ROW", 1000)
    write(tmp_path, {"t.jsonl": '{"text": "a"}\n' + json.dumps({"text": "b" * 2000}) + '\n{"text": "c"}'})
    write(tmp_path, {"t.csv": "text\na\n" + "b" * 2000 + "\nc"})
    documents = open_documents(tmp_path)
    assert [document.text for document in documents] == ["a", "c", "a", "c"]
    assert documents.skipped == {f"t.{kind}, line {line}": "longer than a row may be" for kind, line in (("jsonl", 2), ("csv", 3))}


@on_linux
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Files of 160 MB, one after the other in one process, that may not grow by as much."""
    paths = [tmp_path / f"large.{kind}" for kind in ("txt", "txt.zst", "txt.gz", "csv", "jsonl", "parquet")]
    for path in paths:
        make(path, 320_000)
    for path, (characters, grown) in zip(paths, growth(*paths), strict=True):
        assert characters >= 160_000_000, path
        assert grown < 150_000_000, path


@on_linux
def test_memory_of_deduplication_is_bounded(tmp_path: Path) -> None:
    """Three times the documents, and at most 72 bytes more for each: 48, and half as much again while growing."""
    paths = [tmp_path / "repeated.1.jsonl", tmp_path / "repeated.3.jsonl"]
    for path, rows in zip(paths, (40_000, 120_000), strict=True):
        make(path, rows)
    (_, small), (_, large) = growth(*paths)
    assert large - small < 80_000 * 72 + 5_000_000


def make(path: Path, rows: int) -> None:
    """A file of so many rows of 500 signs, no two alike."""
    if path.suffix == ".parquet":
        table = pa.table({"text": [f"{WORDS}{row}" for row in range(rows)]})
        pq.write_table(table, path, row_group_size=rows, use_dictionary=False)  # all in one group of rows
        return
    first = "id,text\n" if path.suffix == ".csv" else ""
    form = {".csv": '{row},"{words}{row}"\n', ".jsonl": '{{"text": "{words}{row}"}}\n'}.get(path.suffix, "{words}{row}\n")
    with pa.output_stream(str(path)) as file:  # packs by the ending
        file.write(first.encode())
        for start in range(0, rows, 1000):
            file.write("".join(form.format(row=row, words=WORDS) for row in range(start, start + 1000)).encode())
