"""Scores with their intervals beside the baselines: the table, verdicts in words, score against labels, classes one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from typing import Any

from selfsup.reporting.chart import DASHES, Line, Plot, chip, colour, line_chart
from selfsup.reporting.collect import Comparison, Results, Score
from selfsup.reporting.markup import Html, join, section, table, tag
from selfsup.reporting.wording import count, interval, labels_title, percent, plural, signed, task_title

_PROBES = {"linear": "Linear probe", "knn": "k nearest neighbours", "finetune": "Fine-tuned"}
_MOST_CLASSES = 30
_MOST_NUMBERED = 12


def row_shades(tasks: Sequence[str], results: Sequence[Results]) -> dict[str, str]:
    """A colour for every row, the same on the whole page: tasks have colours, baselines are grey."""
    rows = list(dict.fromkeys([*tasks, *(score.row for r in results for score in r.scores if score.kind == "run")]))
    baselines = dict.fromkeys(score.row for r in results for score in r.scores if score.kind == "baseline")
    return {**dict.fromkeys(baselines, "var(--muted)"), **{row: colour(i) for i, row in enumerate(rows)}}


def scores(results: Results, shades: dict[str, str], *, anchor: str = "scores", hidden: Set[str] | None = None) -> Html:
    """The section on scores of one results.json. `hidden` are names that must not be said, if samples are to be left out."""
    metric = str(results.facts.get("metric", "accuracy"))
    probe, labels = results.primary
    decides = probe if labels == 0 else f"{_probe(probe).lower()}, {labels_title(labels)}"
    lead = (
        f"{metric.capitalize()} in % by labels a class, 95 % interval beneath. The score that decides is tinted: {decides}. "
        "A task is better only where the paired interval of the difference lies above the strongest baseline."
    )
    notes = _notes(results, hidden)
    title = "Scores" if anchor == "scores" else f"Scores in {results.folder.name}"
    return section(anchor, title, _table(results, shades), _verdicts(results, shades), _classes(results), notes, lead=lead)


def efficiency(results: Results, shades: dict[str, str], *, anchor: str = "labels") -> Html | None:
    """The section that plots score against labels a class: how much labelling a task saves. None with a single number of labels."""
    learned = [score for score in results.scores if score.labels_per_class != 0]
    if len({score.labels_per_class for score in learned}) < 2:
        return None
    probes = [probe for probe in _probes(results) if any(score.probe == probe for score in learned)]
    bounds = [end for s in learned for end in (s.low, s.high, s.value) if math.isfinite(end)]
    low, high = max(0.0, min(bounds, default=0.0) - 0.03), min(1.0, max(bounds, default=1.0) + 0.03)
    figures = [_efficiency_chart(results, probe, shades, (low, high)) for probe in probes]
    lead = "How far do few labels go? Coloured lines are tasks, grey ones baselines; bars are 95 % intervals. Both charts share one scale."
    return section(
        anchor,
        "Score against number of labels",
        tag("div", *figures, class_="pair"),
        lead=lead if len(probes) > 1 else lead.rpartition(" Both")[0],
    )


def _probe(name: str) -> str:
    return "Retrieval" if name.startswith("recall@") else _PROBES.get(name, name)


def _label_counts(scores: Sequence[Score]) -> list[int | str]:
    numbers = {score.labels_per_class for score in scores}
    return sorted(numbers, key=lambda n: math.inf if n == "all" else float(n))


def _table(results: Results, shades: dict[str, str]) -> Html:
    """Rows by rank, columns by probe and number of labels, tasks above baselines."""
    columns = [(probe, n) for probe in _probes(results) for n in _label_counts([s for s in results.scores if s.probe == probe])]
    cells = {(score.row, score.probe, score.labels_per_class): score for score in results.scores}
    by = results.primary if results.primary in columns else columns[-1]
    names = dict.fromkeys((score.kind, score.row) for score in results.scores)
    rank = {row: cells[row, *by].value if (row, *by) in cells else -1.0 for _, row in names}
    rows = sorted(names, key=lambda kind_row: (kind_row[0] == "baseline", -rank[kind_row[1]]))
    best = {column: max(s.value for s in results.scores if (s.probe, s.labels_per_class) == column) for column in columns}
    body = []
    for kind, row in rows:
        scored = [_score(cells.get((row, *column)), best[column], _class(column, results.primary)) for column in columns]
        body.append(tag("tr", _name(results, kind, row, shades), *scored))
    chance: dict[str, float] = results.facts.get("chance") or {}
    if chance:
        found = [tag("td", percent(chance[p]) if p in chance else tag("span", "–", class_="none")) for p, _ in columns]
        body.append(tag("tr", tag("th", chip("chance", "var(--line)"), scope="row", class_="baseline"), *found))
    groups = dict.fromkeys(_probe(p) for p, _ in columns)
    first = tag("tr", tag("td"), *(tag("th", name, colspan=sum(_probe(p) == name for p, _ in columns), class_="group") for name in groups))
    titles = [tag("th", _title(p, n), scope="col", class_=_class((p, n), results.primary)) for p, n in columns]
    head = tag("thead", first, tag("tr", tag("td"), *titles))
    return tag("div", tag("table", head, tag("tbody", *body), class_="scores"), class_="scroll", tabindex="0")


def _title(probe: str, labels: int | str) -> str:
    return probe if labels == 0 else "all" if labels == "all" else plural(int(labels), "label")


def _class(column: tuple[str, int | str], primary: tuple[str, int | str]) -> str | None:
    starts = "first " if column[1] == 1 or column[0] == "recall@1" else ""
    return (starts + ("primary" if column == primary else "")).strip() or None


def _probes(results: Results) -> list[str]:
    """Probes in the order they were scored, the deciding one first."""
    return sorted(dict.fromkeys(score.probe for score in results.scores), key=lambda probe: probe != results.primary[0])


def _name(results: Results, kind: str, row: str, shades: dict[str, str]) -> Html:
    mine = [score for score in results.scores if score.row == row]
    score = next((s for s in mine if (s.probe, s.labels_per_class) == results.primary), mine[0])
    seeds = plural(score.seeds, "seed") if score.seeds > 1 else ""
    layer = max(score.layers, key=lambda name: score.layers[name]) if score.layers else ""
    title = chip(task_title(row), shades.get(row, "var(--muted)")) if kind == "run" else chip(row, "var(--line)")
    small = " · ".join(filter(None, ["baseline" if kind == "baseline" else "", seeds, layer]))
    return tag("th", title, tag("small", small) if small else "", scope="row", class_=kind)


def _score(score: Score | None, best: float, class_: str | None) -> Html:
    if score is None:
        return tag("td", tag("span", "–", class_="none"), class_=class_)
    value = tag("b" if score.value == best else "span", percent(score.value), class_="figure")
    return tag("td", value, tag("small", interval(score.low, score.high)), class_=class_)


def _verdicts(results: Results, shades: dict[str, str]) -> Html:
    """Differences of every task from every baseline: the deciding one open, others to unfold."""
    keys = dict.fromkeys((c.probe, c.labels_per_class) for c in results.comparisons)
    primary = _matrix(
        [c for c in results.comparisons if (c.probe, c.labels_per_class) == results.primary],
        shades,
        "Difference from each baseline in points",
    )
    others = []
    for probe, labels in keys:
        if (probe, labels) != results.primary:
            chosen = [c for c in results.comparisons if (c.probe, c.labels_per_class) == (probe, labels)]
            others.append(_matrix(chosen, shades, probe if labels == 0 else f"{_probe(probe)}, {labels_title(labels)}"))
    more = (
        tag("details", tag("summary", "Differences at other numbers of labels and with other probes"), tag("div", *others, class_="pair"))
        if others
        else ""
    )
    return join([primary, more])


def _matrix(comparisons: Sequence[Comparison], shades: dict[str, str], caption: str) -> Html:
    if not comparisons:
        return Html("")
    rows, others = (list(dict.fromkeys(getattr(c, name) for c in comparisons)) for name in ("row", "against"))
    strongest = {c.against for c in comparisons if c.best_baseline}
    cells = {(c.row, c.against): c for c in comparisons}
    head = ["", *(join([other, tag("small", "strongest baseline") if other in strongest else ""]) for other in others)]
    body = [
        [chip(task_title(row), shades.get(row, "var(--muted)")), *(_difference(cells.get((row, other))) for other in others)]
        for row in rows
    ]
    return table(head, body, caption=caption, class_="differences")


def _difference(comparison: Comparison | None) -> Html:
    if comparison is None:
        return tag("td", "–")
    kind = {"better": "good", "worse": "bad"}.get(comparison.verdict, "open")
    value = tag("span", signed(comparison.difference), class_="figure")
    between = tag("small", f"{signed(comparison.low)} to {signed(comparison.high)}")
    return tag("td", value, between, tag("em", comparison.verdict, class_=kind))


def _efficiency_chart(results: Results, probe: str, shades: dict[str, str], bounds: tuple[float, float]) -> Html:
    mine = [score for score in results.scores if score.probe == probe and math.isfinite(score.value)]
    columns = _label_counts(mine)
    places = _places(columns, results)
    rows = list(dict.fromkeys((score.kind, score.row) for score in mine))
    greys = [row for kind, row in rows if kind == "baseline"]
    lines = []
    for i, (kind, row) in enumerate(sorted(rows, key=lambda kr: kr[0] != "baseline")):
        found = sorted((s for s in mine if s.row == row), key=lambda s: places[s.labels_per_class])
        x = [places[s.labels_per_class] + 0.012 * (i - len(rows) / 2) for s in found]
        low, high = ([end if math.isfinite(end) else s.value for s in found for end in (getattr(s, side),)] for side in ("low", "high"))
        run = kind == "run"
        dash = None if run else DASHES[1 + greys.index(row) % (len(DASHES) - 1)]
        shade = shades.get(row, "var(--muted)")
        label = task_title(row) if run else row
        lines.append(
            Line(label, x, [s.value for s in found], shade, low, high, dash=dash, width=2.4 if run else 1.4, dots=True, light=not run)
        )
    ticks = {places[n]: "all" if n == "all" else str(n) for n in columns}
    plot = Plot(
        width=530, height=360, left=52, right=166, low=bounds[0], high=bounds[1], x_ticks=ticks, write=lambda share: f"{100 * share:.0f} %"
    )
    caption = tag("figcaption", f"{_probe(probe)}, by labels a class")
    return tag("figure", caption, line_chart(lines, plot, description=f"{_probe(probe)}: score against labels a class"))


def _places(columns: Sequence[int | str], results: Results) -> dict[int | str, float]:
    """Numbers of labels on a logarithmic axis; "all" stands where the average class has its labels."""
    numbers = [float(n) for n in columns if n != "all"]
    classes = len(results.facts.get("classes") or []) or 1
    everything = max(float(results.facts.get("train") or 0) / classes, 2 * max(numbers, default=1.0))
    return {n: math.log10(everything if n == "all" else float(n)) for n in columns}


def _classes(results: Results) -> Html:
    """Recall, average precision and confusion of single classes; open where classes are skewed, since one number hides them there."""
    parts = [part for part in (_recall(results), _confusion(results)) if part]
    if not parts:
        return Html("")
    title = tag("summary", "Class by class: recall and confusion")
    return tag("details", title, *parts, open="open" if results.facts.get("skewed") else None)


def _recall(results: Results) -> Html | None:
    entries = _at_primary(results, "per_class")
    if not entries:
        return None
    rows, classes = (list(dict.fromkeys(str(e[name]) for e in entries)) for name in ("row", "class"))
    cells = {(str(e["class"]), str(e["row"])): e for e in entries}
    counts = results.facts.get("class_counts") or {}

    def cell(entry: dict[str, Any] | None) -> Html:
        if entry is None or entry.get("recall") is None:
            return tag("td", "–")
        precision = entry.get("average_precision")
        return tag(
            "td",
            tag("span", percent(entry["recall"]), class_="figure"),
            tag("small", f"AP {percent(precision)}") if precision is not None else "",
        )

    body = [
        [
            tag("th", name, tag("small", plural(int(counts[name]), results.noun)) if name in counts else "", scope="row"),
            *(cell(cells.get((name, row))) for row in rows),
        ]
        for name in classes[:_MOST_CLASSES]
    ]
    caption = "Recall in %, average precision (AP) beneath" + (
        f"; the first {_MOST_CLASSES} of {len(classes)} classes" if len(classes) > _MOST_CLASSES else ""
    )
    return table(["", *(task_title(row) for row in rows)], body, caption=caption, class_="scores")


def _at_primary(results: Results, name: str) -> list[dict[str, Any]]:
    """Entries of a list in results.json that belong to the score that decides."""
    probe, labels = results.primary
    entries: list[dict[str, Any]] = results.facts.get(name) or []
    return [e for e in entries if (e.get("probe", probe), e.get("labels_per_class", labels)) == (probe, labels)]


def _confusion(results: Results) -> Html | None:
    wanted = [entry for entry in _at_primary(results, "confusion") if entry.get("matrix")]
    runs = {score.row for score in results.scores if score.kind == "run"}
    order = [score.row for score in results.primary_scores()]
    chosen = (
        sorted((e for e in wanted if e["row"] in runs), key=lambda e: order.index(e["row"]) if e["row"] in order else 99)[:3] or wanted[:1]
    )
    classes = [str(name) for name in results.facts.get("classes") or []]
    few = len(classes) <= _MOST_CLASSES
    figures = [_confusion_matrix(e, classes, results.noun) if few else _confused_pairs(e, classes) for e in chosen]
    return tag("div", *figures, class_="triple") if figures else None


def _confusion_matrix(entry: dict[str, Any], classes: list[str], noun: str) -> Html:
    """Shares of each true class (rows) in the predicted ones (columns)."""
    numbered = len(classes) <= _MOST_NUMBERED
    body = []
    for name, row in zip(classes, entry["matrix"], strict=False):
        total = sum(row) or 1
        cells = [
            tag(
                "td",
                f"{100 * n / total:.0f}" if numbered and n else "",
                style=f"--share:{100 * n / total:.0f}%",
                title=f"{name}: {count(n)} of {count(total)}",
            )
            for n in row
        ]
        body.append(tag("tr", tag("th", name, scope="row", title=name), *cells))
    head = tag("tr", tag("td"), *(tag("th", name, scope="col", title=name) for name in classes))
    caption = tag("figcaption", f"{task_title(entry['row'])}: where {noun}s of each class (rows) are put (columns), %")
    return tag("figure", caption, tag("div", tag("table", head, *body, class_="confusion"), class_="scroll", tabindex="0"))


def _confused_pairs(entry: dict[str, Any], classes: list[str]) -> Html:
    pairs = [
        (n / (sum(row) or 1), classes[i], classes[j]) for i, row in enumerate(entry["matrix"]) for j, n in enumerate(row) if i != j and n
    ]
    body = [[truth, predicted, f"{100 * share:.0f} %"] for share, truth, predicted in sorted(pairs, reverse=True)[:15]]
    return table(["true class", "taken for", "share"], body, caption=f"{task_title(entry['row'])}: most frequent confusions")


def _notes(results: Results, hidden: Set[str] | None) -> Html:
    """What evaluate wants said. A note that names a file stays away where samples do."""
    facts = results.facts
    unmatched = [str(name) for name in facts.get("unmatched_labels") or []]
    notes = [str(note) for note in facts.get("notes") or []]
    if hidden is not None:
        notes = [note for note in notes if not any(name in note for name in (*hidden, *unmatched))]
    if facts.get("transductive"):
        were = f"the test {results.noun}s were seen, without labels, in pretraining"
        notes.append(f"Transductive: {were}. New {results.noun}s may score a little lower.")
    if facts.get("unlabelled"):
        notes.append(f"{plural(int(facts['unlabelled']), results.noun)} without a label took part in pretraining only.")
    if unmatched:
        named = "" if hidden is not None else ": " + ", ".join(unmatched[:10]) + (" …" if len(unmatched) > 10 else "")
        notes.append(f"{plural(len(unmatched), 'label')} matched no {results.noun}{named}.")
    return tag("ul", *(tag("li", note) for note in notes), class_="notes") if notes else Html("")
