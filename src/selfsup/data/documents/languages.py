"""Which language a document is in, where its folder, its name or a column says so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from selfsup.data.decode import suffix_of
from selfsup.data.documents.formats import bare_name
from selfsup.data.documents.language_codes import CODES
from selfsup.data.tables import as_word

_CODE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z]{4})?(?:[-_](?:[A-Za-z]{2}|\d{3}))?")  # RFC 5646: language, script, region
_AT_END = re.compile(rf"(?:^|[._-])(?P<code>{_CODE.pattern})$")


@dataclass(frozen=True)
class LanguageRule:
    """Where a document's language is told: nowhere, one for all, the N-th folder below the root, the file's name, or a column."""

    kind: Literal["unknown", "fixed", "folder", "name", "column"] = "unknown"
    value: str = ""
    depth: int = 0

    @classmethod
    def parse(cls, language: str | None) -> LanguageRule:
        """The rule for "folder", "folder:2", "name", "=de" or the name of a column. Raises ValueError."""
        if language is None:
            return cls()
        if language == "name":
            return cls("name")
        if found := re.fullmatch(r"folder(?::([1-9]\d*))?", language):
            return cls("folder", depth=int(found.group(1) or 1))
        value = language.removeprefix("=").strip()
        if not value or language.startswith("folder:"):
            raise ValueError(
                f"language={language!r} was given. Expected a column's name, 'folder' (the first below the root), 'folder:2', 'name' "
                "(the de in page.de.txt), one for all documents such as '=de', or nothing."
            )
        return cls("fixed" if language.startswith("=") else "column", value)

    @property
    def column(self) -> str | None:
        """The column that is asked for."""
        return self.value if self.kind == "column" else None

    def of_file(self, name: str) -> str | None:
        """What a file's path below the root says."""
        if self.kind == "fixed":
            return self.value
        if self.kind == "folder":
            folders = name.split("/")[:-1]
            return as_code(folders[self.depth - 1]) if len(folders) >= self.depth else None
        return _in_name(name) if self.kind == "name" else None

    def of_row(self, file: str, row: Mapping[str, object], column: str | None) -> str | None:
        """What a row says, or else its file."""
        return as_code(as_word(row.get(column))) if column is not None else self.of_file(file)


def as_code(word: str | None) -> str | None:
    """One spelling for codes of languages: de, de-DE, zh-Hant; other words (German) stay as they are."""
    if word is None or not _CODE.fullmatch(word):
        return word
    first, *parts = re.split("[-_]", word)
    return "-".join((first.lower(), *(part.title() if len(part) == 4 else part.upper() for part in parts)))


def name_without(name: str, language: str | None) -> str:
    """What an id is called in every language: without the folder, the part of a file's name, or the ending that says this one."""
    name = re.sub(r"~\d+$", "", name)
    if language is None:
        return name
    code = re.escape(language).replace(r"\-", "[-_]")
    *folders, file = name.split("/")
    kept = [folder for folder in folders if not re.fullmatch(code, folder, re.IGNORECASE)]
    file = re.sub(rf"(?:^|[._-]){code}(?=[._-]|$)", "", file, count=1, flags=re.IGNORECASE)
    return "/".join([*kept, file])


def _in_name(name: str) -> str | None:
    """The de in page.de.txt, page_de.txt, page-de-DE.md.gz or de.txt."""
    stem = bare_name(name)
    stem = stem[: -len(suffix)] if (suffix := suffix_of(stem)) else stem
    for place in (match.start() for match in re.finditer(r"^|[._-]", stem)):  # the longest code first: de-DE before DE
        found = _AT_END.match(stem, place)
        if found is None:
            continue
        if re.split("[-_]", found["code"])[0].lower() in CODES:
            return as_code(found["code"])
    return None
