"""Which lines and documents a corpus repeats: counted over one pass, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from selfsup.data.documents.document import Document
from selfsup.data.documents.hashes import HashCounts, HashSet, Numbers, hash_of

_QUOTED = re.compile(r"\A\s*(?:>\s?)+")
_SPEAKS = re.compile(r"[^\W_][\W_]*[^\W_]")  # two letters or digits
NOTHING = hash_of("")


@dataclass
class Repetition:
    """Hashes of the documents that occur again (`copied`), and in how many different documents each line is (`lines`)."""

    copied: HashSet
    lines: HashCounts

    def quotations(self, lines: list[str]) -> Numbers:
        """In how many documents each line is quoted."""
        return self.lines.find([_key_of_quotation(line) for line in lines])


def find_repetition(documents: Iterable[Document], *, most_lines: int) -> Repetition:
    """Count over all documents; copies of a document count as one, so that they do not make their lines frequent."""
    seen, copied, lines = HashSet(), HashSet(), HashCounts(most_lines)
    for document in documents:
        key = hash_of(document.text)
        if not seen.add(key):
            copied.add(key)
            continue
        own = document.text.split("\n")
        keys = {key_of(line) for line in own} | {_key_of_quotation(line) for line in own if is_quoted(line)}
        lines.add(keys - {NOTHING})
    lines.keep(2)
    return Repetition(copied, lines)


def is_quoted(line: str) -> bool:
    """Whether a line begins as mail programs quote."""
    return line.lstrip().startswith(">")


def key_of(line: str) -> bytes:
    """The hash of a line, whether it is quoted or not; NOTHING for one without two letters or digits."""
    bare = _QUOTED.sub("", line, count=1)
    return hash_of(bare) if _SPEAKS.search(bare) else NOTHING


def _key_of_quotation(line: str) -> bytes:
    return hash_of("> " + _QUOTED.sub("", line, count=1))
