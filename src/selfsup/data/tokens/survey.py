"""How much text there is in each language, counted in one pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from selfsup.data.tokens.hold_out import HoldOut
from selfsup.data.tokens.progress import TextMeter
from selfsup.data.tokens.streams import TextDocument, language_of


@dataclass
class Amount:
    """Text counted: documents, characters, and bytes of UTF-8."""

    documents: int = 0
    characters: int = 0
    bytes: int = 0

    def add(self, text: str) -> None:
        """Count one text more."""
        self.documents += 1
        self.characters += len(text)
        self.bytes += byte_count(text)


@dataclass(frozen=True)
class Survey:
    """What training has of each language, and what is held out of all."""

    languages: dict[str, Amount] = field(default_factory=dict)
    held_out: Amount = field(default_factory=Amount)

    @property
    def characters(self) -> int:
        """All characters, also those held out."""
        return self.held_out.characters + sum(amount.characters for amount in self.languages.values())


def survey(documents: Iterable[TextDocument], *, hold_out: HoldOut | None = None, progress: bool = False) -> Survey:
    """Read all documents once and count them; nothing of them is kept."""
    rule = hold_out or HoldOut()
    languages: dict[str, Amount] = defaultdict(Amount)
    held_out = Amount()
    with TextMeter("reading", None, shown=progress) as meter:
        for document in documents:
            amount = languages[language_of(document)] if rule.part(document) == "train" else held_out
            amount.add(document.text)
            meter.advance(len(document.text))
    return Survey({language: amount for language, amount in languages.items() if amount.characters}, held_out)


def byte_count(text: str) -> int:
    """How many bytes a text has in UTF-8."""
    return len(text) if text.isascii() else len(text.encode(errors="replace"))
