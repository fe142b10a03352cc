"""What the network saw and what it rebuilt: pictures at the resolution they had inside it, from samples/pictures.npz."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from selfsup.reporting.markup import Html, join, picture, section, tag
from selfsup.reporting.wording import plural, task_title
from selfsup.run import Run

Pixels = NDArray[np.uint8]
_TILE = 116  # widest tile in CSS px: eight and their names fit a laptop's window
_LINE = 1000
_MOST_ROWS = 10


def read_samples(run: Run) -> dict[str, Pixels]:
    """Arrays of samples/pictures.npz: "source", "views/NAME", "shown/NAME", uint8 (n, C, h, w) or (n, crops, C, h, w).

    Empty when the file is missing or damaged. Pickles are refused; arrays of another type or shape are left out.
    """
    file: Path = run.samples / "pictures.npz"
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
    except (OSError, ValueError, BadZipFile, KeyError):
        return {}
    return {
        name: array
        for name, array in arrays.items()
        if array.dtype == np.uint8 and array.ndim in (4, 5) and array.shape[-3] in (1, 3) and array.size
    }


def seen(runs: list[Run]) -> Html:
    """The section on views: for each task the same pictures as they lie in the store and as the network got them."""
    lead = (
        "Pixel by pixel what the network received, enlarged where pixels are few. If you cannot see in these pictures what matters to you "
        "– the defect, the stroke, the cell – neither could the network: use a larger --size, or views that crop less."
    )
    kept = any(read_samples(run) for run in runs)
    return section("saw", "What the network saw", *(_sheet(run, "views/") for run in runs), lead=lead if kept else None)


def rebuilt(runs: list[Run]) -> Html | None:
    """The section on what tasks made of hidden, spoiled or puzzling pictures; None where no task made any."""
    sheets = [_sheet(run, "shown/") for run in runs if any(name.startswith("shown/") for name in read_samples(run))]
    lead = "What was asked of the network, what it answered, and what was there."
    return section("rebuilt", "What it answered", *sheets, lead=lead) if sheets else None


def _sheet(run: Run, prefix: str) -> Html:
    samples = read_samples(run)
    rows = [row for name, array in samples.items() if name.startswith(prefix) for row in _rows(_row_title(name, prefix), array)][
        :_MOST_ROWS
    ]
    heading = tag("h3", task_title(run.row))
    if not rows:
        return tag("div", heading, tag("p", "No pictures were kept in this run (samples/pictures.npz is missing).", class_="empty"))
    if prefix == "views/" and "source" in samples:
        rows.insert(0, ("stored picture", samples["source"]))
    side = max(array.shape[-1] for name, array in rows if name != "stored picture")
    tile = side * max(1, _TILE // side) if side <= _TILE else side
    shown = min(len(rows[0][1]), max(4, _LINE // (tile + 6)))
    sizes = " and ".join(dict.fromkeys(f"{a.shape[-1]} × {a.shape[-2]}" for name, a in rows if name != "stored picture"))
    scale = f", shown {tile // side} times as large" if tile > side else ""
    note = tag("p", f"{sizes} px, {plural(run.channels, 'channel')}{scale}.", class_="note")
    strips = (_strip(name, array[:shown], tile, side) for name, array in rows)
    return tag("div", heading, note, tag("div", *strips, class_="sheet", tabindex="0"))


def _row_title(name: str, prefix: str) -> str:
    """ "views/a" -> "view a", "views/image" -> "view", "shown/rebuilt" -> "rebuilt"."""
    bare = name.removeprefix(prefix)
    if prefix != "views/" or len(bare) > 1:
        return "view" if bare == "image" else bare
    return f"view {bare}"


def _rows(name: str, array: Pixels) -> Iterator[tuple[str, Pixels]]:
    """Arrays with several crops a picture become a row a crop."""
    if array.ndim == 4:
        yield name, array
    else:
        for crop in range(array.shape[1]):
            yield (f"{name} {crop + 1}" if array.shape[1] > 1 else name), array[:, crop]


def _strip(name: str, array: Pixels, tile: int, side: int) -> Html:
    is_source = name == "stored picture"
    width = tile if is_source else round(tile * array.shape[-1] / side)
    tiles = (
        picture(_reduced(pixels.transpose(1, 2, 0), 2 * tile), width=width, description=f"{name} {i + 1}") for i, pixels in enumerate(array)
    )
    detail = tag("small", f"{array.shape[-1]} × {array.shape[-2]} px") if is_source else ""
    return tag("div", tag("span", name, detail, class_="name"), join(tiles), class_="strip")


def _reduced(pixels: Pixels, limit: int) -> Pixels:
    """A stored picture no larger than a sharp screen shows it; views are smaller than this and stay as they are."""
    if pixels.shape[1] <= limit:
        return pixels
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels))
    return np.atleast_3d(np.asarray(image.resize((limit, max(1, round(limit * image.height / image.width))), Image.Resampling.LANCZOS)))
