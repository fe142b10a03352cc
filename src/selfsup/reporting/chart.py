"""Line charts as inline SVG: labels at the ends of lines instead of legends, colours that follow the page into dark mode."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from selfsup.reporting.markup import Html, escape, join, tag
from selfsup.reporting.wording import short

Number = int | float

COLOURS = 10  # categorical colours --c0 to --c9 of the style sheet
DASHES = (None, "7 4", "2 4", "10 4 2 4", "4 2", "1 3")
_TOP, _BOTTOM, _GAP = 10, 26, 15


@dataclass(frozen=True)
class Line:
    """One line of a chart, with intervals (`low`, `high`) where given. `label` at its end, none if empty."""

    label: str
    x: Sequence[Number]
    y: Sequence[Number]
    colour: str = "var(--ink)"
    low: Sequence[Number] = ()
    high: Sequence[Number] = ()
    dash: str | None = None
    width: float = 2.0
    dots: bool = False
    faint: bool = False
    light: bool = False


@dataclass(frozen=True)
class Plot:
    """Size of a chart in CSS pixels, its ranges (None: from the data) and how numbers are written."""

    width: int = 360
    height: int = 200
    left: int = 44
    right: int = 12
    low: Number | None = None
    high: Number | None = None
    x_low: Number | None = None
    x_ticks: Mapping[Number, str] | None = None
    write: Callable[[Number], str] = short


def colour(index: int) -> str:
    """The n-th categorical colour."""
    return f"var(--c{index % COLOURS})"


def ticks(low: Number, high: Number, wanted: int = 4) -> list[Number]:
    """Round numbers (1, 2 or 5 times a power of ten) inside a range, about as many as wanted."""
    if not high > low:
        return [low]
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def line_chart(lines: Sequence[Line], plot: Plot, *, description: str) -> Html:
    """Draw lines over one pair of axes; values must be finite. Without a single point it says that nothing was logged."""
    drawn = [line for line in lines if len(line.x)]
    if not drawn:
        return tag("p", "Nothing was logged.", class_="empty")
    x_range = _extent([*(plot.x_ticks or {}), *([] if plot.x_low is None else [plot.x_low]), *(x for line in drawn for x in line.x)])
    x_at, y_at, y_ticks = _scales(drawn, plot, x_range)
    x_ticks = plot.x_ticks or {value: short(value) for value in ticks(*x_range)}
    parts = [*_axes(x_ticks, y_ticks, x_at, y_at, plot), *(_draw(line, x_at, y_at) for line in drawn), _end_labels(drawn, y_at, plot)]
    return tag(
        "svg", tag("title", description), *parts, viewBox=f"0 0 {plot.width} {plot.height}", role="img", style=f"max-width:{plot.width}px"
    )


def _extent(values: Sequence[Number]) -> tuple[Number, Number]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _scales(
    lines: Sequence[Line], plot: Plot, x_range: tuple[Number, Number]
) -> tuple[Callable[[Number], float], Callable[[Number], float], list[Number]]:
    x_low, x_high = x_range
    low, high = _extent([y for line in lines for values in (line.y, line.low, line.high) for y in values])
    margin = 0.06 * (high - low)
    low, high = low - margin if plot.low is None else plot.low, high + margin if plot.high is None else plot.high
    high = high if high > low else low + 1.0
    x_span, y_span = plot.width - plot.left - plot.right, plot.height - _TOP - _BOTTOM

    def x_at(value: Number) -> float:
        return plot.left + x_span * (value - x_low) / (x_high - x_low)

    def y_at(value: Number) -> float:
        return _TOP + y_span * (high - min(max(value, low), high)) / (high - low)

    return x_at, y_at, ticks(low, high, max(2, round(y_span / 42)))


def _axes(
    x_ticks: Mapping[Number, str], y_ticks: Sequence[Number], x_at: Callable[[Number], float], y_at: Callable[[Number], float], plot: Plot
) -> list[Html]:
    right, bottom = plot.width - plot.right, plot.height - _BOTTOM
    grid = [tag("path", d=f"M{plot.left} {y_at(value):.1f}H{right}", class_="grid") for value in y_ticks]
    numbers = [tag("text", plot.write(value), x=plot.left - 7, y=f"{y_at(value) + 4:.1f}", text_anchor="end") for value in y_ticks]
    below = []
    for value, name in x_ticks.items():
        anchor = "end" if x_at(value) > right - 8 and plot.right < 20 else "middle"
        below.append(tag("text", name, x=f"{x_at(value):.1f}", y=bottom + 18, text_anchor=anchor))
    return [*grid, *numbers, *below]


def _draw(line: Line, x_at: Callable[[Number], float], y_at: Callable[[Number], float]) -> Html:
    points = [(x_at(x), y_at(y)) for x, y in zip(line.x, line.y, strict=True)]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    parts = [tag("path", d=path, class_="line", stroke_width=line.width, stroke_dasharray=line.dash)] if len(points) > 1 else []
    bars = zip(line.x, line.low, line.high, strict=False)
    parts += [tag("path", d=f"M{x_at(x):.1f} {y_at(low):.1f}V{y_at(high):.1f}", class_="bar") for x, low, high in bars]
    if line.dots or len(points) == 1:
        parts += [tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=3.6) for x, y in points]
    return tag("g", *parts, style=f"--colour:{line.colour}", class_="series faint" if line.faint else "series")


def _end_labels(lines: Sequence[Line], y_at: Callable[[Number], float], plot: Plot) -> Html:
    labelled = sorted(((y_at(line.y[-1]), line) for line in lines if line.label), key=lambda pair: pair[0])
    places = spread([place for place, _ in labelled], _TOP + 4, plot.height - _BOTTOM - 2)
    x, room = plot.width - plot.right + 8, max(4, int((plot.right - 10) / 6.6))
    texts = []
    for place, (_, line) in zip(places, labelled, strict=True):
        name = line.label if len(line.label) <= room else line.label[: room - 1] + "…"
        style = f"fill:{line.colour}"
        texts.append(
            tag("text", tag("title", line.label), name, x=x, y=f"{place + 4:.1f}", class_="end light" if line.light else "end", style=style)
        )
    return join(texts)


def spread(places: Sequence[Number], low: Number, high: Number, gap: Number = _GAP) -> list[Number]:
    """Sorted places moved apart so that labels do not overlap, kept inside low..high where there is room."""
    moved: list[Number] = list(places)
    for _ in range(60):
        for i in range(1, len(moved)):
            push = (gap - (moved[i] - moved[i - 1])) / 2
            if push > 0:
                moved[i - 1], moved[i] = moved[i - 1] - push, moved[i] + push
        if moved:
            up, down = max(0.0, low - moved[0]), max(0.0, moved[-1] - high)
            moved = [place + up - (down if not up else 0.0) for place in moved]
    return moved


def chip(name: object, shade: str) -> Html:
    """A name with a dot of its colour before it."""
    return tag("span", tag("i", style=f"background:{escape(shade)}"), name, class_="chip")
