"""Captions as documents, so that they become tokens as all texts do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from selfsup.data.documents.document import Document, Documents, Findings
from selfsup.data.pairs.listing import UNSAID, Caption


class CaptionDocuments(Documents):
    """Each caption is a document, called by its number."""

    def __init__(self, name: str, root: str, captions: Sequence[Caption]) -> None:
        super().__init__(f"captions of {name}", root)
        self.captions = captions

    def fingerprint(self) -> str:
        """Of all captions in their order."""
        digest = hashlib.sha256(b"captions\n")
        for caption in self.captions:
            digest.update(f"{caption.group}\0{caption.text}\n".encode(errors="replace"))
        return digest.hexdigest()[:32]

    def _read(self, findings: Findings) -> Iterator[Document]:
        for number, caption in enumerate(self.captions):
            yield Document(f"{number:09d}", caption.text, None if caption.group == UNSAID else caption.group)
