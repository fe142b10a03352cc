"""Captions in files beside their pictures: cat.txt or cat.json for cat.jpg, cat.de.txt for its German ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selfsup.data.decode import suffix_of
from selfsup.data.encodings import decode_all
from selfsup.data.items import Item
from selfsup.data.pairs.columns import PairColumns, is_code, text_columns
from selfsup.data.pairs.listing import UNSAID, Caption, Paired, PairWanted, paired
from selfsup.data.scan import scan_folder
from selfsup.data.sources import FileSource

SUFFIXES = (".txt", ".json")
LONGEST = 1_000_000
"""Bytes of one file of captions; what is longer is none."""


def open_sidecars(folder: Path, wanted: PairWanted) -> Paired:
    """The pictures below a folder with the captions beside them. Raises ValueError where there are no pictures, or no captions."""
    pictures = scan_folder(folder)
    texts = scan_folder(folder, lambda path: suffix_of(path.replace("\\", "/").rpartition("/")[2]) in SUFFIXES)
    if not pictures.items or not texts.items:
        lacking = "no pictures" if not pictures.items else "no captions (.txt or .json of the same name) beside its pictures"
        raise ValueError(f"{folder} holds {lacking}, and not one table of pairs. Give the table, or name it: folder/captions.jsonl.")
    stems = {stem_of(item.id) for item in pictures.items}
    said: dict[str, list[Caption]] = {}
    skipped = dict(pictures.skipped)
    for item in texts.items:
        stem, group = beside(stem_of(item.id), stems)
        if stem is None:
            continue
        try:
            said.setdefault(stem, []).extend(captions_in(_read(item), item.id, group, wanted))
        except (OSError, ValueError) as error:
            skipped[item.id] = str(error)
    source = FileSource(str(folder), str(folder.resolve()), pictures.items, ignored=dict(pictures.ignored))
    return paired(source, [said.get(stem_of(item.id), []) for item in pictures.items], skipped=skipped, notes={})


def captions_in(data: bytes, name: str, group: str, wanted: PairWanted) -> list[Caption]:
    """The captions of one file: each line of a .txt that is not empty; of a .json the entries that hold them. Raises ValueError."""
    group = wanted.fixed or group
    text = data.decode(wanted.encoding) if wanted.encoding else decode_all(data)
    if suffix_of(name) == ".txt":
        return [Caption(line, group, name) for line in text.splitlines() if line.strip()] or [Caption("", group, name)]
    content: Any = json.loads(text)
    if isinstance(content, str | list):
        content = {UNSAID: content}
    if not isinstance(content, Mapping):
        raise ValueError(f"holds {type(content).__name__}; expected an object with the captions, or a list of them")
    texts = tuple(name for name in wanted.names if name in content) or text_columns(list(content)) or tuple({UNSAID} & set(content))
    if not texts:
        raise ValueError(f"holds {', '.join(map(str, content)) or 'nothing'}; expected captions: name their entries with --text")
    told = None if group == UNSAID else group
    return PairColumns("", texts).captions(content, name, fixed=told)


def beside(stem: str, stems: set[str]) -> tuple[str | None, str]:
    """The picture that a file of captions is for, by their stems, and the language that its name tells: cat.de is for cat."""
    if stem in stems:
        return stem, UNSAID
    before, _, code = stem.rpartition(".")
    return (before, code) if before in stems and is_code(code) else (None, UNSAID)


def stem_of(name: str) -> str:
    """A path without its ending."""
    suffix = suffix_of(name.rpartition("/")[2])
    return name[: len(name) - len(suffix)] if suffix else name


def _read(item: Item) -> bytes:
    if item.size > LONGEST:
        raise ValueError(f"{item.size:,} bytes, which is more than captions have")
    assert item.path is not None
    return Path(item.path).read_bytes()
