"""What a file holds by its ending: running text, or a table of one kind or another, packed or not."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from selfsup.data.decode import suffix_of

Format = Literal["text", "csv", "json", "parquet"]

PACKED = (".gz", ".zst")
_FORMATS: dict[str, Format] = {
    **dict.fromkeys((".txt", ".text", ".md", ".markdown", ".rst"), "text"),
    **dict.fromkeys((".csv", ".tsv", ".tab"), "csv"),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "json"),
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
}


def format_of(path: str) -> Format | None:
    """What a file holds, told from its name; None where that says nothing."""
    return _FORMATS.get(suffix_of(bare_name(path)))


def bare_name(path: str) -> str:
    """The name of a file without its folders and without the ending of a packed one: `a/b.TXT.gz` is `b.TXT`."""
    name = path.replace("\\", "/").rpartition("/")[2]
    return name[: -len(suffix)] if (suffix := suffix_of(name)) in PACKED else name


def looks_like_document(path: str) -> bool:
    """Whether a file's name says that it holds text."""
    return format_of(path) is not None


def has_no_ending(path: str) -> bool:
    """Whether a file's name says nothing: mail and newsgroups are kept as `37261` or `12.`; pipes, sockets and folders are not meant."""
    suffix = suffix_of(bare_name(path))
    return (not suffix or not suffix[1:] or suffix[1:].isdigit()) and Path(path).is_file()
