"""A corpus of text ready for training: tokeniser, tokens and split, made once and found again in a moment."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from selfsup.data.lock import locked
from selfsup.data.sizes import cache_folder
from selfsup.data.tokens.files import FORMAT
from selfsup.data.tokens.hold_out import HoldOut
from selfsup.data.tokens.mixture import Mixing
from selfsup.data.tokens.store import TokenStore
from selfsup.data.tokens.streams import TextDocuments
from selfsup.data.tokens.survey import Survey, survey
from selfsup.data.tokens.tokenizer import FILE, Tokenizer
from selfsup.data.tokens.training import train_tokenizer
from selfsup.data.tokens.writing import write_tokens


@dataclass(frozen=True)
class TokenCorpus:
    """The training part and what is held out (None where nothing is), as rows of tokens; the tokeniser they come from; where they lie."""

    folder: Path
    tokenizer: Tokenizer
    train: TokenStore
    test: TokenStore | None


def open_tokens(
    documents: TextDocuments,
    *,
    context: int,
    tokenizer: Tokenizer | int | None = None,
    hold_out: HoldOut | None = None,
    mixing: Mixing | None = None,
    cache: Path | None = None,
    progress: bool = True,
) -> TokenCorpus:
    """Train a tokeniser where none is given (or only the size of one), encode all documents, and open both parts as rows of `context`.

    What the cache folder holds already is not made again: tokenisers by documents, size, mixture and what is held out; tokens by
    documents, tokeniser and what is held out (other contexts and seeds use the same tokens). Raises ValueError.
    """
    rule = hold_out or HoldOut()
    folder = cache_folder(cache) / "tokens" / _folder_name(documents)
    counted: Survey | None = None
    if not isinstance(tokenizer, Tokenizer):
        told = repr((FORMAT, documents.fingerprint(), tokenizer, mixing or Mixing(), rule.key))
        place = folder / "tokenizers" / hashlib.sha256(told.encode()).hexdigest()[:16]
        if not (place / FILE).is_file():
            counted = survey(documents, hold_out=rule, progress=progress)
            trained = train_tokenizer(documents, size=tokenizer, survey=counted, mixing=mixing, hold_out=rule)
            _save(trained, place)
        tokenizer = Tokenizer.load(place)
    written = write_tokens(documents, tokenizer, folder, hold_out=rule, survey=counted, progress=progress)
    test = TokenStore.open(written, context=context, part="test") if rule.asks else None
    return TokenCorpus(written, tokenizer, TokenStore.open(written, context=context), test)


def _save(tokenizer: Tokenizer, place: Path) -> None:
    """Put a tokeniser in its place whole, or not at all; the first of several processes wins."""
    draft = place.with_name(f"{place.name}.draft-{os.getpid()}")
    tokenizer.save(draft)
    with locked(place.parent / "lock"):
        if place.exists():
            for file in draft.iterdir():
                file.unlink()
            draft.rmdir()
        else:
            draft.rename(place)


def _folder_name(documents: TextDocuments) -> str:
    """Telling for people, and of its own for each corpus."""
    told = documents.root or documents.name
    digest = hashlib.sha256(told.encode(errors="backslashreplace")).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9]+', '-', Path(told).name).strip('-')[:40] or 'texts'}-{digest}"
