"""What a comparison answered: which task to use, how they stand, what each score cost, and who was dropped when."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from selfsup.reporting.chart import Line, Plot, chip, line_chart
from selfsup.reporting.collect import Results
from selfsup.reporting.markup import Html, section, table, tag
from selfsup.reporting.wording import count, duration, percent, plural, short, signed, task_title

Facts = Mapping[str, Any]


def answer(results: Results, shades: Mapping[str, str]) -> Html | None:
    """The section on the answer of `selfsup compare`, None where these results are of no comparison."""
    found: Facts | None = results.facts.get("answer")
    if not found:
        return None
    colours = {unit["unit"]: shades.get(unit["unit"].partition("@")[0].partition("+")[0], "var(--ink)") for unit in found["costs"]}
    first, *others = found["sentences"]
    words = [tag("p", tag("strong", first)), tag("ul", *(tag("li", line) for line in others))]
    caption = (
        "Validation against compute: a line is a task, a dot a rung; operations of training on a log scale. Faint: dropped before the end."
    )
    figure = tag("figure", _pareto(found, colours), tag("figcaption", caption))
    return section("answer", "Which task to use", *words, _standing(found, colours), figure, _costs(found, colours), _left_out(found))


def _standing(found: Facts, colours: Mapping[str, str]) -> Html:
    """How units stand at the setting that decides."""
    rows = []
    for one in found["uses"][0]["standing"]["standings"]:
        value, behind = one["value"], one["behind"]
        apart = "" if one is found["uses"][0]["standing"]["standings"][0] else _points(behind)
        rows.append([
            chip(one["unit"], colours.get(one["unit"], "var(--ink)")),
            f"{percent(value['value'])} ({percent(value['low'])}–{percent(value['high'])})",
            apart, f"{percent(one['chance'])} %", one["verdict"],
        ])  # fmt: skip
    return table(["task", "score, tested items", "behind the best", "chance of being the best", "verdict"], rows)


def _pareto(found: Facts, colours: Mapping[str, str]) -> Html:
    """Validation scores over the operations that training took, rung by rung."""
    lines, rungs = [], found["rungs"]
    for one in found["costs"]:
        reached = [rung for rung in rungs if one["unit"] in rung["scores"]]
        each = one["operations"] * one["examples_per_second"] * one["seconds"] / one["steps"]
        spent = [math.log10(max(each * rung["steps"][one["unit"]], 1.0)) for rung in reached]
        scores = [rung["scores"][one["unit"]] for rung in reached]
        lines.append(Line(one["unit"], spent, scores, colours[one["unit"]], dots=True, faint=len(reached) < len(rungs)))
    staying = [score for line in lines if not line.faint for score in line.y]
    low = min(staying) - 0.1 * (max(staying) - min(staying)) if staying else None  # one that was far behind is drawn at the edge
    plot = Plot(
        width=680, height=300, left=50, right=150, x_ticks=_marks([place for line in lines for place in line.x]), low=low, write=percent
    )
    return line_chart(lines, plot, description="Validation score of each task against operations of training")


def _marks(places: Sequence[float]) -> dict[int | float, str]:
    """One, two and five times the powers of ten that lie among `places` (logarithms), with the next below and above; as few as will do."""
    powers = range(math.floor(min(places)) - 1, math.ceil(max(places)) + 1)
    every = [(math.log10(factor) + power, factor, power) for power in powers for factor in (1, 2, 5)]
    first = max(number for number, mark in enumerate(every) if mark[0] <= min(places) + 0.02)
    last = min((number for number, mark in enumerate(every) if mark[0] >= max(places) - 0.02), default=len(every) - 1)
    step = max(1, math.ceil((last - first) / 5))
    return {place: _operations(factor, power) for place, factor, power in every[first : last + step : step]}


def _operations(factor: int, power: int) -> str:
    """So many times a power of ten operations: 5, 12 -> "5 TFLOP"."""
    names = {9: "GFLOP", 12: "TFLOP", 15: "PFLOP", 18: "EFLOP"}
    unit = max((known for known in names if known <= power), default=9)
    return f"{short(factor * 10.0 ** (power - unit))} {names[unit]}"


def _costs(found: Facts, colours: Mapping[str, str]) -> Html:
    rows = [
        [
            chip(one["unit"], colours[one["unit"]]), one["backbone"], duration(one["seconds"]), count(one["steps"]), f"{one['passes']:.1f}",
            count(one["examples_per_second"]), f"{one['operations'] / 1e9:.2g}",
            f"{one['memory'] / 1e9:.1f}" if one["memory"] else "", _fate(one["unit"], found),
        ]
        for one in found["costs"]
    ]  # fmt: skip
    head = ["task", "backbone", "trained for", "steps", "passes", "examples a second", "GFLOP an example", "GB", ""]
    spent = ", ".join(f"{what} {duration(seconds)}" for what, seconds in found["spent"].items())
    return tag("div", tag("h3", "What it cost"), table(head, rows), tag("p", f"Time in all: {spent}.", class_="note"))


def _fate(unit: str, found: Facts) -> str:
    """Whether a unit was dropped, and when, or was trained with every seed."""
    for rung in found["rungs"]:
        if unit in rung["dropped"]:
            return f"dropped after {duration(rung['seconds'])}"
    return f"finalist, {plural(found['seeds'], 'seed')}" if unit in found["finalists"] else ""


def _left_out(found: Facts) -> Html | str:
    if not found["refused"]:
        return ""
    return tag("ul", *(tag("li", f"Left out: {task_title(name)}: {reason}") for name, reason in found["refused"].items()), class_="note")


def _points(interval: Facts) -> str:
    return f"{signed(interval['value'])} ({signed(interval['low'])} to {signed(interval['high'])})"
