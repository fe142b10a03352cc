"""What each language had, what it got, and how well it was learned, from languages.json."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from selfsup.reporting.excerpts import excerpt
from selfsup.reporting.markup import Html, section, table, tag
from selfsup.reporting.wording import count, percent, plural, short, task_title
from selfsup.run import Run

_MOST = 60


@dataclass(frozen=True)
class Language:
    """One language of a run; the numbers are those of `LanguageShare` and what was learned. NaN where one is not known."""

    language: str
    documents: float = math.nan
    bytes: float = math.nan
    tokens: float = math.nan
    rows: float = math.nan
    share: float = math.nan
    sampled: float = math.nan
    repeats: float = math.nan
    bytes_per_token: float = math.nan
    unknown: float = math.nan
    loss: float = math.nan
    bits_per_byte: float = math.nan


def read_languages(run: Run) -> list[Language]:
    """The languages of a run, as in the file; none where it is missing or damaged."""
    try:
        entries = json.loads((run.folder / "languages.json").read_text(encoding="utf-8"))
        return [_language(entry) for entry in entries]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return []


def _language(entry: dict[str, object]) -> Language:
    given = {item.name: entry.get(item.name) for item in fields(Language)[1:]}
    numbers = {name: float(value) for name, value in given.items() if isinstance(value, int | float) and math.isfinite(value)}
    return Language(str(entry["language"]), **numbers)


def languages(runs: Sequence[Run]) -> Html | None:
    """The section with a table for each task; None where there is one language only."""
    read = [(run, read_languages(run)) for run in runs]
    blocks = [_block(run, rows) for run, rows in read if len(rows) > 1]
    if not blocks:
        return None
    lead = (
        "Grey is a language's share of the text, blue its share of the training: small languages are repeated. "
        "Many bytes per token: the tokeniser knows the language well. Few bits per byte: the network does; "
        "they compare runs, not scripts, as a letter is one byte in English, two in Russian or Arabic, three in Chinese."
    )
    return section("languages", "Languages", *blocks, lead=lead)


def _block(run: Run, rows: list[Language]) -> Html:
    head = [
        "language",
        "documents",
        "tokens",
        "share of text and of training",
        "times seen per pass",
        "bytes per token",
        "unknown tokens, %",
    ]
    learned = any(row.bits_per_byte == row.bits_per_byte or row.loss == row.loss for row in rows)
    head += ["loss, nats per token", "bits per byte"] if learned else []
    longest = max((max(row.share, row.sampled) for row in rows if row.share == row.share), default=1.0) or 1.0
    body = [_row(row, longest, learned) for row in rows[:_MOST]]
    told = run.choices.get("language_loss")
    notes = [f"Loss and bits per byte: {told}." if learned and told else "", _rest(rows[_MOST:]), _unseen(rows)]
    note = tag("p", " ".join(filter(None, notes)), class_="note") if any(notes) else ""
    return tag("div", tag("h3", task_title(run.row)), note, table(head, body, class_="languages"))


def _row(row: Language, longest: float, learned: bool) -> list[object]:
    unknown = percent(row.unknown) if row.unknown else "0"
    cells: list[object] = [tag("bdi", excerpt(row.language, 40)), _whole(row.documents), _whole(row.tokens), _shares(row, longest)]
    cells += [short(row.repeats), short(row.bytes_per_token), unknown]
    return cells + ([short(row.loss), tag("b", short(row.bits_per_byte))] if learned else [])


def _whole(number: float) -> str:
    return count(number) if number == number else "–"


def _shares(row: Language, longest: float) -> Html:
    """Two bars, one under the other, and their numbers."""
    bars = [
        tag("span", tag("i", style=f"--part:{value / longest:.3f}"), tag("small", f"{percent(value)} %"), class_=kind)
        for value, kind in ((row.share, "had"), (row.sampled, "got"))
        if value == value
    ]
    return tag("td", *bars, class_="shares")


def _rest(rows: list[Language]) -> str:
    return f"{plural(len(rows), 'smaller language')} are in languages.json." if rows else ""


def _unseen(rows: list[Language]) -> str:
    none = [excerpt(row.language, 40) for row in rows if row.rows == 0]
    some = ", ".join(none[:5]) + (" …" if len(none) > 5 else "")
    return f"Too short to fill a row of tokens, and never seen: {some}." if none else ""
