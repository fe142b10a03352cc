"""Finding the file that a line of somebody's table means: other folders, other systems, other spellings."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Sequence

from selfsup.data.decode import SUFFIXES, suffix_of


class Matcher:
    r"""Finds ids by paths as people write them.

    In this order: the id itself; the same path with other slashes, case or Unicode form; a path of which the id is the end
    (C:\data\a\1.png means a/1.png; the longest such id wins); a path that is the end of exactly one id (1.png means a/1.png, unless there
    is a b/1.png too). A path without a picture's ending matches ids without theirs. Where several ids fit, none is taken.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        self._exact = {name: place for place, name in enumerate(ids)}
        self._parts = [_parts(name) for name in ids]
        self._by_name: dict[str, list[int]] = defaultdict(list)
        self._by_stem: dict[str, list[int]] = defaultdict(list)
        for place, parts in enumerate(self._parts):
            self._by_name[parts[-1]].append(place)
            self._by_stem[_stem(parts[-1])].append(place)

    def find(self, path: str) -> list[int]:
        """The places of the ids that a path may mean: one if all is well, none if it is unknown, several if it is ambiguous."""
        if path in self._exact:
            return [self._exact[path]]
        parts = _parts(path)
        if not parts:
            return []
        found = self._fitting(parts, self._by_name.get(parts[-1], []), self._parts)
        if not found and suffix_of(parts[-1]) not in SUFFIXES:
            places = self._by_stem.get(parts[-1], [])
            found = self._fitting(parts, places, {place: (*self._parts[place][:-1], parts[-1]) for place in places})
        return found

    @staticmethod
    def _fitting(parts: tuple[str, ...], places: Sequence[int], known: Sequence[tuple[str, ...]] | dict[int, tuple[str, ...]]) -> list[int]:
        same = [place for place in places if known[place] == parts]
        if same:
            return same
        inside = [place for place in places if parts[-len(known[place]) :] == known[place]]
        if inside:
            longest = max(len(known[place]) for place in inside)
            return [place for place in inside if len(known[place]) == longest]
        return [place for place in places if known[place][-len(parts) :] == parts]


def _parts(path: str) -> tuple[str, ...]:
    """The folders and the name of a path, in one spelling."""
    path = unicodedata.normalize("NFC", path.strip()).casefold().replace("\\", "/")
    return tuple(part for part in path.split("/") if part not in ("", "."))


def _stem(name: str) -> str:
    return name.removesuffix(suffix) if (suffix := suffix_of(name)) in SUFFIXES else name
