"""Which columns of a table hold the text, the id and the language."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from selfsup.data.encodings import NoText
from selfsup.data.tables import PATH_NAMES, as_word, find_column

TEXT_NAMES = (
    *("text", "body", "content", "contents", "document", "sentence", "article", "message", "review", "comment", "description", "abstract"),
    *("passage", "paragraph", "post", "tweet", "question", "utterance", "transcript", "summary", "texts", "sentences", "raw_text"),
)
SAMPLE = 100  # rows that the text column is found on
_WORDY = 0.5  # share of cells that read like words, for a column to be taken for text

Row = Mapping[str, object]


@dataclass(frozen=True)
class Wanted:
    """What a user asked for: names of columns of text, separated by commas, of ids, of languages; None where nothing was said."""

    text: str | None = None
    id: str | None = None
    language: str | None = None

    @property
    def names(self) -> frozenset[str]:
        """All columns asked for by name, in small letters."""
        named = [*split_names(self.text), self.text, self.id, self.language]
        return frozenset(name.casefold() for name in named if name)


@dataclass(frozen=True)
class Columns:
    """The columns of one table: `text` are joined by a blank line; `note` says how the text was found where nobody named it."""

    text: tuple[str, ...]
    id: str | None = None
    language: str | None = None
    note: str = field(default="", compare=False)

    def text_of(self, row: Row) -> str:
        """The text of a row, all its columns that are not empty."""
        cells = [as_text(row.get(name)) for name in self.text]
        return "\n\n".join(cell for cell in cells if cell and not cell.isspace())

    def others(self, row: Row) -> dict[str, str | None]:
        """The row's other cells as words, without nested ones."""
        own = {*self.text, self.id}
        return {name: as_word(value) for name, value in row.items() if name not in own and not isinstance(value, (dict, list, tuple))}


def split_names(names: str | None) -> list[str]:
    """The names in "subject,body"."""
    return [name.strip() for name in (names or "").split(",") if name.strip()]


def choose_columns(rows: Sequence[Row], wanted: Wanted) -> Columns:
    """The columns of a table, of which `rows` are the first. Raises NoText that names the columns there are."""
    table: dict[str, list[object]] = {}
    for row in rows:
        for name, value in row.items():
            table.setdefault(str(name), []).append(value)
    one = None if wanted.id is None else _named(table, wanted.id)
    language = None if wanted.language is None else _named(table, wanted.language)
    if wanted.text is None:
        name, how = _found(table, {one, language})
        return Columns((name,), one, language, f"text column `{name}`, {how}")
    whole = find_column(_words(table), [wanted.text.strip().casefold()])  # a name with a comma in it
    text = (whole,) if whole else tuple(_named(table, name) for name in split_names(wanted.text))
    return Columns(text, one, language)


def as_text(value: object) -> str:
    """A cell as running text: a list of texts is put line under line, other nested values are written as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(part, str) for part in value):
        return "\n".join(value)
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return as_word(value) or ""


def _named(table: dict[str, list[object]], name: str) -> str:
    found = name if name in table else find_column(_words(table), [name.casefold()])
    if found is None:
        raise NoText(f"no column `{name}`; the columns are {_listed(table)}")
    return found


def _found(table: dict[str, list[object]], taken: set[str | None]) -> tuple[str, str]:
    """The column called like text, or the one with the longest texts."""
    full = {name: cells for name, cells in table.items() if name not in taken and any(as_text(cell).strip() for cell in cells)}
    called = find_column(_words(full), TEXT_NAMES)
    if called is not None:
        return called, "told from its name"
    lengths = {name: _mean_length(cells) for name, cells in full.items() if name.strip().casefold() not in PATH_NAMES and _is_wordy(cells)}
    if not lengths:
        raise NoText(f"no column of text was found; name one with text=: the columns are {_listed(table)}")
    return max(lengths, key=lambda name: lengths[name]), "the one with the longest cells"


def _is_wordy(cells: list[object]) -> bool:
    """Most cells are words with spaces, or long, and made of letters; no addresses, dates or codes."""
    words = [word for cell in cells if (word := as_text(cell).strip())]
    good = [word for word in words if (" " in word or len(word) >= 20 or not word.isascii()) and _letters(word) and "://" not in word[:10]]
    return len(good) >= _WORDY * len(words)


def _letters(word: str) -> bool:
    return sum(sign.isalpha() or sign.isspace() for sign in word[:200]) >= 0.6 * len(word[:200])


def _mean_length(cells: list[object]) -> float:
    return sum(len(as_text(cell)) for cell in cells) / len(cells)


def _words(table: dict[str, list[object]]) -> dict[str, list[str | None]]:
    return {name: [] for name in table}


def _listed(table: dict[str, list[object]]) -> str:
    return ", ".join(f"`{name}`" for name in table) or "none"
