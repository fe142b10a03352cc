"""Nearest neighbours of a few documents, as their first sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from selfsup.reporting.chart import chip
from selfsup.reporting.excerpts import EXCERPT, excerpt, passage
from selfsup.reporting.markup import Html, join, section, tag
from selfsup.reporting.neighbours import nearest, queries
from selfsup.reporting.vectors import Vectors
from selfsup.reporting.wording import task_title
from selfsup.run import Run

_QUERIES, _NEIGHBOURS = 5, 3
_SHORTER = 2 * EXCERPT // 3

Texts = Mapping[str, str]
"""Excerpts of documents by id."""


def text_neighbours(runs: Sequence[tuple[Run, Vectors, Texts]], shades: dict[str, str]) -> Html:
    """The section on neighbours of documents, the same ones for every task, each with the most alike by cosine, nearest first."""
    names = asked(runs[0][1])
    blocks = [_block(run, vectors, texts, names, shades) for run, vectors, texts in runs]
    lead = "A document, and under it those that the embedding holds to be most alike (cosine), nearest first. "
    labelled = {vectors.means for _, vectors, _ in runs if any(vectors.labels)}
    lead += f"✓ has the same {' or '.join(sorted(labelled))}, ✗ another one." if labelled else ""
    return section("documents", "Nearest documents", tag("div", *blocks, class_="pair" if len(blocks) > 1 else "solo"), lead=lead)


def asked(vectors: Vectors) -> list[str]:
    """Ids of the documents whose neighbours are shown."""
    return [vectors.ids[row] for row in queries(vectors, _QUERIES)]


def shown(vectors: Vectors, names: Sequence[str]) -> set[str]:
    """Ids of some documents and of their neighbours: whose texts are needed."""
    rows = {name: row for row, name in enumerate(vectors.ids)}
    found = {name for name in names if name in rows}
    return found | {vectors.ids[other] for name in found for other, _ in nearest(vectors, rows[name], _NEIGHBOURS)}


def _block(run: Run, vectors: Vectors, texts: Texts, names: Sequence[str], shades: dict[str, str]) -> Html:
    rows = {name: row for row, name in enumerate(vectors.ids)}
    cards = []
    for query in (rows[name] for name in names if name in rows):
        others = [_document(vectors, other, texts, query, cosine) for other, cosine in nearest(vectors, query, _NEIGHBOURS)]
        cards.append(tag("div", _document(vectors, query, texts, None, None), *others, class_="alike"))
    missing = "" if texts else tag("p", f"The texts cannot be shown: {run.data} can no longer be read as it was.", class_="callout warn")
    return tag("div", tag("h3", chip(task_title(run.row), shades.get(run.row, "var(--muted)"))), missing, *cards)


def _digits(cosine: float) -> str:
    """Embeddings of texts lie close together: as many digits as tell them apart."""
    return f"{cosine:.3f}" if cosine < 0.9985 else f"{cosine:.5f}"


def _document(vectors: Vectors, row: int, texts: Texts, query: int | None, cosine: float | None) -> Html:
    name, label = vectors.ids[row], vectors.labels[row]
    mark, kind = "", "query" if query is None else ""
    if query is not None and label is not None and vectors.labels[query] is not None:
        mark, kind = ("✓ ", "same") if label == vectors.labels[query] else ("✗ ", "other")
    words = texts.get(name)
    body = tag("p", "gone", class_="gone") if words is None else passage(words if query is None else excerpt(words, _SHORTER))
    told = "" if label is None else tag("b", mark, tag("bdi", excerpt(label, 40)))
    facts = [told, "" if cosine is None else f"similarity {_digits(cosine)}", tag("code", tag("bdi", excerpt(name, 80)))]
    return tag("div", tag("p", join(filter(None, facts), " "), class_="about"), body, class_=kind)
