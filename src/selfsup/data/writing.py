"""How much a text looks like writing: signs where no writing puts them betray bytes that were read in a wrong encoding."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections import Counter

from selfsup.data.alphabets import ALPHABETS, EXPECTED_SHARE, FREQUENT, FREQUENT_LETTERS

# Where scripts start in Unicode (Blocks.txt, Unicode 16), as coarse as is needed: letters of two scripts do not meet inside a word.
_BLOCKS: tuple[tuple[int, str], ...] = (
    (0x0000, "latin"),
    (0x0370, "greek"),
    (0x0400, "cyrillic"),
    (0x0530, "armenian"),
    (0x0590, "hebrew"),
    (0x0600, "arabic"),
    (0x0780, "other"),
    (0x0900, "indic"),
    (0x0E00, "thai"),
    (0x0E80, "other"),
    (0x10A0, "georgian"),
    (0x1100, "east"),
    (0x1200, "other"),
    (0x1C80, "cyrillic"),
    (0x1C90, "other"),
    (0x1D00, "latin"),
    (0x1F00, "greek"),
    (0x2000, "signs"),
    (0x2DE0, "cyrillic"),
    (0x2E00, "signs"),
    (0x2E80, "east"),
    (0xA640, "cyrillic"),
    (0xA6A0, "other"),
    (0xA720, "latin"),
    (0xA800, "other"),
    (0xAC00, "east"),
    (0xD800, "signs"),
    (0xF900, "east"),
    (0xFB00, "latin"),
    (0xFB1D, "hebrew"),
    (0xFB50, "arabic"),
    (0xFE00, "signs"),
    (0xFE70, "arabic"),
    (0xFF00, "signs"),
    (0xFF66, "half-width"),
    (0xFFA0, "signs"),
    (0x20000, "east"),
)
_STARTS = [start for start, _ in _BLOCKS]
_JOINING = frozenset("'’‘´`-‐‑–—·•…/º²³™®&\xad\u200c\u200d")  # may stand between two letters
_USUAL = frozenset("“”„‘’‚«»‹›–—…•·§©®™€£¥×½¼\xa0\u2003\u2009\u200b\u3000")  # signs of any text
_ENOUGH = 6000  # signs of a text that are looked at
_ALPHABETIC = ("latin", "greek", "cyrillic", "hebrew", "arabic", "thai")  # the scripts of ALPHABETS


def strangeness(text: str, encoding: str = "", *, languages: bool = True) -> float:
    """The share of signs beyond ASCII that stand where writing has none: 0 for clean text of any language, near 1 for a wrong encoding.

    Counted are control signs, unassigned and private ones, letters of two scripts in one word, capitals behind small letters, symbols
    between letters, and letters that no single language has beside the others. For the encodings of East Asia, where most bytes make
    some sign, the frequent signs of the language have to occur. Without `languages`, letters may be those of any.
    """
    words = [word for word in dict.fromkeys(text[:_ENOUGH].split()) if not word.isascii()]
    signs = sum(not sign.isascii() for word in words for sign in word)
    if not signs:
        return 0.0
    odd = sum(_oddities(word) for word in words) / signs
    counts = Counter(sign for word in words for sign in word if not sign.isascii())
    return min(1.0, odd + (_foreign(counts) if languages else 0.0) + _unfamiliar(counts, encoding))


def _oddities(word: str) -> float:
    odd = 0.0
    for place, sign in enumerate(word):
        if sign.isascii():
            continue
        before, after = word[place - 1 : place], word[place + 1 : place + 2]
        category = unicodedata.category(sign)
        if category in ("Cc", "Cn", "Co", "Cs") or sign == "\ufffd":
            odd += 1
        elif category[0] == "L":
            odd += _odd_letter(before, sign, after)
        elif category[0] != "M" and sign not in _JOINING and _in_word(before) and _in_word(after):
            odd += 1
        elif category[0] == "S" or (category[0] in "PNZ" and sign not in _USUAL and _script(sign) == "latin"):
            odd += 0.0 if sign in _USUAL else 0.3
    return odd


def _odd_letter(before: str, sign: str, after: str) -> float:
    script = _script(sign)
    if script == "half-width":
        return 1.0 if before.isascii() and before.isalpha() else 0.3  # half-width kana are rare; single high bytes look like them
    neighbours = [_script(other) for other in (before, after) if other.isalpha()]
    if script == "east":
        return 1.0 if neighbours and "east" not in neighbours else 0.0  # one alone between Latin letters
    if any(other not in (script, "signs") for other in neighbours):
        return 1.0
    return 1.0 if (before.islower() and sign.isupper()) or (sign.islower() and after.isupper()) else 0.0


def _in_word(sign: str) -> bool:
    return sign.isalpha() and _script(sign) not in ("east", "half-width")


def _foreign(counts: Counter[str]) -> float:
    """Half the share of letters that the language with most of them does not have."""
    letters = Counter[str]()
    for sign, count in counts.items():
        if sign.isalpha() and _script(sign) in _ALPHABETIC:
            letters[sign.lower()[:1]] += count
    best = max(sum(letters[sign] for sign in alphabet if sign in letters) for alphabet in ALPHABETS.values())
    return 0.5 * (letters.total() - best) / counts.total()


def _unfamiliar(counts: Counter[str], encoding: str) -> float:
    """Half the share of signs of a script, less so the more of its frequent signs are among them; for scripts where that tells."""
    wanted = {"east": (FREQUENT[encoding], EXPECTED_SHARE)} if encoding in FREQUENT else {}
    odd = 0.0
    for script, (frequent, expected) in {**wanted, **FREQUENT_LETTERS}.items():
        own = Counter[str]()
        for sign, count in counts.items():
            if _script(sign) == script and (script == "east" or sign.isalpha()):
                own[sign.lower()] += count
        if own:
            share = sum(own[sign] for sign in frequent if sign in own) / own.total()
            odd += 0.5 * max(0.0, 1 - share / expected) * own.total() / counts.total()
    return odd


def _script(sign: str) -> str:
    return _BLOCKS[bisect_right(_STARTS, ord(sign)) - 1][1]
