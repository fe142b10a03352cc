"""The frame of the page: head, navigation, style. No script, no font, no request: a policy in the head forbids them all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import selfsup
from selfsup.reporting.markup import Html, join, tag
from selfsup.reporting.style import STYLE

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_HEADING = re.compile(r'<section id="([^"]+)"><h2>(.*?)</h2>', re.DOTALL)


def page(
    title: str,
    sections: Sequence[Html],
    *,
    samples: str = "pictures",
    without_samples: bool = False,
    way_out: str = "; --without-samples leaves them out",
) -> str:
    """A whole HTML document from its sections. The first is the opening; the others are linked under it.

    `samples` are what the page shows of the data, unless `without_samples`; `way_out` says how they are left out, where they can be.
    """
    head = tag(
        "head",
        Html('<meta charset="utf-8">'),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} · selfsup report"),
        tag("style", Html(STYLE)),
    )
    links = [tag("a", Html(heading), href=f"#{anchor}") for part in sections for anchor, heading in _HEADING.findall(part)]
    opening, rest = join(sections[:1]), join(sections[1:])
    body = tag("body", opening, tag("nav", *links), tag("main", rest), _foot(samples, without_samples, way_out))
    return f'<!DOCTYPE html>\n<html lang="en">{head}{body}</html>\n'


def _foot(samples: str, without_samples: bool, way_out: str) -> Html:
    told = (
        f"{samples.capitalize()} and file names were left out."
        if without_samples
        else f"This file holds {samples} and file names of your data{way_out}."
    )
    return tag(
        "footer", f"Written by selfsup {selfsup.__version__}, {datetime.now():%Y-%m-%d %H:%M}. It asks the network for nothing. {told}"
    )
