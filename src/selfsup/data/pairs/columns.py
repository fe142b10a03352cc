"""Which columns of a table hold pictures and their captions: as they were named, or as is obvious from names and cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selfsup.data.decode import SUFFIXES, suffix_of
from selfsup.data.documents.columns import TEXT_NAMES
from selfsup.data.documents.language_codes import CODES
from selfsup.data.encodings import NoText
from selfsup.data.pairs.listing import UNSAID, Caption, PairWanted
from selfsup.data.tables import PATH_NAMES, as_word, find_column

Row = Mapping[str, object]

IMAGE_NAMES = ("image", "image_path", "img", "picture", "photo", *PATH_NAMES, "jpg", "png")
CAPTION_NAMES = ("caption", "captions", "title", "titles", "alt", "alt_text", "prompt", *TEXT_NAMES, "names")
LANGUAGE_NAMES = ("language", "lang", "locale")


@dataclass(frozen=True)
class PairColumns:
    """The columns of one table: of the picture, of captions, of the language. `note` says which were taken where nobody named them."""

    image: str
    texts: tuple[str, ...]
    language: str | None = None
    note: str = ""

    def captions(self, row: Row, place: str, *, fixed: str | None = None) -> list[Caption]:
        """What a row says of its picture; a list in a cell is several captions."""
        own = as_word(row.get(self.language)) if self.language is not None else None
        group = fixed or own
        return [
            Caption(text, group or (name if len(self.texts) > 1 or is_code(name) else UNSAID), place)
            for name in self.texts
            for text in texts_in(row.get(name))
        ]

    def others(self, row: Row) -> dict[str, str | None]:
        """The row's other cells as words, without nested ones."""
        own = {self.image, *self.texts}
        return {str(name): as_word(value) for name, value in row.items() if name not in own and not isinstance(value, dict | list | tuple)}


def texts_in(cell: object) -> list[str]:
    """The captions in a cell: one, or a list of them; an empty cell holds an empty one, so that it is counted."""
    if isinstance(cell, list | tuple):
        return [as_word(one) or "" for one in cell if not isinstance(one, dict | list | tuple)]
    return [] if isinstance(cell, dict) else [as_word(cell) or ""]


def choose_pair_columns(rows: Sequence[Row], wanted: PairWanted, *, image: str | None = None) -> PairColumns:
    """The columns of a table, of which `rows` are the first; `image` is that of pictures where they are no files.

    Raises NoText that names the columns there are.
    """
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    if image is None:
        image = _named(names, wanted.image) if wanted.image is not None else _image(names, rows)
    asked = [_named(names, name) for name in wanted.names]
    rest = [name for name in names if name != image]
    told = None if wanted.language is None or wanted.fixed is not None else _named(names, wanted.language)
    texts = tuple(asked) or text_columns([name for name in rest if name != told])
    if not texts:
        raise NoText(f"no column of captions was found; name one or more with --text: the columns are {', '.join(names)}")
    language = told or (_first(rest, LANGUAGE_NAMES) if len(texts) == 1 and wanted.language is None else None)
    guessed = [] if wanted.image is not None else [f"pictures from column `{image}`"]
    guessed += [] if asked else [f"captions from {', '.join(f'`{name}`' for name in texts)}"]
    guessed += [f"languages from `{language}`"] if language is not None and told is None else []
    return PairColumns(image, texts, language, "; ".join(guessed))


def text_columns(names: Sequence[str]) -> tuple[str, ...]:
    """The columns of captions among some names: one that is called so, or all that are called like a language; else none."""
    called = _first(names, CAPTION_NAMES)
    return (called,) if called is not None else tuple(name for name in names if is_code(name))


def is_code(name: str) -> bool:
    """Whether a column is called like a language: de, pt-BR."""
    return name.replace("_", "-").partition("-")[0] in CODES


def _image(names: Sequence[str], rows: Sequence[Row]) -> str:
    """The column called like pictures whose cells look like their files, or any whose cells do."""
    like = [name for name in names if _looks_like_files([as_word(row.get(name)) for row in rows if not isinstance(row.get(name), dict)])]
    found = _first(like, IMAGE_NAMES) or next(iter(like), None)
    if found is None:
        raise NoText(f"no column names pictures; name one with --image: the columns are {', '.join(names)}")
    return found


def _looks_like_files(cells: Sequence[str | None]) -> bool:
    words = [cell for cell in cells if cell]
    return bool(words) and sum(suffix_of(word.replace("\\", "/").rpartition("/")[2]) in SUFFIXES for word in words) >= 0.5 * len(words)


def _first(names: Sequence[str], known: Sequence[str]) -> str | None:
    return find_column({name: [] for name in names}, known)


def _named(names: Sequence[str], name: str) -> str:
    found = name if name in names else _first(names, [name.strip().casefold()])
    if found is None:
        raise NoText(f"no column `{name}`; the columns are {', '.join(names)}")
    return found
