"""Sections on uses beyond classes: what boxes, masks, numbers and several labels were worth, from the files that `evaluate` left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selfsup.reporting.chart import chip
from selfsup.reporting.collect import Collected
from selfsup.reporting.found import found_sheet
from selfsup.reporting.markup import Html, section, table, tag
from selfsup.reporting.wording import count, interval, percent, plural, signed, task_title

_FORMAT = 1
_FILES = ("detection.json", "segmentation.json", "regression.json", "multi_label.json")
_TITLES = {
    "detection": "Finding things",
    "segmentation": "Segmenting",
    "regression": "Telling numbers",
    "multi-label": "Several labels an item",
}
_METRICS = {
    "AP": "AP, over overlaps of .5 to .95, %",
    "AP50": "AP at an overlap of .5, %",
    "mIoU": "Mean intersection over union, %",
    "pixel accuracy": "Pixels told right, %",
    "R2": "R² (1 is perfect, 0 the mean alone)",
    "MAE": "Mean absolute error (less is better)",
    "Spearman": "Spearman's correlation of ranks",
    "mAP": "Mean average precision over labels, %",
    "micro AP": "Average precision over all pairs, %",
}
_NO_SHARES = ("R2", "MAE", "Spearman")
_MOST_PARTS = 40

Facts = Mapping[str, Any]


def uses(collected: Collected, shades: Mapping[str, str], *, without_samples: bool) -> list[Html]:
    """A section for each file of a use that scores one of the runs. `without_samples` leaves out pictures and names of files."""
    return [_section(folder, facts, shades, number, without_samples) for number, (folder, facts) in enumerate(_found(collected))]


def _found(collected: Collected) -> list[tuple[Path, Facts]]:
    """Every use that was scored, in a fixed order; of copies the one that lies highest."""
    names = {run.name for run in collected.runs}
    places = [*(run.folder.parent for run in collected.runs), *(results.folder for results in collected.results)]
    content: dict[str, tuple[Path, Facts]] = {}
    for folder in dict.fromkeys([*places, *(run.folder for run in collected.runs)]):
        for name in _FILES:
            try:
                text = (folder / name).read_text(encoding="utf-8")
                facts = json.loads(text)
            except (OSError, ValueError):
                continue
            if isinstance(facts, dict) and facts.get("format") == _FORMAT and names & set(facts.get("runs") or ()):
                content.setdefault(text, (folder, facts))
    return sorted(content.values(), key=lambda one: list(_TITLES).index(one[1]["use"]))


def _section(folder: Path, facts: Facts, shades: Mapping[str, str], number: int, without_samples: bool) -> Html:
    tables = [_scores(facts, metric, shades) for metric in facts["metrics"]]
    noun, primary = facts["noun"], facts["primary"]
    lead = (
        f"Learned from so many of {count(facts['train'])} annotated {noun}, tested on {count(facts['test'])} others of "
        f"{Path(str(facts['data'])).name}; 95 % interval beneath. What decides is {facts['metrics'][0]} at {primary['labelled']}."
    )
    parts: list[object] = [*tables[:1], _verdicts(facts)]
    if not without_samples:
        parts.append(found_sheet(folder, facts))
    parts += tables[1:]
    if facts["parts"] and len(facts["parts"]) <= _MOST_PARTS:
        parts.append(tag("details", tag("summary", "Class by class"), _by_part(facts, shades)))
    parts.append(_notes(facts, without_samples))
    return section(f"use-{number + 1}", _TITLES[facts["use"]], *parts, lead=lead)


def _scores(facts: Facts, metric: str, shades: Mapping[str, str]) -> Html:
    """Rows by probes and numbers of labels, in one metric."""
    rows = {(row["row"], row["probe"], str(row["labelled"])): row for row in facts["rows"] if row["metric"] == metric}
    columns = list(dict.fromkeys((probe, labelled) for _, probe, labelled in rows))
    body = []
    for name in dict.fromkeys(name for name, _, _ in rows):
        cells = [_cell(rows.get((name, *column)), metric) for column in columns]
        body.append([_name(next(row for key, row in rows.items() if key[0] == name), shades), *cells])
    head = ["", *(f"{probe}, {labelled}" for probe, labelled in columns)]
    return table(head, body, caption=_METRICS.get(metric, metric), class_="scores")


def _cell(row: Facts | None, metric: str) -> Html:
    if row is None or row["value"] is None:
        return tag("td", tag("span", "–", class_="none"))
    value, low, high = (float("nan") if row[key] is None else float(row[key]) for key in ("value", "low", "high"))
    if metric in _NO_SHARES:
        return tag("td", tag("span", f"{value:.3g}", class_="figure"), tag("small", f"{low:.3g} to {high:.3g}"))
    return tag("td", tag("span", percent(value), class_="figure"), tag("small", interval(low, high)))


def _name(row: Facts, shades: Mapping[str, str]) -> Html:
    run = row["kind"] == "run"
    title = chip(task_title(row["row"]) if run else row["row"], shades.get(row["row"], "var(--muted)") if run else "var(--line)")
    small = " · ".join(filter(None, ["" if run else "baseline", plural(row["seeds"], "seed") if row["seeds"] > 1 else ""]))
    return tag("th", title, tag("small", small), scope="row", class_=row["kind"])


def _verdicts(facts: Facts) -> Html:
    """Each run against the strongest baseline where it decides."""
    primary, said = facts["primary"], list[Html]()
    for one in facts["comparisons"]:
        deciding = (one["probe"], one["labelled"], one["metric"]) == (primary["probe"], primary["labelled"], facts["metrics"][0])
        if not (one["best_baseline"] and deciding):
            continue
        words = {"better": "better than", "worse": "worse than"}.get(one["verdict"], "not told apart from")
        if one["metric"] in _NO_SHARES:
            difference = f"{one['difference']:+.3g} ({one['low']:+.3g} to {one['high']:+.3g})"
        else:
            difference = f"{signed(one['difference'])} points ({signed(one['low'])} to {signed(one['high'])})"
        said.append(tag("li", f"{task_title(one['row'])} is {words} {one['against']}: {difference}."))
    return tag("ul", *said, class_="notes") if said else Html("")


def _by_part(facts: Facts, shades: Mapping[str, str]) -> Html:
    rows = list(dict.fromkeys(row["row"] for row in facts["rows"]))
    kinds = {row["row"]: row["kind"] for row in facts["rows"]}
    head = ["", "tested", *(task_title(name) if kinds[name] == "run" else name for name in rows)]
    body = [
        [part["name"], count(part["tested"]), *(percent(part["scores"][name]) if name in part["scores"] else "–" for name in rows)]
        for part in facts["parts"]
    ]
    metric = {"detection": "AP", "segmentation": "intersection over union", "multi-label": "average precision"}.get(facts["use"], "")
    return table(head, body, caption=f"{metric} in %, where it decides", class_="plain")


def _notes(facts: Facts, without_samples: bool) -> Html:
    """Notes, and what was skipped by name; without samples only how many."""
    notes = [note for note in facts["notes"] if not (without_samples and "were skipped" in note)]
    parts = [tag("ul", *(tag("li", note) for note in notes), class_="notes")] if notes else []
    if facts["skipped_count"]:
        title = f"{plural(facts['skipped_count'], 'annotation')} skipped"
        if without_samples:
            parts.append(tag("p", title, class_="note"))
        else:
            listed = [[name, reason] for name, reason in facts["skipped"].items()]
            parts.append(tag("details", tag("summary", title), table(["entry", "reason"], listed, class_="plain")))
    return Html("".join(parts))
