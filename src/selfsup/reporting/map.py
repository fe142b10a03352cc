"""A map of the embedding: every dot a picture or a text, near one another where the embedding holds them to be alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from selfsup.reporting.chart import chip, colour, spread
from selfsup.reporting.excerpts import excerpt
from selfsup.reporting.markup import Html, section, tag
from selfsup.reporting.vectors import Vectors
from selfsup.reporting.wording import count, item_of, plural, task_title
from selfsup.run import Run

_MOST_POINTS = 1500  # t-SNE of these takes seconds; more dots than these hide one another
_MOST_NAMED = 20
_SIDE = 420
_SAID = 90  # characters of a text that a dot says


class Placed(NamedTuple):
    """Places float64 (n, 2) in 0..1, their labels, how many items they were drawn from, by which method, and their rows."""

    places: NDArray[np.float64]
    labels: list[str | None]
    total: int
    method: str
    rows: Sequence[int] = ()


def maps(runs: Sequence[tuple[Run, Vectors]], shades: dict[str, str], *, said: Mapping[Path, Mapping[str, str]] | None = None) -> Html:
    """The section with a map of each task, dots coloured by label where there are labels.

    In the runs whose folders are in `said`, every dot says its text (by id), or its id where that is not there.
    """
    figures, said = [], said or {}
    for run, vectors in runs:
        placed = place(vectors)
        note = f"{placed.method} of {count(len(placed.labels))}" + (
            f" of {plural(placed.total, item_of([run]))}" if placed.total > len(placed.labels) else f" {item_of([run])}s"
        )
        caption = tag("figcaption", chip(task_title(run.row), shades.get(run.row, "var(--muted)")), tag("small", note))
        figures.append(
            tag(
                "figure",
                caption,
                _scatter(placed, f"Map of the {task_title(run.row)} embedding", _said(placed, vectors, said.get(run.folder))),
                class_="map",
            )
        )
    lead = "Neighbours on the map are neighbours in the embedding; distances between groups and sizes of groups mean little."
    if any(label is not None for _, vectors in runs for label in vectors.labels if vectors.means == "label"):
        lead += " Labels only colour the dots: the network never saw them."
    if said:
        lead += " Rest the pointer on a dot to read what it stands for."
    return section("map", "Map of the embedding", tag("div", *figures, class_="triple"), lead=lead)


def place(vectors: Vectors) -> Placed:
    """Two-dimensional places of an even sample: t-SNE (van der Maaten, Hinton, JMLR 2008) on 50 principal components, or two of those.

    What has a label goes first where not all can be shown.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    total, rows = len(vectors.ids), mapped(vectors)
    unit = vectors.unit[rows].astype(np.float64)
    labels = [vectors.labels[row] for row in rows]
    width = min(50, *unit.shape)
    if width < 2 or np.ptp(unit, axis=0).max() < 1e-9:
        return Placed(np.full((len(rows), 2), 0.5), labels, total, "All alike: no map", rows.tolist())
    reduced = PCA(width, random_state=0).fit_transform(unit)
    method = "Principal components"
    places = reduced[:, :2]
    if len(rows) >= 30:
        start = 1e-4 * reduced[:, :2] / max(float(reduced[:, 0].std()), 1e-12)  # scikit-learn's scale for a start from principal components
        places = TSNE(perplexity=min(30.0, len(rows) / 4), init=start, random_state=0, max_iter=500).fit_transform(reduced)
        method = "t-SNE"
    low, high = places.min(axis=0), places.max(axis=0)
    return Placed((places - low) / np.maximum(high - low, 1e-12), labels, total, method, rows.tolist())


def mapped(vectors: Vectors) -> NDArray[np.int64]:
    """Rows that have a dot on the map, in order."""
    order = np.random.default_rng(0).permutation(len(vectors.ids))
    unlabelled = np.array([label is None for label in vectors.labels])
    return np.sort(order[np.argsort(unlabelled[order], kind="stable")][:_MOST_POINTS])


def _said(placed: Placed, vectors: Vectors, texts: Mapping[str, str] | None) -> list[str]:
    """What each dot says: label and text, or label and name; nothing where texts are not to be shown."""
    if texts is None:
        return []
    words = (texts.get(vectors.ids[row]) or vectors.ids[row] for row in placed.rows)
    return [f"{label}: {excerpt(text, _SAID)}" if label else excerpt(text, _SAID) for label, text in zip(placed.labels, words, strict=True)]


def _scatter(placed: Placed, description: str, said: Sequence[str]) -> Html:
    xy = 14 + placed.places * (_SIDE - 28)
    counts: dict[str, int] = {}
    for label in placed.labels:
        if label is not None:
            counts[label] = counts.get(label, 0) + 1
    named = sorted(
        sorted(counts, key=lambda name: -counts[name])[:_MOST_NAMED], key=lambda name: (len(name) if name.isdigit() else 0, name)
    )
    shade = {name: colour(i) for i, name in enumerate(named)}
    dots = [_dots(xy[[label not in shade for label in placed.labels]], "var(--muted)" if named else colour(0), faint=bool(named))]
    dots += [_dots(xy[[label == name for label in placed.labels]], shade[name]) for name in named]
    texts = _names(xy, placed.labels, named, shade)
    pointed = [tag("circle", tag("title", words), cx=f"{x:.0f}", cy=f"{y:.0f}", r=5) for (x, y), words in zip(xy, said, strict=False)]
    over = [tag("g", *pointed, class_="pointed")] if pointed else []
    return tag("svg", tag("title", description), *dots, *texts, *over, viewBox=f"0 0 {_SIDE} {_SIDE}", role="img")


def _dots(xy: NDArray[np.float64], shade: str, *, faint: bool = False) -> Html:
    """All dots of a colour as one path of zero-length strokes with round ends: a tenth of the bytes of circles."""
    if not len(xy):
        return Html("")
    return tag(
        "path", d="".join(f"M{x:.0f} {y:.0f}h0" for x, y in xy), class_="points faint" if faint else "points", style=f"--colour:{shade}"
    )


def _names(xy: NDArray[np.float64], labels: Sequence[str | None], named: Sequence[str], shade: dict[str, str]) -> list[Html]:
    """Each label written once, at its dot nearest to the middle of its dots, moved apart where two would overlap."""
    centres = []
    for name in named:
        mine = xy[[label == name for label in labels]]
        centres.append((name, mine[np.argmin(np.square(mine - np.median(mine, axis=0)).sum(axis=1))]))
    centres.sort(key=lambda pair: float(pair[1][1]))
    texts = []
    columns: dict[int, list[tuple[str, NDArray[np.float64]]]] = {}
    for name, centre in centres:
        columns.setdefault(int(centre[0] // 70), []).append((name, centre))
    for members in columns.values():
        heights = spread([float(centre[1]) for _, centre in members], 14, _SIDE - 10, 18)
        for (name, centre), height in zip(members, heights, strict=True):
            short = name if len(name) <= 16 else name[:15] + "…"
            x = min(max(float(centre[0]), 4.0 * len(short)), _SIDE - 4.0 * len(short))
            texts.append(
                tag("text", tag("title", name), short, x=f"{x:.0f}", y=f"{height + 5:.0f}", class_="place", style=f"--colour:{shade[name]}")
            )
    return texts
