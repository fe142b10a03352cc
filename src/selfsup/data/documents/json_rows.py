"""Rows of a file with one JSON object a line; a broken line is named and left out."""

from __future__ import annotations

import json
from collections.abc import Iterator

from selfsup.data.documents.csv_rows import TOO_LONG, Trouble
from selfsup.data.documents.pieces import LONGEST_ROW, in_lines
from selfsup.data.encodings import NoText


def json_rows(chunks: Iterator[str], *, trouble: Trouble) -> Iterator[tuple[int, dict[str, object]]]:
    """Each line's object with its number; in a file of strings, {"text": ...}. Raises NoText for one JSON value over many lines."""
    kind: type | None = None
    for number, line in in_lines(chunks, too_long=lambda line: trouble(f"line {line:,}", TOO_LONG), longest=LONGEST_ROW):
        words = line.strip()
        if not words:
            continue
        if kind is None and (words[0] == "[" or words == "{"):
            raise NoText("one JSON value over the whole file; one object a line was expected (`jq -c '.[]' FILE` makes it so)")
        try:
            value = json.loads(words)
        except RecursionError:
            trouble(f"line {number:,}", "JSON nested too deeply")
        except ValueError as error:
            trouble(f"line {number:,}", f"no JSON: {error}")
        else:
            kind = kind or (str if isinstance(value, str) else dict)
            if isinstance(value, kind):
                row: dict[str, object] = value if isinstance(value, dict) else {"text": value}
                yield number, row
            else:
                trouble(f"line {number:,}", f"{type(value).__name__}, where {kind.__name__} was expected")
