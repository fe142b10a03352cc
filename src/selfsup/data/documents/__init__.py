"""Texts of any kind as a stream of documents: `open_documents`, and what may be done to the stream."""

from selfsup.data.documents.deduplication import Deduplicated, Dropped, deduplicate
from selfsup.data.documents.document import Counts, Document, Documents
from selfsup.data.documents.kind import looks_like_text
from selfsup.data.documents.opening import open_documents

__all__ = ["Counts", "Deduplicated", "Document", "Documents", "Dropped", "deduplicate", "looks_like_text", "open_documents"]
