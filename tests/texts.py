"""Documents for tests: a stand-in with the fields that documents have, texts of several languages made of a few words each."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

WORDS = {
    "en": "the of and to in is that it was for on are with as his they at be this from have or by one had not but what all were",
    "de": "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er hat dass",
    "ru": "и в не на я быть он с что а по это она этот к но они мы весь который из у который то за свой что весь год от",
    "hi": "के में की है यह और से को पर इस होता कि जो कर मे गया करने किया लिये अपने ने बनी नहीं तो ही या एवं दिया हो इसका",
    "zh": "我们 的 是 不了 在 人有 他这 中大 来上 个国 到说 们为 子和 你地 出道 也时 年得 就那 要下 以生 会自 着去 之过",
}


@dataclass(frozen=True, slots=True)
class Text:
    """What a document has."""

    id: str
    text: str
    language: str | None = None
    columns: Mapping[str, str | None] = field(default_factory=dict)


@dataclass
class Reading:
    """How far a pass has come."""

    bytes_read: int = 0


@dataclass
class Texts:
    """A corpus in memory that counts how often it is read."""

    items: Sequence[Text]
    name: str = "texts"
    root: str = ""
    skipped: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    read: int = 0
    bytes: int | None = None
    counts: Reading = field(default_factory=Reading)

    def __iter__(self) -> Iterator[Text]:
        self.counts = Reading()
        for item in self.items:
            self.read += 1
            self.counts.bytes_read += len(item.text.encode(errors="replace"))
            yield item

    def fingerprint(self) -> str:
        return hashlib.sha256(repr(self.items).encode(errors="replace")).hexdigest()


def sentence(chance: random.Random, language: str, words: int) -> str:
    """Some words of a language, in Chinese without spaces."""
    return ("" if language == "zh" else " ").join(chance.choices(WORDS[language].split(), k=words)) + ("。" if language == "zh" else ".")


def corpus(sizes: Mapping[str, int], *, words: int = 40, seed: int = 0) -> Texts:
    """That many documents of each language, of 1 to `words` words, mixed; "unknown" documents are English and do not say so."""
    chance = random.Random(seed)
    names = [language for language, count in sizes.items() for _ in range(count)]
    chance.shuffle(names)
    items = []
    for number, name in enumerate(names):
        language = None if name == "unknown" else name
        text = sentence(chance, language or "en", chance.randint(1, words))
        items.append(Text(f"{name}/{number}", text, language, {"class": str(number % 3)}))
    return Texts(items)


def any_text(chance: random.Random, length: int) -> str:
    """Characters from all over Unicode: letters, marks, emoji, controls, white space, unassigned ones."""
    ranges = ((0, 0x80), (0x80, 0x800), (0x800, 0xD800), (0xE000, 0x10000), (0x1F300, 0x1FAFF), (0x10000, 0x110000))
    spaces = " \t\n\r\u00a0\u2003\u3000"
    return "".join(chance.choice(spaces) if chance.random() < 0.2 else chr(chance.randrange(*chance.choice(ranges))) for _ in range(length))
