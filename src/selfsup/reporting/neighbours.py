"""Nearest neighbours of a few pictures: the quickest way to see what an embedding holds to be alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from selfsup.reporting.chart import chip
from selfsup.reporting.markup import Html, picture, section, tag
from selfsup.reporting.vectors import Vectors
from selfsup.reporting.wording import task_title
from selfsup.run import Run

_QUERIES, _NEIGHBOURS = 6, 6
_PIXELS = 144  # longest side of a kept thumbnail in px: shown at 60 to 96, and still sharp on fine screens
_TILE = 60


def neighbours(runs: Sequence[tuple[Run, Vectors]], shades: dict[str, str]) -> Html:
    """The section on neighbours: the same pictures for every task, and the six most alike by cosine, nearest first."""
    first = runs[0][1]
    names = [first.ids[row] for row in queries(first)]
    blocks = []
    for run, vectors in runs:
        rows = {name: i for i, name in enumerate(vectors.ids)}
        found = [(rows[name], nearest(vectors, rows[name])) for name in names if name in rows]
        blocks.append(_block(run, vectors, found, shades))
    labelled = any(label for _, vectors in runs for label in vectors.labels)
    lead = "Left, a picture; beside it the six that the embedding holds to be most alike (cosine), nearest first. "
    lead += "✓ has the same label, ✗ another one." if labelled else ""
    return section("neighbours", "Nearest neighbours", tag("div", *blocks, class_="pair" if len(blocks) > 1 else "solo"), lead=lead)


def queries(vectors: Vectors, number: int = _QUERIES) -> list[int]:
    """Rows to ask about, always the same for the same embeddings: held-out ones where there are any, one of each label in turn."""
    held_out = [i for i, part in enumerate(vectors.parts) if part == "test"] or list(range(len(vectors.ids)))
    order = [held_out[i] for i in np.random.default_rng(0).permutation(len(held_out))]
    turn: dict[str | None, int] = {}
    rounds: list[tuple[int, str, int]] = []
    for row in order:
        label = vectors.labels[row]
        rounds.append((turn.setdefault(label, 0) + (label is None) * 10**9, label or "", row))
        turn[label] += 1
    return [row for _, _, row in sorted(rounds, key=lambda entry: entry[:2])[:number]]


def nearest(vectors: Vectors, row: int, number: int = _NEIGHBOURS) -> list[tuple[int, float]]:
    """Rows nearest to one row by cosine, and the cosines, without itself."""
    unit = vectors.unit
    cosine = unit @ unit[row]
    cosine[row] = -np.inf
    order = np.argsort(-cosine, kind="stable")[: min(number, len(cosine) - 1)]
    return [(int(i), float(cosine[i])) for i in order]


def _block(run: Run, vectors: Vectors, found: list[tuple[int, list[tuple[int, float]]]], shades: dict[str, str]) -> Html:
    heading = tag("h3", chip(task_title(run.row), shades.get(run.row, "var(--muted)")))
    wanted = {row for query, others in found for row in (query, *(other for other, _ in others))}
    try:
        pixels = _thumbnails(run, {vectors.ids[row] for row in wanted})
    except Exception as error:  # any reader of any kind of data may fail in its own way, and the rest of the report is still worth having
        reason = f"The pictures cannot be shown: {run.data} can no longer be read ({type(error).__name__}: {error})."
        return tag("div", heading, tag("p", reason, class_="callout warn"))
    lines = []
    for query, others in found:
        tiles = [_tile(vectors, query, None, None, pixels), *(_tile(vectors, other, query, cosine, pixels) for other, cosine in others)]
        lines.append(tag("div", *tiles, class_="near"))
    return tag("div", heading, *lines)


def _tile(vectors: Vectors, row: int, query: int | None, cosine: float | None, pixels: dict[str, NDArray[np.uint8]]) -> Html:
    name, label = vectors.ids[row], vectors.labels[row]
    thumbnail = pixels.get(name)
    image = picture(thumbnail, width=_TILE, height=_TILE, description=name) if thumbnail is not None else tag("span", "gone", class_="gone")
    mark, kind = "", "query" if query is None else ""
    if query is not None and label is not None and vectors.labels[query] is not None:
        same = label == vectors.labels[query]
        mark, kind = ("✓ ", "same") if same else ("✗ ", "other")
    unknown = "no label" if any(vectors.labels) else "" if cosine is None else f"{cosine:.3f}"
    caption = f"{mark}{label}" if label is not None else unknown
    hover = name + (f", label {label}" if label is not None else "") + (f", cosine {cosine:.3f}" if cosine is not None else "")
    return tag("div", image, tag("span", caption), class_=kind, title=hover)


def _thumbnails(run: Run, names: set[str]) -> dict[str, NDArray[np.uint8]]:
    """Small pictures by id, uint8 (h, w, C). Only these few are decoded; those that are gone are left out.

    Raises whatever the data raises when it cannot be opened, and ValueError when it opens and none of the pictures is in it.
    """
    from selfsup.data import open_source

    source = open_source(run.data)
    at = {item.id: i for i, item in enumerate(source.items)}
    found: dict[str, NDArray[np.uint8]] = {}
    for name in sorted(names & at.keys()):
        try:
            found[name] = unstretched(*source.read(at[name], side=_PIXELS), most=_PIXELS)
        except (OSError, ValueError):
            continue
    if not found:
        raise ValueError("none of the pictures is there any more")
    return found


def unstretched(pixels: NDArray[np.uint8], shape: tuple[int, int], *, most: int) -> NDArray[np.uint8]:
    """A picture that was stretched to a square, in its own shape (height, width) inside a square of `most` pixels; never enlarged."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    scale = min(1.0, most / max(shape))
    return np.asarray(image.resize((max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))), Image.Resampling.LANCZOS))
