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
import resource, sys
from selfsup.data.documents import deduplicate, open_documents
documents = open_documents(sys.argv[1])
if sys.argv[2] == "deduplicated":
    documents = deduplicate(documents, most_lines=10_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
characters = sum(len(document.text) for document in documents)
print(characters, 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""
WORDS = "some words in a line that is fifty signs long, ok " * 10


def growth(path: Path, how: str = "plain") -> tuple[int, int]:
    """Characters read, and by how many bytes the process grew at its largest."""
    done = subprocess.run([sys.executable, "-c", GROWTH, path, how], capture_output=True, text=True, check=True)
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
    characters, memory = growth(path)
    assert characters == 100_000_000
    assert memory < 8 * LONGEST
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


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted otherwise elsewhere")
@pytest.mark.parametrize("kind", ["txt", "csv", "jsonl", "parquet", "txt.zst", "txt.gz"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, kind: str) -> None:
    """Four times the file, the same memory: 40 and 160 MB."""
    memory = []
    for times in (1, 4):
        path = tmp_path / f"{times}.{kind}"
        make(path, 80_000 * times)
        characters, grown = growth(path)
        assert characters >= 40_000_000 * times
        memory.append(grown)
        path.unlink()
    assert memory[1] < memory[0] + 40_000_000
    assert memory[1] < 8 * LONGEST


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


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted otherwise elsewhere")
def test_memory_of_deduplication_is_bounded(tmp_path: Path) -> None:
    memory = []
    for rows in (50_000, 200_000):
        path = tmp_path / f"{rows}.jsonl"
        make(path, rows)
        memory.append(growth(path, "deduplicated")[1])
        path.unlink()
    assert memory[1] - memory[0] < 150_000 * 100, "48 bytes a document, half as much again while growing"
