"""Translations: texts that say the same in several languages, found by what they are called, by their place, or in columns of a table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from selfsup.data.documents import Document, Documents, open_documents
from selfsup.data.documents.columns import split_names
from selfsup.data.documents.document import Findings
from selfsup.data.tokens.streams import TextDocuments
from selfsup.embedding.text_reading import documents_of
from selfsup.embedding.texts import Texts
from selfsup.evaluation.parallel import names_across

MOST = 1000
"""Translated texts that are sought in each language, at most: as on Tatoeba, and so that chance is one in a thousand."""

SHORTEST = 40
"""Bytes of a paragraph: what is shorter is a heading, a link or a page's number."""

MARK = "¶"

_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")


@dataclass(frozen=True)
class Translations:
    """Texts of which those of equal name are translations of one another.

    `parents` are the documents, by id, that each is (a part) of, `fingerprint` is theirs; `noun` is what a text is called.
    """

    texts: Texts
    names: list[str]
    parents: list[str]
    fingerprint: str
    noun: str

    def chosen(self, rows: Int[np.ndarray, "n"]) -> tuple[Int[np.ndarray, "m"], list[str]]:
        """The rows that are sought, of those that may be, and in words what was left out.

        Each text once in its language; what stands unchanged in several languages only in the one that most of it comes from; at most MOST
        that have a translation, drawn by a fixed seed.
        """
        once, repeated = self._once(rows)
        kept, untranslated, source = self._translated(once)
        known = Counter(self.names[row] for row in kept)
        shared = sorted(name for name, count in known.items() if count > 1)
        drawn = set(shared if len(shared) <= MOST else np.random.default_rng(len(shared)).permutation(shared)[:MOST].tolist())
        notes = []
        if repeated:
            notes.append(f"{repeated:,} {self.noun} that stand twice in one language count once.")
        if untranslated:
            same = "are the same in several languages (not translated, or code)"
            notes.append(f"{untranslated:,} {self.noun} {same}: of each, only {source}'s takes part.")
        if len(drawn) < len(shared):
            notes.append(f"Of {len(shared):,} {self.noun} that have a translation, {MOST:,} drawn at random take part, in every language.")
        return np.array([row for row in kept if self.names[row] in drawn], dtype=np.int64), notes

    def _once(self, rows: Int[np.ndarray, "n"]) -> tuple[list[int], int]:
        """Rows of known language, the first of those with equal texts in one language; how many others there are."""
        seen, kept, repeated = set[tuple[str, int]](), list[int](), 0
        for row in rows.tolist():
            language = self.texts.languages[row]
            if language is None:
                continue
            key = language, int(self.texts.hashes[row])
            repeated += key in seen
            if key not in seen:
                seen.add(key)
                kept.append(row)
        return kept, repeated

    def _translated(self, rows: Sequence[int]) -> tuple[list[int], int, str]:
        """Rows without copies of another language's text; how many copies there are; and the language that most texts were copied from."""
        spoken: dict[tuple[str, int], list[int]] = {}
        for row in rows:
            spoken.setdefault((self.names[row], int(self.texts.hashes[row])), []).append(row)
        shared = [members for members in spoken.values() if len(members) > 1]
        counts = Counter(self.texts.languages[row] for members in shared for row in members)
        source = max(sorted(str(language) for language in counts), key=lambda language: counts[language], default="")
        gone = {row for members in shared for row in members if self.texts.languages[row] != source}
        return [row for row in rows if row not in gone], len(gone), source


def translations_in(data: Any, told: Mapping[str, Any], how: str) -> Translations:
    """Translated texts of `data`, read as told: `how` is "documents" (of equal name), "paragraphs" of these, or columns, "de,en".

    Raises ValueError.
    """
    if how == "documents":
        return of_documents(Texts(documents_of(data, told)))
    if how == "paragraphs":
        return of_paragraphs(documents_of(data, told))
    columns = split_names(how)
    if len(columns) < 2:
        raise ValueError(f"parallel={how!r} was given. Expected documents, paragraphs, or columns that hold translations, such as de,en.")
    return of_columns(data, columns, {name: told[name] for name in ("id", "encoding") if name in told})


def of_documents(texts: Texts) -> Translations:
    """Whole documents, as they are called in every language."""
    return Translations(texts, names_across(texts.ids, texts.languages), list(texts.ids), texts.fingerprint, "documents")


def of_paragraphs(documents: TextDocuments) -> Translations:
    """Paragraphs of documents of equal name: those in the same place, where the documents have equally many."""
    texts = Texts(Paragraphs(documents))
    parents, places = _divided(texts.ids)
    called = names_across(parents, texts.languages)
    names = [f"{name}{MARK}{place}" for name, place in zip(called, places, strict=True)]
    return Translations(texts, names, parents, documents.fingerprint(), "paragraphs")


def of_columns(data: Any, columns: Sequence[str], told: Mapping[str, Any]) -> Translations:
    """Rows of a table that hold a text in several languages, each in a column that is called like the language."""
    texts = Texts(Columns({column: open_documents(data, text=column, language=f"={column}", **told) for column in columns}))
    parents, _ = _divided(texts.ids)
    return Translations(texts, parents, parents, texts.fingerprint, "rows")


class Paragraphs(Documents):
    """The paragraphs of documents, divided by blank lines, or by lines where there is no blank one; short ones are left out.

    Each is called like its document, with its number and how many there are: `page.txt¶3/17`.
    """

    def __init__(self, source: TextDocuments) -> None:
        super().__init__(source.name, source.root)
        self.source = source

    def fingerprint(self) -> str:
        """Of the documents."""
        return f"paragraphs {self.source.fingerprint()}"

    def _read(self, findings: Findings) -> Iterator[Document]:
        for document in self.source:
            parts = paragraphs_of(document.text)
            for number, part in enumerate(parts):
                if len(part.encode(errors="replace")) >= SHORTEST:
                    yield Document(f"{document.id}{MARK}{number}/{len(parts)}", part, document.language)
        findings.skipped.update(self.source.skipped)


class Columns(Documents):
    """The same rows several times, with the text of another column and in another language each time: `table.csv#3¶de`."""

    def __init__(self, columns: Mapping[str, Documents]) -> None:
        first = next(iter(columns.values()))
        super().__init__(first.name, first.root)
        self.columns = columns

    def fingerprint(self) -> str:
        """Of all of them."""
        return " ".join(documents.fingerprint() for documents in self.columns.values())

    def _read(self, findings: Findings) -> Iterator[Document]:
        for column, documents in self.columns.items():
            for document in documents:
                yield Document(f"{document.id}{MARK}{column}", document.text, column)
            findings.skipped.update(documents.skipped)


def paragraphs_of(text: str) -> list[str]:
    """What stands between blank lines, or, in a text without any, its lines; empty ones left out."""
    parts = _BLANK_LINE.split(text.strip())
    parts = parts if len(parts) > 1 else text.split("\n")
    return [part.strip() for part in parts if part.strip()]


def _divided(ids: Sequence[str]) -> tuple[list[str], list[str]]:
    """What stands before and behind the last mark."""
    pairs = [name.rpartition(MARK) for name in ids]
    return [before for before, _, _ in pairs], [behind for _, _, behind in pairs]
