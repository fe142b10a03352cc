"""What the ids of a vocabulary stand for: the bytes of each, and which of them begin a word, for tokenisers of any make."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

_SPACE = "▁"  # what SentencePiece writes for a space
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")  # and for a byte of a character that is not in its vocabulary
_APOSTROPHES = ("'", "’")
_WITHOUT_SPACES = (  # Unicode blocks of scripts that put no space between words
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x0F00, 0x0FFF),  # Tibetan
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x312F),  # Chinese radicals and punctuation, Hiragana, Katakana, Bopomofo
    (0x31A0, 0x9FFF),  # more of these, and Chinese characters
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),  # narrow Katakana
    (0x1B000, 0x1B16F),
    (0x20000, 0x3FFFF),
)
_OPENING = (*_WITHOUT_SPACES, (0x2000, 0x9FFF), (0x1F000, 0x1FFFF))  # of which a few bytes tell enough: also signs and pictographs


@dataclass(frozen=True)
class Subwords:
    """Facts about each of V ids.

    `is_start` is true where a piece begins a word, `is_end` where what follows begins one, `is_space` where it is but white space, which
    belongs to the word behind it, `is_special` for ids that stand for no text. `bytes_of` counts the bytes of text that a piece stands
    for, its space included; 0 for special ones. Where a tokeniser drops spaces (WordPiece), they are not counted. `marked` is false when
    pieces do not tell where words begin: then each is a word.

    What a word is: in scripts with spaces, what stands between spaces and punctuation, and each punctuation mark. In scripts without
    (Chinese, Japanese, Thai, Lao, Khmer, Burmese, Tibetan), each piece that begins with a whole character, which is what the tokeniser
    found often together. Bytes that go on with a character, and combining marks, never begin a word.
    """

    is_start: Bool[Tensor, "V"]
    is_end: Bool[Tensor, "V"]
    is_space: Bool[Tensor, "V"]
    is_special: Bool[Tensor, "V"]
    bytes_of: Int64[Tensor, "V"]
    marked: bool

    def word_starts(self, tokens: Int64[Tensor, "B T"]) -> Bool[Tensor, "B T"]:
        """Where in rows of ids a word begins: the first token of a row, and what follows a special token, do too; special ones never."""
        tables = (self.is_start, self.is_end, self.is_space, self.is_special)
        starts, ends, spaces, special = (table.to(tokens.device)[tokens] for table in tables)
        starts[:, :1] = True
        starts[:, 1:] |= ends[:, :-1] | special[:, :-1]
        starts[:, 1:] &= ~spaces[:, :-1]
        return starts & ~special


def read_subwords(description: Mapping[str, Any], ids: Mapping[str, int], *, special: set[int]) -> Subwords:
    """The facts about a tokeniser: `description` is what its tokenizer.json says, `ids` its pieces, `special` the ids that are no text."""
    size = max(ids.values()) + 1
    is_start, is_end, is_space, is_special = (torch.zeros(size, dtype=torch.bool) for _ in range(4))
    bytes_of = torch.zeros(size, dtype=torch.int64)
    literal = {token["id"] for token in description.get("added_tokens") or []}
    is_special[sorted(special)] = True
    read, marked = _reader(description, ids)
    for piece, number in ids.items():
        if number not in special:
            reading = _as_text(piece) if number in literal else read(piece)
            is_start[number], is_end[number] = reading.start, reading.end
            is_space[number] = reading.text.isspace()
            bytes_of[number] = len(reading.text)
    return Subwords(is_start, is_end, is_space, is_special, bytes_of, marked)


@dataclass(frozen=True, slots=True)
class _Reading:
    text: bytes
    start: bool
    end: bool


def _reader(description: Mapping[str, Any], ids: Mapping[str, int]) -> tuple[Callable[[str], _Reading], bool]:
    """How pieces are spelled, told from the parts of a tokeniser, and whether they mark words."""
    model = description["model"]
    kind = model.get("type")
    parts = list(_parts([description.get(name) for name in ("normalizer", "pre_tokenizer", "decoder")]))
    names = {part.get("type") for part in parts}
    prefix, suffix = model.get("continuing_subword_prefix"), model.get("end_of_word_suffix")
    if suffix:
        return lambda piece: _ended(piece, suffix, visible="ByteLevel" in names), True
    if "ByteLevel" in names:
        return _byte_level, True
    if prefix:
        return lambda piece: _continued(piece, prefix), True
    if "Metaspace" in names or any(_SPACE in str(part.get("content")) + str(part.get("pattern")) for part in parts):
        fallback = bool(model.get("byte_fallback")) or "ByteFallback" in names
        return lambda piece: _spaced(piece, fallback), True
    if kind == "WordLevel":
        return _whole, True
    if any(piece[:1].isspace() for piece in ids):
        return _as_text, True
    return _whole, False


def _parts(components: list[Any]) -> Iterator[Mapping[str, Any]]:
    """The normalisers, pre-tokenisers and decoders, also those inside sequences."""
    for component in components:
        if isinstance(component, Mapping):
            yield component
            for inside in ("normalizers", "pretokenizers", "decoders"):
                yield from _parts(component.get(inside) or [])


def _byte_level(piece: str) -> _Reading:
    text = _hidden(piece)
    return _Reading(text, begins_word(text), ends_word(text))


def _spaced(piece: str, fallback: bool) -> _Reading:
    byte = _BYTE.fullmatch(piece) if fallback else None
    text = bytes([int(byte[1], 16)]) if byte else piece.replace(_SPACE, " ").encode()
    return _Reading(text, begins_word(text), ends_word(text))


def _continued(piece: str, prefix: str) -> _Reading:
    """WordPiece: what goes on with a word says so."""
    text = piece.removeprefix(prefix) if piece != prefix else piece
    return _Reading(text.encode(), text == piece, False)


def _ended(piece: str, suffix: str, *, visible: bool) -> _Reading:
    """The first GPT's and CLIP's BPE: the last piece of a word says so."""
    text = piece.removesuffix(suffix)
    return _Reading(_hidden(text) if visible else text.encode(), False, text != piece)


def _as_text(piece: str) -> _Reading:
    text = piece.encode()
    return _Reading(text, begins_word(text), ends_word(text))


def _whole(piece: str) -> _Reading:
    return _Reading(piece.encode(), True, False)


def _hidden(piece: str) -> bytes:
    return bytes(BYTE_OF[sign] for sign in piece if sign in BYTE_OF)


def begins_word(text: bytes) -> bool:
    """Whether a piece with these bytes, which may end or begin inside a character, begins a word whatever stands before it."""
    if not text:
        return False
    bounds = _first_character(text)
    if bounds is None:
        return False
    low, high = bounds
    if low != high:  # only some bytes of a character: enough where all that it may be are alike
        return any(first <= low and high <= last for first, last in _OPENING)
    if chr(low) in _APOSTROPHES and len(text) > len(chr(low).encode()):  # don't, l'homme: apostrophe and letters belong to what is before
        following = text[len(chr(low).encode()) :].decode(errors="replace")
        return unicodedata.category(following[0])[0] not in "LM"
    return _opens(chr(low))


def ends_word(text: bytes) -> bool:
    """Whether a word ends with this piece: its last character is a sign or punctuation. A space belongs to what follows it."""
    last = text.decode(errors="replace")[-1:]
    return last not in ("", "\ufffd", *_APOSTROPHES) and not last.isspace() and unicodedata.category(last)[0] in "PSC"


def _opens(sign: str) -> bool:
    category = unicodedata.category(sign)
    if category[0] == "M" or category == "Lm":  # combining marks, and letters such as ー that lengthen the one before
        return False
    if category[0] in "LN":
        return any(first <= ord(sign) <= last for first, last in _WITHOUT_SPACES)
    return True


def _first_character(text: bytes) -> tuple[int, int] | None:
    """The lowest and highest code point that the first bytes may mean; None where they go on with a character begun before."""
    lead = text[0]
    if lead < 0x80:
        return lead, lead
    if not 0xC2 <= lead <= 0xF4:
        return None
    length = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    known = text[1:length]
    low = high = lead & (0x7F >> length)
    for place in range(length - 1):
        low = low << 6 | (known[place] & 0x3F if place < len(known) else 0)
        high = high << 6 | (known[place] & 0x3F if place < len(known) else 0x3F)
    return max(low, (0, 0, 0x80, 0x800, 0x10000)[length]), min(high, 0x10FFFF)


def _byte_signs() -> dict[str, int]:
    """The visible sign that byte-level BPE writes for each byte (Radford et al. 2019): itself where it is visible, else one from 256 on."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {**{chr(byte): byte for byte in visible}, **{chr(256 + place): byte for place, byte in enumerate(hidden)}}


BYTE_OF = _byte_signs()
