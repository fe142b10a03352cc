"""Captions: what is said of pictures, in one language or several, as it was listed, neither decoded nor encoded."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from selfsup.data.decode import Decoded
from selfsup.data.documents.columns import split_names
from selfsup.data.items import Source

MOST_CAPTIONS = 64
"""Captions of one picture that are kept: each batch has a place for as many as any picture has."""

UNSAID = "caption"
"""The group of captions of which nobody said the language, and which stand in no column of their own."""


@dataclass(frozen=True, slots=True)
class Caption:
    """One text on one picture. `group` is its language, or the column it stood in; `place` names it as documents of the same file are."""

    text: str
    group: str = UNSAID
    place: str = ""


@dataclass(frozen=True)
class PairWanted:
    """What a user asked for: the column of pictures, columns of captions with commas, the column of languages or =de; `encoding`."""

    image: str | None = None
    text: str | None = None
    language: str | None = None
    encoding: str | None = None

    @property
    def names(self) -> list[str]:
        """The columns of captions that were named."""
        return split_names(self.text)

    @property
    def fixed(self) -> str | None:
        """The one language of all, where it was given as =de."""
        return self.language[1:] if self.language is not None and self.language.startswith("=") else None


@dataclass
class Paired:
    """Pictures of a source and what is said of them, in the order of its items; pictures that nothing is said of are in `skipped`.

    `notes` say what a reader should know: which columns were taken, what was left out.
    """

    source: Source
    captions: list[list[Caption]] = field(repr=False)
    skipped: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def groups(self) -> list[str]:
        """Languages or columns, in the order in which they come."""
        return list(dict.fromkeys(caption.group for own in self.captions for caption in own))

    def fingerprint(self) -> str:
        """Of the captions and the pictures' names; equal for equal ones."""
        digest = hashlib.sha256()
        for item, own in zip(self.source.items, self.captions, strict=True):
            digest.update("\0".join([item.id, *(f"{caption.group}\1{caption.text}" for caption in own)]).encode(errors="replace") + b"\n")
        return digest.hexdigest()[:32]


def paired(source: Source, captions: Iterable[Iterable[Caption]], *, skipped: dict[str, str], notes: dict[str, str]) -> Paired:
    """A listing of the items of `source` that something is said of; empty captions are counted, equal ones of a picture are one.

    Raises ValueError where nothing is left.
    """
    kept: list[list[Caption]] = []
    rows, empty, over = list[int](), 0, 0
    bare = dict[str, str]()
    for row, (item, given) in enumerate(zip(source.items, captions, strict=True)):
        every = list(given)
        own = list(dict.fromkeys(dataclasses.replace(one, text=" ".join(one.text.split())) for one in every))
        said = [one for one in own if one.text]
        empty += sum(not one.text.strip() for one in every)
        over += max(0, len(said) - MOST_CAPTIONS)
        if said:
            rows.append(row)
            kept.append(said[:MOST_CAPTIONS])
        else:
            bare[item.id] = "no caption" if not every else "its caption is empty"
    if not rows:
        example = f", such as {source.items[0].id}" if source.items else ""
        raise ValueError(f"{source.name}: none of its {len(source):,} pictures has a caption{example}. Name the columns: --image, --text.")
    if empty:
        notes = {**notes, "captions": f"{empty:,} are empty and left out"}
    if over:
        notes = {**notes, "many captions": f"{over:,} beyond the first {MOST_CAPTIONS} of a picture are left out"}
    return Paired(chosen(source, rows), kept, {**skipped, **bare}, notes)


@dataclass
class SomeOf(Source):
    """Some items of another source, under the names they have there."""

    whole: Source | None = None
    rows: list[int] = field(default_factory=list)

    def read(self, i: int, *, side: int | None = None, channels: int | None = None) -> Decoded:
        """Picture `i`; see Source."""
        assert self.whole is not None
        return self.whole.read(self.rows[i], side=side, channels=channels)

    def shape(self, i: int) -> tuple[tuple[int, int], bool]:
        """Height, width and whether it is grey; see Source."""
        assert self.whole is not None
        return self.whole.shape(self.rows[i])


def chosen(source: Source, rows: list[int]) -> Source:
    """The same source with some of its items."""
    if len(rows) == len(source.items):
        return source
    columns = {name: [cells[row] for row in rows] for name, cells in source.columns.items()}
    items = [source.items[row] for row in rows]
    return SomeOf(source.name, source.root, items, columns, dict(source.ignored), dict(source.skipped), whole=source, rows=rows)


def identity_of(text: str) -> int:
    """A number of 63 bits that stands for a text, whatever its white space and case."""
    spaced = " ".join(text.casefold().split()).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(spaced, digest_size=8).digest(), "little") >> 1
