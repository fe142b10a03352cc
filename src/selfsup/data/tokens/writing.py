"""Documents to tokens on disk: encoded in batches, shuffled in blocks, grouped by language, in memory that does not grow."""

from __future__ import annotations

import errno
import hashlib
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from selfsup.data.batches import generator
from selfsup.data.fill import short
from selfsup.data.ingest import in_words, size_in_words
from selfsup.data.lock import locked
from selfsup.data.splits import Part
from selfsup.data.tokens.files import FORMAT, PARTS, Draft, State, drop_outdated, publish, read_state
from selfsup.data.tokens.hold_out import HoldOut
from selfsup.data.tokens.progress import TextMeter, count_in_words
from selfsup.data.tokens.repeated import Repeated
from selfsup.data.tokens.streams import TextDocument, TextDocuments, language_of
from selfsup.data.tokens.survey import Survey, byte_count
from selfsup.data.tokens.tokenizer import Ids, Tokenizer

CHUNK_CHARACTERS = 1_000_000  # encoded at once
BLOCK_TOKENS = 8_000_000  # shuffled and written at once
BLOCK_DOCUMENTS = 1 << 16
_WORTH_SAYING = 1.0  # seconds
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REMEDY = "Free some space, or set the environment variable SELFSUP_CACHE to a folder on a larger disk."


class Encoded(NamedTuple):
    """One document, encoded: its part, the number of its language, its id, its size and its tokens."""

    part: Part
    language: int
    id: str
    characters: int
    bytes: int
    tokens: Ids


def write_tokens(
    documents: TextDocuments,
    tokenizer: Tokenizer,
    folder: Path,
    *,
    hold_out: HoldOut | None = None,
    survey: Survey | None = None,
    progress: bool = True,
) -> Path:
    """Encode all documents, each followed by the tokeniser's end token, and return the folder inside `folder` that holds the result.

    That is there already when nothing has changed: documents, tokeniser, what is held out. A killed write goes on where it was; documents
    are read again to there, but not encoded again. `survey` tells how much there is, for the time left; without it the size of the files
    does. Documents are shuffled in blocks of up to 65,536 (8 million tokens): in a row of tokens neighbours should not tell of each other
    what their order in folders and tables tells, often the label. Raises ValueError: no text, no end token, nothing or everything held
    out, no room on the disk.
    """
    rule = hold_out or HoldOut()
    key = _key(documents, tokenizer, rule)
    if _is_complete(folder / key):
        return folder / key
    fresh = State(key, tokenizer.dtype.name, [documents.name, documents.root], documents.fingerprint())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / "lock", say=f"Waiting for another process that tokenises into {short(folder)}"):
            if not _is_complete(folder / key):
                with Draft(folder / f"{key}.draft", fresh) as draft:
                    _fill(draft, documents, tokenizer, rule=rule, survey=survey, progress=progress)
                    _check(draft.state, documents, rule)
                publish(draft.folder, folder / key, draft.state)
                drop_outdated(folder, draft.state)
    except OSError as error:
        if error.errno in _FULL:
            raise ValueError(
                f"The disk filled up while tokens were stored in {folder}. {_REMEDY} What is stored already is kept."
            ) from None
        raise ValueError(
            f"Tokens could not be stored in {folder}: {error.strerror or error}. "
            "Set the environment variable SELFSUP_CACHE to a folder of yours, or mend its permissions."
        ) from None
    return folder / key


def _key(documents: TextDocuments, tokenizer: Tokenizer, rule: HoldOut) -> str:
    """Another one for whatever changes the tokens."""
    told = [str(FORMAT), documents.fingerprint(), tokenizer.fingerprint, str(tokenizer.end), rule.key]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _is_complete(folder: Path) -> bool:
    state = read_state(folder)
    return state is not None and state.complete


def _fill(draft: Draft, documents: TextDocuments, tokenizer: Tokenizer, *, rule: HoldOut, survey: Survey | None, progress: bool) -> None:
    state = draft.state
    block: list[Encoded] = []
    tokens, announced = 0, not progress
    repeated = Repeated()
    stream = repeated.watching(_readable(documents))
    deque(islice(stream, state.read), maxlen=0)  # what an earlier process has stored
    with TextMeter("tokenising", None, shown=progress, done=state.characters) as meter:
        start = time.perf_counter()
        for chunk in _chunks(stream):
            encoded = _encoded(chunk, tokenizer, rule, state)
            characters = sum(len(document.text) for document in chunk)
            if not announced:
                announced = True
                total = survey.characters if survey else _told_by_size(documents, state.characters + characters)
                _announce(draft, documents.name, total, speed=characters / (time.perf_counter() - start), first=encoded)
                meter.expect(total)
            meter.advance(characters)
            block += encoded
            tokens += sum(len(entry.tokens) for entry in encoded)
            state.read += len(chunk)
            if tokens >= BLOCK_TOKENS or len(block) >= BLOCK_DOCUMENTS:
                _store(draft, block, tokenizer.end, tokenizer.unk)
                block, tokens = [], 0
        _store(draft, block, tokenizer.end, tokenizer.unk)
    state.skipped, state.notes = dict(documents.skipped), dict(documents.notes)
    if words := repeated.in_words():
        state.notes[documents.name] = "; ".join(filter(None, (state.notes.get(documents.name), words)))
        if progress:
            print(f"{documents.name}: {words}", file=sys.stderr, flush=True)


