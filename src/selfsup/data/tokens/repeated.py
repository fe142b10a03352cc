"""Whether a corpus repeats itself, noticed while it streams by to become tokens: in bounded memory, for a hundredth of that time."""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator

from selfsup.data.documents.deduplication import MOST_DOCUMENTS
from selfsup.data.tokens.streams import TextDocument

WORTH_SAYING = 0.02
"""Share of documents that are copies, or of text in repeated lines, from which on it is said."""

MOST_WATCHED = 1 << 16
"""Hashes of documents held at once: some 10 MB."""

LINES_IN = 8_000_000
"""Bytes of text, from the first on, whose lines are looked at: some 20 MB of hashes at most, and less than a tenth of a second."""

LONG_LINE = 20
"""Bytes from which on a line can say something of its own."""


class Repeated:
    """Counts documents that are copies of others but for white space around them, and lines that many documents have.

    Of more than `most` documents, only those whose hash is below a limit are watched, which is halved whenever they are too many (adaptive
    sampling: Flajolet, Computing 43, 1990). All copies of a document share a hash, so that the share of copies among those watched is that
    of all. Lines are looked at in the first `LINES_IN` bytes, in documents that are no copies.
    """

    def __init__(self, most: int = MOST_WATCHED) -> None:
        self.most, self.limit = most, 1 << 64
        self.watched: dict[int, int] = {}
        self.documents = self.looked_at = 0
        self._in_documents, self._sizes = Counter[int](), dict[int, int]()

    def watching(self, documents: Iterable[TextDocument]) -> Iterator[TextDocument]:
        """The documents, counted as they pass."""
        for document in documents:
            self.add(document.text)
            yield document

    def add(self, text: str) -> None:
        """Count one document more."""
        self.documents += 1
        content = text.strip().encode("utf-8", "replace")
        key = int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")
        if key < self.limit:
            self.watched[key] = self.watched.get(key, 0) + 1
            while len(self.watched) > self.most:
                self.limit //= 2
                self.watched = {held: count for held, count in self.watched.items() if held < self.limit}
        if self.looked_at < LINES_IN and self.watched.get(key, 1) == 1:
            self.looked_at += len(content)
            sizes = {zlib.crc32(line): len(line) for line in content.split(b"\n") if len(line) >= LONG_LINE}
            self._in_documents.update(sizes.keys())
            self._sizes.update(sizes)

    @property
    def copies(self) -> float:
        """Share of the documents that are a copy of an earlier one."""
        total = sum(self.watched.values())
        return 1 - len(self.watched) / total if total else 0.0

    @property
    def lines(self) -> float:
        """Share of the text looked at that stands in lines of more than 6 documents."""
        repeated = sum(count * self._sizes[line] for line, count in self._in_documents.items() if count > MOST_DOCUMENTS)
        return min(1.0, repeated / self.looked_at) if self.looked_at else 0.0

    def in_words(self) -> str | None:
        """What a reader should know, and how to mend it; None where little is repeated."""
        found = []
        if self.copies >= WORTH_SAYING:
            about = "" if self.limit == 1 << 64 else "about "
            count = round(self.copies * self.documents)
            found.append(f"{about}{count:,} of {self.documents:,} documents ({100 * self.copies:.0f} %) are copies of others")
        if self.lines >= WORTH_SAYING:
            where = "the text" if self.looked_at < LINES_IN else f"the first {LINES_IN // 10**6} MB"
            found.append(f"{100 * self.lines:.0f} % of {where} are lines that more than {MOST_DOCUMENTS} documents have")
        return f"{', and '.join(found)}; --deduplicate leaves them out" if found else None
