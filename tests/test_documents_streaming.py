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

PEAK = """
import sys, tracemalloc
from selfsup.data.documents import deduplicate, open_documents
documents = open_documents(sys.argv[1])
if sys.argv[2] == "deduplicated":
    documents = deduplicate(documents, most_lines=100_000)
tracemalloc.start()
characters = sum(len(document.text) for document in documents)
print(characters, tracemalloc.get_traced_memory()[1])
"""


def peak(path: Path, how: str = "plain") -> tuple[int, int]:
    """Characters read, and the peak of Python's memory in bytes."""
    done = subprocess.run([sys.executable, "-c", PEAK, path, how], capture_output=True, text=True, check=True)
    characters, memory = map(int, done.stdout.split())
    return characters, memory


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
    path = tmp_path / "line.txt"
    path.write_bytes(b"word " * 20_000_000)
    characters, memory = peak(path)
    assert characters == 100_000_000
    assert memory < 6 * LONGEST
    assert all(document.text.endswith(" ") for document in open_documents(path))
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


@pytest.mark.parametrize("kind", ["txt", "csv", "jsonl", "parquet", "txt.zst"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, kind: str) -> None:
    """Four times the file, the same memory: 30 and 120 MB."""
    memory = []
    for times in (1, 4):
        path = tmp_path / f"{times}.{kind}"
        make(path, 600_000 * times)
        characters, used = peak(path)
        assert characters >= 29_000_000 * times
        memory.append(used)
        path.unlink()
    assert memory[1] < memory[0] * 1.2 + 1_000_000
    assert memory[1] < 6 * LONGEST


def make(path: Path, lines: int) -> None:
    """A file of so many lines of 50 signs."""
    line = "some words in a line that is fifty signs long, ok"
    assert len(line) == 49
    if path.suffix == ".parquet":
        schema = pa.schema([("text", pa.string())])
        with pq.ParquetWriter(path, schema) as writer:  # one group of rows for all
            writer.write_table(pa.table({"text": [f"{line}{row}" for row in range(lines)]}), row_group_size=lines)
        return
    if path.suffix == ".zst":
        with pa.CompressedOutputStream(str(path), "zstd") as packed:
            for start in range(0, lines, 1000):
                packed.write("".join(f"{line}{row}\n" for row in range(start, start + 1000)).encode())
        return
    with path.open("w", encoding="utf-8") as file:
        if path.suffix == ".csv":
            file.write("id,text\n")
        for row in range(lines):
            words = f"{line}{row}"
            file.write({".csv": f'{row},"{words}"\n', ".jsonl": f'{{"text": "{words}"}}\n'}.get(path.suffix, f"{words}\n"))


def test_memory_of_deduplication_is_bounded(tmp_path: Path) -> None:
    memory = []
    for times in (1, 3):
        path = tmp_path / f"{times}.jsonl"
        make(path, 300_000 * times)
        memory.append(peak(path, "deduplicated")[1])
        path.unlink()
    assert memory[1] - memory[0] < 600_000 * 100, "48 bytes a document, half as much again while growing"
