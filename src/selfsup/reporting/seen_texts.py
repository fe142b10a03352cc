"""What the network read: some texts before and after the task's views, from samples/seen.json."""

from __future__ import annotations

import json

from selfsup.reporting.alignment import END, Piece, Special, aligned
from selfsup.reporting.excerpts import EXCERPT, excerpt, passage
from selfsup.reporting.markup import Html, join, section, tag
from selfsup.reporting.over_time import read_over_time
from selfsup.reporting.wording import task_title
from selfsup.run import Run

_ROWS = 6


def read_seen(run: Run) -> tuple[list[str], list[str]]:
    """Texts before and after the task's views, as many after as before or none; empty where the file is missing or damaged."""
    try:
        content = json.loads((run.samples / "seen.json").read_text(encoding="utf-8"))
        before, after = ([str(text) for text in content.get(name) or []][:_ROWS] for name in ("text", "seen"))
    except (OSError, ValueError, AttributeError, TypeError):
        return [], []
    return before, after if len(after) == len(before) else []


def seen_texts(runs: list[Run]) -> Html:
    """The section on what tasks hide or change in texts."""
    return section("read", "What the network read", *(_sheet(run) for run in runs))


def _sheet(run: Run) -> Html:
    heading = tag("h3", task_title(run.row))
    before, after = read_seen(run)
    if not before:
        return tag("div", heading, tag("p", "No texts were kept in this run (samples/seen.json is missing).", class_="empty"))
    special = Special.of(run.folder)
    pairs = [aligned(text, seen, special, most=EXCERPT) for text, seen in zip(before, after, strict=False)]
    if not any(piece.changed for pieces in pairs for piece in pieces):
        words = "Nothing is hidden: the network reads the text as it stands."
        if any("text" in line for line in read_over_time(run)):
            words = "Nothing is hidden: the network reads from the beginning on, and has to tell each next token from those before."
        plain = [passage(excerpt(special.plain(text))) for text in before]
        return tag("div", heading, tag("p", words, _ending(before, special), class_="note"), *plain)
    words = "Left, text as it is, with what was hidden or changed marked. Right, what the network was given instead."
    rows = [tag("div", passage(_before(pieces)), passage(_after(pieces)), class_="seen") for pieces in pairs]
    titles = tag("div", tag("span", "the text"), tag("span", "what the network read"), class_="seen titles")
    return tag("div", heading, tag("p", words, _ending([*before, *after], special), class_="note"), titles, *rows)


def _ending(texts: list[str], special: Special) -> str:
    return f" {END} stands where a document ends." if any(END in special.plain(text) for text in texts) else ""


def _before(pieces: list[Piece]) -> Html:
    """The text, what was hidden marked; a space before it stays outside."""
    return join(
        join([_space(piece), tag("mark", piece.text.strip() or "␣")]) if piece.changed and piece.text else piece.text for piece in pieces
    )


def _after(pieces: list[Piece]) -> Html:
    """What was seen, with the spaces that were hidden together with words, so that it can be read."""
    shown = []
    for piece in pieces:
        if not piece.changed:
            shown.append(piece.seen)
        elif piece.seen:
            shown += [_space(piece), tag("mark", piece.seen.strip() or "␣", class_="hidden" if piece.hidden else "changed")]
    return join(shown)


def _space(piece: Piece) -> str:
    return " " if piece.text[:1].isspace() or piece.seen[:1].isspace() else ""
