"""Which encoding bytes are in: a mark, the pattern of zero bytes, UTF-8, else the likeliest of the old ones. Binary data is refused."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from selfsup.data.alphabets import FREQUENT
from selfsup.data.writing import strangeness

MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Old encodings that texts still come in, the usual ones first: among equally good ones the first is taken.
OLD = (
    *("cp1252", "cp1251", "gb18030", "cp932", "cp949", "big5", "cp1250", "euc_jp", "koi8_r", "koi8_u", "cp1253", "cp1254", "cp1255"),
    *("cp1256", "cp1257", "cp1258", "cp874", "iso8859_15", "iso8859_2", "iso8859_5", "iso8859_7", "iso8859_9", "cp866", "cp850"),
    *("cp437", "cp852", "mac_roman", "mac_cyrillic"),
)
_FORMATS = (
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive or an Office file"),
    (b"\xd0\xcf\x11\xe0", "an old Office file"),
    (b"{\\rtf", "an RTF file"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3", "a database"),
    (b"PAR1", "a Parquet file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a", "a RAR archive"),
    (b"\xfd7zXZ", "an xz archive"),
)
_CONTROLS = bytes((*range(1, 8), *range(14, 26), 28, 29, 30, 31, 127))  # without those of terminals and of white space
_ASCII = bytes(range(128))
_SAMPLE = 6_000  # bytes of lines with more than ASCII that an old encoding is told from
_STRANGE = 0.35  # share of odd signs from which on no encoding fits


class NoText(ValueError):
    """Bytes that no text comes out of; the words say why."""


@dataclass(frozen=True)
class Guess:
    """An encoding as Python calls it; `note` says how it was found where it was not beyond doubt."""

    encoding: str
    note: str = ""


def detect(sample: bytes) -> Guess | None:
    """The encoding of bytes that begin with `sample`; None when all of it is ASCII, so that any may still follow. Raises NoText."""
    marked = next((encoding for mark, encoding in MARKS if sample.startswith(mark)), None)
    if marked is not None:
        return _checked_mark(sample, marked)
    if (kind := next((kind for start, kind in _FORMATS if sample.startswith(start)), None)) is not None:
        raise NoText(f"{kind}, not text")
    if sample and not sample.strip(b"\x00"):
        raise NoText("nothing but NUL bytes")
    bare = sample.replace(b"\x00", b"")
    binary = _is_binary(bare)
    fine = not binary and _is_utf8(bare)
    if (not fine or b"\x00" in sample) and (wide := _by_zeros(sample, fine=fine)):
        return Guess(wide, f"read as {wide.upper()}, told from its bytes")
    if binary:
        raise NoText("binary data, not text")
    if bare.isascii():
        return _seven_bits(bare)
    return Guess("utf-8") if fine else _likeliest(_telling(bare))


def _is_utf8(data: bytes) -> bool:
    """Most of what is not ASCII is good UTF-8. A single byte at the very end is more likely é of an old encoding than a cut sign."""
    good, bad = utf8_signs(data)
    return good >= 2 * bad and (good > 0 or len(data.translate(None, _ASCII)) != 1)


def utf8_signs(data: bytes) -> tuple[int, int]:
    """How many signs beyond ASCII are good UTF-8, and in how many places bytes are none. One cut at the end is neither."""
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(data)
    bad = text.count("\ufffd") - data.count(b"\xef\xbf\xbd")
    return len(text) - len(text.encode("ascii", "ignore")) - bad, bad


def decode_all(data: bytes) -> str:
    """A whole file's bytes as text, in the encoding they seem to be in. Raises NoText."""
    guess = detect(data)
    return data.decode(guess.encoding if guess else "ascii", errors="replace").removeprefix("\ufeff")


def _checked_mark(sample: bytes, encoding: str) -> Guess:
    if encoding == "utf-8-sig":
        good, bad = utf8_signs(sample[3:].replace(b"\x00", b""))
        if _is_binary(sample) or bad > good:
            raise NoText("marked as UTF-8 at its start, but it is not; name its encoding")
        return Guess(encoding)
    sample = sample[: 1 << 16]
    if encoding == "utf-32" and _decoded(sample, "utf-32") is None:
        encoding = "utf-16"  # its mark, and a zero
    text = codecs.getincrementaldecoder(encoding)("replace").decode(sample)
    odd = sum(not sign.isprintable() and not sign.isspace() and sign != "\x00" for sign in text) + text.count("\ufffd")
    if odd > len(text) * 0.05 + 2 or strangeness(text, languages=False) > _STRANGE:
        raise NoText(f"marked as {encoding.upper()} at its start, but it is not")
    return Guess(encoding)


