"""What runs know of language without labels, and across languages: language modelling, translations found, labels carried over."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selfsup.reporting.chart import chip
from selfsup.reporting.collect import Collected
from selfsup.reporting.markup import Html, section, table, tag
from selfsup.reporting.wording import count, interval, listing, percent, plural, task_title

_FORMAT = 1
_MOST_MATRIX = 30

Facts = Mapping[str, Any]


def language_scores(collected: Collected, shades: Mapping[str, str]) -> list[Html]:
    """A section for each language_modelling.json and across_languages.json that scores one of the runs.

    They lie in the runs, in the folders that these lie in, and beside other results. What lies there several times, as runs keep copies of
    scores they have in common, is shown once.
    """
    modelled = score_files(collected, "language_modelling.json")
    across = score_files(collected, "across_languages.json")
    sections = [_modelling(facts, shades, _anchor("language-modelling", number)) for number, facts in enumerate(modelled)]
    return sections + [_across(facts, shades, _anchor("across-languages", number)) for number, facts in enumerate(across)]


def score_files(collected: Collected, name: str) -> list[Facts]:
    """The content of files of that name that can be read and score some of the runs, each once, those of most rows first."""
    runs = {run.name for run in collected.runs}
    places = [*(results.folder for results in collected.results), *(run.folder.parent for run in collected.runs)]
    content: dict[str, Facts] = {}
    for file in (folder / name for folder in dict.fromkeys([*places, *(run.folder for run in collected.runs)])):
        try:
            text = file.read_text(encoding="utf-8")
            facts = json.loads(text)
        except (OSError, ValueError):
            continue
        if isinstance(facts, dict) and facts.get("format") == _FORMAT and runs & set(facts.get("runs") or ()):
            content[text] = facts
    return sorted(content.values(), key=lambda facts: -len(facts["rows"]))


def _anchor(name: str, number: int) -> str:
    return f"{name}-{number + 1}" if number else name


def _modelling(facts: Facts, shades: Mapping[str, str], anchor: str) -> Html:
    """Bits per byte and words guessed, in all and by language."""
    forwards, guessing = ([row for row in facts["rows"] if row["reads"] == reads] for reads in ("forwards", "both ways"))
    head: list[object] = ["", "documents", *(_chip(row, shades, "bits per byte") for row in forwards)]
    head += ["gzip"] if forwards else []
    head += [_chip(row, shades, "% guessed") for row in guessing]
    documents = facts["documents"]
    body = []
    for name in ["", *(documents if set(documents) != {"unknown"} else ())]:
        number = documents[name] if name else sum(documents.values())
        cells = [_bits(_of(row, name), "bits_per_byte") for row in forwards]
        cells += [tag("td", f"{facts['gzip'][name]:.2f}")] if forwards else []
        body.append([name or "all", count(number), *cells, *(_bits(_of(row, name), "accuracy") for row in guessing)])
    lead = f"On documents of {_place(facts)} that no run learned from, 95 % interval beneath."
    if forwards:
        lead += " Bits per byte say how surprised a network is by what comes next: less is better; gzip is there for scale."
    if guessing:
        commonest = listing([f"{100 * row['commonest']:.1f} % ({task_title(row['row'])})" for row in guessing if row.get("commonest")])
        lead += (
            f" Guessed: the share of hidden words (tokens) that are told right; the most frequent one alone would be right for {commonest}."
        )
    hows = [f"{task_title(row['row'])}: {row['how']}." for row in facts["rows"]]
    return section(anchor, "Language modelling", table(head, body, class_="scores"), _notes([*hows, *facts["notes"]]), lead=lead)


def _across(facts: Facts, shades: Mapping[str, str], anchor: str) -> Html:
    """Translations found, and labels carried over."""
    parts = []
    if facts["sought"]:
        parts += _sought(facts, shades)
    if facts["tested"]:
        parts += _carried(facts, shades)
    lead = f"On {_place(facts)}. The layer is the last but one of each network, as nothing is chosen here; 95 % interval beneath."
    return section(anchor, "Across languages", *parts, _notes(facts["notes"]), lead=lead)


def _sought(facts: Facts, shades: Mapping[str, str]) -> list[Html]:
    rows = [row for row in facts["rows"] if row["parallel"]]
    shown = [row for row in rows if row["primary"]]
    first = shown[0]["parallel"]
    ks = list(first["recall"])
    head: list[object] = ["", *("nearest" if k == "1" else f"among the nearest {k}" for k in ks), "nearest, with margin"]
    body: list[list[object]] = [
        [_name(row, shades), *(_share(row["parallel"]["recall"][k]) for k in ks), _share(row["parallel"]["margin"])] for row in shown
    ]
    body.append(["chance", *(percent(first["chance"][k]) for k in ks), percent(first["chance"]["1"])])
    counts = sorted(pair["count"] for pair in first["pairings"])
    sizes = count(counts[0]) if counts[0] == counts[-1] else f"{count(counts[0])} to {count(counts[-1])}"
    caption = f"Translations found in %, among {sizes} {facts['noun']}, both ways, mean over {plural(len(counts), 'pair')} of languages"
    layers = [[row["row"], row["layer"], *(_share(row["parallel"]["recall"][k]) for k in ks)] for row in rows]
    every = table(["", "layer", *head[1:-1]], layers, caption="Every layer", class_="scores")
    return [
        table(head, body, caption=caption, class_="scores"),
        tag("details", tag("summary", "Language by language, and every layer"), _by_language(facts, shown, shades), every),
    ]


def _by_language(facts: Facts, rows: Sequence[Facts], shades: Mapping[str, str]) -> Html:
    body = []
    for language, number in facts["sought"].items():
        cells = []
        for row in rows:
            pairs = row["parallel"]["pairings"]
            ways = [(pair["there"], pair["back"]) for pair in pairs if pair["first"] == language]
            ways += [(pair["back"], pair["there"]) for pair in pairs if pair["second"] == language]
            means = [sum(side) / len(ways) for side in zip(*ways, strict=True)] if ways else [float("nan")] * 2
            cells.append(tag("td", f"{percent(means[0])} / {percent(means[1])}"))
        body.append([language, count(number), *cells])
    caption = "Nearest, in %: how often its texts find their translations / are found by them"
    return table(["", facts["noun"], *(_name(row, shades) for row in rows)], body, caption=caption, class_="scores")


def _carried(facts: Facts, shades: Mapping[str, str]) -> list[Html]:
    rows = [row for row in facts["rows"] if row["labels"]]
    metric = rows[0]["labels"]["metric"]
    number = facts["labels_per_class"]
    labels = "all labels" if number == "all" else f"{number} labels a class"
    body = [[_name(row, shades), _share(row["labels"]["same"]), _share(row["labels"]["other"])] for row in rows]
    caption = f"{metric.capitalize()} in %, linear, {labels} in one language"
    head = ["", "tested in the same", "tested in another"]
    parts = [table(head, body, caption=caption, class_="scores")]
    matrices = [_matrix(row) for row in rows if row["kind"] == "run" and row["transfers"]]
    if matrices and len(facts["tested"]) <= _MOST_MATRIX:
        parts.append(tag("details", tag("summary", "Language by language"), *matrices))
    return parts


def _matrix(row: Facts) -> Html:
    cells = {(item["source"], item["target"]): item["score"] for item in row["transfers"]}
    sources, targets = (list(dict.fromkeys(item[side] for item in row["transfers"])) for side in ("source", "target"))
    body = [[source, *(percent(cells[source, target]["value"]) for target in targets)] for source in sources]
    return table(
        ["labels in", *targets], body, caption=f"{task_title(row['row'])}: labels in (rows), tested in (columns), %", class_="plain"
    )


def _place(facts: Facts) -> str:
    """The file or folder that was scored, by its name."""
    return Path(str(facts["data"])).name


def _of(row: Facts, language: str) -> Facts | None:
    found: Facts | None = row["languages"].get(language) if language else row["total"]
    return found


def _bits(bits: Facts | None, name: str) -> Html:
    found = None if bits is None else bits[name]
    if found is None:
        return tag("td", tag("span", "–", class_="none"))
    if name == "accuracy":
        return _share(found)
    value, low, high = (f"{found[key]:.3f}" for key in ("value", "low", "high"))
    return tag("td", tag("span", value, class_="figure"), tag("small", f"{low}–{high}"))


def _share(found: Facts | None) -> Html:
    if found is None:
        return tag("td", tag("span", "–", class_="none"))
    return tag("td", tag("span", percent(found["value"]), class_="figure"), tag("small", interval(found["low"], found["high"])))


def _chip(row: Facts, shades: Mapping[str, str], unit: str) -> Html:
    return tag("th", chip(task_title(row["row"]), shades.get(row["row"], "var(--muted)")), tag("small", unit), scope="col")


def _name(row: Facts, shades: Mapping[str, str]) -> Html:
    run = row["kind"] == "run"
    title = chip(task_title(row["row"]) if run else row["row"], shades.get(row["row"], "var(--muted)") if run else "var(--line)")
    small = " · ".join(filter(None, ["" if run else "baseline", plural(row["seeds"], "seed") if row["seeds"] > 1 else "", row["layer"]]))
    return tag("th", title, tag("small", small), scope="row", class_=row["kind"])


def _notes(notes: Sequence[str]) -> Html:
    return tag("ul", *(tag("li", note) for note in notes), class_="notes") if notes else Html("")
