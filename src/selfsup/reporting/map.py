"""A map of the embedding: every dot a picture, near one another where the embedding holds them to be alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from selfsup.reporting.chart import chip, colour, spread
from selfsup.reporting.markup import Html, section, tag
from selfsup.reporting.vectors import Vectors
from selfsup.reporting.wording import count, plural, task_title
from selfsup.run import Run

_MOST_POINTS = 1500  # t-SNE of these takes seconds; more dots than these hide one another
_MOST_NAMED = 20
_SIDE = 420


class Placed(NamedTuple):
    """Places float64 (n, 2) in 0..1, their labels, and how many pictures they were drawn from."""

    places: NDArray[np.float64]
    labels: list[str | None]
    total: int
    method: str


def maps(runs: Sequence[tuple[Run, Vectors]], shades: dict[str, str]) -> Html:
    """The section with a map of each task, dots coloured by label where there are labels."""
    figures = []
    for run, vectors in runs:
        placed = place(vectors)
        note = f"{placed.method} of {count(len(placed.labels))}" + (
            f" of {plural(placed.total, 'picture')}" if placed.total > len(placed.labels) else " pictures"
        )
        caption = tag("figcaption", chip(task_title(run.row), shades.get(run.row, "var(--muted)")), tag("small", note))
        figures.append(tag("figure", caption, _scatter(placed, f"Map of the {task_title(run.row)} embedding"), class_="map"))
    lead = "Neighbours on the map are neighbours in the embedding; distances between groups and sizes of groups mean little."
    if any(label is not None for _, vectors in runs for label in vectors.labels):
        lead += " Labels only colour the dots: the network never saw them."
    return section("map", "Map of the embedding", tag("div", *figures, class_="triple"), lead=lead)


def place(vectors: Vectors) -> Placed:
    """Two-dimensional places of an even sample: t-SNE (van der Maaten, Hinton, JMLR 2008) on 50 principal components, or two of those.

    Labelled pictures go first where not all can be shown.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    total = len(vectors.ids)
    order = np.random.default_rng(0).permutation(total)
    unlabelled = np.array([label is None for label in vectors.labels])
    rows = np.sort(order[np.argsort(unlabelled[order], kind="stable")][:_MOST_POINTS])
    unit = vectors.unit[rows].astype(np.float64)
    labels = [vectors.labels[row] for row in rows]
    width = min(50, *unit.shape)
    if width < 2 or np.ptp(unit, axis=0).max() < 1e-9:
        return Placed(np.full((len(rows), 2), 0.5), labels, total, "All alike: no map")
    reduced = PCA(width, random_state=0).fit_transform(unit)
    method = "Principal components"
    places = reduced[:, :2]
    if len(rows) >= 30:
        start = 1e-4 * reduced[:, :2] / max(float(reduced[:, 0].std()), 1e-12)  # scikit-learn's scale for a start from principal components
        places = TSNE(perplexity=min(30.0, len(rows) / 4), init=start, random_state=0, max_iter=500).fit_transform(reduced)
        method = "t-SNE"
    low, high = places.min(axis=0), places.max(axis=0)
    return Placed((places - low) / np.maximum(high - low, 1e-12), labels, total, method)


def _scatter(placed: Placed, description: str) -> Html:
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
    return tag("svg", tag("title", description), *dots, *texts, viewBox=f"0 0 {_SIDE} {_SIDE}", role="img")


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