def _readable(documents: TextDocuments) -> Iterator[TextDocument]:
    """The documents; a disk that fails to give them is not to be taken for one that fails to store them."""
    try:
        yield from documents
    except OSError as error:
        raise ValueError(f"{documents.name} could not be read to its end: {error}. What is stored already is kept: try again.") from error


def _chunks(documents: Iterable[TextDocument]) -> Iterator[list[TextDocument]]:
    """Documents together that hold a million characters: enough to keep all processors busy, few enough to be held."""
    chunk, characters = list[TextDocument](), 0
    for document in documents:
        chunk.append(document)
        characters += len(document.text)
        if characters >= CHUNK_CHARACTERS or len(chunk) >= BLOCK_DOCUMENTS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _encoded(chunk: list[TextDocument], tokenizer: Tokenizer, rule: HoldOut, state: State) -> list[Encoded]:
    found: list[Encoded] = []
    for document, tokens in zip(chunk, tokenizer.encode_batch([document.text for document in chunk]), strict=True):
        if not len(tokens):
            state.empty += 1
            continue
        language = state.number(language_of(document))
        size = byte_count(document.text)
        found.append(Encoded(rule.part(document), language, document.id, len(document.text), size, tokens))
    return found


def _store(draft: Draft, block: list[Encoded], end: int, unknown: int | None) -> None:
    """Write a block: in each part shuffled, then one language after the other."""
    state = draft.state
    for part in PARTS:
        own = [entry for entry in block if entry.part == part]
        if not own:
            continue
        order = torch.randperm(len(own), generator=generator(0, f"{part}/{state.blocks}")).tolist()
        own = sorted((own[place] for place in order), key=lambda entry: entry.language)
        for entry in own:
            count = state.counts[part][entry.language]
            count.documents += 1
            count.characters += entry.characters
            count.bytes += entry.bytes
            count.tokens += len(entry.tokens) + 1
            count.unknown += 0 if unknown is None else int(np.count_nonzero(entry.tokens == unknown))
        first = draft.size(part, "tokens") // np.dtype(state.dtype).itemsize
        draft.append(part, _columns(own, end, first_token=first, first_name=draft.size(part, "names")))
    state.blocks += 1
    draft.commit()


def _columns(entries: list[Encoded], end: int, *, first_token: int, first_name: int) -> dict[str, Ids]:
    """The columns of some documents in their order, grouped by language; offsets count from what is stored already."""
    lengths = np.array([len(entry.tokens) + 1 for entry in entries], dtype=np.int64)
    names = [entry.id.encode(errors="backslashreplace") for entry in entries]
    languages = np.array([entry.language for entry in entries], dtype=np.int64)
    closing = np.array([end], dtype=entries[0].tokens.dtype)
    kinds, firsts = np.unique(languages, return_index=True)
    sizes = np.add.reduceat(lengths, firsts)
    return {
        "tokens": np.concatenate([piece for entry in entries for piece in (entry.tokens, closing)]),
        "ends": first_token + np.cumsum(lengths),
        "names": np.frombuffer(b"".join(names), dtype=np.uint8),
        "name_ends": first_name + np.cumsum([len(name) for name in names], dtype=np.int64),
        "segments": np.stack([kinds, first_token + np.cumsum(sizes) - sizes, sizes], axis=1),
    }


def _told_by_size(documents: TextDocuments, characters: int) -> int | None:
    """How many characters there are in all, told from those read so far and the part of the files that they filled."""
    size, read = documents.bytes, documents.counts.bytes_read
    return round(characters / read * size) if size and read else None


def _announce(draft: Draft, name: str, total: int | None, *, speed: float, first: list[Encoded]) -> None:
    """Say what it will take before it is taken. Raises ValueError when the disk has no room for it."""
    characters = sum(entry.characters for entry in first)
    if total is None or not characters:
        print(f"Tokenising {name}: {count_in_words(round(speed))} characters/s", file=sys.stderr, flush=True)
        return
    each = sum(entry.tokens.nbytes + len(entry.id) + 32 for entry in first) / characters
    place, done = short(draft.folder.parent), draft.state.characters
    left, free = max(0, total - done), shutil.disk_usage(draft.folder).free
    if each * left > free:
        needed, room = size_in_words(round(each * left)), size_in_words(free)
        raise ValueError(f"The tokens of {name} need {needed} in {place}, where {room} are free. {_REMEDY}")
    seconds = left / max(1.0, speed)
    if seconds > _WORTH_SAYING:
        size, going_on = size_in_words(round(each * total)), f", {round(100 * done / total)} % done already" if done else ""
        words = f"Tokenising {count_in_words(total)} characters: about {in_words(seconds)}, {size} in {place}{going_on}"
        print(words, file=sys.stderr, flush=True)


def _check(state: State, documents: TextDocuments, rule: HoldOut) -> None:
    """Raise ValueError when there is nothing to train on, or nothing held out although some was asked for."""
    held, training = (sum(count.documents for count in state.counts[part]) for part in ("test", "train"))
    if not held + training:
        skipped = f"; {len(documents.skipped):,} could not be read" if documents.skipped else ""
        raise ValueError(f"{documents.name} holds no text ({state.empty:,} documents are empty{skipped}). Expected documents with text.")
    if not training:
        raise ValueError(f"All {held:,} documents of {documents.name} are held out, and none is left to train on. Hold out fewer.")
    if rule.share and not held:
        raise ValueError(
            f"holdout={rule.share} held out none of the {training:,} documents of {documents.name}: each is drawn by itself. "
            "Hold out a larger share."
        )