def _by_zeros(sample: bytes, *, fine: bool) -> str | None:
    """UTF-32 or UTF-16 without a mark, if zero bytes are where they put them and text comes out; `fine` is UTF-8 but for zeros.

    Texts of East Asia need not hold any zero in UTF-16; their frequent signs tell.
    """
    whole = sample[: len(sample) // 4 * 4]
    for encoding, zero, small in (("utf-32-le", 3, 2), ("utf-32-be", 0, 1)):
        planes = whole[small::4]  # hardly any text is beyond the first
        if whole and not any(whole[zero::4]) and planes.count(0) > len(planes) / 2 and _decoded(whole, encoding) is not None:
            return encoding
    zeros = sample[0::2].count(0), sample[1::2].count(0)
    if fine and max(zeros) < len(sample) / 8:
        return None  # good text, perhaps with a few zeros in it
    likely = [place for place in (0, 1) if zeros[place] and zeros[1 - place] <= zeros[place] * 0.1]
    for place, encoding in enumerate(("utf-16-be", "utf-16-le")):
        if _is_utf16(sample, encoding, likely=place in likely):
            return encoding
    return None


def _is_utf16(sample: bytes, encoding: str, *, likely: bool) -> bool:
    """`likely` by its zeros; without, it has to be East Asian: in 4E00, a frequent sign there, the zero is on the other side."""
    text = _decoded(sample, encoding)
    if text is None or _is_binary(text.encode()) or min(strangeness(text, language, languages=False) for language in FREQUENT) > 0.2:
        return False
    return likely or sum(sign > "\u2e7f" for sign in text) > len(text) / 2


def _decoded(sample: bytes, encoding: str) -> str | None:
    """The sample as text, but for a sign that it may cut at its end; None where it is not of that encoding."""
    try:
        return codecs.getincrementaldecoder(encoding)("strict").decode(sample)
    except UnicodeDecodeError:
        return None


def _is_binary(data: bytes) -> bool:
    """More control signs than text has: random bytes are 11 % of them."""
    controls = len(data) - len(data.translate(None, _CONTROLS))
    return controls > max(1, len(data) // 20) or controls > max(8, len(data) // 100)


def _seven_bits(data: bytes) -> Guess | None:
    if b"\x1b$" in data and _decoded(data, "iso2022_jp") is not None:
        return Guess("iso2022_jp", "read as ISO-2022-JP, told from its escape signs")
    return None


def _telling(data: bytes) -> bytes:
    """The lines that have more than ASCII, as many as are needed to tell the encoding."""
    lines, size = list[bytes](), 0
    for line in data.split(b"\n"):
        if not line.isascii():
            start = max(0, next(place for place, byte in enumerate(line) if byte > 127) - 200)
            lines.append(line[start if line[:start].isascii() else 0 :][: _SAMPLE - size])
            size += len(lines[-1])
            if size >= _SAMPLE:
                break
    return b"\n".join(lines)


def _likeliest(sample: bytes) -> Guess:
    """The old encoding in which the sample looks most like writing. Raises NoText when it does in none."""
    from charset_normalizer import from_bytes

    known = {str(match): (match.chaos, match.coherence) for match in from_bytes(sample, cp_isolation=list(OLD), enable_fallback=False)}
    ranked: list[tuple[float, int, str]] = []
    for place, encoding in enumerate(OLD):
        text = _decoded(sample, encoding)
        if text is not None:
            mess, language = known.get(text, (0.3, 0.0))
            ranked.append((strangeness(text, encoding) + 0.5 * mess - 0.05 * language + 0.002 * place, place, encoding))
    score, _, encoding = min(ranked, default=(1.0, 0, ""))
    if score > _STRANGE:
        raise NoText("bytes that fit no encoding well; name it, if this is text")
    return Guess(encoding, f"read as {encoding}, a guess")
