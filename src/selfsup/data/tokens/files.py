"""The files of a token store: columns that only grow, and a state that says how much of them counts. Made to be killed at any moment.

A store is written in a folder whose name ends in .draft. After each block of documents the columns are brought to the disk, then the state
replaces the one before in one move; what lies behind it is cut off when writing goes on. A finished draft is renamed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, get_args

import numpy as np
from numpy.typing import NDArray

from selfsup.data.splits import Part

FORMAT = 1
PARTS: tuple[Part, ...] = get_args(Part)
COLUMNS = ("tokens", "ends", "names", "name_ends", "segments")
"""Ids; behind which token each document ends; the documents' ids in UTF-8 and where each ends; and, for each run of
documents in one language, the number of the language, the first token, and how many there are."""
_STATE = "state.json"


@dataclass
class Count:
    """What a part holds of one language; `unknown` counts tokens that the tokeniser has no word for."""

    documents: int = 0
    characters: int = 0
    bytes: int = 0
    tokens: int = 0
    unknown: int = 0


@dataclass
class State:
    """How far writing has come: `read` documents of the stream in `blocks`, `empty` of them without a token.

    `notes` say what a reader should know of what was read. `source` and `documents` tell which corpus, and in which state, the text is
    of; `key` also depends on tokeniser and split. `digest` depends on what is stored and on nothing else.
    """

    key: str
    dtype: str
    source: list[str]
    documents: str
    read: int = 0
    empty: int = 0
    blocks: int = 0
    languages: list[str] = field(default_factory=list)
    counts: dict[str, list[Count]] = field(default_factory=lambda: {part: [] for part in PARTS})
    sizes: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    digest: str = ""
    complete: bool = False
    format: int = FORMAT

    def number(self, language: str) -> int:
        """The number of a language, a new one when it comes for the first time. Raises ValueError when there are too many."""
        if language not in self.languages:
            if len(self.languages) >= 1000:
                raise ValueError(
                    f"The documents name more than 1,000 languages, such as {', '.join(map(repr, self.languages[-3:]))}. "
                    "Expected names of languages: choose another column for --language, or none."
                )
            self.languages.append(language)
            for part in PARTS:
                self.counts[part].append(Count())
        return self.languages.index(language)

    @property
    def characters(self) -> int:
        """Characters stored so far."""
        return sum(count.characters for part in PARTS for count in self.counts[part])


def read_state(folder: Path) -> State | None:
    """The state of a folder; None when there is none that this release understands."""
    try:
        content: dict[str, Any] = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        if content.get("format") != FORMAT:
            return None
        content["counts"] = {part: [Count(**count) for count in content["counts"][part]] for part in PARTS}
        return State(**content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def column_file(folder: Path, part: Part, column: str) -> Path:
    """Where a column lies."""
    return folder / f"{part}.{column}"


class Draft:
    """A store being written, while the caller keeps other writers out. Raises OSError, above all when the disk is full."""

    def __init__(self, folder: Path, fresh: State) -> None:
        self.folder = folder
        self.state = self._taken_up(fresh) or self._begun(fresh)
        self._files: dict[str, BinaryIO] = {}
        self._changed: set[str] = set()

    def __enter__(self) -> Draft:
        for name in self._names():
            self._files[name] = (self.folder / name).open("ab")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for file in self._files.values():
            try:
                file.close()
            except OSError:  # a full disk, which has been told already
                if kind is None:
                    raise

    def size(self, part: Part, column: str) -> int:
        """Bytes in a column."""
        return self.state.sizes.get(f"{part}.{column}", 0)

    def append(self, part: Part, columns: Mapping[str, NDArray[Any]]) -> None:
        """Write behind the columns of a part; it counts after `commit`."""
        for column, values in columns.items():
            name = f"{part}.{column}"
            data = np.ascontiguousarray(values).tobytes()
            self._files[name].write(data)
            self._changed.add(name)
            self.state.sizes[name] = self.state.sizes.get(name, 0) + len(data)
            self.state.digest = hashlib.sha256(f"{self.state.digest} {name} ".encode() + data).hexdigest()

    def commit(self) -> None:
        """From now on, what was written counts, also after a kill or a power failure."""
        for name in self._changed:
            self._files[name].flush()
            os.fsync(self._files[name].fileno())
        self._changed.clear()
        _write_state(self.folder, self.state)

    def _begun(self, fresh: State) -> State:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return fresh

    def _taken_up(self, fresh: State) -> State | None:
        """The state of a draft left behind, its files cut to what counts; None where there is none, or where a file has lost its end."""
        state = read_state(self.folder)
        if state is None or (state.key, state.dtype) != (fresh.key, fresh.dtype):
            return None
        for name in self._names():
            file, size = self.folder / name, state.sizes.get(name, 0)
            there = file.stat().st_size if file.is_file() else 0
            if there < size:
                return None
            if there > size:
                os.truncate(file, size)
        return state

    def _names(self) -> list[str]:
        return [f"{part}.{column}" for part in PARTS for column in COLUMNS]


def publish(draft: Path, folder: Path, state: State) -> None:
    """Say that a draft is complete and give it its name."""
    state.complete = True
    _write_state(draft, state)
    shutil.rmtree(folder, ignore_errors=True)
    draft.replace(folder)


def drop_outdated(root: Path, current: State) -> None:
    """Remove stores and drafts of the same corpus in a state that it no longer has: nothing can ask for them again."""
    for folder in root.iterdir():
        state = read_state(folder) if folder.is_dir() else None
        if state is not None and state.source == current.source and state.documents != current.documents:
            shutil.rmtree(folder, ignore_errors=True)


def _write_state(folder: Path, state: State) -> None:
    fresh = folder / f"{_STATE}.new"
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(dataclasses.asdict(state), file, ensure_ascii=True)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / _STATE)
