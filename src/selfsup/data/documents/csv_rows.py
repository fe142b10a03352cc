"""Rows of a CSV file in a stream, whatever its separator; a quote that is never closed costs one row, not the rest of the file."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from selfsup.data.csv_dialect import Dialect, find_dialect
from selfsup.data.documents.pieces import LONGEST_ROW, in_lines
from selfsup.data.tables import LABEL_NAMES, PATH_NAMES, unique_names

Trouble = Callable[[str, str], None]
"""Told the place and the reason when a row cannot be read."""

_MOST_LINES = 100_000  # of one row: more, and its quote is taken for a broken one
_HEAD = 1 << 16
TOO_LONG = "longer than a row may be"
_NOTHING = "\x1f"  # cleaned text does not hold it: with one column there is nothing to separate


def csv_rows(chunks: Iterator[str], *, names: frozenset[str], trouble: Trouble, note: Callable[[str], None]) -> Iterator[dict[str, object]]:
    """Each row by the names of its columns, None where it is too short; `names` are those that columns of text are known by.

    Cells beyond the header belong to the column of text, with their separators: nobody quoted its commas.
    """
    # Python's csv refuses cells above 128 kB unless told otherwise, for the whole process; only ever raised, and within a C long.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_ROW))
    first = next(chunks, "")
    while len(first) < _HEAD and (more := next(chunks, "")):
        first += more
    dialect = find_dialect(first)
    lines = in_lines(chain((first,), chunks), too_long=lambda line: trouble(f"line {line:,}", TOO_LONG), longest=LONGEST_ROW)
    if dialect.hinted:
        next(lines, None)
    records = _Records(lines, _options(dialect, first), trouble)
    header = next((record for record in records if any(cell.strip() for cell in record)), None)
    if header is None:
        return
    columns, rows = unique_names([cell.strip() for cell in header]), iter(records)
    if len(columns) == 1:
        records.separate_by(_NOTHING)
    if not _is_header(columns, names):
        note("has no line with the names of its columns")
        columns, rows = [f"column{place + 1}" for place in range(len(header))], chain([header], records)
    yield from _named(rows, columns, dialect.separator, names, note)


def _named(
    records: Iterator[list[str]], columns: list[str], separator: str, names: frozenset[str], note: Callable[[str], None]
) -> Iterator[dict[str, object]]:
    texts = [place for place, name in enumerate(columns) if name.casefold() in names]
    wide = texts[0] if len(texts) == 1 else len(columns) - 1
    first, over = 0, 0
    for number, record in enumerate(records, 1):
        more = len(record) - len(columns)
        if more > 0 and any(cell.strip() for cell in record[-more:]):
            over, first = over + 1, first or number
            record = [*record[:wide], separator.join(record[wide : wide + more + 1]), *record[wide + more + 1 :]]
        if any(cell.strip() for cell in record):
            yield {name: record[place] if place < len(record) else None for place, name in enumerate(columns)}
    if over:
        note(f"{over:,} rows have more cells than the header, the first is row {first:,}: what is too much went into `{columns[wide]}`")


def _is_header(columns: list[str], names: frozenset[str]) -> bool:
    """Whether the first row names the columns: one has a usual name, or all are short words, each once, that are no numbers."""
    if {name.casefold() for name in columns} & (names | set(PATH_NAMES) | set(LABEL_NAMES)):
        return True
    return len(set(columns)) == len(columns) and all(len(name) <= 40 and name[0].isalpha() and name[-1] not in ".!?" for name in columns)


def _options(dialect: Dialect, head: str) -> dict[str, Any]:
    r"""What csv.reader has to know. A backslash before quotes (MySQL), or quotes that mean nothing (many .tsv), are believed where the file
    makes no sense otherwise.
    """
    options = {**dialect.options(), "skipinitialspace": f"{dialect.separator} {dialect.quote}" in head}
    lines = [f"{line}\n" for line in head[:200_000].split("\n")[:-1]]
    if not _makes_sense(lines, options):
        if '\\"' in head and _makes_sense(lines, escaped := {**options, "escapechar": "\\"}):
            return escaped
        if _makes_sense(lines, bare := {**options, "quoting": csv.QUOTE_NONE}) and not _is_quoted(lines, bare, dialect.quote):
            return bare
    return options


def _makes_sense(lines: list[str], options: dict[str, Any]) -> bool:
    """All rows have the same number of cells; the last may be cut."""
    widths = set[int]()
    reader = csv.reader(lines, strict=True, **options)
    begun = 0
    try:
        for row in reader:
            widths |= {len(row)} if row else set()
            begun = reader.line_num
    except csv.Error as error:
        if "unexpected end" not in str(error) or begun < len(lines) // 2:
            return False
    return len(widths) == 1


def _is_quoted(lines: list[str], options: dict[str, Any], quote: str) -> bool:
    """Half or more of the cells that begin with a quote end with one."""
    cells = [cell for row in csv.reader(lines, **options) for cell in row if cell.startswith(quote)]
    return 2 * sum(len(cell) > 1 and cell.endswith(quote) for cell in cells) >= len(cells)


class _Runaway(Exception):
    """A row that does not end."""


class _Records:
    """Records of lines. Where quotes are broken the first line is given up, or taken as it stands, and reading goes on behind it."""

    def __init__(self, lines: Iterator[tuple[int, str]], options: dict[str, Any], trouble: Trouble) -> None:
        self._lines, self._options, self._trouble = lines, options, trouble
        self._again: deque[tuple[int, str]] = deque()
        self._current: list[tuple[int, str]] = []
        self._reader = self._begun()
        self.width = 0

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        while True:
            self._current = []
            try:
                row = next(self._reader)
            except (csv.Error, _Runaway) as error:
                (number, line), *others = self._current
                self._again.extendleft(reversed(others))
                self._reader = self._begun()
                if not others and isinstance(error, csv.Error):
                    return self._leniently(line)
                self._trouble(f"line {number:,}", "a quote that is never closed")
            else:
                self.width = self.width or len(row)
                return row

    def separate_by(self, separator: str) -> None:
        """Cut the records to come at another sign."""
        self._options = {**self._options, "delimiter": separator}
        self._reader = self._begun()

    def _begun(self) -> Iterator[list[str]]:
        return csv.reader(self._feed(), strict=True, **self._options)

    def _feed(self) -> Iterator[str]:
        size = 0
        while True:
            numbered = self._again.popleft() if self._again else next(self._lines, None)
            size = size if self._current else 0
            if numbered is None:
                if self._current:
                    raise _Runaway
                return
            self._current.append(numbered)
            size += len(numbered[1])
            if len(self._current) > _MOST_LINES or size > LONGEST_ROW:
                raise _Runaway
            yield numbered[1] + "\n"

    def _leniently(self, line: str) -> list[str]:
        """A row with quotes inside quotes: as it stands if that makes as many cells as in the first row."""
        options = {**self._options, "quoting": csv.QUOTE_NONE}
        row = next(csv.reader([line], **options), [])
        return row if len(row) == self.width else next(csv.reader([line], **self._options), [])
