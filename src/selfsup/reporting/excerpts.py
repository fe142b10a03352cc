"""Texts on the page: the beginning of a document, in its own direction of writing, that wraps however long its words are."""

from __future__ import annotations

import re
import unicodedata

from selfsup.reporting.markup import Html, tag

EXCERPT = 300  # characters: two or three sentences tell what a document is about
_WHITE = 4  # times as many are looked at, as much may be white space
# Marks that force a direction onto what follows. A text with them is shown in a box with a direction of its own, where they mean little.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def straight(text: str) -> str:
    """A text without marks that turn the direction of what follows."""
    return _TURNING.sub("", text)


def excerpt(text: str, most: int = EXCERPT) -> str:
    """The beginning of a text: any white space as one space, at most `most` characters, cut between words where they are not too long."""
    head = text[: _WHITE * most]
    plain = " ".join(straight(head).split())
    if len(plain) <= most:
        return f"{plain}…" if len(head) < len(text) else plain
    end = most - 1
    space = plain.rfind(" ", 2 * most // 3, end + 1)
    if space > 0:
        return f"{plain[:space]}…"
    while end > most // 2 and unicodedata.combining(plain[end]):  # a letter keeps its accents
        end -= 1
    return f"{plain[:end]}…"


def passage(content: object, class_: str = "text", **attributes: object) -> Html:
    """Some text as a block of its own that begins on the side its writing begins on."""
    return tag("p", content, class_=class_, dir="auto", **attributes)
