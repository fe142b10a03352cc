"""HTML built so that nothing a user or a file name says can become markup: a plain `str` is escaped, only `Html` passes."""

from __future__ import annotations

import html
import io
import re
from base64 import b64encode
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_VOID = frozenset({"img", "meta"})  # elements HTML knows no end tag for; those of SVG need one
# Control characters, lone surrogates (undecodable bytes of file names), and the marks that turn the direction of text, with which
# a name can pose as another.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]")


class Html(str):
    """Text that is markup already. Everything else is escaped by `tag` and `join`."""

    __slots__ = ()


def escape(value: object) -> Html:
    """Any value as harmless text: markup escaped, unprintable characters shown as U+FFFD."""
    return value if isinstance(value, Html) else Html(html.escape(_UNPRINTABLE.sub("\ufffd", str(value)), quote=True))


def join(children: Iterable[object], separator: str = "") -> Html:
    """Children one after the other, escaped where they are not `Html`."""
    return Html(separator.join(escape(child) for child in children))


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """An element: `tag("td", name, class_="low")`. An attribute that is None is left out; underscores become hyphens."""
    written = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items() if value is not None)
    return Html(f"<{name}{written}>" if name in _VOID and not children else f"<{name}{written}>{join(children)}</{name}>")


def section(anchor: str, title: str, *children: object, lead: str | None = None) -> Html:
    """A section of the page with its heading, an optional sentence that says how to read it, and its content."""
    return tag("section", tag("h2", title), tag("p", lead, class_="lead") if lead else "", *children, id=anchor)


def table(head: Iterable[object], rows: Iterable[Iterable[object]], *, caption: str | None = None, class_: str | None = None) -> Html:
    """A table in a box that scrolls sideways where it is narrow. The first cell of a row is its heading; a cell may be a `td` already."""
    header = tag("tr", *(_cell(cell, "th", "col") for cell in head))
    body = join(tag("tr", *(_cell(cell, "td" if i else "th", None if i else "row") for i, cell in enumerate(row))) for row in rows)
    inside = (tag("caption", caption) if caption else "", tag("thead", header), tag("tbody", body))
    return tag("div", tag("table", *inside, class_=class_), class_="scroll", tabindex="0")


def _cell(content: object, name: str, scope: str | None) -> Html:
    if isinstance(content, Html) and content.startswith(("<td", "<th")):
        return content
    return tag(name, content, scope=scope)


def picture(pixels: NDArray[np.uint8], *, width: int, description: str, height: int | None = None) -> Html:
    """Pixels uint8 (H, W), (H, W, 1) or (H, W, 3) as an inline PNG at their true resolution, shown `width` CSS pixels wide.

    A picture shown larger than it is keeps its square pixels, so that a reader sees what the network saw and not what a browser made of it.
    """
    array = np.ascontiguousarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] != 3 else pixels)
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG", optimize=True)
    source = "data:image/png;base64," + b64encode(buffer.getvalue()).decode("ascii")
    sharp = "sharp" if width > array.shape[1] else None
    return tag(
        "img", src=source, alt=description, width=width, height=height or round(width * array.shape[0] / array.shape[1]), class_=sharp
    )
