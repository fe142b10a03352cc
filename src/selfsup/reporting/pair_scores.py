"""What runs of pairs find, pictures by texts and texts by pictures, and what they call pictures by the names of classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from selfsup.reporting.chart import chip
from selfsup.reporting.collect import Collected
from selfsup.reporting.language_scores import Facts, score_files
from selfsup.reporting.markup import Html, section, table, tag
from selfsup.reporting.wording import count, interval, percent, task_title


def pair_scores(collected: Collected, shades: Mapping[str, str]) -> list[Html]:
    """A section for each pair_scores.json that scores one of the runs, wherever copies of it lie."""
    found = score_files(collected, "pair_scores.json")
    return [_pairs(facts, shades, f"pairs-{number + 1}" if number else "pairs") for number, facts in enumerate(found)]


def _pairs(facts: Facts, shades: Mapping[str, str], anchor: str) -> Html:
    lead = (
        f"Among {count(facts['pictures'])} pictures of {Path(facts['data']).name} and their captions: how often what is sought is among "
        "the nearest 1, 5 and 10, 95 % interval beneath. A caption that says the same as one of the picture's own is right."
    )
    told = (tag("p", note, class_="note") for note in facts["notes"])
    parts = [_retrieval(facts, shades), _called(facts, shades), *told]
    return section(anchor, "Pictures and captions found by one another", *filter(None, parts), lead=lead)


def _retrieval(facts: Facts, shades: Mapping[str, str]) -> Html:
    """A row for each language, way and network, chance last of each."""
    body: list[list[object]] = []
    named = set[str]()
    asked = dict.fromkeys((one["group"], one["way"]) for row in facts["rows"] for one in row["retrieval"])
    for group, way in asked:
        mine = [(row, one) for row in facts["rows"] for one in row["retrieval"] if (one["group"], one["way"]) == (group, way)]
        lines: list[list[object]] = [[_named(row, shades), *(share_cell(found) for found in one["recall"].values())] for row, one in mine]
        last = mine[-1][1]
        blind = (tag("td", percent(share)) for share in last["chance"].values())
        lines.append([f"chance among {count(last['candidates'])}", *blind])
        told = (group if group not in named else "", way)
        named.add(group)
        body += [[*(told if place == 0 else ("", "")), *line] for place, line in enumerate(lines)]
    return table(["language", "way", "", "recall@1", "recall@5", "recall@10"], body)


def _called(facts: Facts, shades: Mapping[str, str]) -> Html | None:
    """Zero-shot scores, a row for each network and language of prompts; None where there are none."""
    scored = [(row, one) for row in facts["rows"] for one in row["zero_shot"]]
    if not scored:
        return None
    body: list[list[object]] = [
        [_named(row, shades), one["language"], "; ".join(one["templates"]), share_cell(one["score"])] for row, one in scored
    ]
    first = scored[0][1]
    body.append(["chance", "", "", tag("td", percent(first["chance"]))])
    caption = f"Zero-shot: {first['metric']} over {count(first['classes'])} classes told by their names alone"
    return table(["", "language", "prompts", first["metric"]], body, caption=caption)


def _named(row: Mapping[str, str], shades: Mapping[str, str]) -> Html:
    return chip(task_title(row["row"]) if row["kind"] == "run" else row["row"], shades.get(row["row"], "var(--line)"))


def share_cell(found: Mapping[str, float]) -> Html:
    """A share in per cent, its interval beneath."""
    return tag("td", tag("span", percent(found["value"]), class_="figure"), tag("small", interval(found["low"], found["high"])))
