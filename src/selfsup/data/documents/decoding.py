"""Bytes to clean text in a stream: the encoding is told from a sample, line ends become one, what is no text is taken out and counted."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from itertools import chain

from selfsup.data.encodings import Guess, NoText, detect, utf8_signs

_ENOUGH = 1 << 12  # bytes behind the first that is not ASCII that are looked at to tell the encoding
_MOST_LOST = 0.1  # share of signs of a chunk that may be lost; more is no text
_FEW = 200
# Escape sequences that colour a terminal, and control signs but for tab and newline; form feeds part pages. ECMA-48, 5.4.
_TERMINAL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ud800-\udfff]")
_CUT = re.compile(r"(?:\r|\x1b(?:\[[0-?]*[ -/]*)?)\Z")  # may go on in the next chunk


def decoded(chunks: Iterator[bytes], *, encoding: str | None, note: Callable[[str], None]) -> Iterator[str]:
    """The text of the bytes of one file. As long as there is nothing but ASCII the encoding stays open, then it is told from what comes.

    Bytes that do not fit become U+FFFD; `note` is told of them, and of an encoding that had to be guessed. Raises NoText.
    """
    guess: Guess | None = None
    for chunk in chunks:
        data = chunk + next(chunks, b"") if not chunk[-_ENOUGH:].isascii() else chunk
        guess = _fitting(data, encoding) if encoding is not None else detect(data)
        if guess is not None:
            chunks = chain([data], chunks)
            break
        yield data.decode("ascii")
    if guess is None:
        return
    if guess.note:
        note(guess.note)
    decoder, lost = codecs.getincrementaldecoder(guess.encoding)("replace"), 0
    for chunk in chain(chunks, [b""]):
        text = decoder.decode(chunk, final=not chunk)
        lost += (here := _lost(chunk, text, guess.encoding))
        if here > max(_FEW, _MOST_LOST * len(text)):
            raise NoText("turns into binary data")
        yield text
    if lost:
        note(f"bytes that are no {guess.encoding.upper()} became U+FFFD in {lost:,} {'places' if lost > 1 else 'place'}")


def _fitting(data: bytes, encoding: str) -> Guess:
    """The encoding that a user named, if it fits."""
    name = codecs.lookup(encoding).name
    text = codecs.getincrementaldecoder(encoding)("replace").decode(data)
    beyond_ascii = len(text) - len(text.encode("ascii", "ignore"))
    if _lost(data, text, name) > beyond_ascii // 2:
        raise NoText(f"does not fit the encoding that was given, {encoding}")
    good, bad = utf8_signs(data) if not name.startswith("utf") else (0, 0)
    return Guess("utf-8-sig" if name == "utf-8" else encoding, f"fits UTF-8, but was read as {encoding}" if good and not bad else "")


def _lost(data: bytes, text: str, encoding: str) -> int:
    there = data.count(b"\xef\xbf\xbd") if encoding.startswith("utf-8") else 0
    return max(0, text.count("\ufffd") - there)


class Cleaner:
    """Takes out of texts what is no text: NUL and other control signs, marks of byte order, halves of surrogate pairs; counts them."""

    def __init__(self, page_break: str = "\n") -> None:
        self._page_break = page_break  # in a table a newline may not come from anything else
        self.zeros = 0
        self.controls = 0
        self.halves = 0

    def stream(self, chunks: Iterator[str]) -> Iterator[str]:
        """Clean text of any length."""
        held = ""
        for chunk in chunks:
            text = held + chunk
            cut = match.start() if (match := _CUT.search(text, max(0, len(text) - _FEW))) else len(text)
            held = text[cut:]
            yield self.clean(text[:cut])
        if held:
            yield self.clean(held)

    def clean(self, text: str) -> str:
        """One whole text, with newlines as line ends."""
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        if _CONTROL.search(text) is None:
            return text
        if re.search("[\ud800-\udfff]", text):  # from JSON escapes: pairs become the sign they mean
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
            self.halves += text.count("\ufffd")
        self.zeros += text.count("\x00")
        text = _TERMINAL.sub("", text).replace("\x00", "").replace("\ufeff", "")
        text = text.replace("\x0c", self._page_break).replace("\x0b", self._page_break)
        text, removed = _CONTROL.subn("", text)
        self.controls += removed
        return text

    def words(self) -> list[str]:
        """What was taken out, in words."""
        found = (
            (self.zeros, "NUL bytes were removed"),
            (self.controls, "control signs were removed"),
            (self.halves, "halves of surrogate pairs became U+FFFD"),
        )
        return [f"{count:,} {what}" for count, what in found if count]
