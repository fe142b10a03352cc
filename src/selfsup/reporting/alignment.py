"""A text beside what a task made of it, piece by piece: what was hidden, and what stood in its place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from pathlib import Path
from typing import NamedTuple

from selfsup.data.tokens.special import roles_beside
from selfsup.reporting.excerpts import straight

UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Letters of scripts that put no space between words, as ranges: each is a unit, as what is hidden is shorter than a sentence."""

_MASK = r"\[MASK\]|<mask>|<MASK>|<\|mask\|>"
_HIDING = r"<extra_id_\d+>|\[UNK\]|<unk>|<UNK>"
_ENDING = (
    r"\[(?:PAD|BOS|EOS|CLS|SEP)\]|</?s>|<(?:pad|bos|eos|cls|sep)>|<\|(?:endoftext|startoftext|begin_of_text|end_of_text|pad|padding)\|>"
)
_ENDS = ("pad", "bos", "eos", "cls", "sep")
END = "¶"
"""Stands for all tokens that begin, end or fill a document."""


class Piece(NamedTuple):
    """Some text and what was seen of it, the same where nothing was changed. `hidden`: tokens such as `[MASK]` stand for it."""

    text: str
    seen: str
    hidden: bool = False

    @property
    def changed(self) -> bool:
        return self.text.strip(END + " ") != self.seen.strip(END + " ")


class Special:
    """Names of tokens that stand for no text: the usual ones, and those of a run's own tokeniser."""

    def __init__(self, *, mask: Iterable[str] = (), ending: Iterable[str] = ()) -> None:
        one = "|".join([*map(re.escape, mask), _MASK])
        self.mask = re.compile(one)
        self.hides = re.compile(rf"(?:{one}|{_HIDING})(?:\s*(?:{one}|{_HIDING}))*")
        self.unit = re.compile(rf"{one}|{_HIDING}|[{UNSPACED}]|\w+|\s+|.", re.DOTALL)
        self._ending = re.compile("|".join([*map(re.escape, ending), _ENDING]))

    @classmethod
    def of(cls, folder: Path) -> Special:
        """Those of the tokeniser in a folder, too."""
        told = roles_beside(folder)
        return cls(mask=[name for role, name in told.items() if role == "mask"], ending=[told[role] for role in _ENDS if role in told])

    def plain(self, text: str) -> str:
        """A text in which one sign stands for all tokens that begin or end a document, and nothing turns the direction of others."""
        return straight(self._ending.sub(END, text))


def aligned(text: str, seen: str, special: Special, *, most: int) -> list[Piece]:
    """Pieces of the first `most` characters of `text`, each with what was seen of it."""
    reach = 4 * most  # beyond what is shown, so that the end of what is shown finds its counterpart
    before, after = (special.unit.findall(special.plain(one)[:reach]) for one in (text, seen))
    pieces: list[Piece] = []
    for kind, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        one, other = "".join(before[i:j]), "".join(after[k:m])
        pieces += [Piece(one, other)] if kind == "equal" else split_at_hidden(one, other, special)
    return _first(pieces, most)


def split_at_hidden(text: str, seen: str, special: Special) -> list[Piece]:
    """A changed stretch as parts that stayed and parts that were hidden: "stream", "s[MASK]m" -> s, trea for [MASK], m."""
    kept = special.hides.split(seen)
    if len(kept) == 1:
        return [Piece(text, seen)]
    whole = [Piece(text, seen, True)]
    marks, pieces, place = special.hides.findall(seen), list[Piece](), 0
    for number, part in enumerate(kept):
        last = number == len(kept) - 1
        begin = max(place, len(text) - len(part)) if last else place if not number else text.find(part, place) if part else place
        if begin < 0 or text[begin : begin + len(part)] != part:
            return whole
        if number:
            pieces.append(Piece(text[place:begin], marks[number - 1], True))
        if part:
            pieces.append(Piece(part, part))
        place = begin + len(part)
    return pieces


def _first(pieces: list[Piece], most: int) -> list[Piece]:
    """The pieces of the first `most` characters, white space on one line, the last cut with an ellipsis."""
    kept, room = list[Piece](), most
    for piece in pieces:
        if room <= 0:
            return [*kept, Piece("…", "…")]
        text, seen = (re.sub(r"\s+", " ", one) for one in piece[:2])
        if text == seen and len(text) > room:
            return [*kept, Piece(text[:room] + "…", text[:room] + "…")]
        kept.append(Piece(text, seen, piece.hidden))
        room -= max(len(text), 1)
    return kept
