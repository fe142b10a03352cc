"""The texts of a run, read once more from where it read them: only the beginnings of those a page shows."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

from selfsup.data.documents import Documents, open_documents
from selfsup.data.documents.files import FileDocuments
from selfsup.data.tokens.files import PARTS
from selfsup.data.tokens.store import TokenStore
from selfsup.data.tokens.tokenizer import Tokenizer
from selfsup.reporting.excerpts import EXCERPT, excerpt
from selfsup.run import Run

MOST_BYTES = 2 * 10**9
"""No more than this is read for a report: half a minute of gzip."""

_OPTIONS = ("text", "id", "language", "encoding")


def read_again(run: Run, names: Set[str], *, most_bytes: int = MOST_BYTES) -> dict[str, str]:
    """Excerpts of documents by id, in one pass that ends with the last of them; those that are gone are left out.

    What was in memory and lies in no file is told from the tokens the run learned from, while these are kept. Raises ValueError when the
    data cannot be opened, and when none of the documents is in it.
    """
    if not run.root and run.choices.get("tokens"):
        return _from_tokens(run, names)
    found: dict[str, str] = {}
    documents = _narrowed(_opened(run), names, named=bool(run.reading.get("id")))
    for document in documents:
        if document.id in names:
            found[document.id] = excerpt(document.text)
        if len(found) == len(names) or documents.counts.bytes_read > most_bytes:
            break
    if not found and names:
        raise ValueError("none of the documents is there any more")
    return found


def _from_tokens(run: Run, names: Set[str]) -> dict[str, str]:
    """Excerpts of documents as the run's tokeniser kept them."""
    tokenizer, folder = Tokenizer.load(run.folder), Path(run.choices["tokens"])
    found: dict[str, str] = {}
    for part in PARTS:
        store = TokenStore.open(folder, context=1, part=part)
        numbers = (number for number in range(store.documents) if store.document_id(number) in names)
        found |= {store.document_id(number): excerpt(tokenizer.decode(store.document_tokens(number)[:EXCERPT])) for number in numbers}
    return found


def _opened(run: Run) -> Documents:
    """Documents as the run read them; where it called them by a relative path, from any folder."""
    options = {name: run.reading.get(name) for name in _OPTIONS}
    try:
        return open_documents(run.data, **options)
    except ValueError:
        root = Path(run.root)
        if not run.root or Path(run.data).is_absolute():
            raise
        return open_documents(root if root.name == Path(run.data).name else root / Path(run.data).name, **options)


def _narrowed(documents: Documents, names: Set[str], *, named: bool) -> Documents:
    """Of many files, only those the documents are in; unless an id column names them, a document's id begins with its file's."""
    if isinstance(documents, FileDocuments) and not named:
        heads = names | {name.rpartition("#")[0] for name in names}
        documents.files = [file for file in documents.files if file.id in heads]
    return documents
